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
