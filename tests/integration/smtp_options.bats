# The options of the module smtp for TLS and logging in: each one's effect is
# seen at the server, and its lack keeps mail from going out less safe than it
# was meant to.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/certs

setup_file() {
	make_certificates
}

setup() {
	clean_environment
	cd "$BATS_TEST_TMPDIR"
	unset HELOHOST
	MAIL=$BATS_TEST_TMPDIR/mail
	RECORD=$BATS_TEST_TMPDIR/record
	printf '%s\n' s@x.example r@y.example '' 'Subject: x' '' Hello. >"$MAIL"
}

teardown() {
	stop_peers
}

# module [OPTION...]: one run as nullmailer-send(8) would make it.
module() {
	printf '%s\n' host=localhost "port=$PORT" "$@" '' |
		HELOHOST=me.example "$PROTOCOLS/smtp" 3<"$MAIL"
}

# server CERTIFICATE [OPTION...] <SCRIPT
server() {
	cat >script
	start_fake --cert "$CERTS/$1.pem" --key "$CERTS/$1.key" \
		--record "$RECORD" "${@:2}" script
}

# The session after the greeting, for scripts.
session() {
	echo 'expect EHLO me\.example'
	echo 'say 250 fake'
	transaction
}

transaction() {
	cat <<-'END'
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

up_to_tls() {
	cat <<-'END'
		say 220 fake
		expect EHLO me\.example
		say 250-fake
		say 250 STARTTLS
		expect STARTTLS
		say 220 go
	END
}

takes_starttls() {
	up_to_tls
	echo tls
	session
}

takes_tls() {
	echo tls
	echo 'say 220 fake'
	session
}

refuses_tls() {
	up_to_tls
	echo 'tls-fails .*'
}

# logs_in MECHANISMS STEP...: the session of a client that must log in.
logs_in() {
	echo tls
	cat <<-END
		say 220 fake
		expect EHLO me\.example
		say 250-fake
		say 250 AUTH $1
	END
	printf '%s\n' "${@:2}"
}

# sent: the module says that the message was sent, TLS words behind.
sent() {
	echo "$output"
	[[ $output == "localhost[127.0.0.1]:$PORT: end of message: 250 taken"* ]]
	wait_for_peer
}

ca() {
	echo "x509cafile=$CERTS/ca.pem"
}

@test "starttls, tls and ssl: verified, and told" {
	local mode

	server good < <(takes_starttls)
	run -0 module starttls "$(ca)"
	sent
	[[ $output == *" (TLSv1.3 "*"verified=certificate resumed=no)" ]]
	grep -q 'MAIL FROM' "$RECORD.1.tls"
	lacks 'MAIL FROM' "$RECORD.1"
	for mode in tls ssl; do
		server good < <(takes_tls)
		run -0 module "$mode" "$(ca)"
		sent
	done
	# tls wins when both are given.
	server good < <(takes_tls)
	run -0 module starttls tls "$(ca)"
	sent
}

@test "the port is 465 with tls, 25 without" {
	HELOHOST=me.example run -7 "$PROTOCOLS/smtp" --host=127.0.0.9 --tls \
		"--$(ca)" 3<"$MAIL" </dev/null
	[[ $output == *':465: connect: Connection refused' ]]
	HELOHOST=me.example run -7 "$PROTOCOLS/smtp" --host=127.0.0.9 \
		3<"$MAIL" </dev/null
	[[ $output == *':25: connect: Connection refused' ]]
}

@test "a server without STARTTLS gets nothing" {
	server good < <(
		echo 'say 220 fake'
		session | sed '/MAIL/,$d'
	)
	run -16 module starttls "$(ca)"
	[[ $output == *': STARTTLS: the server does not offer STARTTLS' ]]
	wait_for_peer
	lacks MAIL "$RECORD.1"
}

@test "certificates that are not to be trusted: which, and why" {
	local kind want

	while read -r kind want; do
		server "$kind" < <(refuses_tls)
		run -16 module starttls "$(ca)" "x509crlfile=$CERTS/ca.crl"
		echo "$kind: $output"
		[[ $output == *"$want"* ]]
		wait_for_peer
		lacks MAIL "$RECORD.1"
		stop_peers
	done <<-'END'
		wrong wrong.example
		expired expired
		future not valid before
		self self-signed
		revoked revoked
	END
}

@test "insecure accepts any of them" {
	server self < <(takes_starttls)
	run -0 module starttls insecure
	sent
	server expired < <(takes_starttls)
	run -0 module starttls insecure "$(ca)"
	sent
}

@test "a client certificate, in PEM and DER, is seen by the server" {
	server good --ca "$CERTS/ca.pem" < <(takes_starttls)
	run -0 module starttls "$(ca)" "x509certfile=$CERTS/client.pem" \
		"x509keyfile=$CERTS/client.key"
	sent
	grep -q 'client.test.example' "$RECORD.1.json"
	server good --ca "$CERTS/ca.pem" < <(takes_starttls)
	run -0 module starttls x509fmtder "x509cafile=$CERTS/ca.der" \
		"x509certfile=$CERTS/client.der" \
		"x509keyfile=$CERTS/client.key.der" \
		"x509crlfile=$CERTS/ca.crl.der"
	sent
	grep -q 'client.test.example' "$RECORD.1.json"
}

@test "tls-anon-auth needs insecure" {
	PORT=1
	run -1 module starttls tls-anon-auth
	[[ $output == *insecure* ]]
	takes_starttls >script
	start_fake --ciphers 'aNULL:@SECLEVEL=0' --tls-max 1.2 --record \
		"$RECORD" script
	run -0 module starttls tls-anon-auth insecure
	sent
}

@test "tls-min" {
	server good --tls-max 1.2 < <(refuses_tls)
	run -16 module starttls tls-min=1.3 "$(ca)"
	wait_for_peer
	server good --tls-max 1.2 < <(takes_starttls)
	run -0 module starttls tls-min=1.2 "$(ca)"
	sent
	run -1 module starttls tls-min=2 "$(ca)"
	[[ $output == *"option tls-min"* ]]
}

@test "tls-fingerprint stands for every other check" {
	local good

	good=$(openssl x509 -in "$CERTS/self.pem" -outform DER | sha256sum)
	good=${good%% *}
	server self < <(takes_starttls)
	run -0 module starttls "tls-fingerprint=$good"
	sent
	[[ $output == *verified=fingerprint* ]]
	server self < <(refuses_tls)
	run -16 module starttls "tls-fingerprint=${good//[0-9a-f]/0}"
	wait_for_peer
}

@test "options about TLS without TLS are refused, not forgotten" {
	local option

	PORT=1
	for option in "x509cafile=$CERTS/ca.pem" "x509certfile=$CERTS/client.pem" \
		tls-anon-auth tls-min=1.2 tls-fingerprint=00; do
		run -1 module "$option"
		[[ $output == *"needs TLS"* ]]
	done
	run -18 module starttls x509cafile=/nowhere
	[[ $output == *"/nowhere: No such file or directory"* ]]
}

@test "user and pass: AUTH over TLS, the strongest mechanism" {
	server good < <(
		logs_in 'PLAIN LOGIN' \
			'expect AUTH PLAIN {base64 \0user\0a word}' 'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" user=user 'pass=a word'
	sent
	server good < <(
		logs_in 'PLAIN SCRAM-SHA-256' 'scram sha256 user pass' \
			'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" user=user pass=pass
	sent
}

@test "auth-login, offered or not; auth chooses" {
	server good < <(
		logs_in PLAIN 'expect AUTH LOGIN' 'say 334 VXNlcm5hbWU6' \
			'expect {base64 user}' 'say 334 UGFzc3dvcmQ6' \
			'expect {base64 pass}' 'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" user=user pass=pass auth-login
	sent
	server good < <(
		logs_in 'SCRAM-SHA-256 PLAIN' \
			'expect AUTH PLAIN {base64 \0user\0pass}' 'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" user=user pass=pass auth=plain
	sent
}

@test "pass-file and oauth-token-file" {
	(umask 077 && echo 'from a file' >secret)
	server good < <(
		logs_in PLAIN 'expect AUTH PLAIN {base64 \0user\0from a file}' \
			'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" user=user "pass-file=$PWD/secret"
	sent
	(umask 077 && echo token >secret)
	server good < <(
		logs_in XOAUTH2 \
			'expect AUTH XOAUTH2 {base64 user=user\x01auth=Bearer token\x01\x01}' \
			'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" user=user "oauth-token-file=$PWD/secret"
	sent
	run -18 module tls "$(ca)" user=user pass-file=/nowhere
	run -1 module tls "$(ca)" user=user pass=x pass-file=/nowhere
	run -1 module tls "$(ca)" user=user
}

@test "auth-external logs in by the certificate" {
	server good --ca "$CERTS/ca.pem" < <(
		logs_in EXTERNAL 'expect AUTH EXTERNAL .*' 'say 235 ok'
		transaction
	)
	run -0 module tls "$(ca)" auth-external \
		"x509certfile=$CERTS/client.pem" \
		"x509keyfile=$CERTS/client.key"
	sent
}

@test "a refused login keeps the message: exit code 20, no secret told" {
	server good < <(
		logs_in PLAIN 'expect AUTH PLAIN .*' \
			'say 535 5.7.8 AHVzZXIAc2VjcmV0d29yZA== secretword'
	)
	run -20 module tls "$(ca)" user=user pass=secretword
	echo "$output"
	[[ $output == *'AUTH PLAIN: 535 5.7.8'* ]]
	[[ $output != *secretword* && $output != *AHVz* ]]
}

@test "no secret in clear, unless insecure-auth" {
	server good < <(
		printf '%s\n' 'say 220 fake' 'expect EHLO .*' 'say 250-x' \
			'say 250 AUTH PLAIN'
	)
	run -20 module user=user pass=pass
	[[ $output == *insecure-auth* ]]
	wait_for_peer
	lacks AUTH "$RECORD.1"
	server good < <(
		printf '%s\n' 'say 220 fake' 'expect EHLO .*' 'say 250-x' \
			'say 250 AUTH PLAIN' \
			'expect AUTH PLAIN {base64 \0user\0pass}' 'say 235 ok'
		transaction
	)
	run -0 module user=user pass=pass insecure-auth
	sent
}

# proxy [OPTION...]: a SOCKS5 proxy for one connection; its port is PROXY.
proxy() {
	start_peer "$PYTHON" "$TESTLIB/socks5.py" "$@" asked
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	PROXY=127.0.0.1:${BASH_REMATCH[1]}
}

@test "proxy: the proxy finds the host, whose certificate is looked at" {
	proxy
	server good < <(takes_starttls)
	run -0 module "proxy=$PROXY" starttls "$(ca)"
	echo "$output"
	[[ $output == "localhost:$PORT via $PROXY: end of message: 250 taken"* ]]
	[[ $(<asked) == "localhost $PORT" ]]
	stop_peers
	proxy
	server wrong < <(refuses_tls)
	run -16 module "proxy=$PROXY" starttls "$(ca)"
	stop_peers
	# Nobody is there, behind the proxy or as one.
	proxy
	PORT=1
	run -7 module "proxy=$PROXY"
	echo "$output"
	[[ $output == "localhost:1 via "*"proxy: connection refused"* ]]
	run -7 module proxy=127.0.0.1:1
	[[ $output == *proxy* ]]
	run -1 module proxy=socks4://x
}

@test "proxy-pass-file logs in to the proxy" {
	printf 'open sesame\n' >pass
	chmod 600 pass
	proxy --user ali 'open sesame'
	server good < <(takes_starttls)
	run -0 module "proxy=ali@$PROXY" proxy-pass-file=pass starttls "$(ca)"
	echo "$output"
	stop_peers
	printf 'wrong\n' >pass
	proxy --user ali 'open sesame'
	PORT=1
	run -10 module "proxy=ali@$PROXY" proxy-pass-file=pass
	[[ $output != *wrong* ]]
	run -18 module "proxy=ali@$PROXY" proxy-pass-file=nothing
	run -1 module proxy-pass-file=pass
}

@test "a password on the command line is refused" {
	HELOHOST=me.example run -1 "$PROTOCOLS/smtp" --host=localhost \
		--user=me --pass=word 3<"$MAIL" </dev/null
	[[ $output == *"option pass is not taken from the command line"* ]]
}

@test "text that stands before TLS is not heard after it" {
	server good < <(
		cat <<-'END'
			say 220 fake
			expect EHLO me\.example
			say 250-fake
			say 250 STARTTLS
			expect STARTTLS
			raw 220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n
			tls
		END
		session
	)
	run module starttls "$(ca)"
	# What came with the reply is dropped; what came later is no TLS.
	[[ $status -eq 0 || $status -eq 16 ]]
	[[ $output != *evil* ]]
}
