# Plugins of other versions in today's host: one built with the header as it
# was first published, and one of today that asks before it calls.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins STUB=$BATS_TEST_TMPDIR/got
	export QF_TEST_OLD=old
	mkdir plugins
	cp "$PLUGINS"/{size,dkim}.so \
		"$QF_BUILDDIR"/tests/plugins/.libs/{old,young,secret}.so plugins
	control plugins/old.list '# a list' one
	{
		printf '%s\n' 'From: <sender@test.example>' 'To: <a@test.example>' \
			'Subject: old' 'X-Gone: soon' 'malformed' '' 'Hello.'
	} >m
	envelope sender@test.example a@test.example b@test.example >e
}

# calls HEADER: those of struct qf_host, in order.
calls() {
	"$PYTHON" "$QF_SRCDIR/tests/abi/header.py" members "$QF_SRCDIR/$1" |
		awk '$1 == "qf_host" && /\(\*/ { print $2 }'
}

# send: one message to the stub; its exit code in `status`.
send() {
	rm -f "$STUB".*
	status=0
	inject m e "$TESTLIB/stubqueue" 2>log || status=$?
	cat log
	echo "exit code $status"
}

@test "a plugin of version 1.0 finds every call as it was" {
	control chain 'old' 'size max-message=1M'
	send
	[ "$status" -eq 0 ]
	grep -q 'all is as it was' log
	grep -q 'the end' log
	cmp m got.message
	cmp e got.envelope
}

@test "its edits are applied, its verdict counts" {
	control chain 'old edit=yes'
	send
	[ "$status" -eq 0 ]
	printf '%s\n' 'X-Old: top' 'From: <sender@test.example>' \
		'To: <a@test.example>' 'Subject: new' 'malformed' '' \
		'another' 'and more' | diff - got.message
	envelope new@test.example b@test.example c@test.example |
		cmp - got.envelope
	control chain 'old verdict=2'
	send
	[ "$status" -eq 32 ]
	QF_OLD_VERDICT=4 send
	[ "$status" -eq 0 ]
	[ ! -e got.message ]
}

@test "its mistakes are found, and its place in the chain is checked" {
	control chain 'old verdict=9'
	run "$SBIN/qfrontctl" check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/chain:1: old: is no class"* ]]
	send
	[ "$status" -eq 55 ]
	# It has no note: the worker that loads it sees what it edits.
	(umask 077 && openssl genpkey -algorithm RSA \
		-pkeyopt rsa_keygen_bits:1024 -out "$CONTROLDIR/key.pem") \
		2>openssl.log
	control plugins/dkim.keys 'test.example s1 key.pem'
	control chain 'dkim' 'old edit=yes onerror=pass'
	send
	[ "$status" -eq 55 ]
	grep -q 'chain:2: stage old may change the message after stage dkim' log
	run "$SBIN/qfrontctl" check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/chain:2: stage old may change"* ]]
}

@test "a plugin of today uses what came since, and this host has all of it" {
	control chain 'young' 'old@not if=bounce'
	send
	[ "$status" -eq 0 ]
	tail -n 7 got.message | diff m -
	diff <(calls include/qfront/plugin.h | grep -vxf <(
		calls tests/abi/plugin-1.0.h
	)) <(sed -n 's/^X-Young: //p' got.message | tr ' ' '\n')
}

@test "the old plugin uses every call of version 1.0" {
	local call

	calls tests/abi/plugin-1.0.h >want
	[ "$(wc -l <want)" -ge 25 ]
	while read -r call; do
		grep -qE "(h|\(h\))->$call\(" "$QF_SRCDIR/tests/plugins/old.c" || {
			echo "not used: $call"
			return 1
		}
	done <want
}
