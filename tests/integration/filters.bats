# Filters of other qmails run as they are, by the plugins filter, spam and
# qhpsi: what they were promised, what they hand back, what they do wrong.
# The next program is a stub; what must not reach it is not there.

bats_require_minimum_version 1.5.0
load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export STUB=$BATS_TEST_TMPDIR/got
	mkdir bin
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	message >m
	envelope sender@test.example rcpt@test.example >e
}

# Runs a command: its exit code in `status`, what it logs in `log`. (The run
# of bats would put a pipe on descriptor 1, where the envelope is read.)
answer() {
	status=0
	"$@" 2>log.txt || status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}

# One message to the stub, by the chain or as the front end NAME.
send() {
	rm -f got.*
	answer inject "${1-m}" "${2-e}" "$TESTLIB/stubqueue"
}

as() {
	local name=$1

	shift
	rm -f got.*
	QUEUEPROG=$TESTLIB/stubqueue answer "$COMPAT/$name" "$@" 0<m 1<e
}

untouched() {
	[ "$status" -eq 0 ]
	cmp m got.message
	cmp e got.envelope
}

nothing_queued() {
	[ ! -e got.message ]
}

# script NAME: a program of that name, from standard input.
script() {
	{
		echo '#!/bin/sh'
		cat
	} >"bin/$1"
	chmod 755 "bin/$1"
}

# Nothing that a test has started runs any more: each writes its process number
# to a file in pids/.
nobody_left() {
	local pid

	cat pids/* 2>/dev/null | while read -r pid; do
		while [[ $(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null || :) \
			== [RSDT] ]]; do
			:
		done
	done
}

@test "a filter that copies changes no byte of any message" {
	local file

	printf '' >m.empty
	printf 'A: b\n\n\0\0 zero\n' >m.zero
	printf 'A: b\r\n\r\nCR LF\r\nlone\rCR\n' >m.crlf
	printf 'A: b\n c\nnot a field\n: no name\n\n8bit \351\377\n.\n..' >m.odd
	printf ' x\nFrom me\nA:b\nNo end' >m.header
	printf '\n\nbody only\n' >m.body
	head -c 300000 /dev/urandom >m.random
	control chain 'filter command=cat'
	for file in m.*; do
		[[ $file != m.empty ]] || continue
		send "$file"
		[ "$status" -eq 0 ]
		cmp "$file" got.message
		cmp e got.envelope
	done
	# (An empty message can not be told from one that was not written.)
	send m.empty
	[ "$status" -eq 71 ]
	control chain 'filter engine=qfilter command=cat'
	for file in m.*; do
		send "$file"
		[ "$status" -eq 0 ]
		cmp "$file" got.message
	done
}

@test "what a filter writes arrives as it wrote it" {
	control chain "filter command=\"cat $PWD/f\""
	printf 'A: b\n c\nnot a field\nD:e\nF: g\n\nbody' >m
	for f in 'X: y\nA: b\n c\nnot a field\nD:e\nF: g\n\nbody' \
		'A: b\n c\nnot a field\nX: y\n z\n\tq\nD:e\nF: h\n\nBODY\n' \
		'D:e\n\n' 'Z:\n\nb\0d\r\n.' '\nx'; do
		printf "$f" >f
		send
		[ "$status" -eq 0 ]
		cmp f got.message
		cmp e got.envelope
	done
	# Once more, into the queue.
	printf 'X: y\nA: b\n\nhello\n' >f
	answer inject m e
	[ "$status" -eq 0 ]
	file=$(find "$QUEUEDIR/mess" -type f)
	tail -n +2 "$file" | cmp - f
}

@test "what can not be sent on as written is not sent at all" {
	control chain 'filter command="echo From me; cat"'
	send
	[ "$status" -eq 71 ]
	nothing_queued
	[[ $log == *'line that can not be made: \"From me\"'* ]]
	control chain 'filter command="echo From me; cat" onerror=pass'
	send
	[ "$status" -eq 0 ]
	passed_marked filter got.message m
	cmp e got.envelope
}

@test "exit codes of FILTERARGS mean what they mean to qmail-multi" {
	local code want

	while read -r code want; do
		FILTERARGS="cat; exit $code" as qmail-multi
		[ "$status" -eq "$want" ]
		nothing_queued
	done <<-'TABLE'
		1 71
		2 0
		31 31
		71 71
		88 71
		99 0
		100 31
		111 71
		127 71
		255 71
	TABLE
	FILTERARGS='cat; kill -KILL $$' as qmail-multi
	[ "$status" -eq 123 ]
	[[ $log == *'killed by signal 9'* ]]
	nothing_queued
}

@test "a filter's own text reaches the caller" {
	export FILTERARGS='echo "Dnot today (#5.7.7)" >&2; exit 88'
	text() {
		ERROR_FD=7 QUEUEPROG=$TESTLIB/stubqueue "$COMPAT/qmail-multi" \
			0<m 1<e 7>text
	}
	answer text
	[ "$status" -eq 88 ]
	[ "$(<text)" = 'Dnot today (#5.7.7)' ]
	# For a caller without texts it is a refusal all the same.
	as qmail-multi
	[ "$status" -eq 31 ]
	FILTERARGS='echo Zlater >&2; exit 88' as qmail-multi
	[ "$status" -eq 71 ]
}

@test "qmail-multi runs FILTERARGS, and nobody after it does" {
	# shellcheck disable=SC2016 # the filter's variable
	export FILTERARGS='sed s/Hello/Bye/ | (echo "X-Filter: $KEPT"; cat)'
	KEPT=1 as qmail-multi
	[ "$status" -eq 0 ]
	{
		echo 'X-Filter: 1'
		sed s/Hello/Bye/ m
	} | cmp - got.message
	cmp e got.envelope
	run ! grep '^FILTERARGS=' got.environment
	# Without the variable it passes mail on.
	unset FILTERARGS
	as qmail-multi
	untouched
	# And so does our own queue take what was filtered.
	FILTERARGS='cat' answer inject m e
	[ "$status" -eq 0 ]
	[ "$(queued)" -eq 1 ]
}

@test "a filter has the descriptors that it was promised and no other" {
	# (A script would have itself open, and a loop with output more.)
	# shellcheck disable=SC2016 # the filter's variables
	local look='for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		[ ! -e /proc/self/fd/$n ] || has="$has $n"
	done; echo $has >'"'$PWD/fds'"'; exec cat'

	FILTERARGS=$look as qmail-multi 7<m 9>other
	untouched
	[ "$(<fds)" = '0 1 2' ]
	as qmail-qfilter sh -c "$look" 7<m 9>other
	untouched
	[ "$(<fds)" = '0 1 2 3 4 5' ]
}

@test "qmail-qfilter runs filters in a row" {
	script mark <<-'SH'
		echo "X-$1: $QMAILUSER $QMAILHOST $NUMRCPTS $MSGSIZE $ENVSIZE"
		cat
	SH
	script more <<-'SH'
		printf 'Fnew@x.example\0Trcpt@test.example\0Tb@x.example\0\0' >&4
	SH
	as qmail-qfilter mark one -- more -- mark two -- cat
	[ "$status" -eq 0 ]
	{
		echo "X-two: new x.example 2 $((35 + $(stat -c %s m))) 48"
		echo "X-one: sender test.example 1 $(stat -c %s m) 41"
		cat m
	} >want
	diff want got.message
	envelope new@x.example rcpt@test.example b@x.example | cmp - got.envelope
	# What one of them says is the answer.
	printf 'exit 33\n' | script infected
	as qmail-qfilter cat -- infected -- mark
	[ "$status" -eq 33 ]
	nothing_queued
	printf 'exit 99\n' | script drop
	as qmail-qfilter cat -- drop
	[ "$status" -eq 0 ]
	nothing_queued
	as qmail-qfilter no-such-filter
	[ "$status" -eq 55 ]
	nothing_queued
	printf 'echo program >&5\n' | script other
	as qmail-qfilter other
	[ "$status" -eq 55 ]
	nothing_queued
}

@test "a filter sees and changes a hundred thousand recipients" {
	skip_under_valgrind "100,000 recipients through two programs"
	{
		printf 'Fsender@test.example\0'
		seq -f 'Tuser%06.0f@test.example' 100000 | tr '\n' '\0'
		printf '\0'
	} >e
	script halve <<-'SH'
		[ "$NUMRCPTS" = 100000 ] && [ -z "${QMAILRCPTS+set}" ] || exit 71
		tr '\0' '\n' <&3 | grep -v '[13579]@' | tr '\n' '\0' >&4
		printf 'Tadded@test.example\0\0' >&4
	SH
	# The last line that grep passes on is the empty one at the end.
	sed -i "s/grep -v '/grep -v '^\$\\\\|/" bin/halve
	as qmail-qfilter halve
	[ "$status" -eq 0 ]
	{
		printf 'Fsender@test.example\0'
		seq -f 'Tuser%06.0f@test.example' 2 2 100000 | tr '\n' '\0'
		printf 'Tadded@test.example\0\0'
	} | cmp - got.envelope
	cmp m got.message
	as qmail-qfilter cat
	untouched
}

@test "a filter that hangs is ended in time, with all that it started" {
	mkdir pids
	script hang <<-'SH'
		tail -f /dev/null 2>/dev/null &
		echo $! >pids/child
		echo $$ >pids/self
		trap '' TERM
		cat
		while :; do wait; done
	SH
	control chain 'filter command=hang timeout=1'
	send
	[ "$status" -eq 52 ]
	nothing_queued
	nobody_left
	[[ $log == *'it did not end in time'* || $log == *'timed out'* ]]
	control chain 'filter command=hang timeout=1 onerror=pass'
	send
	[ "$status" -eq 0 ]
	passed_marked filter got.message m
	cmp e got.envelope
	nobody_left
}

@test "what a filter leaves behind is gone, and holds nothing up" {
	mkdir pids
	script leave <<-'SH'
		tail -f /dev/null 2>/dev/null &
		echo $! >pids/child
		cat
	SH
	control chain 'filter engine=qfilter command=leave'
	send
	untouched
	nobody_left
	# The shell's output belongs to whoever holds it: this can not end.
	control chain 'filter command=leave timeout=1'
	send
	[ "$status" -eq 52 ]
	nobody_left
	[[ $log == *'left behind'* || $log == *'timed out'* ]]
	control chain 'filter command="leave | cat" timeout=1'
	send
	[ "$status" -eq 52 ]
	nobody_left
	# Its log does not.
	script quiet <<-'SH'
		tail -f /dev/null >/dev/null &
		echo $! >pids/child
		cat
	SH
	control chain 'filter command=quiet'
	send
	untouched
	nobody_left
}

@test "half a message is no message" {
	script half <<-'SH'
		head -c 100
		kill -SEGV $$
	SH
	control chain 'filter command="exec half"'
	send
	[ "$status" -eq 123 ]
	nothing_queued
	control chain 'filter engine=qfilter command=half'
	send
	[ "$status" -eq 81 ]
	nothing_queued
	control chain 'filter command="exec half" onerror=reject'
	send
	[ "$status" -eq 31 ]
	nothing_queued
	control chain 'filter command="exec half" onerror=pass'
	send
	[ "$status" -eq 0 ]
	passed_marked filter got.message m
	cmp e got.envelope
}

@test "large messages, much noise and filters that do not read" {
	{
		message
		head -c 20000000 /dev/zero | tr '\0' 'x' | fold -w 70
	} >m
	control chain 'filter command="tr x y"'
	send
	[ "$status" -eq 0 ]
	tr x y <m | cmp - got.message
	control chain \
		'filter command="head -c 30000000 /dev/zero >&2; cat" timeout=60'
	send
	untouched
	[ "$(wc -c <log.txt)" -lt 20000 ]
	control chain 'filter command="exec <&-; echo A: b"'
	send
	[ "$status" -eq 0 ] || [[ $log == *'the empty line'* ]]
	control chain 'filter command="exec <&-; echo A: b; echo; echo x"'
	send
	[ "$status" -eq 0 ]
	printf 'A: b\n\nx\n' | cmp - got.message
	control chain 'filter command="yes x" max-output=100K'
	send
	[ "$status" -eq 71 ]
	[[ $log == *'more than 102400 bytes'* ]]
	nothing_queued
}

@test "limits hold for filters" {
	skip_under_sanitizers "they reserve more memory than the limit"
	control chain 'filter memory=64M cpu=10 command="ulimit -v >&2; cat"'
	send
	untouched
	[[ $log == *'ulimit: 65536'* ]]
	control chain 'filter cpu=1 command="while :; do :; done" timeout=60'
	send
	[ "$status" -eq 123 ]
	nothing_queued
}

@test "mistakes are found before mail is" {
	check() {
		control chain "$1"
		answer "$SBIN/qfrontctl" check
		[ "$status" -ne 0 ]
		"$SBIN/qfrontctl" check 2>&1 | grep -F "chain:1: $2"
		send
		[ "$status" -eq 55 ]
		nothing_queued
	}
	check 'filter engine=perl' 'filter: unknown engine'
	check 'filter engine=qfilter' 'filter: engine=qfilter needs a program'
	check 'filter engine=qfilter command=nosuch' \
		'filter: there is no program "nosuch"'
	check 'filter command=cat memory=many' 'filter: not a limit'
}

# spam

# A stub of bogofilter -p: adds a field and ends with the code of its argument.
judge() {
	script judge <<-'SH'
		echo "X-Spam: $1"
		cat
		exit "$1"
	SH
}

@test "qmail-spamfilter judges by SPAMFILTER" {
	local code

	judge
	for code in 0 1 2; do
		SPAMFILTER="judge $code" as qmail-spamfilter
		[ "$status" -eq 0 ]
		{
			echo "X-Spam: $code"
			cat m
		} | cmp - got.message
		cmp e got.envelope
		run ! grep '^SPAMFILTER=' got.environment
	done
	for code in 3 76 100 255; do
		SPAMFILTER="judge $code" as qmail-spamfilter
		[ "$status" -eq "$((code == 100 ? 31 : 76))" ]
		nothing_queued
	done
	SPAMFILTER=/nonexistent/judge as qmail-spamfilter
	[ "$status" -eq 76 ]
	nothing_queued
	REJECTSPAM=1 SPAMFILTER='judge 0' as qmail-spamfilter
	[ "$status" -eq 32 ]
	nothing_queued
	REJECTSPAM=2 SPAMFILTER='judge 0' as qmail-spamfilter
	[ "$status" -eq 0 ]
	nothing_queued
	RELAYCLIENT='' RELAYCLIENT_NOSPAMFILTER='' SPAMFILTER='judge 255' \
		as qmail-spamfilter
	untouched
	as qmail-spamfilter
	untouched
}

@test "spam goes where it is sent" {
	judge
	SPAMREDIRECT=spam@test.example SPAMFILTER='judge 0' as qmail-spamfilter
	[ "$status" -eq 0 ]
	envelope '' spam@test.example | cmp - got.envelope
	control globalspamredirect all@test.example
	SPAMFILTER='judge 0' as qmail-spamfilter
	[ "$status" -eq 0 ]
	envelope '' all@test.example | cmp - got.envelope
	control chain 'spam engine=command command="judge 0" action=quarantine'
	answer inject m e
	[ "$status" -eq 0 ]
	[ "$(files "$QUEUEDIR/todo")" -eq 0 ] # held, and not for the sender
	control chain 'spam engine=command command="judge 0" action=tag' \
		'headers'
	control plugins/headers.rules 'append X-Result %{note:spam.result}'
	send
	[ "$status" -eq 0 ]
	grep -x 'X-Result: spam' got.message
	grep -x 'X-Spam: 0' got.message
}

@test "a spam filter that breaks lets no mail by" {
	printf 'cat; kill -SEGV $$\n' | script crash
	SPAMFILTER=crash as qmail-spamfilter
	[ "$status" -eq 76 ]
	nothing_queued
	printf 'cat; tail -f /dev/null\n' | script hang
	control chain 'spam engine=command command=hang timeout=1'
	send
	[ "$status" -eq 76 ] || [ "$status" -eq 52 ]
	nothing_queued
	control chain 'spam engine=command command=hang timeout=1 onerror=pass'
	send
	[ "$status" -eq 0 ]
	passed_marked spam got.message m
	cmp e got.envelope
	control chain 'spam engine=rspamd'
	send
	[ "$status" -eq 55 ]
	[[ $log == *'not available in this version'* ]]
}

# qhpsi

# A scanner that keeps the name of its file and ends with a code.
scanner() {
	script scan <<-'SH'
		echo "$@" >args
		cat "$1" >scanned
		exit "${SCAN_CODE:-0}"
	SH
}

@test "without a chain, QHPSI scans mail for our own queue" {
	local rc want

	skip_when_warm 'the daemon has a TMPDIR of its own'
	scanner
	export QHPSI=scan QHPSIARG1='-x y' QHPSIARG3=lost TMPDIR=$PWD/tmp
	mkdir tmp
	send
	untouched
	cmp m scanned
	[[ $(<args) =~ ^"$PWD/tmp/qfront-scan-"[^/]*"/message -x y"$ ]]
	[ -z "$(ls -A tmp)" ]
	run ! grep '^QHPSI=' got.environment
	while read -r rc want; do
		SCAN_CODE=$rc send
		[ "$status" -eq "$want" ]
		nothing_queued
		[ -z "$(ls -A tmp)" ]
	done <<-'TABLE'
		1 33
		2 55
		255 55
	TABLE
	QHPSIRC=2 SCAN_CODE=2 send
	[ "$status" -eq 33 ]
	answer inject m e
	[ "$status" -eq 0 ]
	[ "$(queued)" -eq 1 ]
	SCAN_CODE=1 answer inject m e
	[ "$status" -eq 33 ]
	[ "$(queued)" -eq 1 ]
}

@test "a scanner that can not judge lets no mail by" {
	skip_when_warm 'the daemon has a TMPDIR of its own'
	export TMPDIR=$PWD/tmp
	mkdir tmp pids
	QHPSI=/nonexistent/scanner send
	[ "$status" -eq 77 ]
	nothing_queued
	QHPSI='plugin:virus.so' send
	[ "$status" -eq 55 ]
	nothing_queued
	QHPSI=true QHPSIMAXSIZE=1M send
	[ "$status" -eq 55 ]
	nothing_queued
	printf 'kill -SEGV $$\n' | script crash
	QHPSI=crash send
	[ "$status" -eq 77 ]
	nothing_queued
	script hang <<-'SH'
		echo $$ >pids/self
		tail -f /dev/null >/dev/null &
		echo $! >pids/child
		trap '' TERM
		while :; do wait; done
	SH
	control chain 'qhpsi timeout=1'
	QHPSI=hang send
	[ "$status" -eq 77 ] || [ "$status" -eq 52 ]
	nothing_queued
	nobody_left
	[ -z "$(ls -A tmp)" ]
	# What a scanner says is not in its way.
	printf 'seq 100000; seq 100000 >&2; exit 1\n' | script loud
	QHPSI=loud send
	[ "$status" -eq 33 ]
	[ "$(wc -l <log.txt)" -lt 100 ]
}

@test "messages of other sizes are not scanned" {
	scanner
	export QHPSI=scan SCAN_CODE=1
	QHPSIMINSIZE=10000 send
	untouched
	QHPSIMAXSIZE=10 send
	untouched
	QHPPIMAXSIZE=10 send
	untouched
	[[ $log == *'QHPPIMAXSIZE is a slip'* ]]
	QHPSIMINSIZE=10 QHPSIMAXSIZE=10000 send
	[ "$status" -eq 33 ]
}

@test "a file for a scanner goes even with a worker that is ended" {
	skip_when_warm 'the daemon outlives its clients'
	export TMPDIR=$PWD/tmp
	mkdir tmp pids
	mkfifo here
	script wait-here <<-'SH'
		echo $$ >pids/self
		ls "$TMPDIR" >here
		tail -f /dev/null >/dev/null
	SH
	QHPSI=wait-here "$SBIN/qfront" "$TESTLIB/stubqueue" 0<m 1<e 2>log.txt &
	pid=$!
	[[ $(<here) == qfront-scan-* ]]
	kill -TERM "$pid"
	wait "$pid" || :
	while [ -n "$(ls -A tmp)" ]; do :; done
	nobody_left
}
