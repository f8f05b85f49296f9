# The benchmarks work: what they measure is for those who run them
# (bench/README.md).

load ../lib/common

setup() {
	clean_environment
	skip_under_valgrind "a benchmark"
	skip_under_sanitizers "a benchmark"
	cd "$BATS_TEST_TMPDIR"
	DRIVER=$QF_BUILDDIR/bench/driver
	NOOP=$QF_BUILDDIR/bench/noop
}

# holds FILE EXPRESSION: true for the object j in the file.
holds() {
	"$PYTHON" -c 'import json, sys
j = json.load(open(sys.argv[1]))
rows = {(r["filter"], r["way"], r["size"], r["callers"]): r for r in j["rows"]}
print(sys.argv[2])
sys.exit(not eval(sys.argv[2]))' "$1" "$2"
}

@test "the driver counts messages, and ends at a wrong exit code" {
	run "$DRIVER" --callers 3 --ms 0 --least 5 --size 5000 "$NOOP"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	for line in "${lines[@]}"; do
		[[ $line =~ ^5\ [0-9]+(\ [0-9]+){5}$ ]]
	done
	run "$DRIVER" --callers 3 --code 7 "$NOOP"
	[ "$status" -eq 1 ]
	[[ $output == *"noop: exit code 0, expected 7"* ]]
	run "$DRIVER" "$BATS_TEST_TMPDIR/nosuch"
	[ "$status" -eq 1 ]
	[[ $output == *"nosuch: exit code 120, expected 0"* ]]
	"$DRIVER" --size 10485760 "$NOOP" kept
	[ "$(stat -c %s kept)" -eq 10485760 ]
}

@test "the driver looks at system calls and memory" {
	for size in 4096 10485760; do
		run "$DRIVER" --trace 1 --size "$size" "$NOOP"
		echo "$output"
		[ "$status" -eq 0 ]
		[[ $output =~ ^calls\ ([0-9]+)\ peak\ ([0-9]+)$ ]]
		((BASH_REMATCH[1] > 10 && BASH_REMATCH[2] > 100))
	done
	run "$DRIVER" --trace 1 --code 7 "$NOOP"
	[ "$status" -eq 1 ]
}

@test "frontend: every row and every target is there" {
	"$QF_SRCDIR/bench/frontend" --quick --seed 7 --json records.json \
		--save . >report
	cat report
	cmp report frontend.txt
	cmp records.json frontend.json
	[ "$(grep -c ' callers\?, 2 rounds$' report)" -eq 6 ]
	[ "$(grep -c '^floor ' report)" -eq 6 ]
	[ "$(grep -c '^dkim warm ' report)" -eq 6 ]
	[ "$(grep -c '(target ' report)" -eq 7 ]
	[ "$(grep -c 'not measured' report)" -eq 0 ]
	holds records.json 'j["quick"] and j["seed"] == 7'
	holds records.json 'len(rows) == len(j["rows"]) == 42'
	holds records.json 'all(j["origin"][k] for k in
		("commit", "date", "kernel", "machine", "cpus"))'
	holds records.json 'all(r["messages"] == 2 * r["callers"] and
		0 < r["p50"] <= r["p90"] <= r["p99"] <= r["max"] and
		r["rate"] > 0 and r["vs_floor"] > 0 for r in j["rows"])'
	holds records.json 'rows["dkim", "warm", 4096, 1]["vs_cold"] > 0'
	holds records.json 'rows["dkim", "cold", 4096, 1]["vs_cold"] is None'
	holds records.json 'len(j["targets"]) == 7'
}

@test "frontend: a program that fails ends it" {
	printf '#!/bin/sh\necho broken >&2\nexit 81\n' >qfront
	chmod +x qfront
	mkdir -p "root$QF_SBINDIR" "root${QF_LIBEXECDIR%/*}"
	ln -s "$SBIN"/* "root$QF_SBINDIR"
	ln -sfn "$PWD/qfront" "root$QF_SBINDIR/qfront"
	ln -s "$QF_STAGE$QF_LIBEXECDIR" "root$QF_LIBEXECDIR"
	QF_STAGE=$PWD/root run "$QF_SRCDIR/bench/frontend" --quick
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"broken"*"exit code 81, expected 0"* ]]
}
