# qfront under the names of other front ends, and without a chain: which
# program comes next, and what it sees. The next program is a stub.

load ../lib/common

setup() {
	clean_environment
	umask 022
	cd "$BATS_TEST_TMPDIR"
	export CONTROLDIR=$BATS_TEST_TMPDIR/control
	export STUB=$BATS_TEST_TMPDIR/got
	mkdir -p "$CONTROLDIR/plugins"
	control queueprog "$TESTLIB/stubqueue"
	message >m
	envelope sender@test.example rcpt@test.example >e
}

# answer COMMAND...: one run with the message: its exit code in `status`, what
# it logs in `log`.
answer() {
	status=0
	"$@" 0<m 1<e 2>log.txt || status=$?
	log=$(<log.txt)
	echo "$* ended with $status, log: $log" >&2
}

# as NAME [ARGUMENT...]: one run under that name.
as() {
	local name=$1

	shift
	answer "$COMPAT/$name" "$@"
}

# arrived CODE: did it end so, and was the message queued?
arrived() {
	[ "$status" -eq "$1" ] && [ -e got.message ] && cmp e got.envelope
}

refused() {
	[ "$status" -eq "$1" ] && [ ! -e got.message ]
}

untouched() {
	arrived 0 && cmp m got.message
}

# seen NAME: is the variable in the environment of the next program?
seen() {
	grep -q "^$1=" got.environment
}

hidden() {
	! seen "$1"
}

# queue_program FILE CODE: makes a program that reads all and ends so.
queue_program() {
	printf '#!/bin/sh\ncat >/dev/null; cat <&1 >/dev/null; exit %s\n' \
		"$2" >"$1"
	chmod +x "$1"
}

@test "every name is installed; without variables mail passes untouched" {
	for name in qmail-multi qmail-spamfilter qmail-qfilter; do
		[ -L "$COMPAT/$name" ]
		as "$name"
		untouched
		rm got.*
	done
	# Any other name is qfront's own.
	control chain 'size max-recipients=0'
	for name in qmail-queue qfront -qfront; do
		ln -s "$SBIN/qfront" ./"$name"
		answer ./"$name"
		refused 55
	done
	as qmail-multi
	untouched
}

@test "qmail-nullqueue reads everything and queues nothing" {
	as qmail-nullqueue /bin/false
	refused 0
	DEATH=soon as qmail-nullqueue
	refused 0
	mkfifo f0 f1
	head -c 300000 /dev/zero >f0 &
	writer0=$!
	head -c 300000 /dev/zero >f1 &
	writer1=$!
	"$COMPAT/qmail-nullqueue" 0<f0 1<f1
	wait "$writer0"
	wait "$writer1"
	status=0
	"$COMPAT/qmail-nullqueue" 0<. 1<e || status=$?
	[ "$status" -eq 54 ]
	status=0
	"$COMPAT/qmail-nullqueue" 0<m 1<. || status=$?
	[ "$status" -eq 54 ]
	# The same in the process that runs chains.
	answer "$SBIN/qfrontd" --once --as qmail-nullqueue -- /bin/false
	refused 0
}

@test "NULLQUEUE beats every name and every next program" {
	for name in qmail-dkim qmail-multi qmail-spamfilter qmail-qfilter; do
		NULLQUEUE='' DEATH=soon FILTERARGS='exit 31' as "$name" \
			/bin/false
		refused 0
	done
}

@test "the next program: arguments, own variable, QUEUEPROG, queueprog" {
	for code in 41 42 43 44; do
		queue_program "q$code" "$code"
	done
	control queueprog "$PWD/q44"
	next() {
		as qmail-multi
		[ "$status" -eq "$1" ]
		DKIMQUEUE=/bin/false SPAMQUEUE=$PWD/q42 as qmail-spamfilter
		[ "$status" -eq 42 ]
		QQF_QMAILQUEUE=$PWD/q42 as qmail-qfilter
		[ "$status" -eq 42 ]
		SPAMQUEUE='' as qmail-spamfilter
		[ "$status" -eq "$1" ]
		SPAMQUEUE=$PWD/q42 as qmail-spamfilter "$PWD/q41"
		[ "$status" -eq 41 ]
	}
	next 44
	QUEUEPROG=$PWD/q43
	export QUEUEPROG
	next 43
	SPAMQUEUE='/no/such/program' as qmail-spamfilter
	[ "$status" -eq 120 ]
	SPAMQUEUE="'" as qmail-spamfilter
	[ "$status" -eq 55 ]
	[[ $log == *"SPAMQUEUE: "* ]]
}

@test "the next program does not see what named it" {
	QUEUEPROG=$TESTLIB/stubqueue
	QMAILQUEUE=$COMPAT/qmail-spamfilter
	SPAMQUEUE=$TESTLIB/stubqueue
	DKIMQUEUE=/bin/false
	export QUEUEPROG QMAILQUEUE SPAMQUEUE DKIMQUEUE
	as qmail-spamfilter
	untouched
	hidden QMAILQUEUE
	hidden SPAMQUEUE
	seen QUEUEPROG
	seen DKIMQUEUE
	as qmail-multi
	hidden QMAILQUEUE
	hidden QUEUEPROG
	seen SPAMQUEUE
	as qmail-spamfilter "$TESTLIB/stubqueue"
	hidden QMAILQUEUE
	seen SPAMQUEUE
	seen QUEUEPROG
}

@test "front ends in a row, by name alone" {
	as qmail-multi qmail-spamfilter qmail-multi
	untouched
	[ "$(grep -c 'info: hand over' log.txt)" -eq 3 ]
	QUEUEPROG='qmail-multi qmail-spamfilter' as qmail-multi
	untouched
}

@test "a loop of front ends ends, and so does a row of nine" {
	skip_under_valgrind "five times eight pairs of programs"
	as qmail-multi qmail-multi qmail-multi qmail-multi qmail-multi \
		qmail-multi qmail-multi qmail-multi qmail-multi
	refused 55
	[[ $log == *"calls qfront again"* ]]
	for loop in qmail-multi 'qmail-multi qmail-spamfilter' \
		"$SBIN/qfront" 'qmail-qfilter'; do
		control queueprog "$loop"
		as qmail-multi
		refused 55
		[[ $log == *"calls qfront again"* ]]
	done
}

@test "DEATH bounds front ends in a row together" {
	cat >clock <<-'END'
		#!/usr/bin/python3
		import signal
		left = signal.getitimer(signal.ITIMER_REAL)[0]
		raise SystemExit(0 if 0 < left <= 1000 else 99)
	END
	chmod +x clock
	DEATH=1000 as qmail-multi env DEATH=9999 "$COMPAT/qmail-multi" ./clock
	[ "$status" -eq 0 ]
	DEATH=9999 as qmail-multi env DEATH=1000 "$COMPAT/qmail-multi" ./clock
	[ "$status" -eq 0 ]
	DEATH=9999 as qmail-multi ./clock
	[ "$status" -eq 99 ]
	DEATH=soon as qmail-multi
	refused 55
	mkfifo f
	exec {hold}<>f
	status=0
	DEATH=1 "$COMPAT/qmail-multi" 0<f 1<e || status=$?
	exec {hold}>&-
	[ "$status" -eq 52 ]
}

@test "qmail-qfilter wants programs between its hyphens" {
	as qmail-qfilter --
	refused 55
	[[ $log == *"built-in chain qmail-qfilter: filter 1: names no program"* ]]
	as qmail-qfilter a -- -- b
	refused 55
}
