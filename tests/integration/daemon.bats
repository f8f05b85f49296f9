# The daemon under load and under attack: what a caller was told is true, and
# what happens to one message is not noticed by any other.

load ../lib/common
load ../lib/daemon

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins STUB=$BATS_TEST_TMPDIR/got
	mkdir -p "$PLUGINDIR"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINS"/*.so \
		"$PLUGINDIR"
	message >m
	envelope sender@test.example rcpt@test.example >e
}

teardown() {
	end_daemon
	stop_peers
}

# Runs a command: its exit code in `status`, what it logs in `log`.
answer() {
	status=0
	"$@" 2>log.txt || status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}

send() {
	answer inject m e
}

# storm OPTION...: its figures in the map `came`.
storm() {
	local name value rc=0

	"$PYTHON" "$TESTLIB/storm.py" --daemon "$DAEMON_PID" \
		--patience "$((PATIENCE * 5))" "$@" "$QUEUEDIR" "$SBIN/qfront" \
		>came.txt || rc=$?
	cat came.txt
	declare -gA came=()
	while read -r name value; do
		came[$name]=$value
	done <came.txt
	return "$rc"
}

# Only what makes the client's host try again.
only_temporary() {
	local name

	for name in "${!came[@]}"; do
		[[ $name == code.* ]] || continue
		case ${name#code.} in
		0 | 5[1-9] | 6? | 7? | 81 | 123) ;;
		*)
			echo "unexpected: $name"
			return 1
			;;
		esac
	done
}

# To a program of the client's own.
send_to_stub() {
	answer inject "${1-m}" e "$TESTLIB/stubqueue"
}

# attack NAME [ARGUMENT...]: what it has to tell is in `told`.
attack() {
	told=$("$PYTHON" "$TESTLIB/attacker.py" "$QFRONT_SOCKET" "$@" </dev/null)
	echo "$1: $told"
}

# Workers are killed at any moment.

@test "200 workers killed under load: what got 0 is queued, once and whole" {
	skip_under_valgrind 'thousands of runs'
	control chain 'size max-message=1M' 'misbehave do=nothing'
	start_daemon
	storm --kill filter:200
	[ "${came[kills]}" -eq 200 ]
	[ "${came[marked]}" -eq 0 ]
	# No other message notices.
	[ $((came[messages] - ${came[code.0]})) -le 200 ]
	for code in "${!came[@]}"; do
		case $code in
		code.0 | code.71 | code.81) ;;
		code.*) echo "unexpected: $code" && return 1 ;;
		esac
	done
	stop_daemon
}

@test "workers killed while a filter runs: what they had is refused for now" {
	skip_under_valgrind 'thousands of runs'
	control chain 'filter command=cat'
	start_daemon
	storm --kill filter:60
	[ "${came[kills]}" -eq 60 ]
	[ "${came[code.0]}" -gt 0 ]
	only_temporary
	stop_daemon
}

@test "workers killed with onerror=pass: mail goes on, marked" {
	skip_under_valgrind 'thousands of runs'
	control chain 'filter command=cat onerror=pass'
	start_daemon
	storm --kill filter:60
	# A message that meets two of them gets 81.
	only_temporary
	((came[marked] > 0))
	((came[marked] <= 60))
	# The daemon's log has one line for each.
	[ "$(grep -c 'name=filter verdict=broken onerror=pass' "$DAEMON_LOG")" \
		-ge "${came[marked]}" ]
	stop_daemon
}

@test "workers with keys killed: every signature is whole" {
	skip_under_valgrind 'thousands of runs'
	(umask 077 && openssl genpkey -algorithm ED25519 \
		-out "$CONTROLDIR/plugins/s1.pem" 2>openssl.log)
	control plugins/dkim.keys 'test.example s1 plugins/s1.pem'
	control_users
	! roles_are_apart || chown "${ROLE_UIDS[2]}" "$CONTROLDIR/plugins/s1.pem"
	control chain 'size max-message=1M' dkim
	start_daemon
	storm --signed --kill sign:60
	[ "${came[code.0]}" -gt 0 ]
	only_temporary
	stop_daemon
}

@test "processes of the queue killed: a duplicate perhaps, no loss" {
	skip_under_valgrind 'thousands of runs'
	control chain 'size max-message=1M'
	start_daemon
	storm --kill store:12 --may-be-queued 81
	[ "${came[code.0]}" -gt 0 ]
	only_temporary
	((came[doubtful] <= 12))
	stop_daemon
}

@test "the dispatcher killed: who asked is told to try again, who asks is served" {
	local pid

	control chain 'size max-message=1M'
	start_daemon
	for _ in 1 2 3; do
		pid=$(role_pids dispatcher)
		kill -KILL "$pid"
		another() {
			local now

			now=$(role_pids dispatcher)
			[[ -n $now && $now != "$pid" ]]
		}
		wait_until another
		# It waits in the socket, which the master keeps.
		send
		[ "$status" -eq 0 ]
	done
	[ "$(queued)" -eq 3 ]
	stop_daemon
}

@test "a crash is seen at once, whoever holds the socket of the worker" {
	control timeoutchain 86400
	control chain 'misbehave do=brood-and-crash'
	start_daemon
	answer timeout "$PATIENCE" "$SBIN/qfront" 0<m 1<e
	[ "$status" -eq 71 ]
	control chain 'misbehave do=brood'
	wait_until logged 'serving generation=2'
	send
	[ "$status" -eq 0 ]
	stop_daemon
	[ "$(queued)" -eq 1 ]
}

# Reloads.

@test "SIGHUP under load: no message fails" {
	skip_under_valgrind 'thousands of runs'
	control chain 'size max-message=1M' 'filter command=cat'
	start_daemon
	storm --signal 25
	[ "${came[code.0]}" -eq "${came[messages]}" ]
	wait_until logged 'serving generation=2'
	stop_daemon
}

@test "a broken chain under SIGHUP: the old one goes on, and the log says why" {
	control chain 'misbehave do=mark'
	start_daemon
	control chain 'misbehave do=mark' 'nosuchplugin'
	kill -HUP "$DAEMON_PID"
	wait_until logged 'configuration not loaded.*chain:2.*nosuchplugin'
	send_to_stub
	[ "$status" -eq 0 ]
	[ "$(grep -c '^X-Trace: mark$' got.message)" -eq 1 ]
	control chain 'misbehave do=mark' 'misbehave@b do=mark'
	marked_twice() {
		send_to_stub && [[ $(grep -c '^X-Trace: mark$' got.message) == 2 ]]
	}
	wait_until marked_twice
	stop_daemon
}

@test "files that change while they are read: the old ones go on, and soon the new" {
	((EUID != 0)) || control daemonusers 'dispatcher 0' 'filter 0' \
		'sign 0' 'store 0'
	control chain 'size max-message=1M'
	start_daemon
	# A file that is another one for each process.
	ln -s /proc/self/stat "$CONTROLDIR/queueprog"
	wait_until logged 'configuration not loaded.*has read other control files'
	inject m e
	# No more than so often in a row.
	wait_until logged 'configuration not loaded.*has read other' 6
	[ "$(grep -c 'loading .*why="read while they changed"' \
		"$DAEMON_LOG")" -eq 5 ]
	lacks 'meanwhile.*run=' "$DAEMON_LOG"
	rm "$CONTROLDIR/queueprog"
	control chain 'size max-message=2M'
	wait_until logged 'serving generation=[2-9]'
	inject m e
	[ "$(queued)" -eq 2 ]
	stop_daemon
}

@test "the queue's owner is believed: his bounces are our own" {
	((EUID == 0)) || skip 'only root can be two users'
	roles_are_apart || skip 'others can not read the programs here'
	chmod 755 "$BATS_RUN_TMPDIR"
	control daemonusers "dispatcher ${ROLE_UIDS[0]}" \
		"filter ${ROLE_UIDS[1]}" "sign ${ROLE_UIDS[2]}" 'store 70004'
	chown -R 70004:70004 "$QUEUEDIR"
	control chain 'size max-message=1M'
	start_daemon
	mkdir -m 777 open
	envelope '' rcpt@test.example >open/e
	cp m open/m
	bounce_of() {
		setpriv --reuid "$1" --regid "$1" --clear-groups \
			env -u CONTROLDIR -u QUEUEDIR "$SBIN/qfront" \
			0<open/m 1<open/e 2>log.txt
	}
	bounce_of 70004
	logged 'stage name=size verdict=skipped reason=bounce'
	bounce_of 70009
	logged 'stage name=size verdict=pass'
	[ "$(queued)" -eq 2 ]
	stop_daemon
}

@test "nobody of its user looks into a zygote or a worker" {
	((EUID == 0)) || skip 'only root can be two users'
	control_users
	roles_are_apart || skip 'others can not read the programs here'
	control chain 'misbehave do=nothing'
	start_daemon
	send
	[ "$status" -eq 0 ]
	for pid in $(role_pids filter) $(role_pids worker filter); do
		code=0
		setpriv --reuid "${ROLE_UIDS[1]}" --regid "${ROLE_UIDS[1]}" \
			--clear-groups ls "/proc/$pid/fd" 2>why.txt || code=$?
		[ "$code" -ne 0 ]
	done
	for pid in $(role_pids worker filter); do
		grep -q '^Seccomp:.2$' "/proc/$pid/status"
	done
	stop_daemon
}

@test "changes of modes and in a new folder are seen without SIGHUP" {
	((EUID == 0)) || skip 'only root starts with files that it can not use'
	rmdir "$CONTROLDIR/plugins"
	control chain 'size max-message=1M'
	start_daemon
	# A folder that was not there.
	mkdir "$CONTROLDIR/plugins"
	wait_until logged 'serving generation=2'
	echo 'max-massage 1M' >"$CONTROLDIR/plugins/size"
	wait_until logged 'configuration not loaded.*plugins/size:1: .*massage'
	# A file that became acceptable.
	rm "$CONTROLDIR/plugins/size"
	wait_until logged 'serving generation=[4-9]'
	chmod 666 "$CONTROLDIR/chain"
	wait_until logged 'configuration not loaded.*chain: others can write it'
	loads=$(grep -c 'serving generation' "$DAEMON_LOG")
	chmod 644 "$CONTROLDIR/chain"
	wait_until logged 'serving generation' $((loads + 1))
	stop_daemon
}

@test "workers that are lost again and again: ever longer pauses" {
	control chain 'size max-message=1M'
	start_daemon
	for pause in 0 100 200 400; do
		generation=$(grep -c 'serving generation' "$DAEMON_LOG")
		pid=$(role_pids filter | tail -n 1)
		kill -KILL "$pid"
		wait_until logged "another generation is needed pause_ms=$pause\$"
		wait_until logged 'serving generation' $((generation + 1))
		send
		[ "$status" -eq 0 ]
	done
	stop_daemon
}

# Clients that leave.

@test "a client that is killed while it reads the message queues nothing" {
	control chain 'size max-message=1M'
	start_daemon
	mkfifo feed
	"$SBIN/qfront" 0<feed 1<e 2>/dev/null &
	pid=$!
	exec {feed}>feed
	cat m >&"$feed"
	kill -KILL "$pid"
	wait "$pid" || :
	exec {feed}>&-
	send
	[ "$status" -eq 0 ]
	[ "$(queued)" -eq 1 ]
	stop_daemon
}

@test "a client that leaves while a stage runs queues nothing" {
	gate
	control chain "filter command='$GATE'"
	start_daemon
	"$SBIN/qfront" 0<m 1<e 2>/dev/null &
	pid=$!
	wait_until [ -s open/entered ]
	kill -KILL "$pid"
	wait "$pid" || :
	echo >open/gate
	: >open/entered
	# The next one goes its way; the first one is nowhere.
	"$SBIN/qfront" 0<m 1<e 2>/dev/null &
	pid=$!
	wait_until [ -s open/entered ]
	echo >open/gate
	wait "$pid"
	attack leave m
	open_gate
	# It is stopped when the last one has ended.
	stop_daemon
	[ "$(queued)" -eq 1 ]
}

@test "silent clients and a slow stage hold up nobody else" {
	gate
	control chain "filter command='$GATE' if=relay" 'size max-message=1M'
	start_daemon
	# Four that hold the socket, and as many slow ones as there are cores.
	coproc SILENT { "$PYTHON" "$TESTLIB/attacker.py" "$QFRONT_SOCKET" \
		silent 4; }
	silent=$SILENT_PID
	wait_for_line "${SILENT[0]}" ready
	slow=()
	for _ in $(seq "$(nproc)"); do
		RELAYCLIENT='' "$SBIN/qfront" 0<m 1<e 2>/dev/null &
		slow+=("$!")
	done
	wait_until entered "${#slow[@]}"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		send
		[ "$status" -eq 0 ]
	done
	[ "$(queued)" -eq 10 ]
	open_gate
	for pid in "${slow[@]}"; do
		wait "$pid"
	done
	[ "$(queued)" -eq $((10 + ${#slow[@]})) ]
	kill "$silent"
	wait "$silent" || :
	stop_daemon
}

@test "a thousand connections with eight workers are all answered" {
	skip_under_valgrind 'a thousand processes at once'
	skip_under_sanitizers 'a thousand processes of 20 MB at once'
	ulimit -n "$(ulimit -Hn)"
	control workersmax 8
	control requestsmax 2000
	control chain 'size max-message=1M' 'misbehave do=nothing'
	start_daemon
	storm --callers 1000 --messages 2000
	[ "${came[code.0]}" -eq 2000 ]
	[ "$(role_pids worker filter | wc -l)" -le 8 ]
	# Bounded: 100 MB for all of them would be 100 KB for each.
	peak=$(awk '$1 == "VmHWM:" { print $2 }' \
		"/proc/$(role_pids dispatcher)/status")
	((peak < 100000))
	stop_daemon
}

# Clients that cheat.

@test "version 1 of the protocol is served, others run without the daemon" {
	start_daemon
	attack frozen m
	[ "$told" = 'done 0' ]
	[ "$(queued)" -eq 1 ]
	for n in 0 2 65535; do
		attack version "$n"
		[ "$told" = 'cold 0' ]
	done
	# More fields than we know, and nothing else.
	attack version 1
	[ "$told" = 'done 0' ]
	[ "$(queued)" -eq 2 ]
	stop_daemon
}

@test "what is no request is refused for now, and the next one is served" {
	start_daemon
	attack half m
	while read -r line; do
		[[ $line =~ ^refused\ (5[1-9]|6[0-9]|7[0-9]|81)$ ]]
	done <<<"$told"
	attack many-fds
	[[ $told == refused* || $told == closed ]]
	for seed in 1 2 3; do
		attack garbage "$seed"
		[ "$told" = survived ]
	done
	send
	[ "$status" -eq 0 ]
	stop_daemon
	lacks 'signal=[1-9]' "$DAEMON_LOG"
}

@test "who cuts a message after sending it stops nobody" {
	control chain 'filter command=cat' 'size max-message=100M'
	{
		message
		head -c 300000 /dev/zero | tr '\0' x
		echo
	} >large
	start_daemon
	for how in truncate unsealed; do
		for _ in 1 2 3; do
			attack "$how" large
			[ "$told" = 'done 0' ]
		done
	done
	[ "$(queued)" -eq 6 ]
	stop_daemon
	lacks 'signal=[1-9]|verdict=broken' "$DAEMON_LOG"
}

@test "what the filter saw is what is queued, whatever the client writes" {
	mkdir -m 777 open
	control chain "filter command='cat >$PWD/open/\$\$; cat $PWD/open/\$\$'"
	{
		message
		head -c 300000 /dev/zero | tr '\0' x
		echo
	} >large
	start_daemon
	for _ in 1 2 3 4 5; do
		attack change large
		[ "$told" = 'done 0' ]
	done
	stop_daemon
	(cd open && sha256sum -- *) | cut -d' ' -f1 | sort >seen
	for file in "$QUEUEDIR"/mess/*/*; do
		sed '1,/^\t\|^Received:.*$/{/^Received:/d;/^[\t ]/d}' "$file" |
			sha256sum
	done | cut -d' ' -f1 | sort >queued
	cmp seen queued
}

@test "only what is a file is copied" {
	start_daemon
	attack file /dev/zero
	[ "$told" = 'refused 54' ]
	logged 'message not read.*not a regular file'
	attack file m
	[ "$told" = 'done 0' ]
	stop_daemon
	lacks 'timed out|crashed|spoiled' "$DAEMON_LOG"
}

# Too much.

@test "a stranger's message has no more than requestsize" {
	((EUID == 0)) || skip 'only root can be two users'
	control requestsize 1
	start_daemon
	roles_are_apart || skip 'others can not read the programs here'
	chmod 755 .
	truncate -s 100G sparse
	message >small
	head -c 1048577 /dev/zero | tr '\0' x >large
	as_stranger() {
		told=$(setpriv --reuid 70009 --regid 70009 --clear-groups \
			"$PYTHON" "$TESTLIB/attacker.py" "$QFRONT_SOCKET" \
			"$@" </dev/null)
		echo "$told"
	}
	for how in file unsealed; do
		as_stranger "$how" large
		[ "$told" = 'refused 31' ]
	done
	as_stranger file sparse
	[ "$told" = 'refused 31' ]
	as_stranger file small
	[ "$told" = 'done 0' ]
	# Sealed ones are no others.
	as_stranger frozen large
	[ "$told" = 'refused 31' ]
	# Who is believed may send what he wants.
	attack file large
	[ "$told" = 'done 0' ]
	stop_daemon
	[ "$(queued)" -eq 2 ]
}

@test "more than requestsmax wait: 71 with a text that says why" {
	gate
	control requestsmax 2
	control chain "filter command='$GATE'"
	start_daemon
	slow=()
	for _ in 1 2; do
		"$SBIN/qfront" 0<m 1<e 2>/dev/null &
		slow+=("$!")
	done
	wait_until entered 2
	told=$("$PYTHON" "$TESTLIB/qqclient.py" notqmail m e "$SBIN/qfront")
	echo "$told"
	[[ $told == 'Z'*'too many messages wait here; try again later'* ]]
	send
	[ "$status" -eq 71 ]
	open_gate
	wait "${slow[@]}"
	[ "$(queued)" -eq 2 ]
	stop_daemon
}

@test "one user takes no more than requestsuser, and root is not meant" {
	((EUID == 0)) || skip 'only root can be two users'
	gate
	control requestsuser 1
	control chain "filter command='$GATE' if=path=local" \
		'size max-message=1M'
	start_daemon
	roles_are_apart || skip 'others can not read the programs here'
	cp m e open
	as_user() {
		setpriv --reuid 70009 --regid 70009 --clear-groups \
			env -u CONTROLDIR -u QUEUEDIR "$SBIN/qfront" \
			0<open/m 1<open/e 2>log.txt
	}
	as_user &
	pid=$!
	wait_until [ -s open/entered ]
	status=0
	as_user || status=$?
	[ "$status" -eq 71 ]
	send
	[ "$status" -eq 0 ]
	open_gate
	wait "$pid"
	[ "$(queued)" -eq 2 ]
	logged 'request turned away uid=70009 code=71 .*of this user'
	stop_daemon
}

# With the daemon and without.

@test "with the daemon or without, the same bytes arrive" {
	control chain 'size max-message=1M' 'misbehave do=mark' \
		headers 'filter command="cat; echo end"' \
		'misbehave@b do=nothing'
	control plugins/headers.rules 'add X-Added yes'
	printf 'A: b\n c\nnot a field\n: no name\n\n8bit \351\377\n.\n..' >m.odd
	printf '\n\nbody only\n' >m.body
	printf 'A: b\r\n\r\nCR LF\r\nlone\rCR\n' >m.crlf
	# No header: one that can not be made is refused for now.
	{ echo && head -c 300000 /dev/urandom; } >m.random
	message >m.plain
	start_daemon
	for m in m.*; do
		send_to_stub "$m"
		mkdir "warm.$m"
		mv got.* "warm.$m"
		echo "$status" >"warm.$m/status"
	done
	stop_daemon
	logged 'run='
	for m in m.*; do
		send_to_stub "$m"
		for file in message envelope; do
			[[ ! -e warm.$m/got.$file ]] ||
				cmp "warm.$m/got.$file" "got.$file"
		done
		# The rest of the environment is the same too.
		[[ ! -e warm.$m/got.environment ]] ||
			diff <(sort "warm.$m/got.environment") \
				<(sort got.environment)
		[ "$(<"warm.$m/status")" -eq "$status" ]
		rm -f got.*
	done
}

@test "one message knows nothing of the one before" {
	# Only the variable: a log takes so many lines of a plugin, no more.
	control chain 'misbehave do=nothing' \
		'filter command="env | grep ^SECRET >&2; cat"'
	control workersmax 1
	start_daemon
	SECRET_OF_ONE=yes QF_MISBEHAVE_DO=mark send_to_stub
	[ "$(grep -c '^X-Trace: mark$' got.message)" -eq 1 ]
	logged 'SECRET_OF_ONE=yes'
	send_to_stub
	[ "$status" -eq 0 ]
	cmp m got.message
	logged 'SECRET_OF_ONE=yes' 1
	[ "$(grep -c 'SECRET_OF_ONE=yes' "$DAEMON_LOG")" -eq 1 ]
	lacks SECRET_OF_ONE got.environment
	stop_daemon
}

# Workers.

@test "a worker ends after workermessages" {
	control workermessages 2
	control workersmax 1
	control chain 'misbehave do=nothing'
	start_daemon
	for _ in 1 2 3 4 5; do
		send
		[ "$status" -eq 0 ]
	done
	stop_daemon
	[ "$(grep -o 'worker=[0-9]*' "$DAEMON_LOG" | sort -u | wc -l)" -eq 3 ]
}

@test "a worker has a folder of its own, memory with a limit, no new rights" {
	mkdir -m 777 open
	control workermemory 100
	cat >open/look <<-SH
		#!/bin/sh
		pwd >$PWD/open/pwd
		echo "\$TMPDIR" >>$PWD/open/pwd
		grep NoNewPrivs /proc/self/status >$PWD/open/privs
		ulimit -d >$PWD/open/data
		touch "\$TMPDIR/left"
		exec cat
	SH
	chmod 755 open/look
	control chain "filter command=$PWD/open/look"
	start_daemon
	send
	[ "$status" -eq 0 ]
	{
		read -r pwd
		read -r tmp
	} <open/pwd
	[ "$pwd" = "$tmp" ]
	[[ $tmp == */qfront-worker-* ]]
	[ -e "$tmp/left" ]
	[[ $(<open/privs) == *1 ]]
	[ "$(<open/data)" != unlimited ]
	stop_daemon
	[ ! -e "$tmp" ]
}

@test "no folders for workers: it does not start, and says where" {
	control chain 'misbehave do=nothing'
	status=0
	TMPDIR=$PWD/nowhere start_daemon || status=$?
	[ "$status" -eq 1 ]
	status=0
	wait "$DAEMON_PID" || status=$?
	DAEMON_PID=
	[ "$status" -eq 78 ]
	logged "not loaded.* error=.*$PWD/nowhere: user [0-9]+ can make no"
	logged 'TMPDIR: No such file'
}

@test "a filter worker can open neither keys nor the queue" {
	((EUID == 0)) || skip 'roles have users of their own only as root'
	control_users
	roles_are_apart || skip 'others can not read the programs here'
	mkdir -m 777 open
	(umask 077 && openssl genpkey -algorithm ED25519 \
		-out "$CONTROLDIR/plugins/s1.pem" 2>openssl.log)
	chown "${ROLE_UIDS[2]}" "$CONTROLDIR/plugins/s1.pem"
	control plugins/dkim.keys 'test.example s1 plugins/s1.pem'
	cat >open/look <<-SH
		#!/bin/sh
		id -u >$PWD/open/id
		cat $CONTROLDIR/plugins/s1.pem >$PWD/open/key 2>$PWD/open/why.key
		ls $QUEUEDIR/mess/* >$PWD/open/list 2>$PWD/open/why.list
		cat $QUEUEDIR/mess/*/* >$PWD/open/mail 2>>$PWD/open/why.list
		echo x >$QUEUEDIR/todo/1 2>>$PWD/open/why.list
		exec cat
	SH
	chmod 755 open/look
	control chain "filter command=$PWD/open/look" 'dkim'
	start_daemon
	send
	[ "$status" -eq 0 ]
	send
	[ "$status" -eq 0 ]
	[ "$(<open/id)" = "${ROLE_UIDS[1]}" ]
	[ ! -s open/key ]
	[ ! -s open/mail ]
	[ ! -e "$QUEUEDIR/todo/1" ]
	grep -q 'Permission denied' open/why.key
	grep -q 'Permission denied' open/why.list
	# Whereas the signature was made.
	[ "$(grep -l '^DKIM-Signature:' "$QUEUEDIR"/mess/*/* | wc -l)" -eq 2 ]
	stop_daemon
}

@test "a stage that runs only in the daemon runs there" {
	control chain 'warm do=mark'
	start_daemon
	send_to_stub
	[ "$status" -eq 0 ]
	[ "$(grep -c '^X-Trace: mark$' got.message)" -eq 1 ]
	stop_daemon
	send_to_stub
	[ "$status" -eq 55 ]
}
