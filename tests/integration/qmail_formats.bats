#!/usr/bin/env bats
# The queue as qmail's programs have it, in both directions: what ours leave
# is what theirs read, and what theirs leave is delivered. The golden files
# (tests/golden/queue) and the checker (tests/lib/qmailqueue.py) are written
# from what is known of qmail, not from our code.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/daemon
load ../lib/send

setup() {
	make_world
	make_send_world
}

teardown() {
	end_daemon
}

# golden NAME [KEY=VALUE...]: its bytes; @KEY@ stands for the value.
golden() {
	local text pair

	text=$(<"$QF_SRCDIR/tests/golden/queue/$1")
	shift
	for pair in "$@"; do
		text=${text//@${pair%%=*}@/${pair#*=}}
	done
	printf '%b' "$text"
}

# known MESSAGE ENVELOPE [COMMAND...]: queues it; the process is in PID, the
# message's number in ID.
known() {
	local msg=$1 env=$2 before

	shift 2
	before=$(ls "$QUEUEDIR/todo")
	# shellcheck disable=SC2016 # the other shell expands it
	"$@" bash -c 'echo $$ >pid && exec "$1" 0<"$2" 1<"$3"' - \
		"$SBIN/qfront-queue" "$msg" "$env"
	PID=$(<pid)
	ID=$(comm -13 <(echo "$before") <(ls "$QUEUEDIR/todo"))
}

file_of() {
	echo "$QUEUEDIR/$1/$((ID % 23))/$ID"
}

model() {
	local command=$1

	shift
	"$PYTHON" "$TESTLIB/qmailqueue.py" "$command" "$QUEUEDIR" "$@"
}

# written [OPTION...] SENDER RCPT...: a message of qmail's; its number in ID.
written() {
	ID=$(model write "$@")
}

# Neither qmail-send nor qmail-clean would stumble over anything.
sound() {
	model judge || {
		find "$QUEUEDIR" -type f | sort
		return 1
	}
}

# shows LINE...: qmail-send would see this and nothing else.
shows() {
	model show >got
	printf '%s\n' "$@" | diff - got
}

# Nothing is left in a folder that qmail knows.
gone() {
	queue_is_empty_but failed
	sound
}

# By the address: bad ones are refused, later ones must wait, as module smtp
# has it; what is taken is in WORLD/rcpts.
module_by_name() {
	module byname <<-'END'
		#!/bin/bash
		mapfile -t line <&3
		n=0 later=0
		for ((i = 1; ; i++)); do
			[[ -n ${line[i]} ]] || break
			n=$((n + 1))
			case ${line[i]} in
			bad*) echo "550 no such user" && exit 35 ;;
			later*) later=$((later + 1)) ;;
			esac
		done
		((later == 0)) || echo "450 not now"
		((later < n)) || exit 16
		((later == 0)) || exit 17
		printf '%s\n' "${line[@]:1:n}" >>"$WORLD/rcpts"
		echo "250 ok"
	END
	control remotes 'server.example byname'
}

# took RCPT...: these were delivered, each once, since the last look.
took() {
	sort "$WORLD/rcpts" >got
	printf '%s\n' "$@" | sort | diff - got
	rm "$WORLD/rcpts"
}

@test "message and envelope have qmail's bytes" {
	printf 'no header, \0, \r\n\377 and no line end' >m
	envelope s@x.example a@y.example b@y.example >e
	known m e
	date=$(sed -n '1s/^.*); \(.*\) -0000$/\1/p' "$(file_of mess)")
	when=$(stat -c %Y "$QUEUEDIR/todo/$ID")
	# A second may have passed between the line and the file.
	[[ $date == "$(LC_ALL=C TZ=UTC0 date -d @"$when" \
		'+%-d %b %Y %H:%M:%S')" ||
		$date == "$(LC_ALL=C TZ=UTC0 date -d @$((when - 1)) \
			'+%-d %b %Y %H:%M:%S')" ]]
	golden mess PID="$PID" BY="by uid $(id -u)" DATE="$date" |
		cmp - "$(file_of mess)"
	golden todo UID="$(id -u)" PID="$PID" | cmp - "$QUEUEDIR/todo/$ID"
	envelope '' >e
	known m e
	golden todo.empty UID="$(id -u)" PID="$PID" |
		cmp - "$QUEUEDIR/todo/$ID"
	envelope '#@[]' '' nohost $'\377@x' $'line\nend@x' >e
	known m e
	golden todo.odd UID="$(id -u)" PID="$PID" |
		cmp - "$QUEUEDIR/todo/$ID"
	sound
}

# by WORDS: the Received line of the next message says so, to the byte.
by() {
	local line

	known m e
	IFS= read -r line <"$(file_of mess)"
	line=${line% -0000}
	golden mess PID="$PID" BY="$1" DATE="${line##*); }" | head -n 1 |
		cmp - <(echo "$line -0000")
	sound
}

@test "users says who is alias, network and bounce" {
	: >m
	envelope s@x.example a@y.example >e
	me=$(id -u)
	by "by uid $me"
	control users "alias $me"
	by "by alias"
	control users '# comment' '' "network 7791 $me" 'network 7792'
	by "from network"
	control users "network 7791" "bounce 1 2" "	bounce	3  $me "
	by "for bounce"
	control users "alias 7790" "network 7791" "bounce 7796"
	by "by uid $me"
	control users "bounce $(id -un)"
	by "for bounce"
	# The order is that of qmail-queue.
	control users "bounce $me" "network $me"
	by "from network"
	control users "bounce $(id -un)" "network $(id -un)"
	by "from network"
	# Who is named takes the place of qmail's account.
	control users "network nobody-of-this-name"
	by "by uid $me"
	rm "$CONTROLDIR/users"
	by "by uid $me"
	rm -r "$CONTROLDIR"
	by "by uid $me"
}

@test "the accounts of qmail count without users" {
	skip_under_valgrind "the users could not write valgrind's findings"
	unshare -m true 2>/dev/null ||
		skip "no mount namespace: not root, or in a chroot"
	cat >as <<-'SCRIPT'
		mount --bind "$PASSWD" /etc/passwd &&
			exec setpriv --reuid="$1" --clear-groups "${@:2}"
	SCRIPT
	export PASSWD=$PWD/passwd
	for name in alias:7790 qmaild:7791 qmails:7796 qmailq:7794; do
		echo "$name" | sed 's/\(.*\):\(.*\)/\1:x:\2:0::\/:\/bin\/sh/'
	done | cat /etc/passwd - >"$PASSWD"
	chmod -R a+rwX "$QUEUEDIR"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" .
	: >m
	: >pid
	chmod a+w pid
	envelope s@x.example a@y.example >e
	unshare -m bash as 7790 test -x "$SBIN/qfront-queue" -a -w "$QUEUEDIR" ||
		skip "an ordinary user can not reach $SBIN or $QUEUEDIR"
	for pair in '7790:by alias' '7791:from network' '7796:for bounce' \
		'7794:by uid 7794' '7999:by uid 7999'; do
		known m e unshare -m bash as "${pair%%:*}"
		IFS= read -r line <"$(file_of mess)"
		[[ $line == "Received: (qmail $PID invoked ${pair#*:}); "* ]]
		tr '\0' ' ' <"$QUEUEDIR/todo/$ID" | grep -q "^u${pair%%:*} p$PID "
	done
}

@test "a mistake in users is 55, and the log says where" {
	message >m
	envelope s@x.example a@y.example >e
	while IFS= read -r line; do
		control users '# first' "$line"
		rc=0
		QFRONT_LOG=stderr "$SBIN/qfront-queue" 0<m 1<e 2>log || rc=$?
		cat log
		((rc == 55))
		grep -q "$CONTROLDIR/users:2: " log
		run "$SBIN/qfrontctl" check
		((status != 0))
		[[ $output == *"$CONTROLDIR/users:2: "* ]]
	done <<-'LIST'
		alias
		root
		nobody root
		alias: root
		alias -1
		alias 4294967296
		alias 'root
	LIST
	queue_is_empty
	# For those who ask, a name must be somebody's.
	control users 'alias nobody-of-this-name'
	"$SBIN/qfront-queue" 0<m 1<e
	run "$SBIN/qfrontctl" check
	((status != 0))
	[[ $output == *"users:1: there is no user \"nobody-of-this-name\""* ]]
}

@test "the daemon's store heeds users, and each message anew" {
	message >m
	envelope s@x.example a@y.example >e
	control users "bounce $(id -u)"
	start_daemon
	# shellcheck disable=SC2016 # the other shell expands it
	bash -c 'echo $$ >pid && exec "$1" 0<m 1<e' - "$SBIN/qfront"
	ID=$(ls "$QUEUEDIR/todo")
	head -n 1 "$(file_of mess)" |
		grep "^Received: (qmail $(<pid) invoked for bounce); "
	control users nonsense
	rc=0
	inject m e || rc=$?
	((rc == 55))
	grep "error: .*$CONTROLDIR/users:1: " "$DAEMON_LOG"
	rm "$CONTROLDIR/users"
	inject m e
	[[ $(queued) == 2 ]]
	stop_daemon
	sound
}

@test "what the queue holds before the sender comes is qmail's" {
	message >m
	envelope s@x.example a@y.example b@y.example >e
	known m e
	shows "new $ID uid $(id -u) pid $PID <s@x.example>" \
		'  a@y.example' '  b@y.example'
	sound
	# What is held is nowhere that qmail looks.
	{
		envelope s@x.example a@y.example
		printf 'HOLD=why\0'
	} >held
	"$SBIN/qfront-queue" 0<m 1<held
	shows "new $ID uid $(id -u) pid $PID <s@x.example>" \
		'  a@y.example' '  b@y.example'
	sound
	# Attributes are nothing that qmail stumbles over.
	{
		envelope s@x.example a@y.example
		printf 'ROUTE=[127.0.0.1]:1\0'
	} >routed
	known m routed
	model show | grep -A 2 -x "new $ID uid $(id -u) pid $PID <s@x.example>"
	sound
}

@test "without nameless files envelopes have a first name, as qmail's" {
	skip_under_valgrind "valgrind needs /proc"
	skip_under_sanitizers "the sanitizers need /proc"
	unshare -m true 2>/dev/null ||
		skip "no mount namespace: not root, or in a chroot"
	message >m
	envelope s@x.example a@y.example >e
	# shellcheck disable=SC2016 # the other shell expands it
	known m e unshare -m sh -c 'mount -t tmpfs none /proc && exec "$@"' -
	[[ "$QUEUEDIR/intd/$ID" -ef "$QUEUEDIR/todo/$ID" ]]
	sound
	control remotes 'mx ok'
	ok_module
	send_once
	took a@y.example
	gone
}

@test "what the sender leaves is qmail's: info, remote, bounce" {
	module_by_name
	bounce_to_stub
	born=1700000000
	enqueue s@x.example later1@y.example ok1@y.example bad1@y.example \
		later2@y.example bad2@y.example
	touch -d "@$born" "$QUEUEDIR/todo/$ID"
	control queuelifetime 2000000000
	send_once
	took ok1@y.example
	golden info | cmp - "$(file_of info)"
	golden remote | cmp - "$(file_of remote)"
	golden bounce | cmp - "$QUEUEDIR/bounce/$ID"
	[[ $(stat -c %Y "$(file_of info)") == "$born" ]]
	# The next attempt is later than now, and not by more than maxpause.
	due=$(stat -c %Y "$(file_of remote)") now=$(date +%s)
	((due > now - 60 && due <= now + 86400))
	[[ ! -e $(file_of local) ]]
	sound
	# A second deferral changes times only.
	send_once
	golden remote | cmp - "$(file_of remote)"
	golden bounce | cmp - "$QUEUEDIR/bounce/$ID"
	sound
	# qmail-send takes it over and ends it.
	model deliver >got
	diff got - <<-END
		delivered $ID later1@y.example
		delivered $ID later2@y.example
		bounced $ID <bad1@y.example> server.example: 550 no such user
		bounced $ID <bad2@y.example> server.example: 550 no such user
	END
	gone
}

@test "what is deferred as a whole is qmail's" {
	module_by_name
	enqueue '' later1@y.example later2@y.example
	send_once
	shows "old $ID <>" '  remote T later1@y.example' \
		'  remote T later2@y.example'
	sound
	model deliver --fail 'later1@y.example=no\n\nmore' >got
	diff got - <<-END
		delivered $ID later2@y.example
		bounced $ID <later1@y.example> no//more
	END
	gone
}

@test "what ended has left nothing in qmail's folders" {
	module_by_name
	bounce_to_stub
	enqueue s@x.example ok1@y.example
	enqueue s@x.example bad1@y.example ok2@y.example
	enqueue '#@[]' bad2@y.example
	send_once
	took ok1@y.example ok2@y.example
	gone
	[[ $(files "$QUEUEDIR/failed") == 2 ]]
}

@test "a bounce that can not be sent now waits as qmail's" {
	module_by_name
	bounce_to_stub
	enqueue s@x.example bad1@y.example
	CODE=71 send_once
	shows "old $ID <s@x.example>" '  remote D bad1@y.example' \
		'  <bad1@y.example> server.example: 550 no such user'
	sound
	model deliver >got
	grep -qx "bounced $ID <bad1@y.example> server.example: 550 no such user" \
		got
	gone
}

@test "the sender delivers what qmail-queue has queued" {
	control remotes 'mx ok'
	ok_module
	head -c 70000 /dev/urandom >m
	written --message m s@x.example a@y.example b@y.example
	written --by 'for bounce' '' c@y.example
	sound
	send_once
	took a@y.example b@y.example c@y.example
	gone
	[[ ! -e $QUEUEDIR/failed || $(files "$QUEUEDIR/failed") == 0 ]]
}

@test "the module gets the bytes that qmail-queue has queued" {
	control remotes 'mx keep'
	module keep <<-'END'
		#!/bin/sh
		cat <&3 >"$WORLD/kept"
	END
	head -c 70000 /dev/urandom >m
	written --message m s@x.example a@y.example
	cp "$(file_of mess)" mess
	send_once
	printf 's@x.example\na@y.example\n\n' | cat - mess |
		cmp - "$WORLD/kept"
	gone
}

@test "the sender goes on where qmail-send has stopped" {
	control remotes 'mx ok'
	control queuelifetime 2000000000
	ok_module
	now=$(date +%s)
	# Some recipients are done, on both channels.
	written --state preprocessed --local 2 --done l1@x --done r2@y \
		--birth $((now - 5000)) --due $((now + 400)) \
		s@x.example l1@x l2@x r1@y r2@y r3@y
	sound
	send_once
	took l2@x r1@y r3@y
	gone
	# All are done: it only remains to remove it.
	written --state preprocessed --done a@y --birth "$now" s@x.example a@y
	send_once
	[[ ! -e $WORLD/rcpts ]]
	gone
	# qmail-send stopped before it had removed todo: what it wrote does
	# not count, as with qmail-send itself.
	written --state todo-left --done a@y s@x.example a@y b@y
	send_once
	took a@y b@y
	gone
	written --state stale --local 1 --bounce 'z@y=stale' s@x.example a@y
	send_once
	took a@y
	gone
}

@test "what qmail-send has noted is bounced, with the rest" {
	module_by_name
	bounce_to_stub
	written --state preprocessed --local 1 --done bad1@x --done bad2@y \
		--bounce 'bad1@x=Sorry, no mailbox here.\n\nTry another one.' \
		--bounce 'bad2@y=550 gone' \
		s@x.example bad1@x bad2@y bad3@y ok@y
	sound
	send_once
	took ok@y
	gone
	printf 'F\0Ts@x.example\0\0' | cmp - "$STUB.envelope"
	for rcpt in bad1@x bad2@y bad3@y; do
		grep -qx "Final-Recipient: rfc822; $rcpt" "$STUB.message"
	done
	[[ $(grep -c ^Final-Recipient "$STUB.message") == 3 ]]
	grep -q 'Sorry, no mailbox here' "$STUB.message"
	grep -q 'Try another one' "$STUB.message"
	run ! grep 'ok@y' "$STUB.message"
}

@test "birth and lifetime are those of info" {
	module_by_name
	bounce_to_stub
	control queuelifetime 3600
	now=$(date +%s)
	written --state preprocessed --birth $((now - 1800)) \
		--due $((now - 60)) s@x.example later1@y
	send_once
	[[ ! -e $STUB.message ]]
	[[ $(stat -c %Y "$(file_of info)") == $((now - 1800)) ]]
	(($(stat -c %Y "$(file_of remote)") > now - 60))
	written --state preprocessed --birth $((now - 7200)) s@x.example later2@y
	send_once
	grep -qx 'Final-Recipient: rfc822; later2@y' "$STUB.message"
	run ! grep 'later1@y' "$STUB.message"
	sound
}

@test "litter of qmail-queue is left alone, and swept after 36 hours" {
	now=$(date +%s)
	for state in pid mess intd; do
		written --state $state --pid $((n += 1)) s@x.example a@y
	done
	run model judge
	((status == 1 && ${#lines[@]} >= 3))
	send_once
	[[ $(cd "$QUEUEDIR" && find pid mess intd -type f | wc -l) == 4 ]]
	find "$QUEUEDIR"/{pid,mess,intd} -type f -delete
	for state in pid mess intd; do
		written --state $state --age $((now - 129700)) --pid $((n += 1)) \
			s@x.example a@y
	done
	# A message of the same age is none.
	written --age $((now - 129700)) s@x.example good@y
	module_by_name
	send_once
	took good@y
	gone
}

@test "odd records of qmail-queue and qmail-send" {
	control remotes 'mx ok'
	ok_module
	# No recipients: it goes in silence.
	written s@x.example
	# Of two senders the first counts; without u and p.
	written --todo 'Ffirst@x\0Fsecond@x\0Ta@y\0' x
	send_once
	took a@y
	gone
	# What qmail-send stops at waits, is logged, and holds up nobody.
	for todo in 'u1\0p2\0Ta@y\0' 'u1\0p2\0Fs@x\0Ta@y\0\0' \
		'u1\0p2\0Fs@x\0Ta@y\0eX: y\0' 'u1\0p2\0Fs@x\0Ta@y'; do
		written --todo "$todo" x
		poison=$ID
		run model show
		((status == 1))
		written s@x.example good@y
		send_once
		took good@y
		logged "damaged message left alone id=$poison "
		[[ -e $QUEUEDIR/todo/$poison ]]
		find "$QUEUEDIR"/{todo,intd,mess} -type f -delete
	done
	gone
}

@test "from hand to hand, with half of it done each time" {
	module_by_name
	bounce_to_stub
	message >m
	envelope s@x.example a@here b@y later@y bad@y >e
	known m e
	model preprocess --local here
	sound
	model deliver --defer b@y --defer later@y --defer bad@y >got
	diff got - <<-END
		delivered $ID a@here
		deferred $ID b@y
		deferred $ID later@y
		deferred $ID bad@y
	END
	sound
	send_once
	took b@y
	sound
	shows "old $ID <s@x.example>" '  local D a@here' '  remote D b@y' \
		'  remote T later@y' '  remote D bad@y' \
		'  <bad@y> server.example: 550 no such user'
	model deliver --fail 'later@y=450 no' >got
	diff got - <<-END
		bounced $ID <bad@y> server.example: 550 no such user
		bounced $ID <later@y> 450 no
	END
	gone
}

# spoilt COMMAND...: what the checker says after it is in output. It happens to
# a copy, whose inodes the checker does not like either.
spoilt() {
	mv "$QUEUEDIR" whole
	cp -a whole "$QUEUEDIR"
	"$@"
	run model judge
	rm -r "$QUEUEDIR"
	mv whole "$QUEUEDIR"
	echo "$*: $output"
	((status == 1))
}

append() {
	printf "$2" >>"$1"
}

@test "the checker finds what is not qmail's" {
	message >m
	envelope s@x.example a@y.example >e
	known m e
	sound
	todo=$QUEUEDIR/todo/$ID mess=$(file_of mess)
	spoilt true
	[[ $output =~ ^mess/$ID:\ inode\ [0-9]+$ ]]
	spoilt append "$todo" '\0'
	[[ $output == *"unknown record type"* ]]
	spoilt append "$todo" 'Tb@y'
	[[ $output == *"has no end"* ]]
	spoilt sed -i 's/^u/x/' "$todo"
	[[ $output == *"unknown record type"* ]]
	spoilt sed -i 's/^u[0-9]*\x0//' "$todo"
	[[ $output == *"records pFT"* ]]
	spoilt chmod 600 "$todo"
	[[ $output == *"todo/$ID: mode 600"* ]]
	spoilt ln "$todo" "$QUEUEDIR/intd/1"
	[[ $output == *"2 links"* ]]
	spoilt sed -i '1s/invoked by/called by/' "$mess"
	[[ $output == *"no Received line"* ]]
	spoilt mv "$mess" "$QUEUEDIR/mess/$(((ID + 1) % 23))/$ID"
	[[ $output == *"no number that belongs there"* ]]
	spoilt rm "$todo"
	[[ $output == *"litter"* ]]
	spoilt touch "$QUEUEDIR/pid/1.2.3"
	[[ $output == *"pid/1.2.3: left over"* ]]
	spoilt chmod 700 "$QUEUEDIR/todo"
	[[ $output == *"todo: mode 700"* ]]
	model preprocess
	sound
	spoilt append "$(file_of remote)" 'Kx\0'
	[[ $output == *"unknown record type"* ]]
	spoilt append "$(file_of info)" 'Fx\0'
	[[ $output == *"2 senders"* ]]
	spoilt append "$QUEUEDIR/bounce/$ID" '<x>:\nwhy\n'
	[[ $output == *"does not end with an empty line"* ]]
	spoilt append "$QUEUEDIR/bounce/$ID" '<a@y.example>:\nwhy\n\n'
	[[ $output == *"is not done"* ]]
	spoilt cp "$(file_of mess)" "$(file_of mess).new"
	[[ $output == *"no number"* ]]
}
