#!/usr/bin/env bats
# Many callers at once, some of which are killed: what got exit code 0 is in
# the queue, what is there is whole, and the sender delivers exactly that
# (tests/lib/kills.py). `make check-crash` does it with 1,000 messages of each
# caller.

load ../lib/common

setup() {
	skip_under_valgrind "hundreds of programs"
	clean_environment
	export SBIN
	cd "$BATS_TEST_TMPDIR" || return
}

# kills ARGUMENT...: its output is in the file out, the values in VALUE.
kills() {
	local rc=0 name value

	"$PYTHON" -B "$TESTLIB/kills.py" "$@" world >out 2>&1 3>&- || rc=$?
	cat out
	declare -gA VALUE=()
	while read -r name value; do
		VALUE[$name]=$value
	done <out
	return "$rc"
}

# kills_preloaded ARGUMENT...: with the library that kills at system calls.
kills_preloaded() {
	skip_under_sanitizers "their runtime must be loaded first"
	SBIN=$QF_BUILDDIR/tests/stage-dynamic${QF_SBINDIR-}
	kills --fault-so "$QF_BUILDDIR/tests/lib/.libs/fault.so" "$@"
}

# had CALLS: so many, of each kind some.
had() {
	((VALUE[calls] == $1 && VALUE[killed] > 0 && VALUE[refused] > 0 &&
		VALUE[zero] > VALUE[killed] && VALUE[found] == VALUE[whole]))
}

@test "what 32 callers queue is there, whoever of them is killed" {
	kills --messages 20
	had 640
}

@test "the same with kills at each step" {
	kills_preloaded --messages 10
	had 320
	((VALUE[litter] > 0))
}

@test "the same with the steps of qmail-queue, where files need names" {
	kills_preloaded --named --messages 10
	had 320
	((VALUE[litter] > 0))
}

@test "the same through the front end" {
	kills --messages 6 --program qfront --chain 'size max-message=1M'
	had 192
}

@test "a queue program that takes mail and forgets it is caught" {
	cat >liar <<-'END'
		#!/bin/sh
		cat >/dev/null
		exec cat <&1 >/dev/null
	END
	chmod 755 liar
	status=0
	kills --callers 2 --messages 3 --program "$PWD/liar" || status=$?
	[ "$status" -eq 1 ]
	grep -q '^WRONG: call 0: status 0, not queued' out
}

@test "a queue program that loses the end of a message is caught" {
	cat >cutter <<-'END'
		#!/bin/sh
		head -c 100 >"$OUT.$$"
		exec "$SBIN/qfront-queue" <"$OUT.$$"
	END
	chmod 755 cutter
	status=0
	kills --callers 2 --messages 3 --program "$PWD/cutter" || status=$?
	[ "$status" -eq 1 ]
	grep -Eq '^WRONG: mess/[0-9]+: not the message of call 0' out
}
