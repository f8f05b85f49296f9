# Helpers of the bats tests: `load ../lib/common` first in each file.
#
# The tests run the programs that `make check` has installed below QF_STAGE.
# Each case has a world of its own, a CONTROLDIR and a QUEUEDIR below
# BATS_TEST_TMPDIR. Nobody sleeps: a case waits for a line that a peer writes,
# with a deadline that only a failure meets.
#
# shellcheck shell=bash

if [[ -z ${QF_STAGE-} || -z ${QF_SRCDIR-} ]]; then
	echo "QF_STAGE and QF_SRCDIR are not set: run the tests with" \
		"make check (one file: make check TESTS=tests/.../NAME.bats)" >&2
	exit 1
fi

# The programs as installed, and the plugins.
# shellcheck disable=SC2034 # the test files use them
{
	SBIN=$QF_STAGE${QF_SBINDIR-}
	PROTOCOLS=$QF_STAGE${QF_LIBEXECDIR-}/qfront/protocols
	COMPAT=$QF_STAGE${QF_LIBEXECDIR-}/qfront/compat
	PLUGINS=$QF_STAGE${QF_LIBDIR-}/qfront/plugins
	TESTLIB=$QF_SRCDIR/tests/lib
	PYTHON=/usr/bin/python3 # Debian's, which has aiosmtpd and dkimpy
}

# Seconds after which a wait has failed; valgrind is slow.
PATIENCE=60
[[ -z ${QF_VALGRIND-} ]] || PATIENCE=300

# Variables that callers of a qmail-queue program set: none leaks in from the
# shell that started the tests.
clean_environment() {
	unset QMAILQUEUE NULLQUEUE QUEUEPROG ERROR_FD DEATH MIN_FREE CONTROLDIR \
		QUEUEDIR PLUGINDIR PROTOCOLDIR QFRONT_SOCKET QFRONT_CHAIN \
		RELAYCLIENT TCPREMOTEIP TCPREMOTEHOST QHPSI SPAMFILTER \
		FILTERARGS DKIMSIGN DKIMVERIFY DKIMKEY AUTHINFO \
		DKIMQUEUE SPAMQUEUE QQF_QMAILQUEUE \
		RELAYCLIENT_NODKIMVERIFY RELAYCLIENT_NOSPAMFILTER
}

# A world with an empty queue: CONTROLDIR with the name `me`, nothing else.
make_world() {
	clean_environment
	umask 022
	WORLD=$BATS_TEST_TMPDIR/world
	export CONTROLDIR=$WORLD/control QUEUEDIR=$WORLD/queue
	mkdir -p "$CONTROLDIR/plugins"
	control me test.example
	"$SBIN/qfrontctl" queue init
}

# control NAME [LINE...]: writes a control file.
control() {
	local name=$1

	shift
	if (($#)); then
		printf '%s\n' "$@"
	fi >"$CONTROLDIR/$name"
}

# A small message on standard output, for those who need no special one.
message() {
	printf '%s\n' 'From: <sender@test.example>' \
		'To: <rcpt@test.example>' 'Subject: a test' '' 'Hello.'
}

# envelope SENDER RCPT...: the bytes for descriptor 1.
envelope() {
	printf 'F%s\0' "$1"
	shift
	(($# == 0)) || printf 'T%s\0' "$@"
	printf '\0'
}

# passed_marked STAGE FILE ORIGINAL: FILE is the message ORIGINAL with the mark
# of a stage that broke on top, and nothing else.
passed_marked() {
	[[ $(head -n 1 "$2") =~ ^X-Qfront-Tag:\ [a-z]+\ broken\ $1$ ]] &&
		tail -n +2 "$2" | cmp - "$3"
}

# inject MESSAGE-FILE ENVELOPE-FILE [ARGUMENT...]: one run of qfront.
inject() {
	local msg=$1 env=$2

	shift 2
	"$SBIN/qfront" "$@" 0<"$msg" 1<"$env"
}

# files DIR: how many regular files are below it.
files() {
	find "$1" -type f | wc -l
}

# queued: how many messages wait in the queue, delivered or not.
queued() {
	files "$QUEUEDIR/mess"
}

# Nothing half-done and nothing whole: every folder of messages is empty.
queue_is_empty() {
	local left

	left=$(cd "$QUEUEDIR" && find . -type f ! -path './lock/*')
	[[ -z $left ]] || {
		echo "left in the queue:"
		echo "$left"
		return 1
	}
}

# lacks PATTERN FILE: no line of it is like that.
lacks() {
	! grep -E -- "$1" "$2"
}

# wait_for_line FD PATTERN: reads lines from descriptor FD until one matches
# the extended regular expression; leaves it in LINE and its groups in
# BASH_REMATCH.
wait_for_line() {
	local fd=$1 pattern=$2 end=$((SECONDS + PATIENCE)) left rc

	while left=$((end - SECONDS)) && ((left > 0)); do
		rc=0
		IFS= read -r -t "$left" -u "$fd" LINE || rc=$?
		[[ ! $LINE =~ $pattern ]] || return 0
		((rc <= 128)) || break # the deadline
		((rc == 0)) || {
			echo "end of output without a line like: $pattern"
			return 1
		}
	done
	echo "no line in $PATIENCE s like: $pattern"
	return 1
}

# start_peer COMMAND...: runs a helper in the background. PEER_PID is its
# process, PEER_FD reads its standard output; stop_peers ends it.
PEERS=()
start_peer() {
	local fifo

	fifo=$BATS_TEST_TMPDIR/peer.${#PEERS[@]}
	rm -f "$fifo"
	mkfifo "$fifo"
	"$@" >"$fifo" 3>&- </dev/null &
	PEER_PID=$!
	PEERS+=("$PEER_PID")
	# shellcheck disable=SC2034 # the test files use it
	exec {PEER_FD}<"$fifo"
}

# start_sink [OPTION...]: a real SMTP server that keeps each message below
# SINK; PORT is where it listens (tests/lib/sink.py).
start_sink() {
	SINK=$BATS_TEST_TMPDIR/sink
	mkdir -p "$SINK"
	start_peer "$PYTHON" "$TESTLIB/sink.py" "$@" "$SINK"
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	PORT=${BASH_REMATCH[1]}
}

# start_fake [OPTION...] SCRIPT-FILE: an SMTP server that says what the script
# says; PORT is where it listens (tests/lib/fakesmtp.py).
start_fake() {
	start_peer "$PYTHON" "$TESTLIB/fakesmtp.py" "$@"
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	# shellcheck disable=SC2034 # the test files use it
	PORT=${BASH_REMATCH[1]}
}

# wait_for_peer: waits for the helper started last; its exit code.
wait_for_peer() {
	wait "$PEER_PID"
}

# Ends the helpers and waits for them: put it into teardown().
stop_peers() {
	local pid

	for pid in "${PEERS[@]}"; do
		kill -TERM "$pid" 2>/dev/null || :
	done
	for pid in "${PEERS[@]}"; do
		wait "$pid" 2>/dev/null || :
	done
	PEERS=()
}

# For what runs hundreds of programs or measures memory: the reason is printed
# with the results.
skip_under_valgrind() {
	[[ -z ${QF_VALGRIND-} ]] || skip "$1; the other builds run it"
}

skip_under_sanitizers() {
	[[ -z ${QF_SANITIZED-} ]] || skip "$1; the other builds run it"
}

# For what a daemon does otherwise (tests/lib/warm).
skip_when_warm() {
	[[ -z ${QF_WARM-} ]] || skip "$1"
}

# A place in memory, for thousands of runs that need no disk: that a sync is
# called is seen there as well.
fast_folder() {
	if [[ -d /dev/shm && -w /dev/shm ]]; then
		echo /dev/shm
	else
		echo "$BATS_TEST_TMPDIR"
	fi
}

# json PYTHON: what is printed of the JSON on standard input, which is `d`.
json() {
	"$PYTHON" -c "import json, sys
d = json.load(sys.stdin)
print($1)"
}
