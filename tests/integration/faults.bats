#!/usr/bin/env bats
# Faults at every point: whichever call to the system fails, and wherever a
# process is killed, no message is lost, none is half there, and no trouble of
# this host becomes a permanent answer. The loops are in tests/lib/faults.py;
# what they print names the point, and how to set it off by hand.

load ../lib/common
load ../lib/send

setup() {
	skip_under_sanitizers "their runtime must be loaded first"
	skip_under_valgrind "thousands of runs"
	make_world
	make_send_world
	# A static program takes no library before its own.
	SBIN=$QF_BUILDDIR/tests/stage-dynamic${QF_SBINDIR-}
	export SBIN PROTOCOLS CODES=$QF_SRCDIR/lib/mail/exitcodes.tbl
	export FAULT_SO=$QF_BUILDDIR/tests/lib/.libs/fault.so
	export MESSAGE=$BATS_TEST_TMPDIR/m ENVELOPE=$BATS_TEST_TMPDIR/e
	RUNS=$(mktemp -d -p "$(fast_folder)" qfront-faults.XXXXXX)
}

teardown() {
	stop_peers
	rm -rf "${RUNS-}"
}

# points ARGUMENT...: tries them all.
points() {
	"$PYTHON" -B "$TESTLIB/faults.py" "$@" "$RUNS" 3>&-
}

# A chain on which a message takes the longest way: both kinds of workers, and
# edits of the envelope, the header and the signature on top.
make_chain() {
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins RELAYCLIENT=
	export PUBLIC_KEY=$BATS_TEST_TMPDIR/public.pem
	export WANT=$BATS_TEST_TMPDIR/want WANT_ENVELOPE=$BATS_TEST_TMPDIR/we
	mkdir plugins
	cp "$PLUGINS"/{size,dkim}.so \
		"$QF_BUILDDIR/tests/plugins/.libs/misbehave.so" plugins
	control chain 'size max-message=1M' 'misbehave do=readdress' \
		'misbehave@b do=mark' 'dkim if=relay'
	(umask 077 && openssl genpkey -algorithm RSA \
		-pkeyopt rsa_keygen_bits:1024 -out "$CONTROLDIR/key.pem") \
		2>openssl.log
	openssl pkey -in "$CONTROLDIR/key.pem" -pubout -out public.pem
	control plugins/dkim.keys 'test.example s1 key.pem'
	message >m
	envelope sender@test.example rcpt@test.example >e
	envelope new@x.example added@y.example >we
	{
		echo 'X-Trace: mark'
		cat m
	} >want
}

# A sender with one remote, and a program that keeps bounces.
make_sender() {
	control remotes 'mx stub'
	export QMAILQUEUE=$BATS_TEST_TMPDIR/keep
	cat >keep <<-'END'
		#!/bin/sh
		cat >"$RECORD/$$.message"
		cat <&1 >"$RECORD/$$.envelope"
	END
	chmod 755 keep
	message >m
	envelope s@test.example a b >e
}

@test "intake: a message is queued whole, or refused for now without a trace" {
	make_chain
	points intake --sparse 32
}

@test "intake: the same for a queue without nameless files" {
	message >m
	envelope sender@test.example rcpt@test.example >e
	export WANT=$MESSAGE WANT_ENVELOPE=$ENVELOPE
	points intake --no-tmpfile --process qfront-queue
}

@test "send: who is refused is told to the sender, the other is served" {
	make_sender
	module stub <<-'END'
		#!/bin/sh
		read -r sender <&3
		read -r one <&3
		read -r other <&3
		[ "$one$other" = a ] || { echo 550 no; exit 35; }
		echo "$one" >>"$RECORD/rcpts"
	END
	SERVED=a REFUSED=b points send
}

# The next two make their way to what is theirs by calls that were tried above.
ABOVE=fdopendir,fstatat,malloc,open,read

@test "send: what is taken is delivered" {
	make_sender
	module stub <<-'END'
		#!/bin/sh
		read -r sender <&3
		while read -r rcpt <&3 && [ -n "$rcpt" ]; do
			echo "$rcpt" >>"$RECORD/rcpts"
		done
	END
	SERVED='a b' REFUSED='' points send --skip "$ABOVE"
}

@test "send: what is deferred is delivered later" {
	make_sender
	module stub <<-'END'
		#!/bin/sh
		if ! [ -e "$RECORD/later" ]; then
			: >"$RECORD/later"
			exit 16
		fi
		read -r sender <&3
		while read -r rcpt <&3 && [ -n "$rcpt" ]; do
			echo "$rcpt" >>"$RECORD/rcpts"
		done
	END
	SERVED='a b' REFUSED='' points send --skip "$ABOVE"
}

@test "split: recipients that go different ways are queued all, or none" {
	export PLUGINDIR=$QF_BUILDDIR/tests/plugins/.libs
	control chain judge 'judge@two mark=two rcpt=@two.example'
	message >m
	points split --sparse 32 --process qfrontd
}

@test "groups: all of them are queued, or none" {
	message >m
	points groups --sparse 32
}

@test "groups: the same for a queue without nameless files" {
	message >m
	points groups --no-tmpfile --sparse 32 --skip faccess,malloc,read
}

# A held message, and a module that serves everybody.
make_held() {
	make_sender
	printf 'HOLD=why\0ROUTE=mx.example\0' >>e
	module smtp <<-'END'
		#!/bin/sh
		read -r sender <&3
		while read -r rcpt <&3 && [ -n "$rcpt" ]; do
			echo "$rcpt" >>"$RECORD/rcpts"
		done
	END
}

@test "release: what is held stays held, or is delivered" {
	make_held
	SERVED='a b' REFUSED='' points release
}

@test "delete: what is held stays held, or is gone" {
	make_held
	SERVED='' REFUSED='' points delete
}

@test "hold: what is queued stays queued, or is held" {
	make_held
	sed -i 's/HOLD=why\x00//' e
	SERVED='a b' REFUSED='' points hold \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

# A module that serves a at the first attempt and b at the second.
make_tried() {
	make_sender
	module stub <<-'END'
		#!/bin/sh
		read -r sender <&3
		read -r one <&3
		read -r other <&3
		[ -z "$other" ] || exit 17
		if [ "$one" = b ] && ! [ -e "$RECORD/later" ]; then
			: >"$RECORD/later"
			exit 16
		fi
		echo "$one" >>"$RECORD/rcpts"
	END
}

@test "hold: what became of recipients stays so" {
	make_tried
	SERVED='a b' REFUSED='' points hold-tried \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

@test "delete: what is queued and was tried stays queued, or is gone" {
	make_tried
	SERVED=a REFUSED='' points delete-tried \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

@test "release: what is held and was tried stays held, or is delivered" {
	make_tried
	SERVED='a b' REFUSED='' points release-tried \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

@test "delete: what is held and was tried stays held, or is gone" {
	make_tried
	SERVED=a REFUSED='' points delete-held-tried \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

@test "retry: what waits goes on waiting, or is tried at once" {
	make_tried
	SERVED='a b' REFUSED='' points retry \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

# A module that refuses everybody at the first attempt.
make_failed() {
	make_sender
	module stub <<-'END'
		#!/bin/sh
		[ -e "$RECORD/again" ] || exit 35
		read -r sender <&3
		while read -r rcpt <&3 && [ -n "$rcpt" ]; do
			echo "$rcpt" >>"$RECORD/rcpts"
		done
	END
}

@test "failed retry: what failed stays kept, or is queued" {
	make_failed
	SERVED='a b' REFUSED='' points failed-retry \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

@test "failed delete: what failed stays kept, or is gone" {
	make_failed
	SERVED='' REFUSED='' points failed-delete \
		--skip "$ABOVE,close,faccess,fcntl,fstat"
}

@test "fix: a repair that fails or is cut off is ended by the next one" {
	make_held
	sed -i 's/HOLD=why\x00//' e
	SERVED='a b' REFUSED='' points fix \
		--skip "$ABOVE,close,faccess,fchmod,fchown,fcntl,flock,fstat"
}

@test "smtp: 0 only for a message that the server has, never a permanent code" {
	start_sink
	export PORT SINK
	printf 'Subject: @ID@\n\nHello.\n.\n' >m
	points smtp
	# What it keeps is whole, whatever the module said.
	for eml in "$SINK"/*.eml; do
		tail -n +2 "$eml" | cmp - <(printf '\r\nHello.\r\n.\r\n')
	done
}

@test "qmqp: 0 only for a message that the server has, never a permanent code" {
	export PORT SINK=$BATS_TEST_TMPDIR/sink

	mkdir sink
	printf '%s\n' package 'reply Kok' >script
	start_peer "$PYTHON" "$TESTLIB/fakeqmqp.py" --connections 100000 \
		--timeout 600 --record "$SINK/got" script
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	PORT=${BASH_REMATCH[1]}
	printf 'Subject: @ID@\n\nHello.\n.\n' >m
	points qmqp
	# What it keeps is whole, whatever the module said.
	for eml in "$SINK"/*.eml; do
		tail -n +2 "$eml" | cmp - <(printf '\nHello.\n.\n')
	done
}
