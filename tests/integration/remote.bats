# qfront-remote as qmail-rspawn runs it: a message on descriptor 0, reports on
# descriptor 1, always exit code 0; against servers that a script plays, on
# several addresses of the loopback, and a name server with signed zones.
# Which report a session leads to is in tests/unit/test_report.c.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/certs
load ../lib/zones

SAID='Remote host said: '
DIED='connection died. (#4.4.2)'
UNREACHED="Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)"

setup_file() {
	make_certificates
	# A port that is free on every address of the loopback that is used.
	export MXPORT
	MXPORT=$("$PYTHON" -c 'if True:
		import socket
		while True:
			all = [socket.socket() for _ in range(4)]
			all[0].bind(("127.0.0.1", 0))
			port = all[0].getsockname()[1]
			try:
				for i in range(1, 4):
					all[i].bind((f"127.0.0.{i+1}", port))
			except OSError:
				continue
			print(port)
			break')
	local good

	good=$(openssl x509 -in "$CERTS/good.pem" -noout -pubkey |
		openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
	start_zones <<-ZONES
		zone test.example signed
		one A 127.0.0.2
		two A 127.0.0.3
		to1 MX 10 one
		both MX 10 one
		both MX 20 two
		null MX 0 .
		us MX 10 me
		me A 127.0.0.1
		dane MX 10 d1
		d1 A 127.0.0.2
		_$MXPORT._tcp.d1 TLSA 3 1 1 $good
		dane2 MX 10 d2
		dane2 MX 20 two
		d2 A 127.0.0.2
		_$MXPORT._tcp.d2 TLSA 3 1 1 ${good//[0-9a-f]/0}
		useless MX 10 u1
		u1 A 127.0.0.2
		_$MXPORT._tcp.u1 TLSA 0 0 1 $good
		later MX 10 l1.gone
		later MX 20 two
		bogus MX 10 b1.bogus
		hidden MX 10 h1
		hidden MX 20 two
		h1 A 127.0.0.2
		forged MX 10 f1
		f1 A 127.0.0.2
		unsigned MX 10 m1.plain
		zone bogus.test.example signed lame
		b1 A 127.0.0.2
		zone gone.test.example missing
		zone _tcp.h1.test.example missing
		zone _tcp.f1.test.example signed lame
		_$MXPORT TLSA 3 1 1 $good
		zone plain.test.example
		m1 A 127.0.0.2
		_$MXPORT._tcp.m1 TLSA 3 1 1 ${good//[0-9a-f]/0}
	ZONES
}

teardown_file() {
	stop_zones
}

setup() {
	clean_environment
	cd "$BATS_TEST_TMPDIR"
	use_zones
	export QUEUEDIR=$BATS_TEST_TMPDIR/queue QFRONT_LOG=stderr
	mkdir -p "$QUEUEDIR/lock"
	MESSAGE=$BATS_TEST_TMPDIR/message
	RECORD=$BATS_TEST_TMPDIR/record
	printf 'Subject: a test\n\n.Hello.\n' >"$MESSAGE"
	control me me.example
	control smtproutes ": port=$MXPORT"
}

teardown() {
	stop_peers
}

control() {
	printf '%s\n' "${@:2}" >"$CONTROLDIR/$1"
}

# remote ARGUMENT...: its reports with | for each zero byte are in REPORT, its
# log is in the file log.
remote() {
	local status=0

	REPORT=$("$SBIN/qfront-remote" "$@" <"$MESSAGE" 2>log | tr '\0' '|') ||
		status=$?
	echo "exit code $status, report: $REPORT"
	cat log
	((status == 0))
}

# reports TEXT: that is all it reported.
reports() {
	[[ $REPORT == "$1" ]] || {
		echo "wanted: $1"
		return 1
	}
}

# fake IP NAME [OPTION...] <SCRIPT: a server at this address and MXPORT; what
# it hears is in RECORD.NAME.
fake() {
	cat >"script.$2"
	start_fake --bind "$1" --port "$MXPORT" --record "$RECORD.$2" "${@:3}" \
		"script.$2"
}

# Scripts: a session that succeeds, after the greeting and whole.
envelope_script() {
	cat <<-'END'
		expect EHLO me\.example
		say 250 x
		expect MAIL FROM:<s@x\.example>.*
		say 250 ok
		expect RCPT TO:<r@y\.example>
		say 250 ok
		expect DATA
		say 354 go
		data
		say 250 taken
		expect QUIT
	END
}

takes_it() {
	echo 'say 220 fake'
	envelope_script
}

takes_it_secure() {
	cat <<-END
		say 220 fake
		expect EHLO me\.example
		say 250-x
		say 250 STARTTLS
		expect STARTTLS
		say 220 go
		tls
	END
	envelope_script
}

# ... that ends where the client does not like what it sees of TLS.
refuses_tls() {
	cat <<-'END'
		say 220 fake
		expect EHLO .*
		say 250-x
		say 250 STARTTLS
		expect STARTTLS
		say 220 go
		tls-fails .*
	END
}

ACCEPTED="r|K127.0.0.2 accepted message.
${SAID}250 taken
|"

@test "a message arrives at the mail exchanger of its host" {
	fake 127.0.0.2 one < <(takes_it)
	remote to1.test.example s@x.example r@y.example
	reports "$ACCEPTED"
	wait_for_peer
	printf '%s\r\n' 'EHLO me.example' 'MAIL FROM:<s@x.example>' \
		'RCPT TO:<r@y.example>' DATA 'Subject: a test' '' ..Hello. . \
		QUIT | cmp - "$RECORD.one.1"
}

@test "a message from a pipe, and from the middle of a file" {
	fake 127.0.0.2 one < <(takes_it)
	REPORT=$(printf 'a pipe\n' | "$SBIN/qfront-remote" to1.test.example \
		s@x.example r@y.example | tr '\0' '|')
	reports "$ACCEPTED"
	wait_for_peer
	grep -q 'a pipe' "$RECORD.one.1"

	fake 127.0.0.2 one < <(takes_it)
	REPORT=$({
		read -r _
		"$SBIN/qfront-remote" to1.test.example s@x.example r@y.example
	} <"$MESSAGE" | tr '\0' '|')
	reports "$ACCEPTED"
	wait_for_peer
	grep -q Hello "$RECORD.one.1"
	lacks Subject "$RECORD.one.1"
}

@test "called wrongly, without control files, without a name" {
	remote host sender
	reports 'DI (qmail-remote) was invoked improperly. (#5.3.5)
|'
	rm "$CONTROLDIR/me"
	remote to1.test.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)
|'
	grep -q 'neither helohost nor me is set' log
	control helohost 'two words'
	remote to1.test.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)
|'
	control helohost me.example
	control smtproutes ':relay:many'
	remote to1.test.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)
|'
	grep -q 'smtproutes:1: the port of a relay is no number' log
	CONTROLDIR=$PWD/nowhere remote to1.test.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)
|'
}

@test "a partial final line is refused before a server is asked" {
	printf 'no end' >"$MESSAGE"
	remote to1.test.example s@x.example r@y.example
	reports 'DSMTP cannot transfer messages with partial final lines. (#5.6.2)
|'
}

@test "addresses that have no safe form never leave" {
	local evil=$'r@y.example>\r\nRCPT TO:<evil@x'

	remote to1.test.example $'s@x\r\nDATA' r@y.example
	[[ $REPORT == D*'(#5.1.7)'* ]]
	remote to1.test.example s@x.example "$evil"
	[[ $REPORT == h*'(#5.1.3)'*'|D'*'(#5.1.3)'* ]]

	fake 127.0.0.2 one < <(takes_it)
	remote to1.test.example s@x.example "$evil" r@y.example
	[[ $REPORT == h*'(#5.1.3)'*"|$ACCEPTED" ]]
	wait_for_peer
	lacks evil "$RECORD.one.1"
}

@test "hosts that are not there, and what the DNS can not tell" {
	remote nosuch.test.example s@x.example r@y.example
	reports "DSorry, I couldn't find any host named nosuch.test.example. (#5.1.2)
|"
	remote x.gone.test.example s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)
|"
	remote null.test.example s@x.example r@y.example
	reports 'DSorry, null.test.example does not accept mail: it has a null MX. (#5.1.10, #5.4.4)
|'
	remote us.test.example s@x.example r@y.example
	[[ $REPORT == "DSorry. Although I'm listed as a best-preference MX"* ]]
	remote bogus.test.example s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)
|"
}

@test "nobody can be connected to" {
	remote to1.test.example s@x.example r@y.example
	reports "Z$UNREACHED
|"
	grep -q 'Connection refused' log
	remote to1.test.example s@x.example '<' r@y.example
	[[ $REPORT == h*"|Z$UNREACHED"* ]]
}

@test "the next exchanger is tried until the message was asked about" {
	local end

	for end in 'close' 'say 421 busy' 'say 554 no' \
		$'say 220 x\nexpect EHLO .*\nsay 450 no' \
		$'say 220 x\nexpect EHLO .*\nsay 500 no\nexpect HELO .*\nsay 550 no' \
		$'say 220 x\nexpect EHLO .*\nclose'; do
		echo "first: $end"
		fake 127.0.0.2 one <<<"$end"
		fake 127.0.0.3 two < <(takes_it)
		remote both.test.example s@x.example r@y.example
		reports "${ACCEPTED//0.0.2/0.0.3}"
		wait_for_peer
		stop_peers
	done
	fake 127.0.0.2 one <<-'END'
		say 220 x
		expect EHLO .*
		say 250 x
		expect MAIL .*
		say 451 no
		expect QUIT
	END
	remote both.test.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.2 but sender was rejected.
${SAID}451 no
|"
}

@test "all greetings are 5xx: for good, unless softgreeting says otherwise" {
	fake 127.0.0.2 one <<<'say 554 no'
	fake 127.0.0.3 two <<<'say 550 never'
	remote both.test.example s@x.example r@y.example
	reports "DConnected to 127.0.0.3 but greeting failed.
${SAID}550 never
|"
	fake 127.0.0.2 one <<<'say 421 busy'
	fake 127.0.0.3 two <<<'say 550 never'
	remote both.test.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.3 but greeting failed.
${SAID}550 never
|"
	fake 127.0.0.2 one <<<'say 554 no'
	remote both.test.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.2 but greeting failed.
${SAID}554 no
|"
	control softgreeting 1
	fake 127.0.0.2 one <<<'say 554 no'
	remote to1.test.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.2 but greeting failed.
${SAID}554 no
|"
}

@test "routes: exact, wildcard, exception, default, an address" {
	fake 127.0.0.2 one --connections 3 < <(takes_it)
	control smtproutes \
		"exact.example:127.0.0.2:$MXPORT" \
		".wild.example:[127.0.0.2]:$MXPORT" \
		"to1.test.example: port=$MXPORT" \
		':[127.0.0.9]:1'
	remote exact.example s@x.example r@y.example
	reports "$ACCEPTED"
	remote a.wild.example s@x.example r@y.example
	reports "$ACCEPTED"
	remote to1.test.example s@x.example r@y.example
	reports "$ACCEPTED"
	wait_for_peer
	remote wild.example s@x.example r@y.example
	reports "Z$UNREACHED
|"
}

@test "a relay that is a mistake of this host keeps the mail" {
	local relay

	for relay in nosuch.test.example 'no..name' null.test.example; do
		control smtproutes ":$relay:$MXPORT"
		remote y.example s@x.example r@y.example
		reports "ZSorry, I couldn't find the relay $relay. (#4.4.4)
|"
	done
	control smtproutes ":127.0.0.2:$MXPORT"
	fake 127.0.0.2 one <<<'say 554 no'
	remote y.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.2 but greeting failed.
${SAID}554 no
|"
}

@test "a login needs a relay; a secret that all can read is told" {
	printf 'secret\n' >pass
	chmod 644 pass
	control smtproutes \
		"to1.test.example: port=$MXPORT starttls user=u pass-file=pass"
	remote to1.test.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)
|'
	grep -q 'smtproutes:1: a login without a relay' log
	control smtproutes ":127.0.0.2:$MXPORT starttls insecure user=u \
pass-file=pass"
	remote y.example s@x.example r@y.example
	reports "Z$UNREACHED
|"
	grep -q 'everybody can read a secret' log
}

@test "TLS is used as it is offered, and told" {
	fake 127.0.0.2 one --cert "$CERTS/self.pem" \
		--key "$CERTS/self.key" < <(takes_it_secure)
	remote to1.test.example s@x.example r@y.example
	[[ $REPORT == "r|K127.0.0.2 accepted message.
${SAID}250 taken
TLS: TLSv1.3 "*"
|" ]]
	wait_for_peer
	grep -q 'MAIL FROM' "$RECORD.one.1.tls"
	lacks 'MAIL FROM' "$RECORD.one.1"
}

@test "the options of a route are seen at the server" {
	start_sink --messages 1
	control smtproutes ":127.0.0.1:$PORT source=127.0.0.5"
	remote y.example s@x.example r@y.example
	[[ $REPORT == "r|K127.0.0.1 accepted message."* ]]
	wait_for_peer
	grep -q '"peer": "127.0.0.5"' "$SINK/1.json"
	fake 127.0.0.2 one --cert "$CERTS/good.pem" \
		--key "$CERTS/good.key" --ca "$CERTS/ca.pem" \
		< <(takes_it_secure)
	control smtproutes ":one.test.example:$MXPORT starttls \
x509cafile=$CERTS/ca.pem x509certfile=$CERTS/client.pem \
x509keyfile=$CERTS/client.key tls-min=1.3"
	remote y.example s@x.example r@y.example
	[[ $REPORT == "r|K"*"TLSv1.3 "*"verified=certificate"* ]]
	wait_for_peer
	grep -q '"client": "client.test.example"' "$RECORD.one.1.json"
}

@test "opportunistic TLS that fails: the same server in clear" {
	fake 127.0.0.2 one < <(
		printf '%s\n' 'say 220 fake' 'expect EHLO .*' 'say 250-x' \
			'say 250 STARTTLS' 'expect STARTTLS' 'say 220 go' \
			'bytes 5' 'raw no TLS at all\r\n' 'hang' connection
		takes_it
	)
	remote to1.test.example s@x.example r@y.example
	reports "$ACCEPTED"
	wait_for_peer
	grep -q 'TLS failed; trying without' log
	# ... also where it hangs up instead, which is no greeting of 5xx.
	fake 127.0.0.2 one < <(
		printf '%s\n' 'say 220 fake' 'expect EHLO .*' 'say 250-x' \
			'say 250 STARTTLS' 'expect STARTTLS' 'close' \
			connection
		takes_it
	)
	remote to1.test.example s@x.example r@y.example
	reports "$ACCEPTED"
	wait_for_peer
	fake 127.0.0.2 one <<-'END'
		say 220 fake
		expect EHLO .*
		say 250-x
		say 250 STARTTLS
		expect STARTTLS
		close
		connection
		say 554 too many
	END
	remote to1.test.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.2 but greeting failed.
${SAID}554 too many
|"
}

@test "old TLS is better than none, but proves nothing" {
	fake 127.0.0.2 one --tls-min 1.0 --tls-max 1.1 \
		--cert "$CERTS/good.pem" --key "$CERTS/good.key" \
		< <(takes_it_secure)
	remote to1.test.example s@x.example r@y.example
	[[ $REPORT == "r|K"*"TLS: TLSv1.1 "* ]]
	wait_for_peer
	fake 127.0.0.2 one --tls-min 1.0 --tls-max 1.1 \
		--cert "$CERTS/good.pem" --key "$CERTS/good.key" < <(refuses_tls)
	remote dane.test.example s@x.example r@y.example
	[[ $REPORT == "Z"*"no version in common"*"TLS 1.2"* ]]
}

@test "a route with TLS: verified, or nothing is sent" {
	local fail

	fake 127.0.0.2 one --cert "$CERTS/good.pem" \
		--key "$CERTS/good.key" < <(takes_it_secure)
	control smtproutes \
		":one.test.example:$MXPORT starttls x509cafile=$CERTS/ca.pem"
	remote y.example s@x.example r@y.example
	[[ $REPORT == "r|K"*"verified=certificate"* ]]
	wait_for_peer
	for fail in wrong expired self revoked; do
		fake 127.0.0.2 one --cert "$CERTS/$fail.pem" \
			--key "$CERTS/$fail.key" < <(refuses_tls)
		control smtproutes ":one.test.example:$MXPORT starttls \
x509cafile=$CERTS/ca.pem x509crlfile=$CERTS/ca.crl"
		remote y.example s@x.example r@y.example
		[[ $REPORT == "ZConnected to 127.0.0.2 but STARTTLS: "* ]]
		wait_for_peer
	done
	fake 127.0.0.2 one < <(takes_it)
	remote y.example s@x.example r@y.example
	[[ $REPORT == *'does not offer STARTTLS'* ]]
	stop_peers
	# For exchangers the name is that of the MX record.
	fake 127.0.0.2 one --cert "$CERTS/good.pem" \
		--key "$CERTS/good.key" < <(takes_it_secure)
	control smtproutes \
		"to1.test.example: port=$MXPORT starttls x509cafile=$CERTS/ca.pem"
	remote to1.test.example s@x.example r@y.example
	[[ $REPORT == "r|K"*"verified=certificate"* ]]
	wait_for_peer
	# TLS from the first byte, with somebody who does not know it.
	fake 127.0.0.2 one < <(takes_it)
	control smtproutes \
		":one.test.example:$MXPORT tls x509cafile=$CERTS/ca.pem"
	remote y.example s@x.example r@y.example
	[[ $REPORT == "ZConnected to 127.0.0.2 but handshake: TLS: "* ]]
}

@test "DANE: good, bad, useless, and records that can not be had" {
	fake 127.0.0.2 one --cert "$CERTS/good.pem" \
		--key "$CERTS/good.key" < <(takes_it_secure)
	remote dane.test.example s@x.example r@y.example
	[[ $REPORT == "r|K"*"verified=dane"* ]]
	wait_for_peer

	# The next one is tried, which is another host.
	fake 127.0.0.2 one --cert "$CERTS/good.pem" \
		--key "$CERTS/good.key" < <(refuses_tls)
	fake 127.0.0.3 two < <(takes_it)
	remote dane2.test.example s@x.example r@y.example
	reports "${ACCEPTED//0.0.2/0.0.3}"
	wait_for_peer

	# Without TLS no mail at all.
	fake 127.0.0.2 one < <(takes_it)
	remote dane.test.example s@x.example r@y.example
	[[ $REPORT == "ZConnected to 127.0.0.2 but STARTTLS: "*'does not offer'* ]]
	stop_peers

	# Records that can not be had, or are forged, keep a server out.
	fake 127.0.0.3 two < <(takes_it)
	remote hidden.test.example s@x.example r@y.example
	reports "${ACCEPTED//0.0.2/0.0.3}"
	wait_for_peer
	grep -q 'left out: its TLSA records can not be had.*h1' log
	remote forged.test.example s@x.example r@y.example
	[[ $REPORT == "ZSorry, whether a server must prove itself"*'(#4.7.5)'* ]]

	# Those of a zone that is not signed prove nothing: they are not there.
	fake 127.0.0.2 one < <(takes_it)
	remote unsigned.test.example s@x.example r@y.example
	reports "$ACCEPTED"
	wait_for_peer

	# Records that say nothing usable: TLS, whoever it is.
	fake 127.0.0.2 one --cert "$CERTS/self.pem" \
		--key "$CERTS/self.key" < <(takes_it_secure)
	remote useless.test.example s@x.example r@y.example
	[[ $REPORT == "r|K"*"TLS: "* ]]
	wait_for_peer
}

@test "without proof of the DNS there is no DANE" {
	control resolver "nameserver $NAMESERVER"
	fake 127.0.0.2 one < <(takes_it)
	remote dane.test.example s@x.example r@y.example
	reports "$ACCEPTED"
}

@test "a name server that is believed proves records" {
	cat >records <<-END
		d.example MX 10 m.example.
		m.example A 127.0.0.2
		_$MXPORT._tcp.m.example TLSA 3 1 1 $(printf '%064d' 0)
	END
	start_peer "$PYTHON" "$TESTLIB/dnsserver.py" records --proven
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	control resolver "nameserver 127.0.0.1:${BASH_REMATCH[1]}"
	fake 127.0.0.2 one < <(takes_it)
	remote d.example s@x.example r@y.example
	reports "$ACCEPTED"
	echo trust-ad >>"$CONTROLDIR/resolver"
	fake 127.0.0.2 one < <(takes_it)
	remote d.example s@x.example r@y.example
	[[ $REPORT == "ZConnected to 127.0.0.2 but STARTTLS: "*'does not offer'* ]]
}

@test "one exchanger that the DNS can not find now, and one that takes it" {
	fake 127.0.0.3 two < <(takes_it)
	remote later.test.example s@x.example r@y.example
	reports "${ACCEPTED//0.0.2/0.0.3}"
	wait_for_peer
	# A greeting of 5xx is not the last word then.
	fake 127.0.0.3 two <<<'say 554 no'
	remote later.test.example s@x.example r@y.example
	[[ $REPORT == "ZConnected to 127.0.0.3 but greeting failed."* ]]
}

@test "recipients have each their own report" {
	fake 127.0.0.2 one <<-'END'
		say 220 fake
		expect EHLO .*
		say 250-x
		say 250 PIPELINING
		expect MAIL .*
		expect RCPT TO:<a@y>
		expect RCPT TO:<b@y>
		expect RCPT TO:<c@y>
		expect DATA
		say 250 ok
		say 250 ok
		say 550-no such
		say 550 user
		say 451 grey
		say 354 go
		data
		say 250 taken
		expect QUIT
	END
	remote to1.test.example s@x.example a@y b@y c@y
	reports "r|h127.0.0.2 does not like recipient.
${SAID}550-no such
550 user
|s127.0.0.2 does not like recipient.
${SAID}451 grey
|K127.0.0.2 accepted message.
${SAID}250 taken
|"
}

@test "the connection dies in the session" {
	fake 127.0.0.2 one <<-'END'
		say 220 fake
		expect EHLO .*
		say 250 x
		expect MAIL .*
		close
	END
	remote to1.test.example s@x.example r@y.example
	reports "ZConnected to 127.0.0.2 but $DIED
|"
}
