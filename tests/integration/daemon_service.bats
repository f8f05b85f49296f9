# The daemon as a service: how it starts, what it tells a service manager, how
# it stops, and what it says when it can not run.

load ../lib/common
load ../lib/daemon

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export QFRONT_METRICS=$BATS_TEST_TMPDIR/metrics
	control_users
	message >m
	envelope sender@test.example rcpt@test.example >e
	gate
}

teardown() {
	end_daemon
	stop_peers
}

# start_service [OPTION...]: under a service manager of ours, ready.
start_service() {
	export QFRONT_SOCKET=$BATS_TEST_TMPDIR/socket
	start_peer "$PYTHON" "$TESTLIB/service.py" "$@" \
		"$SBIN/qfrontd" --socket "$QFRONT_SOCKET" 2>>log.txt
	await_service
}

# It has started, anew or for the first time, and serves.
await_service() {
	wait_for_line "$PEER_FD" '^pid ([0-9]+)$'
	SERVICE=${BASH_REMATCH[1]}
	wait_for_line "$PEER_FD" '^said READY=1 STATUS=serving generation 1$'
}

# One whose message is in the stage that waits: `client`.
start_client() {
	inject m e 2>client.txt &
	client=$!
	wait_until [ -s open/entered ]
}

# refused_to_start CODE PATTERN [OPTION...]: it says why on standard error.
refused_to_start() {
	local code=0

	"$SBIN/qfrontd" "${@:3}" 2>why.txt </dev/null || code=$?
	cat why.txt
	[ "$code" -eq "$1" ]
	grep -qE -- "$2" why.txt
}

# Service managers.

@test "it says when it serves, reloads and stops" {
	start_service
	kill -HUP "$SERVICE"
	wait_for_line "$PEER_FD" '^said RELOADING=1 MONOTONIC_USEC=[0-9]+$'
	wait_for_line "$PEER_FD" '^said READY=1 STATUS=serving generation 2$'
	# One that does not load is no end, but it is told.
	control chain nosuchplugin
	wait_for_line "$PEER_FD" '^said RELOADING=1 '
	wait_for_line "$PEER_FD" \
		'^said READY=1 STATUS=generation 3 failed: .*chain:1.*nosuchplugin'
	kill -TERM "$SERVICE"
	wait_for_line "$PEER_FD" '^said STOPPING=1$'
	wait_for_line "$PEER_FD" '^exit 0$'
}

@test "a socket that is handed over is used, and stays when it ends" {
	start_service --listen "$BATS_TEST_TMPDIR/socket"
	inject m e
	[ "$(queued)" -eq 1 ]
	kill -TERM "$SERVICE"
	wait_for_line "$PEER_FD" '^exit 0$'
	[ -S "$QFRONT_SOCKET" ]
	# Who comes meanwhile waits for the next one.
	inject m e 2>client.txt &
	client=$!
	kill -USR1 "$PEER_PID"
	await_service
	wait "$client"
	[ "$(queued)" -eq 2 ]
	# It was the daemon that served it.
	[ ! -s client.txt ]
}

@test "what is handed over must be one socket of the right kind" {
	export QFRONT_SOCKET=$BATS_TEST_TMPDIR/socket
	handed() {
		exec 3<"$1"
		LISTEN_PID=$BASHPID LISTEN_FDS=$2 exec "$SBIN/qfrontd"
	}
	for n in 1 2; do
		code=0
		(handed m "$n") 2>why.txt || code=$?
		[ "$code" -eq 1 ]
		grep -q 'ListenSequentialPacket=' why.txt
	done
}

# Start.

@test "a configuration that does not load keeps it from starting, with the line" {
	export QFRONT_SOCKET=$BATS_TEST_TMPDIR/socket
	control chain '# a comment' 'size max-massage=1M'
	refused_to_start 78 'chain:2: .*max-massage'
	[ ! -e "$QFRONT_SOCKET" ]
	control chain
	control workersmax many
	refused_to_start 78 'workersmax:1: '
	rm "$CONTROLDIR/workersmax"
	control daemonusers 'dispatcher no-such-user-here' 'filter 0' 'sign 0'
	((EUID != 0)) || refused_to_start 78 \
		'daemonusers:1: .*no-such-user-here.*useradd'
}

@test "wrong options and places are refused, with what to do" {
	local QFRONT_SOCKET=$BATS_TEST_TMPDIR/socket

	refused_to_start 64 '--ready-fd needs a number' --ready-fd none
	refused_to_start 64 '--store-workers needs a number from 1' \
		--store-workers 0
	refused_to_start 64 '--sockets: no such option' --sockets x
	refused_to_start 64 'no place for the socket'
	refused_to_start 1 'm is there and is no socket' --socket "$PWD/m"
	[ -s m ]
	refused_to_start 1 'longer than' --socket "$PWD/$(printf '%0120d' 0)"
	refused_to_start 1 'nowhere' --socket "$PWD/nowhere/to/be"
}

@test "the socket of one that was killed is taken over, of one that runs not" {
	start_daemon
	refused_to_start 1 'another qfrontd is running' --socket "$QFRONT_SOCKET"
	inject m e
	kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" || :
	[ -S "$QFRONT_SOCKET" ]
	start_daemon
	inject m e
	[ "$(queued)" -eq 2 ]
	stop_daemon
}

# Stop.

@test "TERM: what has come in is finished, the next caller runs without it" {
	control chain "filter command='$GATE'"
	start_daemon
	start_client
	kill -TERM "$DAEMON_PID"
	no_socket() {
		[[ ! -e $QFRONT_SOCKET ]]
	}
	wait_until no_socket
	# This one finds nobody, and runs the same chain itself.
	inject m e 2>cold.txt &
	cold=$!
	wait_until entered 2
	open_gate
	wait "$client"
	wait "$cold"
	wait "$DAEMON_PID"
	DAEMON_PID=
	[ "$(queued)" -eq 2 ]
	grep -q 'stage name=filter verdict=pass' cold.txt
	logged 'stage name=filter verdict=pass'
}

@test "TERM twice: it ends at once, and who waits is told to try again" {
	control chain "filter command='$GATE'"
	start_daemon
	start_client
	kill -TERM "$DAEMON_PID"
	wait_until logged 'stopping requests=1'
	kill -TERM "$DAEMON_PID"
	code=0
	wait "$client" || code=$?
	wait "$DAEMON_PID" || :
	DAEMON_PID=
	[ "$code" -ge 51 ]
	queue_is_empty
}

@test "TERM to all of its processes: what has come in is finished as well" {
	control chain "filter command='grep SigIgn /proc/self/status >$PWD/open/ign; cat'" \
		"filter@gate command='$GATE'"
	start_daemon
	start_client
	mapfile -t -d " " kids <"/proc/$DAEMON_PID/task/$DAEMON_PID/children"
	# Of a terminal, and then of a service manager.
	kill -HUP "${kids[@]}"
	kill -INT "${kids[@]}"
	kill -TERM "${kids[@]}" "$DAEMON_PID"
	wait_until logged 'stopping requests=1'
	echo >open/gate
	wait "$client"
	wait "$DAEMON_PID"
	DAEMON_PID=
	[ "$(queued)" -eq 1 ]
	lacks 'signal=[1-9]' "$DAEMON_LOG"
	# What filters start knows nothing of that.
	cat open/ign
	read -r _ ignored <open/ign
	(((16#$ignored & (1 << 14 | 1 << 1 | 1 << 0)) == 0))
}

@test "the dispatcher or a zygote killed: no copy of mail stays in TMPDIR" {
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir -m 1777 "$TMPDIR"
	control chain "filter command='cat >\$TMPDIR/copy; cat \$TMPDIR/copy'" \
		"filter@gate command='$GATE'"
	copies() {
		[[ $(find "$TMPDIR" -name copy | wc -l) == "$1" ]]
	}
	start_daemon
	start_client
	copies 1
	# Another generation leaves what is in use.
	kill -HUP "$DAEMON_PID"
	wait_until logged 'serving generation=2'
	copies 1
	zygotes=$(role_pids filter)
	kill -KILL "$(role_pids dispatcher)"
	wait_until copies 0
	wait "$client" || :
	for pid in $zygotes; do
		wait_until logged "ended role=filter child=$pid exit=0"
	done
	# The zygote has no time for it: the next one does it.
	wait_until logged 'serving generation=3'
	: >open/entered
	start_client
	copies 1
	kill -KILL "$(role_pids filter)"
	wait "$client" || :
	wait_until copies 0
	wait_until logged 'serving generation=4'
	stop_daemon
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "nothing is left of it: no process, no folder, no socket" {
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir -m 1777 "$TMPDIR"
	control chain "filter command='sleep 9999 >/dev/null 2>&1 & exec cat'" \
		'size max-message=1M'
	start_daemon
	for _ in 1 2 3; do
		inject m e
	done
	pids=$(role_pids worker filter)
	[ -n "$pids" ]
	stop_daemon
	for pid in $pids; do
		[ ! -e "/proc/$pid" ]
	done
	[ -z "$(ls -A "$TMPDIR")" ]
	[ ! -e "$QFRONT_SOCKET" ]
}

# The master.

@test "the master killed: its processes end, and callers run without it" {
	start_daemon
	pids=$(<"/proc/$DAEMON_PID/task/$DAEMON_PID/children")
	kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" || :
	DAEMON_PID=
	all_gone() {
		local pid

		for pid in $pids; do
			[[ ! -e /proc/$pid ]] || return 1
		done
	}
	wait_until all_gone
	inject m e 2>client.txt
	[ "$(queued)" -eq 1 ]
}

@test "a child that it was started with is not its to end" {
	mkfifo lines
	exec {log}<>lines
	# As a run script pipes the log somewhere.
	piped() {
		exec "$SBIN/qfrontd" --socket "$PWD/socket" 2> >(exec cat >lines)
	}
	piped </dev/null >/dev/null 3>&- &
	DAEMON_PID=$!
	wait_for_line "$log" 'serving generation=1'
	store=$(role_pids store | head -n 1)
	kill -KILL "$store"
	wait_for_line "$log" "ended role=store child=$store .*signal=9"
	wait_for_line "$log" 'started role=store'
	kill -TERM "$DAEMON_PID"
	wait_for_line "$log" 'ended role=dispatcher .*exit=0'
	wait "$DAEMON_PID"
	DAEMON_PID=
}

# What can fail later.

@test "workers and configuration lost: 55 for now, until one loads" {
	control chain 'size max-message=1M'
	start_daemon
	inject m e
	control chain nosuchplugin
	wait_until logged 'configuration not loaded generation=2'
	# Those of the one that did not load may still be there.
	kill -KILL "$(role_pids filter | head -n 1)"
	wait_until logged 'configuration not loaded generation=3'
	code=0
	inject m e || code=$?
	[ "$code" -eq 55 ]
	run "$SBIN/qfrontctl" status
	[[ $output == *'NONE SERVES'*nosuchplugin* ]]
	# The same after the dispatcher has gone too.
	kill -KILL "$(role_pids dispatcher)"
	wait_until logged 'started role=dispatcher' 2
	code=0
	inject m e || code=$?
	((code > 50))
	control chain 'size max-message=2M'
	served() {
		inject m e
	}
	wait_until served
	stop_daemon
}
