# qfront and qfrontd --once: what reaches the next program, which code comes
# back, and what a plugin can not do. The next program is a stub.

load ../lib/common

setup() {
	clean_environment
	umask 022
	cd "$BATS_TEST_TMPDIR"
	export CONTROLDIR=$BATS_TEST_TMPDIR/control
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	export STUB=$BATS_TEST_TMPDIR/got
	mkdir -p "$CONTROLDIR/plugins" "$PLUGINDIR"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINDIR"
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

# One message to the stub.
send() {
	answer inject "${1-m}" "${2-e}" "$TESTLIB/stubqueue"
}

untouched() {
	cmp m got.message
	cmp e got.envelope
}

nothing_queued() {
	[ ! -e got.message ]
}

@test "without a chain, message and envelope arrive as they came" {
	send
	[ "$status" -eq 0 ]
	untouched
}

@test "no message is changed by a chain that edits nothing" {
	control chain 'misbehave do=nothing onerror=pass'
	printf '' >m.empty
	printf 'no header at all' >m.bare
	printf 'A: b\n\n\0\0 zero\n' >m.zero
	printf 'A: b\r\n\r\nCR LF\r\nlone\rCR\n' >m.crlf
	printf 'A: b\n c\nnot a field\n: no name\n\n8bit \351\377\n.\n..' >m.odd
	printf '\n\nbody only\n' >m.body
	head -c 300000 /dev/urandom >m.random
	for m in m.*; do
		send "$m"
		[ "$status" -eq 0 ]
		cmp "$m" got.message
		cmp e got.envelope
	done
}

@test "the exit code of the next program comes back, for all 256" {
	skip_under_valgrind "256 runs of two programs"
	for code in {0..255}; do
		CODE=$code send
		[ "$status" -eq "$code" ]
	done
}

@test "NULLQUEUE reads everything, queues nothing and beats all else" {
	control chain 'this is no chain'
	NULLQUEUE='' send
	[ "$status" -eq 0 ]
	nothing_queued
	NULLQUEUE=1 DEATH=soon send
	[ "$status" -eq 0 ]
	nothing_queued
	# Both descriptors are read to their end: the writers are not cut off.
	mkfifo f0 f1
	head -c 300000 /dev/zero >f0 &
	writer0=$!
	head -c 300000 /dev/zero >f1 &
	writer1=$!
	NULLQUEUE=1 "$SBIN/qfront" 0<f0 1<f1
	wait "$writer0"
	wait "$writer1"
}

@test "envelopes that are cut, garbled or too long are refused" {
	check() {
		printf "$2" >bad
		send m bad
		[ "$status" -eq "$1" ]
		nothing_queued
	}
	check 54 ''
	check 54 'Fa@x'
	check 54 'Fa@x\0Tb@y'
	check 54 'Fa@x\0Tb@y\0'
	check 91 'Xa@x\0Tb@y\0\0'
	check 91 'Fa@x\0Fb@y\0\0'
	check 11 "Fa@x\\0T$(printf '%01003d' 0)\\0\\0"
}

@test "descriptors that are closed or no files are read errors" {
	answer "$SBIN/qfront" "$TESTLIB/stubqueue" 0<&- 1<e
	[ "$status" -eq 54 ]
	answer "$SBIN/qfront" "$TESTLIB/stubqueue" 0<"$CONTROLDIR" 1<e
	[ "$status" -eq 54 ]
	answer "$SBIN/qfront" "$TESTLIB/stubqueue" 0>out 1<e
	[ "$status" -eq 54 ]
	closed() {
		"$SBIN/qfront" "$TESTLIB/stubqueue" 0<m 1<&-
	}
	answer closed
	[ "$status" -eq 54 ]
	nothing_queued
}

@test "a configuration mistake defers mail and names file and line" {
	control chain '# fine' 'misbehave do=nothing colour=blue'
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/chain:2"*colour* ]]

	control chain 'misbehave if=moon'
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/chain:1"*moon* ]]

	control chain 'misbehave do=nothing'
	chmod 666 "$CONTROLDIR/chain"
	send
	[ "$status" -eq 55 ]
	[[ $log == *"others can write it"* ]]
	chmod 644 "$CONTROLDIR/chain"

	ln -sf gone "$CONTROLDIR/chain"
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/chain: a link to what is not there"* ]]
	rm "$CONTROLDIR/chain"

	control chain 'misbehave do=mark if=path=smpt'
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/chain:1"*smpt* ]]

	control chain 'misbehave do=nothing'
	chmod 777 "$CONTROLDIR/plugins"
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/plugins: others can write it"* ]]
	chmod 755 "$CONTROLDIR/plugins"

	control timeoutchain soon
	send
	[ "$status" -eq 55 ]
	[[ $log == *"timeoutchain:1"* ]]
	rm "$CONTROLDIR/timeoutchain"

	control plugins/misbehave 'do nothing' 'dough nothing'
	send
	[ "$status" -eq 55 ]
	[[ $log == *"plugins/misbehave:2"*dough* ]]

	CONTROLDIR=$BATS_TEST_TMPDIR/none send
	[ "$status" -eq 55 ]
	nothing_queued
}

@test "a plugin that is missing is 57, one of another ABI 58" {
	control chain 'nosuchplugin'
	send
	[ "$status" -eq 57 ]
	[[ $log == *"$CONTROLDIR/chain:1"*nosuchplugin.so* ]]
	control chain 'needy do=mark'
	send
	[ "$status" -eq 58 ]
	control chain 'broken'
	cp /bin/true plugins/broken.so
	send
	[ "$status" -eq 57 ]
	echo 'no object at all' >plugins/broken.so
	send
	[ "$status" -eq 57 ]
	[[ $log == *"chain:1: plugin broken: "*"broken.so is no shared object"* ]]
	# Not at the first call, where it would be a crash that onerror judges.
	control chain 'unbound onerror=pass'
	send
	[ "$status" -eq 57 ]
	[[ $log == *qf_test_nowhere* ]]
	# What the dispatcher reads before anything is loaded must hold.
	control chain 'liar onerror=pass'
	send
	[ "$status" -eq 58 ]
	[[ $log == *"chain:1: plugin liar says flags 0 in its note and 0x2"* ]]
	control chain 'misbehave do=mark'
	chmod g+w plugins/misbehave.so
	send
	[ "$status" -eq 57 ]
	[[ $log == *"plugins/misbehave.so: others can write it"* ]]
}

@test "a plugin that runs only in the daemon breaks without one" {
	skip_when_warm 'here is one'
	control chain 'warm do=mark'
	send
	[ "$status" -eq 55 ]
	nothing_queued
}

# What each kind of misbehaviour costs when onerror is left alone.
@test "whatever a plugin does, a broken stage defers and leaves no trace" {
	for do in crash leave leave-politely close-all leak fail nonsense trespass \
		drop drop-all two-verdicts no-size no-field-size scribble \
		init-crashes; do
		control chain "misbehave do=$do"
		send
		echo "$do"
		[ "$status" -eq 71 ]
		nothing_queued
	done
}

@test "a plugin that can not start defers, whatever code it gives" {
	control chain 'misbehave do=init-fails onerror=reject'
	send
	[ "$status" -eq 56 ]
	control chain 'misbehave do=init-too-long onerror=reject'
	send
	[ "$status" -eq 81 ]
	[[ $log == *"$CONTROLDIR/chain:1"*"could not start"* ]]
	nothing_queued
}

@test "a list that a plugin can not read defers, even when it goes on" {
	control chain 'misbehave do=late-list'
	send
	[ "$status" -eq 0 ]
	control plugins/misbehave.list line
	chmod 666 "$CONTROLDIR/plugins/misbehave.list"
	rm got.message
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/plugins/misbehave.list: others"* ]]
	nothing_queued
}

@test "a stage that hangs is cut at its timeout" {
	control chain 'misbehave do=hang timeout=1'
	send
	[ "$status" -eq 52 ]
	nothing_queued
	if [[ -z ${QF_WARM-} ]]; then # else it ends with the daemon
		control chain 'misbehave do=fini-hangs timeout=1'
		send
		[ "$status" -eq 52 ]
		nothing_queued
	fi
	control chain 'misbehave do=hang timeout=1 onerror=pass' \
		'misbehave@b do=mark'
	send
	[ "$status" -eq 0 ]
	[ "$(head -n 1 got.message)" = 'X-Trace: mark' ]
	[ "$(grep -c X-Trace got.message)" -eq 1 ]
}

@test "the whole chain has a time limit" {
	control timeoutchain 1
	control chain 'misbehave do=hang'
	send
	[ "$status" -eq 52 ]
	nothing_queued
}

@test "onerror decides: pass, reject, and no edit of a broken stage" {
	for do in crash leave close-all leak fail nonsense trespass drop-all \
		no-size scribble; do
		echo "$do"
		control chain "misbehave do=$do onerror=pass"
		send
		[ "$status" -eq 0 ]
		passed_marked misbehave got.message m
		cmp e got.envelope
		rm got.message
		control chain "misbehave do=$do onerror=reject"
		send
		[ "$status" -eq 31 ]
		nothing_queued
	done
}

@test "a second crash of the same message ends it with 81" {
	control chain 'misbehave do=crash onerror=pass' \
		'misbehave@b do=crash onerror=pass'
	send
	[ "$status" -eq 81 ]
	nothing_queued
}

@test "edits before a crash survive, and are made once" {
	control chain 'misbehave do=mark' 'misbehave@b do=crash onerror=pass' \
		'misbehave@c do=mark'
	send
	[ "$status" -eq 0 ]
	[ "$(grep -c '^X-Trace: mark$' got.message)" -eq 2 ]
	[[ $(sed -n 2p got.message) == 'X-Qfront-Tag: '*' broken misbehave@b' ]]
	tail -n +4 got.message | cmp - m
}

@test "keys and parsers never share a process" {
	control chain 'misbehave do=mark' 'misbehave@b do=mark' \
		'secret do=mark' 'misbehave@c do=mark'
	send
	[ "$status" -eq 0 ]
	pid_of() {
		sed -n "s/.* stage name=$1 .*worker=\([0-9]*\).*/\1/p" \
			<<<"$log"
	}
	[ -n "$(pid_of secret)" ]
	[ "$(pid_of misbehave)" = "$(pid_of misbehave@b)" ]
	[ "$(pid_of misbehave)" != "$(pid_of secret)" ]
	[ "$(pid_of misbehave@c)" != "$(pid_of secret)" ]
	[ "$(grep -c X-Trace got.message)" -eq 4 ]
}

@test "a kind of stage without keys runs with its own effects and flags" {
	control chain 'misbehave do=mark' 'secret@open kind=open do=mark' \
		'secret do=mark'
	send
	[ "$status" -eq 0 ]
	pid_of() {
		sed -n "s/.* stage name=$1 .*worker=\([0-9]*\).*/\1/p" \
			<<<"$log"
	}
	[ -n "$(pid_of secret)" ]
	[ "$(pid_of misbehave)" = "$(pid_of secret@open)" ]
	[ "$(pid_of secret@open)" != "$(pid_of secret)" ]
	[ "$(grep -c X-Trace got.message)" -eq 3 ]

	control chain 'secret kind=open do=readdress'
	send
	[ "$status" -eq 71 ]
	[[ $log == *'tried an edit that it does not declare'* ]]
}

@test "verdicts become their codes; nothing turns a defer permanent" {
	expect() {
		control chain "misbehave do=$1"
		send
		[ "$status" -eq "$2" ]
		nothing_queued
	}
	expect reject-key 35
	expect reject-as-71 33
	expect defer-as-31 71
	# There is no queue to hold it in.
	QUEUEDIR=$BATS_TEST_TMPDIR/none expect quarantine 62
	# What a plugin says can not start a line of the log.
	[[ $log == *'said\x0d\x0amisbehave'* ]]
}

@test "accept skips the rest, but for stages marked always" {
	control chain 'misbehave do=accept' 'misbehave@b do=fail' \
		'misbehave@c do=mark always'
	send
	[ "$status" -eq 0 ]
	[ "$(grep -c X-Trace got.message)" -eq 2 ]
	# Also across workers.
	control chain 'secret do=accept' 'misbehave do=fail' \
		'misbehave@c do=mark always'
	send
	[ "$status" -eq 0 ]
	[ "$(grep -c X-Trace got.message)" -eq 2 ]
}

@test "what a worker says is not taken on trust" {
	expect() {
		control chain "forge do=$1 onerror=${3-defer}" \
			'misbehave do=reject-key'
		send
		[ "$status" -eq "$2" ]
		nothing_queued
	}
	for do in skip far nowhere again leap other-verdict odd-error \
		unsealed endless-message endless-envelope many missing; do
		expect "$do" 71
		[[ $log == *'stage spoiled its worker'*name=forge* ]]
		expect "$do" 35 pass
	done
	expect odd-class 71
	expect permanent-error 81
	expect long-address 81
	expect endless-text 55
	[[ $log == *'error=xxx'* ]]
}

# Runs qfront with its log in a pipe, up to the line that a stage logs; PID is
# its process.
start_brooding() {
	mkfifo log
	"$SBIN/qfront" "$TESTLIB/stubqueue" 0<m 1<e 2>log &
	PID=$!
	exec {LOG}<log
	wait_for_line "$LOG" "text=$1"
}

# Has everybody ended who could write to the log?
nobody_is_left() {
	timeout "$PATIENCE" cat <&"$LOG"
}

@test "no worker outlives its dispatcher, nor does what it started" {
	skip_when_warm 'the daemon outlives its clients'
	control chain 'misbehave do=brood-and-hang'
	for signal in KILL TERM; do
		start_brooding brooding
		kill "-$signal" "$PID"
		nobody_is_left
		wait "$PID" || [ "$?" -gt 128 ]
		exec {LOG}<&-
		rm log
	done
	# Long enough to start everything, also where that is slow.
	DEATH=${QF_VALGRIND:+3}5 start_brooding brooding
	nobody_is_left
	wait "$PID" || status=$?
	[ "$status" -eq 52 ]
	nothing_queued
}

@test "what a plugin leaves behind ends with its worker" {
	skip_when_warm "the log is the daemon's, and no pipe"
	control chain 'misbehave do=brood'
	start_brooding brooding
	nobody_is_left
	wait "$PID"
	untouched
	# A crash is seen at once although the brood holds the socket.
	rm log
	exec {LOG}<&-
	control timeoutchain 86400
	control chain 'misbehave do=brood-and-crash'
	start_brooding brooding
	nobody_is_left >log.txt
	wait "$PID" || status=$?
	[ "$status" -eq 71 ]
	grep -Eq 'stage (crashed|ended its worker) name=misbehave' log.txt
}

@test "conditions and max choose the messages of a stage" {
	control chain 'misbehave do=mark if=relay' 'misbehave@b do=mark max=10'
	send
	[ "$status" -eq 0 ]
	untouched
	[[ $log == *'name=misbehave verdict=skipped reason=if'* ]]
	[[ $log == *'name=misbehave@b verdict=skipped reason=max'* ]]
	RELAYCLIENT='' send
	[ "$(grep -c X-Trace got.message)" -eq 1 ]
}

@test "envelope edits reach the next program" {
	control chain 'misbehave do=readdress'
	send
	[ "$status" -eq 0 ]
	cmp m got.message
	envelope new@x.example added@y.example | cmp - got.envelope
}

@test "edits do not change where a message comes from" {
	control chain 'misbehave do=readdress' 'secret do=mark if=bounce' \
		'misbehave@b do=mark if=!bounce'
	envelope '' rcpt@test.example >bounce
	TCPREMOTEIP=192.0.2.1 send m bounce
	[ "$status" -eq 0 ]
	[ "$(grep -c X-Trace got.message)" -eq 1 ]
	[[ $log == *'name=secret verdict=pass'* ]]
}

@test "a bounce of this host runs only stages marked always" {
	control chain 'misbehave do=mark' 'misbehave@b do=mark always'
	envelope '' rcpt@test.example >bounce
	send m bounce
	[ "$status" -eq 0 ]
	[ "$(grep -c X-Trace got.message)" -eq 1 ]
	[[ $log == *'name=misbehave verdict=skipped reason=bounce'* ]]
	# From the network it is mail like any other.
	TCPREMOTEIP=192.0.2.1 send m bounce
	[ "$status" -eq 0 ]
	[ "$(grep -c X-Trace got.message)" -eq 2 ]
}

@test "settings: file, then chain line, then environment" {
	control chain 'misbehave'
	control plugins/misbehave 'do   mark'
	send
	[ "$(grep -c 'X-Trace: mark' got.message)" -eq 1 ]
	control chain 'misbehave do=accept'
	send
	[ "$(grep -c 'X-Trace: accept' got.message)" -eq 1 ]
	QF_MISBEHAVE_DO=mark send
	[ "$(grep -c 'X-Trace: mark' got.message)" -eq 1 ]
	control chain 'misbehave@other do=mark'
	control plugins/misbehave@other 'do fail'
	send
	[ "$(grep -c 'X-Trace: mark' got.message)" -eq 1 ]
}

@test "QFRONT_CHAIN names another chain; one that is not there defers" {
	control chain 'misbehave do=mark'
	control chain-plain '# no stage'
	QFRONT_CHAIN=plain send
	[ "$status" -eq 0 ]
	untouched
	QFRONT_CHAIN=gone send
	[ "$status" -eq 55 ]
}

@test "the next program: arguments, then QUEUEPROG, then queueprog" {
	export CODE=0
	control queueprog /bin/false
	printf '#!/bin/sh\nexit 31\n' >q31
	chmod +x q31
	answer inject m e
	[ "$status" -eq 1 ]
	QUEUEPROG=$PWD/q31 answer inject m e
	[ "$status" -eq 31 ]
	QUEUEPROG=$PWD/q31 answer inject m e /bin/sh -c 'exit 7'
	[ "$status" -eq 7 ]
	mkdir 'with space'
	cp q31 'with space/q'
	QUEUEPROG="$PWD/with space/q" answer inject m e
	[ "$status" -eq 31 ]
	QUEUEPROG="'$PWD/with space/q' an argument" answer inject m e
	[ "$status" -eq 31 ]
	QUEUEPROG="'unclosed" answer inject m e
	[ "$status" -eq 55 ]
	QUEUEPROG=/no/such/program answer inject m e
	[ "$status" -eq 120 ]
}

@test "a queue program that calls qfront again is stopped" {
	control queueprog "$SBIN/qfront"
	answer inject m e
	[ "$status" -eq 55 ]
	[[ $log == *"calls qfront again"* ]]
}

@test "a filter that nobody would run defers instead of being skipped" {
	control chain '# no stage'
	for name in SPAMFILTER FILTERARGS DKIMSIGN DKIMVERIFY; do
		export "$name=x"
		answer inject m e
		unset "$name"
		[ "$status" -eq 55 ]
		[[ $log == *"$name is set"* ]]
	done
	# Also when our own queue is named.
	FILTERARGS=x answer inject m e "$SBIN/qfront-queue"
	[ "$status" -eq 55 ]
	# QHPSI our queue runs itself, but not the daemon's store.
	QHPSI=no-such-scanner answer inject m e
	[ "$status" -eq "$([[ -n ${QF_WARM-} ]] && echo 55 || echo 77)" ]
	# An outside queue program may honour it.
	QHPSI=x send
	[ "$status" -eq 0 ]
}

@test "qfrontd takes what is left of a message that somebody began to read" {
	cp m unlinked
	exec {in}<unlinked
	rm unlinked
	IFS= read -r -u "$in" line
	answer "$SBIN/qfrontd" --once "$TESTLIB/stubqueue" 0<&"$in" 1<e
	exec {in}<&-
	[ "$status" -eq 0 ]
	tail -n +2 m | cmp - got.message
}

@test "a log that nobody reads does not stop mail" {
	control chain 'misbehave do=mark onerror=reject'
	mkfifo f
	exec {both}<>f
	exec {log}>f
	exec {both}<&-
	status=0
	# The harness may have left the signal ignored.
	env --default-signal=PIPE "$SBIN/qfront" "$TESTLIB/stubqueue" \
		0<m 1<e 2>&"$log" || status=$?
	exec {log}>&-
	[ "$status" -eq 0 ]
	[ "$(head -n 1 got.message)" = 'X-Trace: mark' ]
}

@test "DEATH bounds the run, even when the caller blocks its signal" {
	mkfifo f
	exec {hold}<>f
	DEATH=1 send f
	exec {hold}>&-
	[ "$status" -eq 52 ]
	mkfifo g
	exec {hold}<>g
	status=0
	DEATH=1 timeout "$PATIENCE" env --block-signal=ALRM "$SBIN/qfront" \
		"$TESTLIB/stubqueue" 0<g 1<e || status=$?
	exec {hold}>&-
	[ "$status" -eq 52 ]
	DEATH=soon send
	[ "$status" -eq 55 ]
	nothing_queued
}

@test "a caller that reads texts from descriptor 2 finds no log there" {
	control chain 'misbehave do=fail'
	ERROR_FD=2 send
	[ "$status" -eq 71 ]
	[ -z "$log" ]
	control log stderr
	ERROR_FD=2 send
	[ "$status" -eq 71 ]
	[ -z "$log" ]
}

@test "100,000 recipients pass" {
	{
		printf 'Fs@test.example\0'
		seq -f 'Tuser%.0f@test.example' 100000 | tr '\n' '\0'
		printf '\0'
	} >many
	control chain 'misbehave do=readdress'
	send m many
	[ "$status" -eq 0 ]
	[ "$(tr -cd '\0' <got.envelope | wc -c)" -eq 100002 ]
	control chain 'misbehave do=mark'
	send m many
	cmp many got.envelope
}

@test "a 50 MB message passes without being held in memory" {
	skip_under_sanitizers "they need memory of their own"
	skip_under_valgrind "it needs memory of its own"
	mkfifo f
	"$SBIN/qfront" "$TESTLIB/stubqueue" 0<f 1<e &
	pid=$!
	exec {in}>f
	{ message; head -c 52428800 /dev/zero; } | tee m50 >&"$in"
	# All but what the pipe holds is read by now.
	anon=$(awk '/^RssAnon:/ { print $2 }' "/proc/$pid/status")
	echo "anonymous memory: $anon kB"
	[ "$anon" -lt 16384 ]
	exec {in}>&-
	wait "$pid"
	cmp m50 got.message
	# The same through a stage that edits it.
	control chain 'misbehave do=mark'
	send m50
	[ "$status" -eq 0 ]
	tail -n +2 got.message | cmp - m50
}
