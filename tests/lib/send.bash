# Helpers for tests of the sender: `load ../lib/send` after common.
#
# shellcheck shell=bash

# After make_world: a folder for modules, and the current directory in the
# case's own place.
make_send_world() {
	export WORLD PROTOCOLDIR=$WORLD/protocols
	mkdir -p "$PROTOCOLDIR"
	cd "$BATS_TEST_TMPDIR" || return
}

# enqueue SENDER RCPT...: puts a small message into the queue without any
# filter; its id is in ID.
enqueue() {
	message >enqueue.m
	enqueue_file enqueue.m "$@"
}

# enqueue_file MESSAGE-FILE SENDER RCPT...: the same with another message.
enqueue_file() {
	local msg=$1 before after

	shift
	envelope "$@" >enqueue.e
	before=$(find "$QUEUEDIR/mess" -type f -printf '%f\n' | sort)
	"$SBIN/qfront-queue" 0<"$msg" 1<enqueue.e
	after=$(find "$QUEUEDIR/mess" -type f -printf '%f\n' | sort)
	# shellcheck disable=SC2034 # the test files use it
	ID=$(comm -13 <(echo "$before") <(echo "$after"))
}

# module NAME <SCRIPT: a protocol module.
module() {
	cat >"$PROTOCOLDIR/$1"
	chmod 755 "$PROTOCOLDIR/$1"
}

# Module `ok` takes everything and notes its recipients in WORLD/rcpts.
ok_module() {
	module ok <<-'END'
		#!/bin/sh
		sed -n '2,/^$/{/./p}' <&3 >>"$WORLD/rcpts"
		echo 250 ok
	END
}

# Module `fail` takes nothing.
fail_module() {
	module fail <<-'END'
		#!/bin/sh
		echo 550 no
		exit 35
	END
}

# Bounces go to a queue program that keeps what it gets in STUB.message,
# STUB.envelope and STUB.environment, and ends with CODE.
bounce_to_stub() {
	export STUB=$BATS_TEST_TMPDIR/stub QMAILQUEUE=$TESTLIB/stubqueue
}

# One run of the sender: its exit code in status, its log in the file log.
send_once() {
	status=0
	"$SBIN/qfront-send" --once 2>log </dev/null 3>&- || status=$?
	echo "exit code $status, log:"
	cat log
}

# logged PATTERN: the log of send_once has a line like this.
logged() {
	grep -Eq -- "$1" log || {
		echo "not in the log: $1"
		return 1
	}
}

# start_sender: runs it in the background; SENDER is its process. What `sees`
# has read of its log is in the file log.
start_sender() {
	rm -f sender.fifo
	mkfifo sender.fifo
	: >log
	"$SBIN/qfront-send" 2>sender.fifo </dev/null 3>&- &
	SENDER=$!
	PEERS+=("$SENDER")
	exec {SENDER_LOG}<sender.fifo
}

# sees PATTERN: waits for a line of its log like this.
sees() {
	while wait_for_line "$SENDER_LOG" ''; do
		echo "$LINE" >>log
		[[ ! $LINE =~ $1 ]] || return 0
	done
	echo "waited for: $1"
	cat log
	return 1
}

# stop_sender: ends it as a supervisor would, and reads the rest of its log.
stop_sender() {
	kill -TERM "$SENDER"
	wait "$SENDER"
	cat <&"$SENDER_LOG" >>log
}

# queue_is_empty_but FOLDER: no message is left, but what FOLDER holds.
queue_is_empty_but() {
	local left

	left=$(cd "$QUEUEDIR" &&
		find . -type f ! -path './lock/*' ! -path "./$1/*")
	[[ -z $left ]] || {
		echo "left in the queue:"
		echo "$left"
		return 1
	}
}
