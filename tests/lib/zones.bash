# Helpers of tests with a name server of their own: `load ../lib/zones` after
# common. One server is for all cases of a file: start_zones in setup_file,
# stop_zones in teardown_file.
#
# shellcheck shell=bash

# start_zones <DESCRIPTION: nsd with these zones (tests/lib/zones.py). ZONES is
# a folder with `anchor`, the file where proofs start; NAMESERVER its address.
start_zones() {
	export ZONES=$BATS_FILE_TMPDIR/zones NAMESERVER
	local fifo=$BATS_FILE_TMPDIR/zones.port description fd

	description=$BATS_FILE_TMPDIR/zones.txt
	cat >"$description"
	mkfifo "$fifo"
	"$PYTHON" "$TESTLIB/zones.py" "$description" "$ZONES" \
		>"$fifo" 3>&- </dev/null &
	echo "$!" >"$BATS_FILE_TMPDIR/zones.pid"
	exec {fd}<"$fifo"
	wait_for_line "$fd" '^([0-9]+)$'
	exec {fd}<&-
	NAMESERVER=127.0.0.1:${BASH_REMATCH[1]}
}

stop_zones() {
	local pid

	[[ -s $BATS_FILE_TMPDIR/zones.pid ]] || return 0
	pid=$(<"$BATS_FILE_TMPDIR/zones.pid")
	kill -TERM "$pid" 2>/dev/null || return 0
	tail --pid="$pid" -f /dev/null
}

# use_zones: a CONTROLDIR whose programs ask that server and believe its keys.
use_zones() {
	export CONTROLDIR=$BATS_TEST_TMPDIR/control

	mkdir -p "$CONTROLDIR"
	printf '%s\n' "nameserver $NAMESERVER" "trust-anchor $ZONES/anchor" \
		>"$CONTROLDIR/resolver"
}

# resolve ARGUMENT...: tests/lib/resolve.c; -u for answers that it proves.
resolve() {
	local runner=("$QF_BUILDDIR/tests/lib/resolve")

	[[ -z ${QF_VALGRIND-} ]] || runner=("$TESTLIB/valgrind" "${runner[@]}")
	"${runner[@]}" -c "$CONTROLDIR" "$@"
}

# resolves_to LINES ARGUMENT...: the same, and that is what it prints.
resolves_to() {
	local want=$1 got

	shift
	got=$(resolve "$@" || :)
	[[ $got == "$want" ]] || {
		printf '%s: got\n%s\nwanted\n%s\n' "$*" "$got" "$want"
		return 1
	}
}
