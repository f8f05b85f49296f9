# The whole way of a message: qfront with its chain, the queue, qfront-send,
# a real SMTP server. What arrives there is checked by programs that share no
# code with ours: aiosmtpd keeps it, dkimpy verifies it.

bats_require_minimum_version 1.5.0
load ../lib/common

setup_file() {
	export KEYS=$BATS_FILE_TMPDIR

	(umask 077 && openssl genpkey -algorithm RSA \
		-pkeyopt rsa_keygen_bits:2048 -out "$KEYS/private.pem") \
		2>"$BATS_FILE_TMPDIR/openssl.log"
	openssl pkey -in "$KEYS/private.pem" -pubout -out "$KEYS/public.pem"
}

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	start_sink
	cp -p "$KEYS/private.pem" "$CONTROLDIR/plugins/s1.pem"
	control chain 'size max-message=1M max-recipients=100' 'dkim always'
	control plugins/dkim.keys 'test.example s1 plugins/s1.pem'
	control remotes "127.0.0.1 smtp port=$PORT"
	control pausetime 0
	envelope sender@test.example rcpt@else.example >e
}

teardown() {
	stop_peers
}

# queue [MESSAGE [ENVELOPE]]: accepted, and so many messages in the queue.
queue() {
	inject "${1-m}" "${2-e}" 2>inject.log || {
		echo "qfront: exit code $?"
		cat inject.log
		return 1
	}
}

# One run of the queue, after which it is empty.
deliver() {
	"$SBIN/qfront-send" >send.log 2>&1 </dev/null || {
		echo "qfront-send: exit code $?"
		cat send.log
		return 1
	}
	queue_is_empty || {
		cat send.log
		return 1
	}
}

# arrived K MESSAGE: message K at the server ends in MESSAGE, with the line
# ends of SMTP; what stands before it is in above.
arrived() {
	local eml=$SINK/$1.eml size

	[[ -e $SINK/$1.json ]]
	perl -0777 -pe 's/\r\n|\r|\n/\r\n/g; $_ .= "\r\n" unless /\n\z/' \
		"$2" >expected
	size=$(stat -c %s expected)
	tail -c "$size" "$eml" | cmp - expected
	head -c "-$size" "$eml" >above
}

verify() {
	"$PYTHON" "$TESTLIB/dkimverify.py" s1 test.example "$KEYS/public.pem" \
		<"$SINK/$1.eml"
}

# json K NAME: a value that the server noted, as JSON.
json() {
	"$PYTHON" -c 'import json, sys
print(json.dumps(json.load(open(sys.argv[1]))[sys.argv[2]]))' \
		"$SINK/$1.json" "$2"
}

@test "a message is judged, signed, queued, sent and verified" {
	local received

	message >m
	queue
	[[ $(queued) -eq 1 ]]
	grep -E 'stage name=size verdict=pass' inject.log
	grep -E 'stage name=dkim verdict=pass' inject.log
	deliver
	arrived 1 m
	run verify 1
	[[ $status -eq 0 ]]
	[[ $output == '1 pass test.example h=from:to:subject:from' ]]
	[[ $(json 1 mail_from) == '"sender@test.example"' ]]
	[[ $(json 1 rcpt_tos) == '["rcpt@else.example"]' ]]
	[[ ! -e $SINK/2.eml ]]

	# The queue's Received field on top, then the signature, nothing else.
	received=$(tr -d '\r' <above | head -n 1)
	[[ $received =~ ^'Received: (qmail '[0-9]+' invoked' ]]
	tr -d '\r' <above | awk '/^[^\t ]/ { print $1 }' >names
	[[ $(paste -s -d' ' names) == 'Received: DKIM-Signature:' ]]
}

@test "the server sees what was signed, whatever lines the message has" {
	local body i=0

	skip_under_valgrind "13 messages through five programs each"
	for body in '' 'x' 'x\r\ny\r\n' 'a\rb\r\r\n' 'x\n\n\n' '.\n..\n.x\n.' \
		'From x\n' '\303\274\n' 'a\0b\n' ' \t\n x  y \n' '\n\n'; do
		printf 'From: a@test.example\nSubject: x\n\ty\n\n%b' "$body" >m
		i=$((i + 1))
		queue
		deliver
		arrived "$i" m
		verify "$i"
	done
	printf 'From: a@test.example\r\nSubject: x\r\n\r\nbody\r\n' >m
	queue
	deliver
	arrived $((i + 1)) m
	verify $((i + 1))
	printf 'From: a@test.example\nSubject: no body, no line end' >m
	queue
	deliver
	arrived $((i + 2)) m
	verify $((i + 2))
}

@test "a chain that edits nothing changes no byte" {
	local file

	control chain 'size max-message=1M'
	{
		message
		printf '\r\n..\n.\nlone\rCR, \0 and \351, no line end'
	} >m
	queue
	file=$(find "$QUEUEDIR/mess" -type f)
	tail -c "$(stat -c %s m)" "$file" | cmp - m
	head -c "-$(stat -c %s m)" "$file" >above
	cat above
	[[ $(wc -l <above) -eq 1 ]]
	grep -q '^Received: (qmail [0-9]* invoked .*); ' above
	deliver
	arrived 1 m
	run verify 1
	[[ $status -eq 1 ]]
}

@test "mail of a domain without a key passes unsigned" {
	printf 'From: a@other.example\n\nx\n' >m
	envelope a@other.example rcpt@else.example >e
	queue
	grep -F 'not signed: no key for domain other.example' inject.log
	deliver
	arrived 1 m
	run ! grep -q DKIM-Signature above
}

@test "a bounce is signed for the domain of its From field" {
	printf 'From: MAILER-DAEMON@test.example\n\nSorry.\n' >m
	envelope '' rcpt@else.example >e
	queue
	deliver
	arrived 1 m
	verify 1
	[[ $(json 1 mail_from) == '""' ]]
}

@test "many messages and recipients go out in one run" {
	local i

	for i in {1..5}; do
		printf 'From: a@test.example\nSubject: %d\n\nx\n' "$i" >"m$i"
		envelope a@test.example one@else.example two@else.example >e
		queue "m$i"
	done
	[[ $(queued) -eq 5 ]]
	deliver
	for i in {1..5}; do
		verify "$i"
		[[ $(json "$i" rcpt_tos) == *one@else.example*two@else.example* ]]
	done
	[[ $(sed -n 's/^Subject: \([0-9]\)\r$/\1/p' "$SINK"/*.eml |
		sort | tr -d '\n') == 12345 ]]
}

@test "what is too large or has too many recipients is refused" {
	local rc=0

	{
		message
		head -c 1048576 /dev/zero
	} >m
	inject m e 2>log || rc=$?
	[[ $rc -eq 31 ]]
	grep -F 'is larger than the limit of 1048576 bytes' log
	queue_is_empty
	message >m
	# shellcheck disable=SC2046 # no spaces in them
	envelope a@test.example $(printf 'r%d@else.example ' {1..101}) >e
	rc=0
	inject m e 2>log || rc=$?
	[[ $rc -eq 31 ]]
	grep -F 'message has 101 recipients, the limit is 100' log
	queue_is_empty
}

@test "the null stage takes a message and nobody sees it again" {
	control chain 'null' 'dkim'
	message >m
	queue
	queue_is_empty
	deliver
	[[ ! -e $SINK/1.eml ]]
}

@test "a mistake with a key keeps mail out until it is corrected" {
	local mistake rc

	skip_under_valgrind "9 runs of each of four programs"
	message >m
	for mistake in 'chmod 644 plugins/s1.pem' \
		'echo nonsense >plugins/s1.pem' 'rm plugins/s1.pem' \
		'openssl genpkey -algorithm X25519 -out plugins/s1.pem' \
		'echo test.example s1 >plugins/dkim.keys' \
		'rm plugins/dkim.keys' 'echo dkim mode=seal >chain' \
		'echo size >>chain' 'echo size max-message=many >>chain'; do
		cp -Rp "$CONTROLDIR" saved
		(cd "$CONTROLDIR" && umask 077 && eval "$mistake")
		chmod go+r "$CONTROLDIR"/chain
		echo "mistake: $mistake"
		rc=0
		inject m e 2>log || rc=$?
		cat log
		[[ $rc -eq 55 ]]
		grep -oE "$CONTROLDIR/(chain|plugins/dkim.keys)[:0-9]* [^\"\\]*" \
			log | tail -n 1 >said
		[[ -s said ]]
		queue_is_empty
		run "$SBIN/qfrontctl" check
		[[ $status -ne 0 && $output == *"$(<said)"* ]]
		rm -rf "$CONTROLDIR"
		mv saved "$CONTROLDIR"
	done
	"$SBIN/qfrontctl" check
	queue
	deliver
	verify 1
}
