#!/usr/bin/env bats
# qfront-queue: the bytes that it keeps, the codes that it answers with, and
# what is left in the queue when it fails: nothing.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	message >msg
	envelope s@x.example a@y.example b@y.example >envl
}

teardown() {
	[[ ! -d $QUEUEDIR ]] || chmod -R u+rwX "$QUEUEDIR"
}

# queue MESSAGE ENVELOPE: one run, no message on the way.
queue() {
	"$SBIN/qfront-queue" 0<"$1" 1<"$2"
}

# expect CODE COMMAND...: its exit code; for any other than 0 the queue is as
# empty as before.
expect() {
	local want=$1 got=0

	shift
	"$@" || got=$?
	((got == want)) || {
		echo "exit code $got instead of $want: $*"
		return 1
	}
	((want == 0)) || queue_is_empty
}

# The id of the only message.
only_id() {
	local found=("$QUEUEDIR"/todo/*)

	((${#found[@]} == 1)) || return 1
	basename "${found[0]}"
}

mess_file() {
	echo "$QUEUEDIR/mess/$(($1 % 23))/$1"
}

empty_queue() {
	find "$QUEUEDIR" -type f ! -path '*/lock/*' -delete
}

# Starts the program on two FIFOs; $pid runs it, fds 7 and 8 feed it. More
# than a FIFO holds goes in, so it reads when this returns.
start_slow() {
	mkfifo msg.fifo env.fifo
	"$SBIN/qfront-queue" 0<msg.fifo 1<env.fifo 3>&- &
	pid=$!
	exec 7>msg.fifo 8>env.fifo
	head -c 200000 /dev/zero >&7
}

finish_slow() {
	exec 7>&-
	cat envl >&8
	exec 8>&-
	wait "$pid"
}

# drop_slow: the exit code of a run that ends by itself or by a signal.
drop_slow() {
	local rc=0

	wait "$pid" || rc=$?
	exec 7>&- 8>&-
	return "$rc"
}

# Runs a command as somebody who is not root.
as_user() {
	if (($(id -u) == 0)); then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

# The queue for that somebody; the program must be in reach.
give_queue_to_user() {
	(($(id -u) == 0)) || return 0
	command -v setpriv >/dev/null || skip "no setpriv to leave root with"
	for dir in "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" \
		"$BATS_TEST_TMPDIR" "$WORLD"; do
		chmod o+x "$dir"
	done
	chown -R 65534:65534 "$QUEUEDIR"
	as_user test -x "$SBIN/qfront-queue" -a -x "$QUEUEDIR" ||
		skip "an ordinary user can not reach $SBIN or $QUEUEDIR"
}

@test "the files hold exactly qmail's bytes" {
	umask 077
	expect 0 queue msg envl
	id=$(only_id)
	file=$(mess_file "$id")
	[[ $(stat -c %i "$file") == "$id" ]]
	[[ $(stat -c '%a %h' "$file") == "644 1" ]]
	[[ $(stat -c '%a %h' "$QUEUEDIR/todo/$id") == "644 1" ]]
	IFS= read -r line <"$file"
	pattern="^Received: \(qmail ([0-9]+) invoked by uid $(id -u)\); "
	pattern+='[1-9][0-9]? [A-Z][a-z]{2} 20[0-9]{2} '
	pattern+='[0-9]{2}:[0-9]{2}:[0-9]{2} -0000$'
	[[ $line =~ $pattern ]]
	printf '%s\n' "$line" | cat - msg | cmp - "$file"
	printf 'u%d\0p%d\0Fs@x.example\0Ta@y.example\0Tb@y.example\0' \
		"$(id -u)" "${BASH_REMATCH[1]}" | cmp - "$QUEUEDIR/todo/$id"
	[[ $(cd "$QUEUEDIR" && find . -type f ! -path './lock/*' | wc -l) == 2 ]]
}

@test "every message comes through byte for byte" {
	: >msg1
	printf 'no header, no line end' >msg2
	printf 'a\0b\0\0\nc\0' >msg3
	printf 'a\rb\r\nc\n\r' >msg4
	printf '\n' >msg5
	printf '.\n..\nFrom x\n\377\200\n' >msg6
	head -c 65536 /dev/zero >msg7
	head -c 65537 /dev/zero | tr '\0' '\n' >msg8
	for m in msg1 msg2 msg3 msg4 msg5 msg6 msg7 msg8; do
		expect 0 queue $m envl
		tail -n +2 "$(mess_file "$(only_id)")" | cmp - $m
		empty_queue
	done
}

@test "envelopes that are accepted" {
	long=$(printf 'a%.0s' {1..1002})
	while IFS= read -r text; do
		printf "$text" >e
		expect 0 queue msg e
		# What is kept ends before the zero byte that ends the list.
		printf "u%d\0p" "$(id -u)" >prefix
		cmp -n "$(wc -c <prefix)" prefix "$QUEUEDIR/todo/$(only_id)"
		sed 's/^u[0-9]*\x0p[0-9]*\x0//' "$QUEUEDIR/todo/$(only_id)" >kept
		printf "${text%'\0'*}" | cmp - kept
		empty_queue
	done <<-LIST
		Fs@x.example\0Ta@y.example\0\0
		F\0Ta@y.example\0\0
		Fs@x.example\0\0
		Fs@x.example\0T\0\0
		F#@[]\0Tnohost\0T"a b"@x\0Ta@[IPv6:::1]\0\0
		F\0Tline\nend@x\0T\377@x\0\0
		F$long\0T$long\0\0
	LIST
	printf 'Fs@x.example\0Ta@y.example\0\0more\0bytes' >e
	expect 0 queue msg e
	printf 'Fs@x.example\0Ta@y.example\0Q\0' >e
	empty_queue
	expect 0 queue msg e
}

@test "an envelope that ends early is 54" {
	for text in '' F Fs@x.example 'Fs@x.example\0' 'F\0T' 'F\0Ta@y' \
		'Fs@x.example\0Ta@y.example\0'; do
		printf "$text" >e
		expect 54 queue msg e
	done
}

@test "an envelope with other records is 91" {
	for text in 'Ta@y\0\0' '\0' 's@x\0' 'Fs@x\0Fs@x\0\0' 'Fs@x\0a@y\0\0' \
		'fs@x\0ta@y\0\0' 'u0\0p1\0Fs@x\0Ta@y\0\0'; do
		printf "$text" >e
		expect 91 queue msg e
	done
}

@test "an address that is too long is 11" {
	long=$(printf 'a%.0s' {1..1003})
	envelope "$long" a@y.example >e
	expect 11 queue msg e
	envelope s@x.example a@y.example "$long" >e
	expect 11 queue msg e
}

@test "descriptors that can not be read are 54" {
	expect 54 "$SBIN/qfront-queue" 0<&- 1<envl
	expect 54 "$SBIN/qfront-queue" 0<msg 1<&-
	expect 54 "$SBIN/qfront-queue" 0<&- 1<&-
	expect 54 "$SBIN/qfront-queue" 0<&- 1<&- 2>&-
	expect 54 "$SBIN/qfront-queue" 0>written 1<envl
	expect 54 "$SBIN/qfront-queue" 0<msg 1>written
	expect 54 "$SBIN/qfront-queue" 0<./ 1<envl
	expect 54 "$SBIN/qfront-queue" 0<msg 1<./
	expect 54 "$SBIN/qfront-queue" 0<msg 1</dev/null
	# One description for both: the message has used up the envelope.
	expect 54 bash -c '"$@" 0<envl 1<&0' - "$SBIN/qfront-queue"
	expect 0 "$SBIN/qfront-queue" 0<msg 1<envl 2>&-
}

@test "descriptors of every kind that can be read" {
	expect 0 "$SBIN/qfront-queue" 0<>msg 1<>envl
	tail -n +2 "$(mess_file "$(only_id)")" | cmp - msg
	empty_queue
	cat >odd.py <<-'END'
		"""Queues a message from a terminal, or one on a socket pair."""
		import os, socket, subprocess, sys, tty
		a, b = os.openpty() if sys.argv[1] == "tty" else [
		    s.detach() for s in socket.socketpair()]
		if sys.argv[1] == "tty":
		    tty.setraw(b)
		    new = tty.tcgetattr(b)
		    new[3] |= tty.ICANON
		    tty.tcsetattr(b, tty.TCSANOW, new)
		    os.write(a, open("msg", "rb").read() + b"\4")
		else:
		    os.write(a, open("msg", "rb").read())
		    socket.socket(fileno=os.dup(a)).shutdown(socket.SHUT_WR)
		sys.exit(subprocess.call(sys.argv[2:], stdin=b,
		                         stdout=open("envl", "rb")))
	END
	for kind in tty socket; do
		expect 0 "$PYTHON" odd.py $kind "$SBIN/qfront-queue"
		tail -n +2 "$(mess_file "$(only_id)")" | cmp - msg
		empty_queue
	done
}

@test "both descriptors are read to their ends" {
	mkfifo env.fifo
	{
		cat envl
		head -c 300000 /dev/zero
		echo written >rest
	} >env.fifo 3>&- &
	writer=$!
	expect 0 queue msg env.fifo
	wait "$writer"
	[[ $(<rest) == written ]]
}

@test "a folder that is missing is 61 to 66" {
	expect 0 queue msg envl
	empty_queue
	expect 61 env QUEUEDIR="$WORLD/none/queue" "$SBIN/qfront-queue" \
		0<msg 1<envl
	expect 62 env QUEUEDIR="$WORLD/none" "$SBIN/qfront-queue" 0<msg 1<envl
	expect 62 env QUEUEDIR="$PWD/msg" "$SBIN/qfront-queue" 0<msg 1<envl
	for pair in pid:63 mess:64 intd:65 todo:66; do
		mv "$QUEUEDIR/${pair%:*}" "$QUEUEDIR/away"
		expect "${pair#*:}" queue msg envl
		: >"$QUEUEDIR/${pair%:*}"
		got=0
		queue msg envl || got=$?
		((got == ${pair#*:}))
		rm "$QUEUEDIR/${pair%:*}"
		mv "$QUEUEDIR/away" "$QUEUEDIR/${pair%:*}"
	done
	for n in "$QUEUEDIR"/mess/*; do
		mv "$n" "$QUEUEDIR/${n##*/}.away"
	done
	expect 64 queue msg envl
}

@test "a folder that can not be written is 61 to 66" {
	skip_under_valgrind "the user could not write valgrind's findings"
	give_queue_to_user
	expect 0 as_user "$SBIN/qfront-queue" 0<msg 1<envl
	empty_queue
	for pair in pid:63 mess:64 intd:65 todo:66; do
		chmod 500 "$QUEUEDIR/${pair%:*}"
		expect "${pair#*:}" as_user "$SBIN/qfront-queue" 0<msg 1<envl
		chmod 700 "$QUEUEDIR/${pair%:*}"
	done
	chmod 500 "$QUEUEDIR"/mess/*
	expect 64 as_user "$SBIN/qfront-queue" 0<msg 1<envl
	chmod 700 "$QUEUEDIR"/mess/*
	chmod 0 "$QUEUEDIR"
	code=0
	as_user "$SBIN/qfront-queue" 0<msg 1<envl || code=$?
	chmod 700 "$QUEUEDIR"
	((code == 62))
	chmod 0 "$WORLD"
	code=0
	as_user env CONTROLDIR=/nonexistent "$SBIN/qfront-queue" \
		0<msg 1<envl || code=$?
	chmod 755 "$WORLD"
	((code == 61))
}

@test "a write error is 53" {
	head -c 1000000 /dev/zero >big
	expect 53 bash -c 'ulimit -f 64; exec "$@" 0<big 1<envl' - \
		"$SBIN/qfront-queue"
	envelope s@x.example $(seq -f %0100.0f@x.example 2000) >bigenv
	expect 53 bash -c 'ulimit -f 64; exec "$@" 0<msg 1<bigenv' - \
		"$SBIN/qfront-queue"
}

@test "a full disk is 53, in bytes and in files" {
	unshare -m true 2>/dev/null ||
		skip "no mount namespace: not root, or in a chroot"
	control minfree 0
	control mininodes 0
	cat >full <<-'SCRIPT'
		set -e
		mkdir disk
		mount -t tmpfs -o size=512k,nr_inodes=300 none disk
		export QUEUEDIR=$PWD/disk/queue
		"$SBIN/qfrontctl" queue init >/dev/null
		head -c 1000000 /dev/zero >big
		rc=0; "$SBIN/qfront-queue" 0<big 1<envl || rc=$?
		echo "bytes $rc"
		rc=0; "$SBIN/qfront-queue" 0<msg 1<bigenv || rc=$?
		echo "envelope $rc"
		find disk -type f ! -path '*/lock/*'
		"$SBIN/qfront-queue" 0<msg 1<envl; echo "fits $?"
		n=0; while touch disk/$n 2>/dev/null; do n=$((n + 1)); done
		rc=0; "$SBIN/qfront-queue" 0<msg 1<envl || rc=$?
		echo "files $rc"
		rm disk/0
		rc=0; "$SBIN/qfront-queue" 0<msg 1<envl || rc=$?
		echo "one file $rc"
		find disk/queue -type f ! -path '*/lock/*' | wc -l
	SCRIPT
	envelope s@x.example $(seq -f %0200.0f@x.example 3000) >bigenv
	export SBIN
	run unshare -m bash full
	echo "$output"
	[[ $output == "bytes 53
envelope 53
fits 0
files 53
one file 53
2" ]]
}

@test "what must stay free is 53" {
	control minfree 9223372036854775807
	expect 53 queue msg envl
	control minfree 0
	control mininodes 9223372036854775807
	# btrfs, for one, makes inodes as it needs them.
	if (($(stat -f -c %c "$QUEUEDIR") > 0)); then
		expect 53 queue msg envl
	fi
	control mininodes 0
	expect 53 env MIN_FREE=9223372036854775807 \
		"$SBIN/qfront-queue" 0<msg 1<envl
	control minfree 9223372036854775807
	expect 0 env MIN_FREE=0 "$SBIN/qfront-queue" 0<msg 1<envl
	empty_queue
	control users "bounce $(id -u)"
	expect 0 queue msg envl
	empty_queue
	control users
	expect 55 env MIN_FREE=1k "$SBIN/qfront-queue" 0<msg 1<envl
	control sync perhaps
	QFRONT_LOG=stderr expect 55 queue msg envl 2>log
	grep -F "$CONTROLDIR/sync:1: " log
}

@test "without /proc the steps are qmail's" {
	skip_under_valgrind "valgrind needs /proc"
	skip_under_sanitizers "the sanitizers need /proc"
	unshare -m true 2>/dev/null ||
		skip "no mount namespace: not root, or in a chroot"
	export SBIN
	cat >noproc <<-'SCRIPT'
		mount -t tmpfs none /proc || exit 99
		exec "$SBIN/qfront-queue"
	SCRIPT
	for e in envl ''; do
		printf 'F\0' >early
		rc=0
		unshare -m bash noproc 0<msg 1<"${e:-early}" || rc=$?
		((rc == (${#e} ? 0 : 54)))
		[[ $(files "$QUEUEDIR/pid") == 0 ]]
		[[ $(files "$QUEUEDIR/mess") == 1 ]]
	done
	id=$(only_id)
	[[ "$QUEUEDIR/intd/$id" -ef "$QUEUEDIR/todo/$id" ]]
	tail -n +2 "$(mess_file "$id")" | cmp - msg
}

@test "the line of the log that syslog gets" {
	unshare -m true 2>/dev/null ||
		skip "no mount namespace: not root, or in a chroot"
	cat >listen.py <<-'SCRIPT'
		import socket, subprocess, sys
		log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		log.bind("/dev/log")
		with open("msg") as m, open("envl") as e:
		    p = subprocess.Popen(sys.argv[1:], stdin=m, stdout=e)
		print(p.wait(), p.pid, log.recv(65536).decode())
	SCRIPT
	QFRONT_LOG=syslog unshare -m sh -c \
		'mount -t tmpfs none /dev && exec "$@"' _ \
		"$PYTHON" listen.py "$SBIN/qfront-queue" >got
	read -r rc pid line <got
	((rc == 0))
	[[ $line == "<22>qfront-queue[$pid]: queued id=$(only_id) from=s@x.example rcpts="* ]]
}

@test "a million recipients" {
	n=1000000
	[[ -z ${QF_VALGRIND-} ]] || n=20000
	seq -f 'r%.0f@y.example' $n >rcpts
	{
		printf 'Fs@x.example\0'
		sed 's/^/T/' rcpts | tr '\n' '\0'
		printf '\0'
	} >many
	expect 0 queue msg many
	tr '\0' '\n' <"$QUEUEDIR/todo/$(only_id)" | sed -n 's/^T//p' |
		cmp - rcpts
}

@test "too little memory is 51" {
	skip_under_valgrind "valgrind has memory of its own"
	skip_under_sanitizers "the sanitizers have memory of their own"
	{
		printf 'Fs@x.example\0'
		head -c 20000000 /dev/zero | tr '\0' T |
			fold -w 900 | tr '\n' '\0'
		printf '\0\0'
	} >many
	expect 51 bash -c 'ulimit -v 16000; exec "$@" 0<msg 1<many' - \
		"$SBIN/qfront-queue"
}

@test "50 MB take less than 16 MB of memory" {
	skip_under_valgrind "valgrind has memory of its own"
	skip_under_sanitizers "the sanitizers have memory of their own"
	start_slow
	head -c 50000000 /dev/zero >&7
	# All but what the FIFO holds has been read.
	rss=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status")
	echo "RssAnon $rss kB"
	((rss > 0 && rss < 16384))
	finish_slow
	file=$(mess_file "$(only_id)")
	(($(tail -n +2 "$file" | wc -c) == 50200000))
}

@test "the sender's trigger gets one zero byte" {
	exec 9<>"$QUEUEDIR/lock/trigger"
	expect 0 queue msg envl
	read -r -d '' -n 2 -t "$PATIENCE" -u 9 bytes
	[[ -z $bytes ]]
	if read -t 0 -u 9; then
		echo "more than one byte"
		return 1
	fi
	exec 9>&-
}

@test "a trigger that is missing or no FIFO stops nothing" {
	rm "$QUEUEDIR/lock/trigger"
	expect 0 queue msg envl
	echo kept >"$QUEUEDIR/lock/trigger"
	expect 0 queue msg envl
	[[ $(cat "$QUEUEDIR/lock/trigger") == kept ]]
	rm -r "$QUEUEDIR/lock"
	expect 0 queue msg envl
	[[ $(queued) == 3 ]]
}

@test "the surroundings do not matter" {
	for mask in 777 077 000; do
		umask $mask
		expect 0 queue msg envl
		umask 022
		[[ $(stat -c %a "$(mess_file "$(only_id)")") == 644 ]]
		[[ $(stat -c %a "$QUEUEDIR/todo/$(only_id)") == 644 ]]
		empty_queue
	done
	# A folder that is gone, arguments, a descriptor that leaks in.
	mkdir gone
	cat >elsewhere <<-'SCRIPT'
		cd gone && rmdir ../gone
		exec "$1" /elsewhere --help 0<"$2/msg" 1<"$2/envl" 9>"$2/x"
	SCRIPT
	expect 0 bash elsewhere "$SBIN/qfront-queue" "$PWD"
	empty_queue
	expect 0 env -i QUEUEDIR="$QUEUEDIR" "$SBIN/qfront-queue" 0<msg 1<envl
}

@test "too few descriptors leave nothing" {
	skip_under_valgrind "valgrind needs descriptors"
	skip_under_sanitizers "the leak detector needs descriptors at the end"
	for n in 4 5 6; do
		rc=0
		sh -c "ulimit -n $n; exec \"\$0\"" "$SBIN/qfront-queue" \
			0<msg 1<envl 3>&- 4>&- 5>&- || rc=$?
		echo "$n descriptors: $rc"
		((rc == 55 || (rc > 60 && rc < 67)))
		queue_is_empty
	done
}

@test "root's runs leave files that the owner can remove" {
	(($(id -u) == 0)) || skip "not root"
	chown -R 65534:65534 "$QUEUEDIR"
	expect 0 queue msg envl
	id=$(only_id)
	[[ $(stat -c %u:%g "$(mess_file "$id")") == 65534:65534 ]]
	[[ $(stat -c %u:%g "$QUEUEDIR/todo/$id") == 65534:65534 ]]
}

@test "DEATH bounds the run" {
	for value in '' 0 x 1x -1 129600 99999999999999999999; do
		expect 55 env DEATH="$value" "$SBIN/qfront-queue" 0<msg 1<envl
	done
	expect 0 env DEATH=129599 "$SBIN/qfront-queue" 0<msg 1<envl
	empty_queue
	export DEATH=1
	start_slow
	expect 52 drop_slow
}

@test "signals that are ignored" {
	start_slow
	for name in HUP INT QUIT VTALRM PROF XCPU XFSZ PIPE; do
		kill -"$name" "$pid"
	done
	expect 0 finish_slow
	[[ $(queued) == 1 ]]
}

@test "signals that kill leave nothing" {
	skip_under_sanitizers "the sanitizers catch signals"
	skip_under_valgrind "valgrind catches signals"
	for pair in TERM:143 TRAP:133 USR1:138 KILL:137 SEGV:81 ABRT:81 BUS:81 FPE:81 ILL:81 \
		SYS:81; do
		start_slow
		kill -"${pair%:*}" "$pid"
		expect "${pair#*:}" drop_slow
		rm msg.fifo env.fifo
	done
}

@test "the cause goes to the log, not to the caller" {
	rmdir "$QUEUEDIR/todo"
	QFRONT_LOG=stderr "$SBIN/qfront-queue" 0<msg 1<envl 2>log || :
	[[ $(wc -l <log) == 1 ]]
	grep -q "error: message not queued .* for todo in $QUEUEDIR: " log
	QFRONT_LOG=syslog "$SBIN/qfront-queue" 0<msg 1<envl 2>log || :
	[[ ! -s log ]]
	"$SBIN/qfront-queue" 0<msg 1<envl 2>log || :
	[[ ! -s log ]]
	mkdir "$QUEUEDIR/todo"
	QFRONT_LOG=stderr "$SBIN/qfront-queue" 0<msg 1<envl 2>log
	[[ $(wc -l <log) == 1 ]]
	grep -q "info: queued id=$(only_id) " log
}

@test "many at once" {
	pids=()
	for i in {1..20}; do
		printf 'Subject: %d\n\n' "$i" >"m$i"
		queue "m$i" envl &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	[[ $(queued) == 20 ]]
	[[ $(files "$QUEUEDIR/todo") == 20 ]]
	for file in "$QUEUEDIR"/mess/*/*; do
		tail -n +2 "$file"
	done | sed -n 's/^Subject: //p' | sort -n | cmp - <(seq 20)
}
