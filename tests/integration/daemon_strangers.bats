# The daemon and users whom nobody trusts: what they do is theirs, and nobody
# else's mail waits for it.

load ../lib/common
load ../lib/daemon

setup() {
	((EUID == 0)) || skip 'only root can be two users'
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	control_users
	control chain 'size max-message=1M'
	roles_are_apart || skip 'others can not read the programs here'
	message >m
	envelope sender@test.example rcpt@test.example >e
}

teardown() {
	end_daemon
	stop_peers
}

as_stranger() {
	setpriv --reuid 70009 --regid 70009 --clear-groups "$@"
}

# attack NAME [ARGUMENT...]: what it has to tell is in `told`.
attack() {
	told=$(as_stranger "$PYTHON" "$TESTLIB/attacker.py" \
		"$QFRONT_SOCKET" "$@" </dev/null)
	echo "$1: $told"
}

# start_attack NAME [ARGUMENT...]: goes on until stop_attack.
start_attack() {
	coproc ATTACK { as_stranger "$PYTHON" "$TESTLIB/attacker.py" \
		"$QFRONT_SOCKET" "$@"; }
	wait_for_line "${ATTACK[0]}" ready
}

stop_attack() {
	local pid=$ATTACK_PID

	eval "exec ${ATTACK[1]}>&-"
	wait "$pid"
}

# send CODE: our own mail, in time.
send() {
	local code=0

	timeout "$PATIENCE" "$SBIN/qfront" 0<m 1<e 2>>log.txt || code=$?
	echo "code $code"
	[ "$code" -eq "$1" ]
}

@test "a descriptor whose close takes hours stops nobody" {
	gate
	cp m open
	control chain "filter if=path=local command='$GATE'"
	start_daemon
	start_attack linger
	send 0
	stop_attack
	# One that is still unread when the connection ends.
	start_attack linger open/m
	wait_until entered 1
	open_gate
	stranger_queued() {
		[[ $(queued) == 2 ]]
	}
	wait_until stranger_queued
	send 0
	stop_attack
	[ "$(queued)" -eq 3 ]
	stop_daemon
}

@test "silent connections count for their user, and for nobody else" {
	control requestsmax 5
	control requestsuser 10
	start_daemon
	start_attack silent 40
	send 0
	attack recipients 100
	[[ $told == 'refused 71' || $told == closed ]]
	logged 'request turned away uid=70009 code=71'
	stop_attack
	stop_daemon
}

@test "an envelope that is too large for a user is refused, not read" {
	start_daemon
	attack recipients $((8 << 20))
	[ "$told" = 'refused 31' ]
	attack recipients $((900 << 10))
	[ "$told" = 'done 0' ]
	# Those whom we believe may, up to what memory is for; then without us.
	told=$("$PYTHON" "$TESTLIB/attacker.py" "$QFRONT_SOCKET" recipients \
		$((8 << 20)))
	[ "$told" = 'done 0' ]
	told=$("$PYTHON" "$TESTLIB/attacker.py" "$QFRONT_SOCKET" recipients \
		$((17 << 20)))
	[ "$told" = 'cold 0' ]
	stop_daemon
}

@test "whatever name he calls it by, a stranger gets the chain of all" {
	control chain 'misbehave do=mark'
	mkdir plugins
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINS"/*.so plugins
	export PLUGINDIR=$PWD/plugins
	start_daemon
	for name in qmail-dkim qmail-multi qmail-qfilter qmail-nullqueue; do
		as_stranger env -u CONTROLDIR -u QUEUEDIR \
			"$COMPAT/$name" "$(command -v true)" 0<m 1<e
	done
	[ "$(queued)" -eq 3 ]
	[ "$(cat "$QUEUEDIR"/mess/*/* | grep -c '^X-Trace: mark$')" -eq 3 ]
	stop_daemon
}
