#!/usr/bin/env bats
# What a power cut may leave: the programs that change the queue are recorded,
# and every disk that their system calls allow is looked at
# (tests/crash/README.md). `make check-crash` does more of it.

load ../lib/common

setup() {
	skip_under_sanitizers "their leak check can not be traced"
	skip_under_valgrind "it traces the programs itself"
	command -v strace >/dev/null || skip "strace is not installed"
	strace -f -o "$BATS_TEST_TMPDIR/trace" true 2>"$BATS_TEST_TMPDIR/why" ||
		skip "no process may be traced: $(<"$BATS_TEST_TMPDIR/why")"
	clean_environment
	export SBIN
	BROKEN=$QF_BUILDDIR/tests/crash
	RUNS=$(mktemp -d -p "$(fast_folder)" qfront-crash.XXXXXX)
}

teardown() {
	rm -rf "${RUNS-}"
}

# crash ARGUMENT...: its output is in the file out.
crash() {
	local rc=0

	cd "$BATS_TEST_TMPDIR" || return
	"$PYTHON" -B "$QF_SRCDIR/tests/crash/crash.py" "$@" \
		"$RUNS/runs" >out 2>&1 3>&- || rc=$?
	cat out
	return "$rc"
}

# caught PATTERN...: the last run ended with code 1, and told all of that.
caught() {
	[ "$status" -eq 1 ] || return
	for pattern; do
		grep -Eq -- "$pattern" out || {
			echo "not told: $pattern"
			return 1
		}
	done
}

@test "whenever the power goes: no mail is lost, none is half there" {
	crash
}

@test "each sync is missed when it is left out" {
	crash --leave-out-syncs
}

@test "a queue program that does not sync its files is caught" {
	status=0
	crash --queue-program "$BROKEN/unsynced" --scenario intake || status=$?
	caught 'WRONG: .*todo/[0-9]+ (is damaged|names a damaged message)' \
		'the power goes after step [0-9]+ of' \
		'not on the disk:' ' [0-9]+: .*write\('
}

@test "a queue program that makes the name before the syncs is caught" {
	status=0
	crash --queue-program "$BROKEN/early-link" --scenario intake ||
		status=$?
	caught 'WRONG: .*todo/[0-9]+ (names a damaged message|has no message)' \
		'the power goes after step [0-9]+ of' \
		' [0-9]+: .*linkat\(.*todo/' 'not on the disk:'
	# Its mistake is over when it answers.
	if grep -q 'was taken' out; then
		return 1
	fi
}

@test "a hold and a repair that do not sync what they write are caught" {
	status=0
	crash --control-program "$BROKEN/unsynced-control" --scenario hold \
		--scenario fix-circle-held || status=$?
	caught '^hold: WRONG: .*the attributes of a are' \
		'^fix-circle-held: WRONG: .*the attributes of b are' \
		'^fix-circle-held: WRONG: no sender starts after the repair'
}
