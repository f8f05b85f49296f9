# A daemon for the tests: `load ../lib/daemon` after common, make_world first.
#
# As root its roles get users of their own, by number. Where these could not
# read the programs (a checkout in somebody's home), all roles stay root.
#
# shellcheck shell=bash

ROLE_UIDS=(70001 70002 70003) # dispatcher, filter, sign

roles_are_apart() {
	((EUID == 0)) && setpriv --reuid "${ROLE_UIDS[1]}" --regid \
		"${ROLE_UIDS[1]}" --clear-groups test -r "$PLUGINS" \
		-a -x "$SBIN/qfrontd" -a -r "$CONTROLDIR"
}

# Writes the control file daemonusers, where it is needed.
control_users() {
	local uids=("${ROLE_UIDS[@]}")

	((EUID == 0)) || return 0
	# The folder of one run of bats is nobody else's at first.
	chmod 755 "$BATS_RUN_TMPDIR"
	# Nor could they write valgrind's logs.
	[[ -z ${QF_VALGRIND-} ]] && roles_are_apart || uids=(0 0 0)
	control daemonusers "dispatcher ${uids[0]}" "filter ${uids[1]}" \
		"sign ${uids[2]}" 'store 0'
}

# start_daemon [OPTION...]: returns when it serves. Its process is DAEMON_PID,
# its log daemon.log, and QFRONT_SOCKET leads to it.
start_daemon() {
	export QFRONT_SOCKET=$BATS_TEST_TMPDIR/socket
	[[ -e $CONTROLDIR/daemonusers ]] || control_users
	DAEMON_LOG=$BATS_TEST_TMPDIR/daemon.log
	rm -f "$BATS_TEST_TMPDIR/ready"
	mkfifo "$BATS_TEST_TMPDIR/ready"
	"$SBIN/qfrontd" --socket "$QFRONT_SOCKET" --ready-fd 9 "$@" \
		9>"$BATS_TEST_TMPDIR/ready" 2>>"$DAEMON_LOG" \
		</dev/null >/dev/null 3>&- &
	DAEMON_PID=$!
	read -r -t "$PATIENCE" _ <"$BATS_TEST_TMPDIR/ready" || {
		echo "the daemon did not start:"
		cat "$DAEMON_LOG"
		return 1
	}
}

# stop_daemon: ends it as a service manager does; its exit code.
stop_daemon() {
	local rc=0

	kill -TERM "$DAEMON_PID"
	wait "$DAEMON_PID" || rc=$?
	DAEMON_PID=
	return "$rc"
}

# For teardown(): whatever is left, at once. What a failed test would want to
# know is printed.
end_daemon() {
	[[ -z ${DAEMON_PID-} ]] || {
		kill -TERM "$DAEMON_PID" 2>/dev/null || :
		kill -INT "$DAEMON_PID" 2>/dev/null || :
		wait "$DAEMON_PID" 2>/dev/null || :
	}
	[[ ! -e ${DAEMON_LOG-} ]] || tail -n 60 "$DAEMON_LOG"
}

# wait_until COMMAND...: until it succeeds; fails when PATIENCE is over.
wait_until() {
	local end=$((SECONDS + PATIENCE))

	until "$@"; do
		((SECONDS < end)) || {
			echo "in vain: $*"
			return 1
		}
		read -r -t 0.02 _ <><(:) || :
	done
}

# gate: a command for the stage filter in GATE. Each that comes in adds a line to
# open/entered and waits for one in open/gate.
gate() {
	mkdir -m 777 open
	mkfifo -m 666 open/gate
	: >open/entered
	chmod 666 open/entered
	# shellcheck disable=SC2034 # the test files use it
	GATE="echo in >>$PWD/open/entered; read x <$PWD/open/gate; cat"
}

# Lets all in, whenever they come.
open_gate() {
	exec {GATE_FD}<>open/gate
	printf '%s\n' 1 2 3 4 5 6 7 8 >&"$GATE_FD"
}

# entered N: so many have come in.
entered() {
	(($(wc -l <open/entered) == $1))
}

# logged PATTERN [N]: has the daemon written at least N (1) such lines?
logged() {
	(($(grep -cE -- "$1" "$DAEMON_LOG") >= ${2-1}))
}

# role_pids ROLE: the processes of a role, one a line: dispatcher, filter and
# sign (zygotes), store; `worker filter` and `worker sign` are what these forked.
role_pids() {
	local pid

	if [[ $1 == worker ]]; then
		for pid in $(role_pids "$2"); do
			xargs -n 1 <"/proc/$pid/task/$pid/children"
		done
		return
	fi
	for pid in $(<"/proc/$DAEMON_PID/task/$DAEMON_PID/children"); do
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*"--role $1 ") echo "$pid" ;;
		*"--serve ") [[ $1 != store ]] || echo "$pid" ;;
		esac
	done
}
