# The plugins headers, archive and limit in a chain, with a stub for the queue
# program: what reaches it, and what qfrontctl finds in their lists.

load ../lib/common

setup() {
	clean_environment
	umask 022
	cd "$BATS_TEST_TMPDIR"
	export CONTROLDIR=$BATS_TEST_TMPDIR/control
	export STUB=$BATS_TEST_TMPDIR/got
	mkdir -p "$CONTROLDIR/plugins"
	message >m
	envelope sender@test.example rcpt@test.example >e
}

# One message to the stub: the exit code in `status`, the log in `log`.
send() {
	rm -f got.message got.envelope
	status=0
	inject "${1-m}" "${2-e}" "$TESTLIB/stubqueue" 2>log.txt || status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}

@test "headers: rules of each instance, values from where mail comes from" {
	control chain 'headers@in if=!auth' 'headers@out if=auth'
	control plugins/headers@in.rules '# from strangers' 'remove X-Spam-*' \
		'set X-Originating-IP [%{client.ip}]'
	control plugins/headers.rules 'remove X-Originating-IP' \
		'append X-Envelope <%{sender}> <%{rcpt}> %{uid}'
	{
		printf 'X-Spam-Flag: no\nX-Originating-IP: forged\n'
		cat m
	} >forged
	TCPREMOTEIP=192.0.2.1 send forged
	[ "$status" -eq 0 ]
	{
		echo 'X-Originating-IP: [192.0.2.1]'
		cat m
	} | cmp - got.message
	cmp e got.envelope
	AUTHINFO=joe TCPREMOTEIP=192.0.2.1 send forged
	[ "$status" -eq 0 ]
	{
		echo 'X-Spam-Flag: no'
		sed '/^$/,$d' m
		echo "X-Envelope: <sender@test.example> <rcpt@test.example>" \
			"$(id -u)"
		sed -n '/^$/,$p' m
	} | cmp - got.message
}

@test "headers: a wrong rule defers mail, and qfrontctl names its line" {
	control chain headers
	control plugins/headers.rules 'remove X-A' '' 'add X-B: 1' 'drop X-C'
	send
	[ "$status" -eq 55 ]
	[ ! -e got.message ]
	[[ $log == *"$CONTROLDIR/plugins/headers.rules:3: "*colon* ]]
	run "$SBIN/qfrontctl" check
	[ "$status" -eq 1 ]
	[[ $output == *"plugins/headers.rules:3: "*colon* ]]
	[[ $output == *"plugins/headers.rules:4: "*'"drop"'* ]]
}

@test "archive: recipients are added, the message stays as it is" {
	control chain archive
	control plugins/archive.rules 'from @test.example %u=%d@arch.example' \
		'T:rcpt@*:to-%u@arch.example' 'any to-rcpt@ARCH.example'
	send
	[ "$status" -eq 0 ]
	cmp m got.message
	envelope sender@test.example rcpt@test.example to-rcpt@arch.example \
		sender=test.example@arch.example | cmp - got.envelope
	# What was archived comes in again.
	mv got.envelope again
	send m again
	cmp again got.envelope
	envelope sender@test.example to-rcpt@arch.example >again
	send m again
	cmp again got.envelope
}

@test "archive: what can not be archived waits, or as onerror says" {
	control chain archive
	control plugins/archive.rules 'to * %u@%d.arch.example'
	envelope sender@test.example root >local
	send m local
	[ "$status" -eq 71 ]
	[ ! -e got.message ]
	[[ $log == *'no archive address can be made of root'* ]]
	control chain 'archive onerror=pass'
	send m local
	[ "$status" -eq 0 ]
	cmp local got.envelope
}

@test "archive: bounces" {
	envelope '' rcpt@test.example >bounce
	control chain archive
	control plugins/archive.rules 'any all@arch.example'
	send m bounce
	envelope '' rcpt@test.example all@arch.example | cmp - got.envelope
	control plugins/archive 'bounces no'
	send m bounce
	[ "$status" -eq 0 ]
	cmp bounce got.envelope
}
