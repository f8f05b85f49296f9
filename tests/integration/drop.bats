# Mail of users who can not write the queue: qfront-drop keeps it while there is
# no daemon, and the daemon takes it up.

load ../lib/common
load ../lib/daemon
load ../lib/prison

# The group that may write drop/.
GROUP=5432

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	message >m
	envelope sender@test.example rcpt@test.example >e
}

teardown() {
	end_daemon
}

# A queue and a configuration whose drop/ everybody can write; no program is
# set-id.
open_world() {
	make_world
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins QFRONT_LOG=stderr
	mkdir -p "$PLUGINDIR"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINS"/*.so \
		"$PLUGINDIR"
	DROP=$QUEUEDIR/drop
	mkdir -m 1777 "$DROP"
	# The folder of one run of bats is nobody else's at first.
	((EUID != 0)) || chmod 755 "$BATS_RUN_TMPDIR"
}

# The same as on a host, with a set-gid qfront-drop.
open_host() {
	open_prison
	QUEUE=new$QF_LOCALSTATEDIR/spool/qfront
	DROP=$QUEUE/drop
	PROGRAM=$QF_LIBEXECDIR/qfront/qfront-drop
	control me test.example
	mkdir -p "${QUEUE%/*}"
	chown "$OWNER" "${QUEUE%/*}"
	run_as "$OWNER" "$QF_SBINDIR/qfrontctl" queue init
	[ "$status" -eq 0 ]
	chmod 751 "$QUEUE"
	mkdir "$DROP"
	chown "$OWNER:$GROUP" "$DROP"
	chmod 1730 "$DROP"
	chgrp "$GROUP" "new$PROGRAM"
	chmod 2755 "new$PROGRAM"
}

# As without qfront-drop: the queue can not be written.
shut_out() {
	[ "$status" -eq 62 ] || [ "$status" -eq 63 ]
}

# answer COMMAND...: its exit code in `status`, what it logs in `log`.
answer() {
	status=0
	"$@" 2>log.txt || status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}

# leave [MESSAGE [ENVELOPE]]: one run of qfront-drop.
leave() {
	answer "$QF_STAGE$QF_LIBEXECDIR/qfront/qfront-drop" \
		0<"${1-m}" 1<"${2-e}"
}

# ids: the messages in drop/, one a line.
ids() {
	find "$DROP" -name '????????????????' ! -name '.*' -printf '%f\n'
}

# dropped N [PATTERN]: are there so many names that match?
dropped() {
	[ "$(find "$DROP" -mindepth 1 -name "${2-*}" | wc -l)" -eq "$1" ]
}

queue_has() {
	[ "$(queued)" -eq "$1" ]
}

# The file of the only message in the queue.
queued_file() {
	find "$QUEUEDIR/mess" -type f
}

@test "who can not write the queue leaves mail for the daemon" {
	open_host
	control chain 'misbehave do=mark if=path=local'
	run_as "$CALLER" RELAYCLIENT= "$QF_SBINDIR/qfront"
	[ "$status" -eq 0 ]
	[[ $log == *'no daemon, left for it'*'from=sender@test.example rcpts=1'* ]]
	[[ $log == *'dropped what the caller may not say uid=65534'*names=RELAYCLIENT ]]
	[ "$(stat -c '%u %g %a' "$DROP"/*)" = "$CALLER $GROUP 644" ]
	export QUEUEDIR=$PWD/$QUEUE
	[ "$(queued)" -eq 0 ]

	chmod 755 "$BATS_RUN_TMPDIR"
	PLUGINDIR=$PWD/new$QF_LIBDIR/qfront/plugins
	export PLUGINDIR CONTROLDIR
	! roles_are_apart || control daemonusers \
		"dispatcher ${ROLE_UIDS[0]}" "filter ${ROLE_UIDS[1]}" \
		"sign ${ROLE_UIDS[2]}" "store $OWNER"
	start_daemon
	wait_until queue_has 1
	wait_until dropped 0
	stop_daemon
	logged "taken up drop=[0-9a-f]* uid=$CALLER from=sender@test.example rcpts=1"
	file=$(queued_file)
	head -n 1 "$file" | grep -q "invoked by uid $CALLER"
	grep -q '^X-Trace: mark' "$file"
	tr '\0' '\n' <"$QUEUEDIR/todo/${file##*/}" | grep -qx "u$CALLER"
}

@test "a user neither sees nor changes what is in drop/" {
	open_host
	run_as "$CALLER" "$QF_SBINDIR/qfront"
	[ "$status" -eq 0 ]
	id=$(ids)
	folder=$QF_LOCALSTATEDIR/spool/qfront/drop
	run_as "$CALLER" ls "$folder"
	[ "$status" -ne 0 ]
	run_as "$CALLER" touch "$folder/0123456789abcdef"
	[ "$status" -ne 0 ]
	run_as "$CALLER" cat "$folder/$id"
	[ "$status" -ne 0 ]
	run_as "$CALLER" rm -f "$folder/$id"
	[ "$status" -ne 0 ]
	[ "$(ids)" = "$id" ]
}

@test "nobody chooses where a set-gid qfront-drop writes" {
	open_host
	mkdir -m 777 new/evil/drop
	run_as "$CALLER" QUEUEDIR=/evil CONTROLDIR=/evil TMPDIR=/evil DEATH=0 \
		QFRONT_LOG=stderr "$PROGRAM"
	[ "$status" -eq 0 ]
	[ -z "$log" ]
	dropped 1
	[ -z "$(ls -A new/evil/drop)" ]
}

@test "qfront-drop is for strangers, where the operator has set it up" {
	open_host
	# Root writes the queue.
	run_as 0 "$QF_SBINDIR/qfront"
	[ "$status" -eq 0 ]
	# What a trusted user says of his mail would be lost.
	control trusted-users "$CALLER"
	run_as "$CALLER" TCPREMOTEIP=192.0.2.1 "$QF_SBINDIR/qfront"
	shut_out
	rm "$CONTROL/trusted-users"
	# Test mail never enters production.
	run_as "$CALLER" CONTROLDIR="$QF_SYSCONFDIR/qfront" "$QF_SBINDIR/qfront"
	shut_out
	run_as "$CALLER" QUEUEDIR="$QF_LOCALSTATEDIR/spool/qfront" \
		"$QF_SBINDIR/qfront"
	shut_out
	# Another queue program is the caller's to run.
	run_as "$CALLER" "$QF_SBINDIR/qfront" /bin/false
	[ "$status" -eq 1 ]
	control queueprog /bin/false
	run_as "$CALLER" "$QF_SBINDIR/qfront"
	[ "$status" -eq 1 ]
	rm "$CONTROL/queueprog"
	# Without its rights, and without the folder.
	chmod 755 "new$PROGRAM"
	run_as "$CALLER" "$QF_SBINDIR/qfront"
	shut_out
	chmod 2755 "new$PROGRAM"
	dropped 0
	rmdir "$DROP"
	run_as "$CALLER" "$QF_SBINDIR/qfront"
	shut_out
	run_as "$CALLER" "$PROGRAM"
	[ "$status" -eq 62 ]
}

@test "what can not be kept whole is refused, and nothing is left" {
	open_world
	check() {
		printf "$2" >bad
		leave m bad
		[ "$status" -eq "$1" ]
		dropped 0
	}
	check 54 ''
	check 54 'Fa@x\0Tb@y\0'
	check 91 'Xa@x\0Tb@y\0\0'
	check 11 "Fa@x\\0T$(printf '%01003d' 0)\\0\\0"
	program=$QF_STAGE$QF_LIBEXECDIR/qfront/qfront-drop
	answer "$program" 0<m 1<&-
	[ "$status" -eq 54 ]
	answer "$program" 0<&- 1<e
	[ "$status" -eq 54 ]
	answer "$program" 0>out 1<e
	[ "$status" -eq 54 ]
	DEATH=soon leave
	[ "$status" -eq 55 ]
	head -c 100000 /dev/zero >large
	limited() (
		ulimit -f 64
		"$program"
	)
	[[ -n ${QF_VALGRIND-} ]] || {
		answer limited 0<large 1<e
		[ "$status" -eq 53 ]
	}
	dropped 0
	QUEUEDIR=/nowhere leave
	[ "$status" -eq 62 ]
}

@test "a writer that is killed leaves no message" {
	skip_under_sanitizers "nothing can be loaded before them"
	skip_under_valgrind "nothing can be loaded before it"
	open_world
	# Reads a part of the message, has written it, and waits for more.
	begin() {
		rm -f pipe
		mkfifo pipe
		"$@" "$QF_STAGE$QF_LIBEXECDIR/qfront/qfront-drop" 0<pipe 1<e &
		writer=$!
		exec {to}>pipe
		message >&"$to"
		wait_until has_written
	}
	has_written() {
		find "/proc/$writer/fd" -lname "$DROP/*" -printf '/%P\n' |
			grep -q . &&
			[ "$(find -L "/proc/$writer/fd" -size +0 -type f \
				! -samefile e | wc -l)" -ge 1 ]
	}
	begin env
	kill -KILL "$writer"
	exec {to}>&-
	wait "$writer" || :
	dropped 0
	# The same where there are no files without a name.
	begin env LD_PRELOAD="$QF_BUILDDIR/tests/lib/.libs/fault.so" \
		FAULT_NO_TMPFILE=1
	kill -KILL "$writer"
	exec {to}>&-
	wait "$writer" || :
	dropped 1 '.????????????????'
	[ -z "$(ids)" ]
	# Another one writes to the end there.
	LD_PRELOAD=$QF_BUILDDIR/tests/lib/.libs/fault.so FAULT_NO_TMPFILE=1 \
		leave
	[ "$status" -eq 0 ]
	dropped 2
	start_daemon
	wait_until queue_has 1
	wait_until dropped 1
	stop_daemon
	dropped 1 '.????????????????'
}

@test "what is left while the daemon runs is taken up at once" {
	open_world
	control chain 'misbehave do=mark if=path=local'
	start_daemon
	wait_until logged 'started role=pickup'
	leave
	[ "$status" -eq 0 ]
	wait_until queue_has 1
	wait_until dropped 0
	stop_daemon
	grep -q '^X-Trace: mark' "$(queued_file)"
	sed '1d; /^X-Trace/d' "$(queued_file)" | cmp - m
}

@test "nobody is believed for what he left, whoever he is" {
	open_world
	envelope '' rcpt@test.example >e
	# One's own bounces pass by all stages but those that are marked.
	control chain 'say class=2 category=1 if=path=bounce,path=inject always' \
		'misbehave do=mark if=path=local'
	leave
	start_daemon
	wait_until queue_has 1
	stop_daemon
	grep -q '^X-Trace: mark' "$(queued_file)"
	dropped 0
}

@test "a temporary refusal keeps the message, until it is taken" {
	open_world
	control chain 'say class=3 text="come later"'
	start_daemon
	leave
	wait_until logged 'not taken up now drop=[0-9a-f]* .* text="come later'
	stop_daemon
	dropped 1
	queue_is_left_alone
	control chain
	start_daemon
	wait_until queue_has 1
	wait_until dropped 0
	stop_daemon
}

# Nothing but what is in drop/.
queue_is_left_alone() {
	[ "$(queued)" -eq 0 ] && [ "$(files "$QUEUEDIR/todo")" -eq 0 ]
}

@test "a permanent refusal comes back to the sender" {
	open_world
	control chain 'say class=2 category=1 text="we take no junk"'
	leave
	start_daemon
	wait_until queue_has 1
	wait_until dropped 0
	stop_daemon
	logged 'refused and bounced drop=[0-9a-f]* .* text="we take no junk'
	file=$(queued_file)
	tr '\0' '\n' <"$QUEUEDIR/todo/${file##*/}" >todo
	grep -qx F todo
	grep -qx Tsender@test.example todo
	grep -q 'we take no junk' "$file"
	grep -q '^Subject: a test' "$file"
	grep -q '^Final-Recipient: rfc822; *rcpt@test.example' "$file"
}

@test "what neither goes nor comes back is kept as ID.failed" {
	open_world
	control chain 'say class=2 category=1 text=no always'
	envelope '' rcpt@test.example >nobody
	leave m nobody
	leave m e
	start_daemon
	wait_until dropped 2 '*.failed'
	stop_daemon
	dropped 2
	queue_is_left_alone
	logged 'error: kept as drop/ID.failed"? drop=' 2
}

@test "what is no message is set aside, and stops no other" {
	open_world
	leave
	whole=$(ids)
	head -c -1 "$DROP/$whole" >"$DROP/0000000000000000"
	cp m "$DROP/0000000000000001"
	: >"$DROP/0000000000000002"
	ln -s "$PWD/m" "$DROP/0000000000000003"
	mkfifo "$DROP/0000000000000004"
	cp "$DROP/$whole" "$DROP/0000000000000005"
	ln "$DROP/0000000000000005" second
	mkdir "$DROP/0000000000000006"
	cp m "$DROP/README"
	start_daemon
	wait_until queue_has 1
	wait_until dropped 7 '*.bad'
	stop_daemon
	dropped 8
	cmp m "$DROP/0000000000000001.bad"
	logged 'error: kept as drop/ID.bad"? drop=000000000000000[0-6]' 7
	tail -n +2 "$(queued_file)" | cmp - m
}

@test "many at once, some of them hopeless, are all dealt with" {
	open_world
	control chain 'say class=3 if=sender=late@test.example'
	for i in {1..12}; do
		leave
		envelope late@test.example rcpt@test.example >late
		leave m late
	done
	dropped 24
	start_daemon
	wait_until queue_has 12
	wait_until logged 'not taken up now' 12
	stop_daemon
	dropped 12
}

@test "drop/ is for our own queue: for another one mail waits" {
	open_world
	control queueprog /bin/false
	leave
	start_daemon
	wait_until logged 'not taken up now .* text="another queue program'
	stop_daemon
	dropped 1
	queue_is_left_alone
}

@test "a large message and a large envelope are taken up too" {
	open_world
	head -c 17000000 /dev/zero | tr '\0' x | fold -w 100 >large
	{
		printf 'Fsender@test.example\0'
		for i in {1..2000}; do
			printf 'Trecipient.%d@somewhere.example\0' "$i"
		done
		printf '\0'
	} >many
	leave large many
	start_daemon
	wait_until queue_has 1
	wait_until dropped 0
	stop_daemon
	tail -n +2 "$(queued_file)" | cmp - large
}

@test "the pickup comes back when it or the dispatcher is killed" {
	open_world
	start_daemon
	wait_until logged 'started role=pickup'
	kill -KILL "$(role_pids pickup)"
	wait_until logged 'started role=pickup' 2
	leave
	wait_until queue_has 1
	kill -KILL "$(role_pids dispatcher)"
	wait_until logged 'started role=pickup' 3
	leave
	wait_until queue_has 2
	wait_until dropped 0
	stop_daemon
}

@test "a daemon that stops finishes what has begun, and no more" {
	open_world
	mkfifo "$BATS_TEST_TMPDIR/go"
	printf '%s\n' '#!/bin/sh' "echo began >&2" \
		"read -r _ <$BATS_TEST_TMPDIR/go" cat >"$BATS_TEST_TMPDIR/wait"
	chmod 755 "$BATS_TEST_TMPDIR/wait"
	control chain "filter command=$BATS_TEST_TMPDIR/wait"
	leave
	start_daemon
	wait_until logged began
	kill -TERM "$DAEMON_PID"
	wait_until logged 'stopping requests=1'
	leave
	echo >"$BATS_TEST_TMPDIR/go"
	wait "$DAEMON_PID"
	DAEMON_PID=
	[ "$(queued)" -eq 1 ]
	dropped 1
}

@test "without drop/ there is no pickup, until a reload finds it" {
	open_world
	rmdir "$DROP"
	start_daemon
	[ -z "$(role_pids pickup)" ]
	mkdir -m 1777 "$DROP"
	leave
	kill -HUP "$DAEMON_PID"
	wait_until queue_has 1
	wait_until dropped 0
	stop_daemon
}
