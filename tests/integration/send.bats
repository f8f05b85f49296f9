# qfront-send over foreign protocol modules: small programs that stand in
# PROTOCOLDIR and do what modules do, rightly or wrongly.

bats_require_minimum_version 1.5.0

load ../lib/common
load ../lib/send

setup() {
	make_world
	make_send_world
}

teardown() {
	stop_peers
}

@test "--help says how, a wrong call too" {
	"$SBIN/qfront-send" --help >out 2>err
	[ ! -s err ]
	grep -q '^usage:' out
	for wrong in --bogus extra --queue= --control; do
		rc=0
		"$SBIN/qfront-send" "$wrong" >out 2>err || rc=$?
		[ "$rc" -eq 1 ]
		[ ! -s out ]
		grep -q '^usage:' err
	done
}

@test "a module gets its options, the message and HELOHOST, nothing else" {
	control remotes "mx.example check --port=25 pass='my pass' user=u"
	module check <<-'END'
		#!/bin/sh
		cat >"$WORLD/options"
		cat <&3 >"$WORLD/mail"
		echo "$HELOHOST" >"$WORLD/helohost"
		echo "$0 $#" >"$WORLD/arguments"
		ls /proc/$$/fd >"$WORLD/fds"
		echo 250 accepted
	END
	printf 'Subject: x\n\nbody\n..\nno end' >m
	enqueue_file m s@test.example a@x.example b@x.example
	send_once
	[ "$status" -eq 0 ]
	printf 'host=mx.example\nport=25\npass=my pass\nuser=u\n\n' |
		cmp - "$WORLD/options"
	[ "$(<"$WORLD/helohost")" = test.example ]
	[ "$(<"$WORLD/arguments")" = "$PROTOCOLDIR/check 0" ]
	# A shell reads its script through a descriptor from 10 on.
	[ "$(grep -vx '[0-9][0-9]*[0-9]' "$WORLD/fds" | paste -sd' ')" = \
		"0 1 2 3" ]
	printf 's@test.example\na@x.example\nb@x.example\n\n' >want
	cmp -n "$(wc -c <want)" want "$WORLD/mail"
	tail -c +$(($(wc -c <want) + 1)) "$WORLD/mail" >got
	head -n 2 got | grep -q '^Received: '
	tail -c "$(wc -c <m)" got | cmp - m
	queue_is_empty
	logged "starting delivery id=[0-9]+ remote=mx.example protocol=check rcpts=2"
	logged 'delivered id=[0-9]+ remote=mx.example text="250 accepted"'
	logged 'end id=[0-9]+'
}

@test "helohost, and the fall-back to the system's name" {
	control remotes 'mx check'
	module check <<-'END'
		#!/bin/sh
		echo "$HELOHOST" >"$WORLD/helohost"
	END
	control helohost helo.example
	enqueue s@test.example a@x.example
	HELOHOST=wrong send_once
	[ "$(<"$WORLD/helohost")" = helo.example ]
	rm "$CONTROLDIR/helohost" "$CONTROLDIR/me"
	enqueue s@test.example a@x.example
	send_once
	[ "$(<"$WORLD/helohost")" = "$(uname -n)" ]
}

@test "a large message arrives whole, at the start of a file to seek in" {
	control remotes 'mx check'
	module check <<-'END'
		#!/bin/sh
		sha256sum <&3 >"$WORLD/sum"
		test -f /dev/fd/3
	END
	head -c 17000000 /dev/urandom >m
	enqueue_file m s@test.example a@x.example
	mess=$(find "$QUEUEDIR/mess" -type f)
	printf 's@test.example\na@x.example\n\n' | cat - "$mess" |
		sha256sum >want
	send_once
	cmp want "$WORLD/sum"
	queue_is_empty
}

@test "exit codes: 0 delivered, 32 to 63 failed, all else later" {
	local temporary=(1 2 16 17 20 31 64 75 96 100 111 126 127 128 160 255)
	local permanent=(32 33 35 63)

	control remotes 'mx code'
	module code <<-'END'
		#!/bin/sh
		exit "$(sed -n 2p <&3)"
	END
	for code in 0 "${temporary[@]}" "${permanent[@]}"; do
		enqueue '' "$code"
	done
	send_once
	[ "$status" -eq 0 ]
	for code in "${temporary[@]}"; do
		logged "deferred .*exit code $code and"
	done
	for code in "${permanent[@]}"; do
		logged "failed .*rcpt=$code text=.*exit code $code and"
	done
	[ "$(queued)" -eq "${#temporary[@]}" ]
	[ "$(files "$QUEUEDIR/failed")" -eq "${#permanent[@]}" ]
	[ "$(grep -c ' delivered ' log)" -eq 1 ]
}

@test "death by a signal is for later" {
	control remotes 'mx crash'
	module crash <<-'END'
		#!/bin/sh
		kill -SEGV $$
	END
	enqueue s@test.example a@x.example
	send_once
	logged 'deferred .*killed by signal 11'
	[ "$(queued)" -eq 1 ]
}

@test "a module that hangs is stopped with all it started" {
	control remotes 'one hang' 'two ok'
	control sendtimeout 1
	mkfifo alive never
	ALIVE=$PWD/alive NEVER=$PWD/never
	export ALIVE NEVER
	module hang <<-'END'
		#!/bin/bash
		exec 9>"$ALIVE"
		(trap '' TERM; read -r <>"$NEVER") &
		read -r <>"$NEVER"
	END
	ok_module
	enqueue s@test.example a@x.example
	cat alive >lived 3>&- &
	PEERS+=("$!")
	send_once
	# The end of this pipe: nobody holds it any more.
	wait "${PEERS[-1]}"
	logged 'deferred .* remote=one text="timed out'
	logged 'delivered .* remote=two'
	queue_is_empty
}

@test "a module that floods us does not block us" {
	control remotes 'mx flood'
	module flood <<-'END'
		#!/bin/sh
		head -c 1000000 /dev/zero | tr '\0' 'x'
		echo done >"$WORLD/done"
	END
	enqueue s@test.example a@x.example
	send_once
	[ -e "$WORLD/done" ]
	queue_is_empty
	logged 'delivered .*xxx\.\.\.'
	[ "$(wc -c <log)" -lt 5000 ]
}

@test "a module may end without reading anything" {
	control remotes "mx early $(printf 'option=%05d ' {1..20000})"
	module early <<-'END'
		#!/bin/sh
		exec <&-
		echo 250 so fast
	END
	enqueue s@test.example a@x.example
	send_once
	[ "$status" -eq 0 ]
	logged 'delivered .*250 so fast'
}

@test "a module may leave a child that holds its output" {
	control remotes 'mx leave'
	mkfifo never
	NEVER=$PWD/never
	export NEVER
	module leave <<-'END'
		#!/bin/bash
		read -r <>"$NEVER" &
		echo $! >"$WORLD/child"
		echo 250 done
	END
	enqueue s@test.example a@x.example
	send_once
	kill "$(<"$WORLD/child")"
	queue_is_empty
}

@test "a module that is not there is for later, and the next remote's turn" {
	control remotes 'one missing' 'two plain' 'three ok'
	ok_module
	echo 'not a program' >"$PROTOCOLDIR/plain"
	enqueue s@test.example a@x.example
	send_once
	logged 'deferred .*remote=one .*protocols/missing: No such file'
	logged 'deferred .*remote=two .*protocols/plain: Permission denied'
	logged 'delivered .*remote=three'
	queue_is_empty
}

@test "remotes in their order, and for each the messages, oldest first" {
	control remotes 'one later' 'two ok'
	module later <<-'END'
		#!/bin/sh
		echo "$(sed -n 2p <&3)" >>"$WORLD/order"
		exit 75
	END
	ok_module
	for i in 1 2 3 4 5; do
		enqueue s@test.example "$i"
		touch -d "-$((i * 10)) minutes" "$QUEUEDIR"/todo/"$ID"
	done
	send_once
	[ "$(paste -sd' ' "$WORLD/order")" = "5 4 3 2 1" ]
	queue_is_empty
	grep -n ' starting delivery ' log >attempts
	[ "$(grep -c . attempts)" -eq 10 ]
	[[ $(sed -n 5p attempts) == *remote=one* ]]
	[[ $(sed -n 6p attempts) == *remote=two* ]]
}

@test "no remotes: mail waits" {
	enqueue s@test.example a@x.example
	send_once
	[ "$status" -eq 0 ]
	logged 'no remotes'
	[ "$(queued)" -eq 1 ]
}

@test "wrong control files end a single run with 18, and name the line" {
	ok_module
	enqueue s@test.example a@x.example
	control remotes '# fine' "mx ok pass='x"
	send_once
	[ "$status" -eq 18 ]
	logged 'remotes:2: a . quote is not closed'

	control remotes 'mx ok'
	chmod 666 "$CONTROLDIR/remotes"
	send_once
	[ "$status" -eq 18 ]
	logged 'remotes: others can write it'

	chmod 600 "$CONTROLDIR/remotes"
	control sendtimeout 60s
	send_once
	[ "$status" -eq 18 ]
	logged 'sendtimeout:1: .*60s.* is not a number'

	rm "$CONTROLDIR/sendtimeout"
	[ "$(queued)" -eq 1 ]
	send_once
	[ "$status" -eq 0 ]
	queue_is_empty
}

@test "a file of passwords that all can read is worth a warning" {
	control remotes 'mx ok'
	ok_module
	enqueue s@test.example a@x.example
	send_once
	logged 'warn: .*chmod o-r it file=remotes'
	chmod 640 "$CONTROLDIR/remotes"
	enqueue s@test.example a@x.example
	send_once
	run ! grep chmod log
}

@test "pausetime 0 is one run" {
	control remotes 'mx ok'
	control pausetime 0
	ok_module
	enqueue s@test.example a@x.example
	run "$SBIN/qfront-send"
	[ "$status" -eq 0 ]
	queue_is_empty
}

@test "directories can be given as options" {
	control remotes 'mx fail'
	fail_module
	enqueue s@test.example a@x.example
	queue=$QUEUEDIR
	run env -u QUEUEDIR -u CONTROLDIR -u PROTOCOLDIR "$SBIN/qfront-send" \
		--once --queue="$QUEUEDIR" --control="$CONTROLDIR" \
		--protocols="$PROTOCOLDIR"
	echo "$output"
	[ "$status" -eq 0 ]
	# The bounce went into the same queue, and its own run failed.
	[ "$(files "$queue/failed")" -eq 2 ]
	queue_is_empty_but failed
}

@test "one bad address costs the others nothing" {
	control remotes 'mx strict'
	module strict <<-'END'
		#!/bin/bash
		mapfile -t line <&3
		for ((i = 1; ; i++)); do
			rcpt=${line[i]}
			[[ -n $rcpt ]] || break
			case $rcpt in
			bad*) echo "550 5.1.1 <$rcpt> unknown"; exit 35 ;;
			busy*) echo "450 4.2.1 <$rcpt> busy"; exit 16 ;;
			esac
			all+=("$rcpt")
		done
		printf '%s\n' "${all[@]}" >>"$WORLD/delivered"
		echo "250 ok"
	END
	bounce_to_stub
	enqueue s@test.example a1 a2 bad1 a3 a4 busy1 a5 bad2 a6
	send_once
	[ "$status" -eq 0 ]
	# Who shares its half with the busy one waits with it.
	[ "$(queued)" -eq 1 ]
	[ ! -e "$STUB.message" ]
	sed -i 's/busy/idle/' "$PROTOCOLDIR/strict"
	send_once
	sort "$WORLD/delivered" | paste -sd' ' >got
	[ "$(<got)" = "a1 a2 a3 a4 a5 a6 busy1" ]
	queue_is_empty_but failed
	[ "$(grep -c '^Final-Recipient' "$STUB.message")" -eq 2 ]
	grep -q '^Final-Recipient: rfc822; bad1$' "$STUB.message"
	grep -q '^Final-Recipient: rfc822; bad2$' "$STUB.message"
}

@test "one recipient that must wait holds back none of the others" {
	control remotes 'mx grey'
	control queuelifetime 3600
	# As the module smtp does: 17 when some must wait, 16 when all must.
	module grey <<-'END'
		#!/bin/bash
		mapfile -t line <&3
		wait=0 ok=()
		for ((i = 1; ; i++)); do
			rcpt=${line[i]}
			[[ -n $rcpt ]] || break
			case $rcpt in
			grey*) wait=$((wait + 1)) ;;
			*) ok+=("$rcpt") ;;
			esac
		done
		((wait == 0)) || echo "450 4.2.0 greylisted"
		((wait == 0 || ${#ok[@]} > 0)) || exit 16
		((wait == 0)) || exit 17
		printf '%s\n' "${ok[@]}" >>"$WORLD/delivered"
		echo "250 ok"
	END
	bounce_to_stub
	enqueue s@test.example a1 a2 grey1 a3 grey2 a4
	send_once
	[ "$(sort "$WORLD/delivered" | paste -sd' ')" = "a1 a2 a3 a4" ]
	[ "$(queued)" -eq 1 ]
	# What never gets through is returned alone.
	touch -d '-2 hours' "$QUEUEDIR"/info/*/"$ID"
	send_once
	queue_is_empty_but failed
	[ "$(sort "$WORLD/delivered" | paste -sd' ')" = "a1 a2 a3 a4" ]
	[ "$(grep -c '^Final-Recipient' "$STUB.message")" -eq 2 ]
	[ "$(grep -c '^Final-Recipient: rfc822; grey' "$STUB.message")" -eq 2 ]
}

@test "addresses that no module can be given fail, the others do not" {
	control remotes 'mx ok'
	ok_module
	bounce_to_stub
	enqueue s@test.example $'a\nevil' good ''
	send_once
	logged 'failed .*rcpt="a\\x0aevil" text="the address holds a line end"'
	logged 'failed .*rcpt="" text="the address is empty"'
	logged 'starting delivery .*rcpts=1'
	[ "$(<"$WORLD/rcpts")" = good ]
	queue_is_empty_but failed
	run ! grep '^evil' "$STUB.message"

	enqueue $'s\nevil' good
	send_once
	logged 'failed .*the address of the sender holds a line end'
}

@test "the bounce: sender, recipient, parts, statuses" {
	control remotes 'mx.example fail'
	module fail <<-'END'
		#!/bin/sh
		printf '550-5.1.1 unknown user\r\n550 5.1.1 sorry\r\n'
		exit 35
	END
	bounce_to_stub
	enqueue s@test.example bob@x.example
	id=$ID
	send_once
	printf 'F\0Ts@test.example\0\0' | cmp - "$STUB.envelope"
	"$PYTHON" "$TESTLIB/dsncheck.py" "$STUB.message" >got
	cat got
	diff - got <<-END
		To: s@test.example
		From: Mail Delivery System <MAILER-DAEMON@test.example>
		Auto-Submitted: auto-replied
		types: text/plain message/delivery-status text/rfc822-headers
		Reporting-MTA: dns; test.example
		Final-Recipient: rfc822; bob@x.example
		Action: failed
		Status: 5.1.1
		Remote-MTA: dns; mx.example
		Diagnostic-Code: smtp; 550-5.1.1 unknown user/550 5.1.1 sorry
		Subject of the original: a test
	END
	run ! grep Hello "$STUB.message"
	queue_is_empty_but failed
	logged "bounce queued id=$id qp=[0-9]+ to=s@test.example"
	grep -q 'bounce queued' log
	[ "$(grep -n 'bounce queued' log | cut -d: -f1)" -lt \
		"$(grep -n " end id=$id" log | cut -d: -f1)" ]
}

@test "bounces go to bounceto, and carry nothing of the module's" {
	control remotes 'mx fail'
	control bounceto postmaster@test.example
	fail_module
	bounce_to_stub
	enqueue s@test.example a@x.example
	send_once
	printf 'F\0Tpostmaster@test.example\0\0' | cmp - "$STUB.envelope"
	grep -q '^To: <s@test.example>$' "$STUB.message"
	run ! grep -q HELOHOST "$STUB.environment"
}

@test "what failed is kept in failed" {
	control remotes 'mx fail'
	fail_module
	bounce_to_stub
	printf 'Subject: x\n\nbody, no end' >m
	enqueue_file m s@test.example a@x.example b@x.example
	mess=$(find "$QUEUEDIR/mess" -type f)
	printf 's@test.example\na@x.example\nb@x.example\n\n' |
		cat - "$mess" >want
	send_once
	cmp want "$QUEUEDIR/failed/$ID"
	[ "$(stat -c %a "$QUEUEDIR/failed/$ID")" = 600 ]
}

@test "mail with the null sender never bounces" {
	control remotes 'mx fail'
	fail_module
	bounce_to_stub
	enqueue '' a@x.example
	enqueue '#@[]' a@x.example
	send_once
	[ "$(grep -c 'no bounce: null sender' log)" -eq 2 ]
	[ ! -e "$STUB.message" ]
	[ "$(files "$QUEUEDIR/failed")" -eq 2 ]
	queue_is_empty_but failed
}

@test "a bounce that is not taken now keeps its message, and is tried again" {
	control remotes 'mx fail'
	fail_module
	bounce_to_stub
	enqueue s@test.example a@x.example
	CODE=71 send_once
	[ "$status" -eq 0 ]
	logged 'bounce deferred .*code=71'
	[ "$(queued)" -eq 1 ]
	QMAILQUEUE=/nonexistent/queue send_once
	logged 'bounce deferred '
	[ "$(queued)" -eq 1 ]
	rm "$STUB.message"
	# The failure was written down: no module runs for it.
	control remotes
	send_once
	run ! grep 'starting delivery' log
	logged 'bounce queued'
	[ -e "$STUB.message" ]
	queue_is_empty_but failed
}

@test "a bounce that is refused for good leaves only failed" {
	control remotes 'mx fail'
	fail_module
	bounce_to_stub
	enqueue s@test.example a@x.example
	CODE=31 send_once
	logged 'warn: bounce refused; trying a brief one .*code=31'
	logged 'error: bounce refused; message kept in failed .*code=31'
	[ -e "$QUEUEDIR/failed/$ID" ]
	queue_is_empty_but failed
}

@test "a bounce that is refused for its size or what it quotes: a brief one" {
	control remotes 'mx fail'
	fail_module
	export WORLD QMAILQUEUE=$BATS_TEST_TMPDIR/small
	cat >small <<-'END'
		#!/bin/sh
		n=$(ls "$WORLD"/bounce.* 2>/dev/null | wc -l)
		cat >"$WORLD/bounce.$n"
		cat <&1 >/dev/null
		[ "$(wc -c <"$WORLD/bounce.$n")" -lt 10000 ] || exit 34
	END
	chmod 755 small
	{
		echo 'Message-ID: <one@test.example>'
		seq -f 'X-Spam-%04.0f: buy this, buy that' 1000
		printf 'Subject: hello\n\nbody\n'
	} >big
	enqueue_file big s@test.example a@x.example
	send_once
	logged 'bounce refused; trying a brief one id=[0-9]* to=s@test.example code=34 '
	logged 'bounce queued'
	[ ! -e "$WORLD/bounce.2" ]
	grep -q '^X-Spam-1000' "$WORLD/bounce.0"
	run ! grep -q '^X-Spam' "$WORLD/bounce.1"
	grep -q '^Message-ID: <one@test.example>$' "$WORLD/bounce.1"
	grep -q '^Final-Recipient: rfc822; a@x.example$' "$WORLD/bounce.1"
	"$PYTHON" "$TESTLIB/dsncheck.py" "$WORLD/bounce.1"
	queue_is_empty_but failed
}

@test "a single run delivers its bounces too, each message once" {
	control remotes 'mx senders'
	module senders <<-'END'
		#!/bin/bash
		mapfile -t -n 2 line <&3
		case ${line[0]} in
		s@*) [[ ${line[1]} == later* ]] || { echo 550 no; exit 35; }
			echo later >>"$WORLD/later"
			exit 16 ;;
		'') cat /dev/fd/3 >"$WORLD/bounce" ;;
		esac
	END
	enqueue s@test.example a@x.example
	enqueue s@test.example later@x.example
	send_once
	[ "$status" -eq 0 ]
	grep -q '^Auto-Submitted: auto-replied$' "$WORLD/bounce"
	[ "$(sed -n 2p "$WORLD/bounce")" = s@test.example ]
	[ "$(queued)" -eq 1 ]
	[ "$(grep -c . "$WORLD/later")" -eq 1 ]
}

@test "expiry: after every remote had its chance, with the last answer" {
	control remotes 'one busy' 'two busy'
	control queuelifetime 3600
	module busy <<-'END'
		#!/bin/sh
		sed -n 1p | sed 's/host=/451 4.3.0 not now, says /'
		exit 16
	END
	bounce_to_stub
	enqueue s@test.example young@x.example
	enqueue s@test.example old@x.example
	touch -d '-2 hours' "$QUEUEDIR/todo/$ID"
	send_once
	[ "$(grep -c ' starting delivery ' log)" -eq 4 ]
	[ "$(queued)" -eq 1 ]
	[ -e "$QUEUEDIR/failed/$ID" ]
	grep -q '^Status: 5.4.7$' "$STUB.message"
	grep -q '^Remote-MTA: dns; two$' "$STUB.message"
	grep -q '^Diagnostic-Code: smtp; 451 4.3.0 not now, says two$' \
		"$STUB.message"
	grep -q 'could not be delivered in time' "$STUB.message"
}

@test "expiry: a remote that says nothing does not hide what one said" {
	control remotes 'one busy' 'two missing'
	control queuelifetime 0
	module busy <<-'END'
		#!/bin/sh
		echo 451 4.3.0 not now
		exit 16
	END
	bounce_to_stub
	enqueue s@test.example old@x.example
	send_once
	grep -q '^Remote-MTA: dns; one$' "$STUB.message"
	grep -q '^Diagnostic-Code: smtp; 451 4.3.0 not now$' "$STUB.message"
}

@test "expiry: a later remote that takes it wins" {
	control remotes 'one missing' 'two ok'
	control queuelifetime 1
	ok_module
	enqueue s@test.example old@x.example
	touch -d '-2 hours' "$QUEUEDIR/todo/$ID"
	send_once
	queue_is_empty
	[ "$(<"$WORLD/rcpts")" = old@x.example ]
}

@test "a damaged message stops nobody and is reported once" {
	control remotes 'mx ok'
	ok_module
	enqueue s@test.example a@x.example
	printf 'Xjunk' >"$QUEUEDIR/todo/$ID"
	damaged=$ID
	enqueue s@test.example b@x.example
	start_sender
	sees "error: damaged.*id=$damaged .*todo/$damaged is"
	sees 'delivered '
	sees 'waiting '
	enqueue s@test.example c@x.example
	sees 'waiting '
	stop_sender
	[ "$(grep -c damaged log)" -eq 1 ]
	[ "$(paste -sd' ' "$WORLD/rcpts")" = "b@x.example c@x.example" ]
}

@test "new mail wakes the sender" {
	control remotes 'mx ok'
	ok_module
	start_sender
	sees 'waiting seconds=86400 messages=0'
	enqueue s@test.example a@x.example
	sees 'woken by=trigger'
	sees 'delivered '
	sees 'waiting seconds=86400 messages=0'
	stop_sender
	queue_is_empty
}

@test "pauses double, new mail starts them anew, settings are read anew" {
	control remotes 'mx missing'
	control pausetime 1000
	enqueue s@test.example a@x.example
	start_sender
	sees 'waiting seconds=1000 messages=1'
	kill -ALRM "$SENDER"
	sees 'woken by=signal'
	sees 'waiting seconds=2000 messages=1'
	kill -HUP "$SENDER"
	sees 'waiting seconds=4000 messages=1'
	enqueue s@test.example b@x.example
	sees 'waiting seconds=1000 messages=2'
	control maxpause 1500
	kill -ALRM "$SENDER"
	sees 'waiting seconds=1500 messages=2'
	stop_sender
}

@test "a pause ends by itself" {
	control remotes 'mx second'
	control pausetime 1
	module second <<-'END'
		#!/bin/sh
		test -e "$WORLD/seen" && exit 0
		: >"$WORLD/seen"
		exit 16
	END
	enqueue s@test.example a@x.example
	start_sender
	sees 'waiting seconds=1 messages=1'
	sees 'delivered '
	stop_sender
	queue_is_empty
}

@test "a running sender survives wrong control files, and sends nothing" {
	control remotes 'mx ok'
	ok_module
	start_sender
	sees 'waiting '
	control remotes "mx ok 'x"
	enqueue s@test.example a@x.example
	sees 'error: wrong configuration.*remotes:1: '
	sees 'waiting seconds=60'
	[ "$(queued)" -eq 1 ]
	control remotes 'mx ok'
	kill -HUP "$SENDER"
	sees 'delivered '
	stop_sender
	queue_is_empty
}

@test "one sender for each queue" {
	control remotes 'mx ok'
	start_sender
	sees 'waiting '
	send_once
	[ "$status" -eq 1 ]
	logged 'another sender'
	stop_sender
	send_once
	[ "$status" -eq 0 ]
}

@test "no queue: exit 1, with what to do" {
	QUEUEDIR=$WORLD/none send_once
	[ "$status" -eq 1 ]
	logged 'error: can not start .*queue init'
}

@test "a stop waits for the module that runs" {
	control remotes 'mx slow'
	mkfifo go
	GO=$PWD/go
	export GO
	module slow <<-'END'
		#!/bin/sh
		echo started >"$GO"
		read -r answer <"$GO"
		echo "250 $answer"
	END
	enqueue s@test.example a@x.example
	enqueue s@test.example b@x.example
	start_sender
	read -r line <go
	[ "$line" = started ]
	kill -TERM "$SENDER"
	echo 'in time' >go
	sees 'delivered .*"250 in time"'
	rc=0
	wait "$SENDER" || rc=$?
	[ "$rc" -eq 0 ]
	# Nothing more was begun.
	cat <&"$SENDER_LOG" >>log
	[ "$(grep -c 'starting delivery' log)" -eq 1 ]
	[ "$(queued)" -eq 1 ]
}

@test "killed during a delivery: it is repeated, nothing is lost" {
	control remotes 'mx murder'
	module murder <<-'END'
		#!/bin/sh
		if ! test -e "$WORLD/done"; then
			: >"$WORLD/done"
			kill -KILL $PPID
			exit 0
		fi
		sed -n 2p <&3 >>"$WORLD/rcpts"
	END
	enqueue s@test.example a@x.example
	send_once
	[ "$status" -eq 137 ]
	[ "$(queued)" -eq 1 ]
	send_once
	[ "$status" -eq 0 ]
	[ "$(<"$WORLD/rcpts")" = a@x.example ]
	queue_is_empty
}

@test "killed while recipients are tried apart: only the last is repeated" {
	control remotes 'mx murder'
	module murder <<-'END'
		#!/bin/bash
		mapfile -t line <&3
		rcpt=("${line[@]:1:2}")
		[[ -z ${rcpt[1]} ]] || { echo '550 not all'; exit 35; }
		echo "${rcpt[0]}" >>"$WORLD/rcpts"
		case ${rcpt[0]} in
		a) echo 250 ok ;;
		b) echo '550 5.1.1 no b'; exit 35 ;;
		c) [[ -e $WORLD/done ]] || { : >"$WORLD/done"; kill -KILL $PPID; } ;;
		esac
	END
	bounce_to_stub
	enqueue s@test.example a b c
	send_once
	[ "$status" -eq 137 ]
	send_once
	[ "$status" -eq 0 ]
	[ "$(paste -sd' ' "$WORLD/rcpts")" = "a b c c" ]
	[ "$(grep -c '^Final-Recipient' "$STUB.message")" -eq 1 ]
	grep -q '^Diagnostic-Code: smtp; 550 5.1.1 no b$' "$STUB.message"
	queue_is_empty_but failed
}

@test "killed after the bounce was queued: it ends the message next time" {
	control remotes 'mx fail'
	fail_module
	bounce_to_stub
	export REAL=$QMAILQUEUE
	cat >murder <<-'END'
		#!/bin/sh
		"$REAL" "$@"
		rc=$?
		kill -KILL $PPID
		exit $rc
	END
	chmod +x murder
	enqueue s@test.example a@x.example
	QMAILQUEUE=$PWD/murder send_once
	[ "$status" -eq 137 ]
	[ "$(queued)" -eq 1 ]
	[ -e "$STUB.message" ]
	rm "$STUB.message"
	send_once
	run ! grep 'starting delivery' log
	[ -e "$STUB.message" ]
	queue_is_empty_but failed
}

@test "with the module smtp: the bounce quotes the reply of the server" {
	cat >script <<-'END'
		say 220 fake.example ESMTP
		expect EHLO test.example
		say 250 fake.example
		expect MAIL FROM:<s@test.example>
		say 250 ok
		expect RCPT TO:<bob@x.example>
		say 550-5.1.1 no such
		say 550 5.1.1 user
		expect QUIT
		say 221 bye
	END
	start_fake script
	bounce_to_stub
	control remotes "127.0.0.1 smtp port=$PORT"
	enqueue s@test.example bob@x.example
	PROTOCOLDIR=$PROTOCOLS send_once
	wait_for_peer
	"$PYTHON" "$TESTLIB/dsncheck.py" "$STUB.message" >got
	cat got
	grep -qx 'Status: 5.1.1' got
	grep -Eqx 'Diagnostic-Code: smtp; 550 .*no such.*' got
	grep -qx 'Remote-MTA: dns; 127.0.0.1' got
	queue_is_empty_but failed
}
