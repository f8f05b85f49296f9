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

@test "the driver gives files to programs, and counts the processor" {
	"$DRIVER" --size 5000 "$NOOP" message
	cp message third
	printf '#!/bin/sh\ncat >>zero\ncat <&3 >>three\n' >both
	chmod +x both
	run "$DRIVER" --feed 3 --cpu 1 --ms 0 --least 3 "$PWD/both" \
		<message 3<third
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output =~ ^3\ [0-9]+\ ([0-9]+)(\ [0-9]+){3}$ ]]
	((BASH_REMATCH[1] > 0))
	cat message message message | cmp - zero
	cmp zero three
	run "$DRIVER" --feed 3 "$PWD/both" <message 3<&-
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

# A cache of packages with a nullmailer-queue that does what this line says.
fake_nullmailer() {
	[[ ! -e /usr/sbin/nullmailer-queue ]] || skip "nullmailer is installed"
	mkdir -p peers/nullmailer/usr/sbin
	printf '#!/bin/sh\n%s\n' "$1" >peers/nullmailer/usr/sbin/nullmailer-queue
	chmod +x peers/nullmailer/usr/sbin/nullmailer-queue
}

@test "queue: every row and every target is there" {
	fake_nullmailer "cat >\$NULLMAILER_TEST_PREFIX/queue/queue/\$\$"
	"$QF_SRCDIR/bench/queue" --quick --seed 7 --dir . --peers peers \
		--depths 10,1000000000000 --json records.json --save . >report
	cat report
	cmp report queue.txt
	cmp records.json queue.json
	[ "$(grep -c ' callers\?, 2 rounds$' report)" -eq 2 ]
	for row in floor 'qfront-queue' 'qfront cold' 'qfront warm' \
		nullmailer-queue; do
		[ "$(grep -c "^$row  *[0-9.]* .* [0-9]\$" report)" -ge 2 ]
	done
	for peer in 'postfix sendmail' 'postfix smtpd'; do
		grep -q "^$peer" report
	done
	grep -q '^1000000000000 queued: not measured: ' report
	[ "$(grep -c '(target ' report)" -eq 10 ]
	cat >check.py <<-'END'
		import json
		j = json.load(open("records.json"))
		assert j["quick"] and j["seed"] == 7 and j["filesystem"]
		assert len(j["rows"]) == 2 * (7 - len(j["missing"]))
		rows = {(r["name"], r["callers"]): r for r in j["rows"]}
		assert all(r["messages"] >= 2 * r["callers"] and r["rate"] > 0
		    for r in j["rows"])
		assert all(0 < r["p50"] <= r["p90"] <= r["p99"] <= r["max"]
		    for r in j["rows"] if r["name"] != "postfix smtpd")
		for n in (1, 3):
		    assert rows["qfront-queue", n]["vs_nullmailer"] > 0
		    assert rows["nullmailer-queue", n]["vs_nullmailer"] is None
		calls = {c["name"]: c for c in j["calls"]}
		if calls:
		    own = calls["qfront-queue"]
		    assert 10 < own["calls"] < 500
		    assert 0 < own["waits"] <= own["syncs"] < 10
		    assert calls["floor"]["syncs"] == calls["floor"]["waits"] == 0
		    assert calls["qfront warm: daemon, 3 callers"]["syncs"] > 0
		else:
		    assert j["calls_why_not"]
		few, many = j["depths"]
		assert few["depth"] == 10 and few["peak_mib"] > 0
		assert few["first_line_ms"] > 0
		assert few["list_s"] > 0 and few["list_mib"] > 0
		assert [a["callers"] for a in few["accept"]] == [1, 3]
		assert all(a["vs_base"] > 0 for a in few["accept"])
		assert many["why_not"]
		assert len(j["targets"]) == 10
	END
	"$PYTHON" check.py
}

@test "queue: syncs that overlap are one wait" {
	cat >trace <<-'END'
		7  100.000000 execve("/x", ["x"], 0x7 /* 1 var */) = 0 <0.000300>
		7  100.001000 fsync(3 <unfinished ...>
		8  100.002000 fdatasync(4) = 0 (DELAYED) <0.001000>
		7  100.004000 <... fsync resumed>) = 0 (DELAYED) <0.003000>
		7  100.005000 fsync(5) = 0 <0.001000>
		7  100.006000 write(1, "<0.1>", 5) = 5 <0.000100>
		7  100.007000 exit_group(0) = ?
		7  100.008000 +++ exited with 0 +++
	END
	PYTHONPATH=$QF_SRCDIR/bench PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -c '
import syscalls
look = syscalls.read_trace("trace")
print(look)
assert look == syscalls.Look(calls=6, syncs=3, waits=2)'
}

@test "queue: a queue that takes nothing ends it" {
	fake_nullmailer 'cat >/dev/null'
	run "$QF_SRCDIR/bench/queue" --quick --dir . --peers peers
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"nullmailer-queue: 0 messages are queued after one"* ]]
}

@test "queue: a file system in memory is refused" {
	[[ $(df --output=fstype /dev/shm 2>&1) == *tmpfs* ]] ||
		skip "/dev/shm is no tmpfs"
	run "$QF_SRCDIR/bench/queue" --offline --dir /dev/shm
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"nothing is durable"* ]]
}

# sink OPTION...: starts one; its port is $port, and `seen N` asks it.
sink() {
	local line

	# It ends with its standard input.
	coproc SINK { exec "$QF_BUILDDIR/bench/sink" "$@" 3>&-; }
	exec {from}<&"${SINK[0]}" {to}>&"${SINK[1]}"
	eval "exec ${SINK[0]}<&- ${SINK[1]}>&-"
	read -r line <&"$from"
	port=${line#port }
}

seen() {
	echo "$1" >&"$to"
	read -r -t 60 line <&"$from"
	echo "$line"
}

@test "the sink counts what a client does" {
	sink --pipelining 1 --chunking 1 --delay 20
	printf '%s\r\n' 'EHLO x' 'MAIL FROM:<a@b.example>' \
		'RCPT TO:<c@d.example>' DATA >>first
	printf '%s\r\n' '..' 'a message' . 'RSET' 'MAIL FROM:<>' \
		'RCPT TO:<c@d.example>' 'BDAT 5' >second
	printf 'abcdeBDAT 3\r\nfghBDAT 0 LAST\r\nquit\r\n' >>second
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	read -r line <&4
	[ "$line" = $'220 sink.example\r' ]
	cat first >&4
	until [[ $line == 354* ]]; do read -r line <&4; done
	cat second >&4
	cat <&4 >answers
	exec 4>&-
	# Of the message, RSET, MAIL, RCPT, three chunks, QUIT.
	[ "$(tr -d '\r' <answers)" = "$(printf '%s\n' '250 taken' '250 ok' \
		'250 ok' '250 ok' '250 ok' '250 ok' '250 taken' '221 bye')" ]
	seen 2
	[[ $line =~ ^messages\ 2\ bytes\ 23\ connections\ 1\ handshakes\ 0 ]]
	[[ $line =~ \ resumed\ 0\ flights\ 2\ us\ ([0-9]+)$ ]]
	((BASH_REMATCH[1] >= 40000))
	seen 0
	[[ $line == "messages 0 bytes 0 connections 0"*" us 0" ]]
	exec {to}>&-
	[ -z "$(cat <&"$from")" ]
	run "$QF_BUILDDIR/bench/sink" --tls 1
	[ "$status" -eq 1 ]
	[[ $output == *"needs a certificate"* ]]
}

@test "remote: every row and every target is there" {
	"$QF_SRCDIR/bench/remote" --quick --seed 7 --peers peers \
		--json records.json --save . >report
	cat report
	cmp report remote.txt
	cmp records.json remote.json
	[ "$(grep -c ', 2 rounds$' report)" -eq 7 ]
	[ "$(grep -c '(target ' report)" -eq 18 ]
	cat >check.py <<-'END'
		import json
		j = json.load(open("records.json"))
		assert j["quick"] and j["seed"] == 7
		rows = {(r["group"], r["name"], r["size"]): r for r in j["rows"]}
		assert len(rows) == len(j["rows"])
		for name in ("postfix smtp", "msmtp", "nullmailer smtp"):
		    assert (name in j["missing"]) != any(
		        r["name"] == name for r in j["rows"]), name
		assert all(r["rate"] > 0 for r in j["rows"])
		def site(name, field):
		    return rows["site", name, 4096][field]
		# What does not depend on the machine's speed.
		assert site("reused", "trips") == 2
		assert site("reused, CHUNKING", "trips") == 1
		assert site("reused, no pipelining", "trips") == 4
		assert site("TLS reused, CHUNKING", "trips") == 1
		assert site("reused", "connections") == 0.333
		assert site("new", "connections") == 1
		assert site("TLS reused", "full") == 0.333
		assert site("TLS new", "full") == 0.333
		assert site("TLS new", "resumed") == 0.667
		for name in ("qfront-remote", "qfront-smtp"):
		    for group in ("one", "quick", "tls"):
		        r = rows[group, name, 4096]
		        assert r["connections"] == 1 and r["cpu"] > 0
		        assert r["full"] == (group == "tls")
	END
	"$PYTHON" check.py
}

@test "remote: a message that is not sent ends it" {
	mkdir -p build/bench
	ln -s "$QF_BUILDDIR"/bench/* build/bench
	printf '#!/bin/sh\necho broken >&2\nexit 1\n' >carry
	chmod +x carry
	ln -sfn "$PWD/carry" build/bench/carry
	QF_BUILDDIR=$PWD/build run "$QF_SRCDIR/bench/remote" --quick --offline
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"reused"*"broken"* ]]
}
