# The fake server of the tests over TLS, and the certificates: what the tests
# of the SMTP client lean on, held against Python's own ssl module.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/certs

setup_file() {
	make_certificates
}

setup() {
	SCRIPT=$BATS_TEST_TMPDIR/script
	RECORD=$BATS_TEST_TMPDIR/record
	SERVER=(--cert "$CERTS/good.pem" --key "$CERTS/good.key")
}

teardown() {
	stop_peers
}

# script STEP...
script() {
	printf '%s\n' "$@" >"$SCRIPT"
}

# serve [OPTION...]: plays the script.
serve() {
	start_fake --record "$RECORD" "${SERVER[@]}" "$@" "$SCRIPT"
}

# client [OPTION...] STEP...: what a client sees, who trusts the authority.
client() {
	local -a options=()

	while [[ ${1-} == --* ]]; do
		options+=("$1")
		shift
		[[ ${options[-1]} == --no-check ]] || {
			options+=("$1")
			shift
		}
	done
	run -0 "$PYTHON" "$TESTLIB/tlsclient.py" --ca "$CERTS/ca.pem" \
		"${options[@]}" "$PORT" "$@"
	echo "client: $output"
}

# The client did not do what the script says.
peer_fails() {
	local rc=0

	wait_for_peer || rc=$?
	((rc == 1))
}

# fact NAME [K]: what the server noted of the handshake.
fact() {
	json "d['$1']" <"$RECORD.${2-1}.json"
}

@test "TLS from the first byte, and what is recorded" {
	script tls 'say 220 hello' 'expect EHLO x' 'say 250 bye'
	serve
	client tls line send='EHLO x' rest
	[[ $output == $'tls TLSv1.3\n220 hello\n250 bye\nclosed' ]]
	wait_for_peer
	[[ ! -s $RECORD.1 ]]
	[[ $(<"$RECORD.1.tls") == $'EHLO x\r' ]]
	[[ $(fact version) == TLSv1.3 && $(fact sni) == localhost ]]
	[[ $(fact client) == None && $(fact reused) == False ]]
}

@test "STARTTLS; what was in clear is in its own record" {
	script 'say 220 a' 'expect EHLO x' 'say 250 STARTTLS' starttls \
		'expect SECRET' 'say 250 b'
	serve
	client line send='EHLO x' line send=STARTTLS line tls send=SECRET rest
	[[ $output == $'220 a\n250 STARTTLS\n220 go ahead\ntls TLSv1.3\n250 b\nclosed' ]]
	wait_for_peer
	[[ $(<"$RECORD.1") == $'EHLO x\r\nSTARTTLS\r' ]]
	[[ $(<"$RECORD.1.tls") == $'SECRET\r' ]]
}

@test "text in clear in front of the handshake" {
	script 'expect STARTTLS' 'raw 220 go\r\n250 injected\r\n' tls \
		'say 250 protected'
	serve
	client send=STARTTLS line line tls rest
	[[ $output == $'220 go\n250 injected\ntls TLSv1.3\n250 protected\nclosed' ]]
	wait_for_peer
}

@test "back to plain; a connection that is cut" {
	script tls 'say 220 a' end-tls 'say 250 plain' connection \
		tls 'say 220 a' close connection tls 'say 220 a' \
		'expect x' 'say 250 b'
	serve
	client tls line end rest
	[[ $output == $'tls TLSv1.3\n220 a\n250 plain\nclosed' ]]
	client tls line rest
	[[ $output == $'tls TLSv1.3\n220 a\ncut' ]]
	# Another line than the script wants.
	client tls line send=y rest
	peer_fails
}

@test "certificates: each has the fault that its name says" {
	local row
	local -a part steps=() cases=(
		'good|tls TLSv1.3'
		'wrong|no tls: .*Hostname mismatch.*'
		'expired|no tls: .*certificate has expired.*'
		'future|no tls: .*certificate is not yet valid.*'
		'revoked|no tls: .*certificate revoked.*'
		'self|no tls: .*self-signed certificate.*'
		'sha1|no tls: .*CA signature digest algorithm too weak.*'
	)

	for row in "${cases[@]}"; do
		IFS='|' read -r -a part <<<"$row"
		[[ $row == "${cases[0]}" ]] || echo connection
		echo "cert $CERTS/${part[0]}"
		if [[ ${part[1]} == tls* ]]; then
			echo tls
		else
			echo 'tls-fails (?i)alert|eof'
		fi
		steps+=(tls again)
	done >"$SCRIPT"
	serve
	client --crl "$CERTS/ca.crl" --ciphers DEFAULT:@SECLEVEL=2 \
		"${steps[@]:0:2*${#cases[@]}-1}"
	for row in "${cases[@]}"; do
		IFS='|' read -r -a part <<<"$row"
		grep -Exq "${part[1]}" <<<"$output"
	done
	((${#lines[@]} == ${#cases[@]}))
	wait_for_peer
	# There is no list of the authority in between.
	script "cert $CERTS/chain" tls
	serve
	client tls
	[[ $output == 'tls TLSv1.3' ]]
	wait_for_peer
}

@test "certificates in DER" {
	openssl x509 -inform DER -in "$CERTS/ca.der" -noout
	openssl crl -inform DER -in "$CERTS/ca.crl.der" -noout
	openssl x509 -inform DER -in "$CERTS/client.der" -noout
	openssl pkey -inform DER -in "$CERTS/client.key.der" -noout
}

@test "a client shows its certificate, or gets no further" {
	script tls 'expect x' connection 'tls-fails peer did not return' \
		connection 'tls-fails self-signed'
	serve --ca "$CERTS/ca.pem"
	client --cert "$CERTS/client.pem" --key "$CERTS/client.key" tls send=x \
		rest
	[[ $output == $'tls TLSv1.3\nclosed' ]]
	client tls rest
	[[ $output == $'tls TLSv1.3\n'*alert* ]]
	client --cert "$CERTS/stranger.pem" --key "$CERTS/stranger.key" tls rest
	wait_for_peer
	[[ $(fact client) == client.test.example ]]
	[[ ! -e $RECORD.2.json ]]
}

@test "versions" {
	script tls connection 'tls-fails (?i)alert|protocol' connection tls
	serve --tls-max 1.1
	client --no-check tls
	[[ $output == 'tls TLSv1.1' ]]
	client tls
	[[ $output == 'no tls: '* ]]
	client --no-check tls
	wait_for_peer
	[[ $(fact version) == TLSv1.1 ]]
	script tls
	serve --tls-min 1.3
	client tls
	[[ $output == 'tls TLSv1.3' ]]
	wait_for_peer
}

@test "anonymous: no certificate at all" {
	SERVER=()
	script tls 'say 220 a'
	serve --tls-max 1.2 --ciphers AECDH:@SECLEVEL=0
	client --no-check --ciphers AECDH:@SECLEVEL=0 tls rest
	[[ $output == $'tls TLSv1.2\n220 a\nclosed' ]]
	wait_for_peer
	[[ $(fact cipher) == AECDH-* ]]
}

@test "base64 in scripts" {
	script 'say 334 {base64 User name:}' \
		'expect AUTH PLAIN {base64 \0us.er\0pa+ss}' 'say 235 ok' \
		'expect {base64 x} [a-z]{3} {base64 }'
	serve
	client line send='AUTH PLAIN AHVzLmVyAHBhK3Nz' line send='eA== abc ' rest
	[[ $output == $'334 VXNlciBuYW1lOg==\n235 ok\nclosed' ]]
	wait_for_peer
}

@test "SCRAM with a server that knows the password, or cheats" {
	local hash

	for hash in sha1 sha256; do
		printf '%s\n' "scram $hash user pencil" 'say 235 ok' \
			connection \
			"scram $hash user pencil rounds=10 proof=wrong" \
			'expect \*' 'say 501 no' connection \
			"scram $hash user pencil nonce=wrong" connection
	done >"$SCRIPT"
	sed -i '$d' "$SCRIPT"
	serve
	client scram=sha1:user:pencil rest again scram=sha1:user:pencil rest \
		again scram=sha1:user:pencil again \
		scram=sha256:user:pencil rest again \
		scram=sha256:user:pencil rest again scram=sha256:user:pencil
	[[ $output == $'proved\n235 ok\nclosed\nnot proved\n501 no\nclosed\nnot proved\nproved\n235 ok\nclosed\nnot proved\n501 no\nclosed\nnot proved' ]]
	wait_for_peer
	script 'scram sha1 user other'
	serve
	client scram=sha1:user:pencil
	peer_fails
}

@test "what a client sends that is no base64 is a failure, not a crash" {
	script 'scram sha1 user pencil'
	serve
	client send='AUTH SCRAM-SHA-1 ***' rest
	peer_fails
}
