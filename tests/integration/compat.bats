# qfront under the names of other front ends, and without a chain: which
# program comes next, and what it sees. The next program is a stub.

load ../lib/common

setup_file() {
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
		-out "$BATS_FILE_TMPDIR/key.pem" 2>"$BATS_FILE_TMPDIR/log"
}

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
	printf '#!/bin/sh\necho X-Judge: ham\ncat\nexit 1\n' >judge
	chmod +x judge
}

# keys NAME...: the private key under these names in the control directory.
keys() {
	local name

	for name; do
		(umask 077
			mkdir -p "$(dirname "$CONTROLDIR/$name")"
			cp "$BATS_FILE_TMPDIR/key.pem" "$CONTROLDIR/$name")
	done
}

# client SENDER RECIPIENT...: submits m as our own clients do, from beside the
# programs as installed; what it says in `said`, its exit code in `status`.
client() {
	local root=$BATS_TEST_TMPDIR/root

	mkdir -p "$root$QF_SBINDIR"
	cp "$QF_BUILDDIR/tests/lib/submit" "$root$QF_SBINDIR"
	ln -sf "$SBIN/qfront" "$root$QF_SBINDIR"
	mkdir -p "$root${QF_LIBEXECDIR%/*}"
	ln -sfn "$QF_STAGE$QF_LIBEXECDIR" "$root$QF_LIBEXECDIR"
	status=0
	said=$("$root$QF_SBINDIR/submit" "$@" <m 2>log.txt) || status=$?
	log=$(<log.txt)
	echo "$said; log: $log" >&2
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

@test "what a stage took is hidden from those below, nothing else" {
	export FILTERARGS=cat SPAMFILTER=x DKIMVERIFY=F QHPSI=x
	as qmail-multi "$TESTLIB/stubqueue"
	untouched
	hidden FILTERARGS
	seen SPAMFILTER
	seen DKIMVERIFY
	seen QHPSI
	rm got.*
	# Our own queue would run none of them.
	as qmail-multi "$SBIN/qfront-queue"
	refused 55
	[[ $log == *" is set, but neither the chain nor our own queue runs it"* ]]
	# What FILTERARGS asks for is settled, the others are left to the next.
	unset FILTERARGS
	as qmail-multi "$TESTLIB/stubqueue"
	untouched
	seen SPAMFILTER
}

@test "a bounce passes the filters that its environment asks for" {
	envelope '' rcpt@test.example >e
	FILTERARGS='sed s/Hello/Bye/' as qmail-multi
	arrived 0
	grep -q Bye got.message
	FILTERARGS='sed s/Hello/Bye/' answer "$SBIN/qfront"
	grep -q Bye got.message
}

@test "qmail-dkim signs, verifies or does nothing, as indimail's does" {
	keys keys/sel domainkeys/test.example/default
	signed() {
		arrived 0
		[[ $log == *"signed d=test.example s=$1 "* ]]
		grep -q '^DKIM-Signature: ' got.message
		tail -n "$(wc -l <m)" got.message | cmp - m
		hidden DKIMSIGN
		hidden DKIMVERIFY
	}
	DKIMSIGN=keys/sel as qmail-dkim
	signed sel
	DKIMSIGN=keys/sel DKIMVERIFY=S as qmail-dkim
	signed sel
	RELAYCLIENT='' as qmail-dkim
	signed default
	grep -q '[; 	]x=[0-9]*;' got.message # in a week
	AUTHINFO=joe DKIMKEY=$CONTROLDIR/keys/sel as qmail-dkim
	signed sel
	rm -r "$CONTROLDIR/domainkeys"
	# Without a key for the domain it is not signed, as in indimail.
	AUTHINFO=joe as qmail-dkim
	untouched
	rm got.*
	# No signature, which S refuses.
	DKIMVERIFY=S as qmail-dkim
	refused 31
	DKIMVERIFY=S RELAYCLIENT='' as qmail-dkim
	refused 31
	DKIMVERIFY=s as qmail-dkim
	refused 71
	DKIMVERIFY=S RELAYCLIENT='' RELAYCLIENT_NODKIMVERIFY='' as qmail-dkim
	untouched
	hidden DKIMVERIFY
	as qmail-dkim
	arrived 0
	grep -q '^DKIM-Status: ' got.message
	# A settings file of the stage has the last word on the key.
	keys other/name
	control plugins/dkim 'key other/name'
	RELAYCLIENT='' as qmail-dkim
	signed name
}

@test "without a chain, qfront runs what the environment asks for" {
	keys keys/sel
	export FILTERARGS='sed s/Hello/Bye/' SPAMFILTER=$PWD/judge \
		QHPSI='grep -q Virus %s' QHPSIRC=0 QHPSIRN=1 \
		DKIMSIGN=keys/sel DKIMVERIFY=S
	answer "$SBIN/qfront"
	arrived 0
	grep -q '^DKIM-Signature: ' got.message
	grep -q Bye got.message
	grep -q '^X-Judge: ham' got.message
	hidden FILTERARGS
	hidden SPAMFILTER
	hidden DKIMSIGN
	hidden DKIMVERIFY
	# The signature is of what the filters left.
	[[ $log == *'=qhpsi '*'=spam '*'=filter '*'name=dkim '* ]]
	hidden QHPSI
	# Each has its say.
	rm got.*
	QHPSI='grep -q Hello %s' answer "$SBIN/qfront"
	refused 33
	SPAMFILTER=cat REJECTSPAM=1 answer "$SBIN/qfront"
	refused 32
	FILTERARGS='exit 100' answer "$SBIN/qfront"
	refused 31
	unset QHPSI
	unset DKIMSIGN
	answer "$SBIN/qfront"
	refused 31
	[[ $log == *'name=dkim@verify verdict=reject'* ]]
	unset SPAMFILTER
	FILTERARGS='' DKIMVERIFY='' answer "$SBIN/qfront"
	untouched
	# Relaying alone is no wish for a signature.
	FILTERARGS='' DKIMVERIFY='' RELAYCLIENT='' answer "$SBIN/qfront"
	untouched
}

@test "with a chain, even an empty one, the environment asks in vain" {
	export FILTERARGS='sed s/Hello/Bye/'
	control chain
	answer "$SBIN/qfront"
	untouched
	seen FILTERARGS
	control chain-out '# nothing either'
	QFRONT_CHAIN=out answer "$SBIN/qfront"
	untouched
	rm "$CONTROLDIR/chain"
	QFRONT_CHAIN=out answer "$SBIN/qfront"
	untouched
	rm got.*
	QFRONT_CHAIN=gone answer "$SBIN/qfront"
	refused 55
	answer "$SBIN/qfront"
	arrived 0
	grep -q Bye got.message
}

@test "our own clients call front ends in a row" {
	# Two stages, one message.
	QMAILQUEUE='qmail-dkim qmail-spamfilter' SPAMFILTER=$PWD/judge \
		client sender@test.example rcpt@test.example
	arrived 0
	[ "$said" = Kok ]
	grep -q '^DKIM-Status: ' got.message
	grep -q '^X-Judge: ham' got.message
	# A daemon has a log of its own.
	[[ -n ${QF_WARM-} ]] ||
		[ "$(grep -c 'info: hand over' log.txt)" -eq 2 ]
	hidden QMAILQUEUE
	hidden SPAMFILTER
	rm got.*
	# The signature comes last.
	keys keys/sel
	export DKIMSIGN=keys/sel FILTERARGS='sed s/Hello/Bye/'
	export QMAILQUEUE='qmail-multi qmail-dkim'
	client sender@test.example rcpt@test.example
	arrived 0
	grep -q '^DKIM-Signature: ' got.message
	grep -q Bye got.message
	rm got.*
	FILTERARGS='exit 31' client sender@test.example rcpt@test.example
	refused 31
	[ "$said" = 'Dqq mail server permanently rejected message (#5.3.0)' ]
	QMAILQUEUE='qmail-qfilter sed s/Hello/Hi/ -- sed "s/Hi/Hi there/"' \
		client sender@test.example rcpt@test.example
	arrived 0
	grep -q 'Hi there' got.message
	rm got.*
	QMAILQUEUE='no-such-front-end -x' client sender@test.example \
		rcpt@test.example
	refused 125
	[[ $log == *'no program "no-such-front-end"'* ]]
	NULLQUEUE=1 client sender@test.example rcpt@test.example
	refused 0
}
