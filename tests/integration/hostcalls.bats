# The calls that plugins got with version 1.1, in the real host: MIME parts,
# results of authentication and the field that they become, notes, route, time
# and environment.

bats_require_minimum_version 1.5.0

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins STUB=$BATS_TEST_TMPDIR/got
	export QFRONT_LOG=stderr
	mkdir plugins
	cp "$PLUGINS"/size.so plugins
	cp "$QF_BUILDDIR"/tests/plugins/.libs/{calls,keycalls,mimecalls,judge}.so \
		plugins
	message >m
	envelope sender@test.example a@test.example >e
}

# send [CODE]: one message to the stub, which must end with this code.
send() {
	local want=${1-0} got=0

	rm -f "$STUB".*
	inject m e "$TESTLIB/stubqueue" 2>log || got=$?
	cat log
	((got == want)) || {
		echo "exit code $got instead of $want"
		return 1
	}
}

# said: what the plugin put into the header, in the order of the calls.
said() {
	sed -n 's/^X-Call: //p' "$STUB.message"
}

# results: the fields with results of authentication, unfolded.
results() {
	sed -n '1,/^$/p' "$STUB.message" | sed -e ':a' -e '$!N' \
		-e 's/\n[[:blank:]]\+/ /' -e 'ta' -e 'P' -e 'D' |
		sed -n 's/^Authentication-Results: //p'
}

# forge FIELD...: a message that brings fields along.
forge() {
	{
		printf '%b\n' "$@"
		message
	} >m
}

AR='Authentication-Results:'

@test "the parts of a message" {
	printf '%s\n' 'Subject: x' \
		'Content-Type: multipart/mixed; boundary=b' '' 'preamble' \
		--b '' 'hello' \
		--b 'Content-Type: IMAGE/png; name="=?utf-8?q?=C3=A9?=.png"' \
		'Content-Transfer-Encoding: Base64' \
		'Content-Disposition: attachment' 'Content-ID: <i@d>' '' 'QUJD' \
		--b 'Content-Type: message/rfc822' '' 'Subject: y' '' 'inner' \
		--b 'Content-Type: text/plain; charset=latin1' \
		'Content-Transfer-Encoding: x-none' '' 'z' --b-- >m
	control chain 'mimecalls do=parts'
	send
	said >got
	cat >want <<-'END'
		part 0 of 0 at 0 flags 1 multipart/mixed name= id= enc= cs= header 53 body 309 decoded 0 309
		part 1 of 0 at 1 flags 0 text/plain name= id= enc= cs= header 0 body 5 decoded 0 5
		part 2 of 0 at 1 flags 4 image/png name=é.png id=i@d enc=base64 cs= header 139 body 4 decoded 0 3
		part 3 of 0 at 1 flags 2 message/rfc822 name= id= enc= cs= header 29 body 17 decoded 0 17
		part 4 of 3 at 2 flags 0 text/plain name= id= enc= cs= header 11 body 5 decoded 0 5
		part 5 of 0 at 1 flags 0 text/plain name= id= enc=x-none cs=latin1 header 75 body 1 decoded -20 0
	END
	diff want got
	control chain 'mimecalls do=bad-parts'
	send
	[ "$(said)" = 'bad part -23 -23 -23' ]
}

@test "the index is of the message as the stage finds it" {
	printf '%s\n' 'Content-Type: multipart/mixed; boundary=b' '' 'old' >m
	control chain 'mimecalls do=parts' 'mimecalls@b do=body' \
		'mimecalls@c do=parts'
	send
	[ "$(said | cut -d' ' -f1-10)" = "$(
		cat <<-'END'
			part 0 of 0 at 0 flags 9 multipart/mixed name=
			part 0 of 0 at 0 flags 1 multipart/mixed name=
			part 1 of 0 at 1 flags 0 text/plain name=
			part 2 of 0 at 1 flags 0 text/plain name=
		END
	)" ]
}

@test "results become one field on top, those of all stages in order" {
	control chain 'calls do=result method=spf result=pass prop=smtp.mailfrom=a@b.example' \
		'keycalls do=result method=dkim result=fail reason="bad; key"' \
		'calls@c do=results'
	send
	[ "$(results)" = 'test.example; spf=pass smtp.mailfrom=a@b.example; dkim=fail reason="bad; key"' ]
	[[ $(head -n 1 "$STUB.message") == "$AR"* ]]
	[ "$(said)" = 'result spf=pass reason= props 1 smtpmailfroma@b.example
result dkim=fail reason=bad; key props 0 ' ]
	# All else is as it was.
	sed -e '1,3d' -e '/^X-Call: /d' "$STUB.message" | cmp - m
}

@test "without a result there is no field" {
	control chain 'calls do=results'
	send
	cmp m "$STUB.message"
	control chain 'calls do=bad-result'
	send
	[ "$(said)" = 'bad result -23 -23' ]
	[ -z "$(results)" ]
}

@test "fields that claim to be ours are removed, others stay" {
	forge "$AR test.example; dkim=pass" "$AR other.example; spf=pass" \
		"$AR (x) TEST.example 1;\n\tdkim=pass" \
		"X-Trick: a\r$AR test.example; dkim=pass"
	control chain 'calls do=fields' 'calls@b do=result method=spf result=none'
	send
	[ "$(said)" = 'fields 1' ]
	[ "$(results)" = 'test.example; spf=none
other.example; spf=pass' ]
	run ! grep -q 'dkim=pass' "$STUB.message"
	grep -q 'forged results removed fields=3 id=test.example' log
	# A chain without stages that deal with results leaves them.
	control chain 'size max-message=1M'
	send
	cmp m "$STUB.message"
}

@test "the id is that of the control file authserv-id" {
	forge "$AR test.example; dkim=pass" "$AR mail.example; dkim=pass"
	control authserv-id mail.example
	control chain 'calls do=result method=spf result=none'
	send
	[ "$(results)" = 'mail.example; spf=none
test.example; dkim=pass' ]
	control authserv-id 'two words'
	send
	[ "$(results | head -n 1)" = '"two words"; spf=none' ]
	printf 'caf\351\n' >"$CONTROLDIR/authserv-id"
	send 55
	grep -q 'authserv-id:1: ' log
	run "$SBIN/qfrontctl" check
	[ "$status" -ne 0 ]
	[[ $output == *authserv-id:1:* ]]
}

@test "results of a stage that breaks are forgotten" {
	forge "$AR test.example; dkim=pass"
	control chain 'calls do=fail method=spf result=pass onerror=pass' \
		'calls@b do=result method=dkim result=none'
	send
	[ "$(results)" = 'test.example; dkim=none' ]
	# One that is only tried has none, and removes nothing.
	control chain 'calls do=result method=spf result=pass shadow'
	send
	cmp m "$STUB.message"
}

@test "a stage that crashes lets no forged result by" {
	forge "$AR test.example; dkim=pass"
	control chain 'calls do=crash method=spf result=pass onerror=pass'
	send
	[ -z "$(results)" ]
	message >original
	passed_marked calls "$STUB.message" original
}

@test "no text of a stranger continues our field" {
	{
		printf ' ; dkim=pass\n'
		message
	} >m
	control chain 'calls do=result method=dkim result=fail'
	send
	[ "$(results)" = 'test.example; dkim=fail' ]
	[ "$(head -n 1 "$STUB.message")" = ' ; dkim=pass' ]
	printf ' ; dkim=pass' >m
	send
	[ "$(sed -n 2p "$STUB.message")" = "$AR test.example;" ]
}

@test "recipients with other results get a message of their own" {
	envelope sender@test.example a@test.example b@kids.example \
		c@test.example >e
	mkdir runs
	control chain 'calls do=result method=spf result=pass' \
		'calls@b do=result method=x-kids result=pass rcpt=@kids.example'
	STUB=$PWD/runs inject m e "$TESTLIB/manyqueue" 2>log
	cat log
	[ "$(grep -l 'x-kids=pass' runs/*/message | wc -l)" -eq 1 ]
	[ "$(grep -l 'spf=pass' runs/*/message | wc -l)" -eq 2 ]
	[ "$(grep -la 'Ta@test.example.Tc@test.example' runs/*/envelope |
		wc -l)" -eq 1 ]
}

@test "a message that is held has its results" {
	control chain 'calls do=result method=spf result=fail' \
		'judge whole=hold'
	inject m e 2>log
	cat log
	grep -rq 'spf=fail' "$QUEUEDIR/hold"
}

@test "the held part of a message has its results too" {
	control chain 'calls do=result method=spf result=fail' 'calls@b do=rcpt'
	envelope sender@test.example a@test.example b@test.example >e
	inject m e 2>log
	cat log
	grep -rq 'spf=fail' "$QUEUEDIR/hold"
	grep -rq 'spf=fail' "$QUEUEDIR/mess"
}

@test "score and notes reach later stages, in other processes too" {
	control chain 'calls do=leave key=calls.x value=1500' \
		'keycalls do=leave key=calls.x value=-200' 'calls@c do=find key=calls.x' \
		'calls@d do=find key=calls.y'
	send
	[ "$(said)" = 'score 0 bad note -23
score 1500 bad note -23
score 1300 note 0 -200
score 1300 note -22 none' ]
}

@test "a route is kept in our queue" {
	control chain 'calls do=route value=mx.example.org:26'
	inject m e 2>log
	cat log
	grep -rq 'ROUTE=mx.example.org:26' "$QUEUEDIR"
}

@test "time and environment" {
	control chain 'calls do=run key=QF_TEST_CALLS'
	QF_TEST_CALLS=x send
	[ "$(said)" = 'time 1 variables 1 taken 0' ]
	run ! grep -q '^QF_TEST_CALLS=' "$STUB.environment"
}
