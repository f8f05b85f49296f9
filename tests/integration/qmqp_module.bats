# The protocol module qmqp as a sender runs it: options on descriptor 0, the
# message on descriptor 3, text and exit code back; against servers that do
# what a script says (tests/lib/fakeqmqp.py).

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/send
load ../lib/certs

setup_file() {
	make_certificates
}

setup() {
	clean_environment
	unset HELOHOST
	MAIL=$BATS_TEST_TMPDIR/mail
	SCRIPT=$BATS_TEST_TMPDIR/script
	RECORD=$BATS_TEST_TMPDIR/record
	PORT=1
	printf 'Subject: a test\n\nHello.\n' | mail s@x.example r@y.example
}

teardown() {
	stop_peers
}

# mail SENDER RCPT...: what descriptor 3 gives; the message from stdin.
mail() {
	{
		printf '%s\n' "$@"
		echo
		cat
	} >"$MAIL"
}

# start_qmqp [OPTION...]: plays SCRIPT; PORT is where it listens.
start_qmqp() {
	start_peer "$PYTHON" "$TESTLIB/fakeqmqp.py" --record "$RECORD" "$@" \
		"$SCRIPT"
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	PORT=${BASH_REMATCH[1]}
}

# qmqp [OPTION...]: one run as nullmailer-send(8) would make it.
qmqp() {
	printf '%s\n' host=127.0.0.1 "port=$PORT" "$@" '' |
		"$PROTOCOLS/qmqp" 3<"$MAIL"
}

# by_hand ARGUMENT...: options on the command line, none on descriptor 0.
by_hand() {
	"$PROTOCOLS/qmqp" "$@" 3<"$MAIL" </dev/null
}

# expect_text TEXT: the one line that the module printed.
expect_text() {
	echo "text: $output"
	[[ $output == "$1" ]]
	((${#lines[@]} == 1))
}

# arrived K ENVELOPE: package K, one a connection, is what MAIL has, with this
# envelope as Python shows it.
arrived() {
	sed '1,/^$/d' "$MAIL" | cmp - "$RECORD.$1.1.eml"
	[[ $(json 'd["sender"], ascii(d["recipients"])' \
		<"$RECORD.$1.1.json") == "$2" ]]
}

@test "a message arrives with its envelope" {
	printf '%s\n' package 'reply Kok 1700000000 qp 4711' >"$SCRIPT"
	start_qmqp
	printf 'Subject: x\n\n.one\n..two\nno end' |
		mail s@x.example r@y.example 'q q@z' "$(printf 'caf\351@z')"
	run -0 --separate-stderr qmqp
	expect_text "[127.0.0.1]:$PORT: end of message: Kok 1700000000 qp 4711"
	[[ -z $stderr ]]
	wait_for_peer
	arrived 1 "s@x.example ['r@y.example', 'q q@z', 'caf\xe9@z']"
}

@test "every byte arrives as it is" {
	printf '%s\n' package 'reply K' connection package 'reply K' \
		connection package 'reply K' >"$SCRIPT"
	start_qmqp
	printf 'a\r\nb\rc\0\377\n.\n\r\n.\r\n' | mail '' r@y.example
	run -0 qmqp
	: | mail s@x r@y
	run -0 qmqp
	head -c 3000000 /dev/urandom | mail s@x r@y
	run -0 by_hand --host=localhost -p "$PORT"
	expect_text "localhost[127.0.0.1]:$PORT: end of message: K"
	wait_for_peer
	cmp <(printf 'a\r\nb\rc\0\377\n.\n\r\n.\r\n') "$RECORD.1.1.eml"
	[[ $(json 'd["sender"], d["recipients"]' <"$RECORD.1.1.json") == \
		" ['r@y.example']" ]]
	[[ ! -s $RECORD.2.1.eml ]]
	cmp <(tail -c 3000000 "$MAIL") "$RECORD.3.1.eml"
}

@test "many recipients" {
	local -a rcpt

	mapfile -t rcpt < <(seq -f 'recipient-%g@y.example' 20000)
	printf '%s\n' package 'reply Kok' >"$SCRIPT"
	start_qmqp
	printf 'hi\n' | mail s@x "${rcpt[@]}"
	run -0 qmqp
	wait_for_peer
	run -0 json 'len(d["recipients"]), d["recipients"][-1]' \
		<"$RECORD.1.1.json"
	[[ $output == '20000 recipient-20000@y.example' ]]
}

@test "the letter decides the exit code" {
	local row
	local -a part cases=(
		'0|Kok|end of message: Kok'
		'16|Zbusy, try later|end of message: Zbusy, try later'
		'35|Dno such user|end of message: Dno such user'
		'35|Da\x1b[2Jb\nc|end of message: Da?[2Jb?c'
		'11|xyz|end of message: reply not understood: it begins with none of K, Z, D: xyz (the server may have taken the message: possible duplicate)'
		'11||end of message: reply not understood: it is empty, or too long (the server may have taken the message: possible duplicate)'
	)

	for row in "${cases[@]}"; do
		IFS='|' read -r -a part <<<"$row"
		[[ $row == "${cases[0]}" ]] || echo connection
		printf '%s\n' package "reply ${part[1]}"
	done >"$SCRIPT"
	start_qmqp
	for row in "${cases[@]}"; do
		IFS='|' read -r -a part <<<"$row"
		run -"${part[0]}" qmqp
		expect_text "[127.0.0.1]:$PORT: ${part[2]}"
	done
	wait_for_peer
}

@test "a reply that is none, one byte at a time, and what never ends" {
	printf '%s\n' package 'say 220 smtp.example ESMTP' \
		connection package 'slowly 9:Ztry late,' \
		connection package 'forever 9' \
		connection package 'raw 60000:Z' 'forever z' >"$SCRIPT"
	start_qmqp
	run -11 qmqp
	[[ $output == *': reply not understood: it is no netstring'* ]]
	run -16 qmqp
	expect_text "[127.0.0.1]:$PORT: end of message: Ztry late"
	run -11 qmqp
	[[ $output == *': reply not understood: it is no netstring'* ]]
	run -11 qmqp
	[[ $output == *': reply not understood: it is no netstring'* ]]
	wait_for_peer
}

@test "a connection that ends at each byte of the reply" {
	local reply='9:Ztry late,' k text

	for ((k = 0; k < ${#reply}; k++)); do
		((k == 0)) || echo connection
		echo package
		((k == 0)) || echo "raw ${reply:0:k}"
		echo close
	done >"$SCRIPT"
	start_qmqp
	for ((k = 0; k < ${#reply}; k++)); do
		text='the server closed the connection'
		((k == 0)) || text+=' inside its reply'
		run -11 qmqp
		expect_text "[127.0.0.1]:$PORT: end of message: $text (the server may have taken the message: possible duplicate)"
	done
	wait_for_peer
}

@test "a server that has seen enough before the end" {
	printf '%s\n' 'bytes 1000' reset connection \
		'bytes 1000' 'reply Dtoo big' hang connection \
		'bytes 1000' 'reply Zfull' hang connection \
		'bytes 1000' 'reply Kok' hang >"$SCRIPT"
	start_qmqp
	head -c 20000000 /dev/zero | tr '\0' 'x' | mail s@x r@y
	run -14 qmqp
	[[ $output == "[127.0.0.1]:$PORT: message: "* ]]
	[[ $output != *duplicate* ]]
	run -35 qmqp
	expect_text "[127.0.0.1]:$PORT: message: Dtoo big"
	run -16 qmqp
	expect_text "[127.0.0.1]:$PORT: message: Zfull"
	run -11 qmqp
	expect_text "[127.0.0.1]:$PORT: message: accepted before it was sent: Kok"
	wait_for_peer
}

@test "no connection; port 628 by default; a source address" {
	run -7 qmqp
	expect_text '[127.0.0.1]:1: connect: Connection refused'
	run -2 by_hand --host='[300.1.1.1]'
	expect_text '[300.1.1.1]: no such host'
	run -19 by_hand --host=127.0.0.1 --source=::1
	expect_text '[127.0.0.1]:628: source ::1: no address of this family'
}

@test "options that can not be kept are refused, not forgotten" {
	local option

	for option in user=a pass=a auth-login; do
		run -1 qmqp "$option"
		[[ $output == "option ${option%=a} is not available in this version, which has no authentication; nothing was sent"* ]]
	done
	run -1 qmqp starttls
	[[ $output == 'option starttls: QMQP has no STARTTLS; nothing was sent'* ]]
	for option in x509certfile=a x509cafile=a x509crlfile=a tls-anon-auth; do
		run -1 qmqp "$option"
		[[ $output == *'needs TLS'* ]]
	done
	run -1 by_hand --host=127.0.0.1 --tls
	expect_text 'option tls needs port: QMQP over TLS has none of its own'
}

@test "TLS from the first byte" {
	printf '%s\n' tls package 'reply Kok' >"$SCRIPT"
	start_qmqp --cert "$CERTS/good.pem" --key "$CERTS/good.key"
	run -0 qmqp tls "x509cafile=$CERTS/ca.pem"
	echo "$output"
	[[ $output == *': Kok (TLSv1.3 '*'verified=certificate resumed=no)' ]]
	wait_for_peer
	printf '%s\n' 'tls-fails .*' >"$SCRIPT"
	start_qmqp --cert "$CERTS/wrong.pem" --key "$CERTS/wrong.key"
	run -16 qmqp tls "x509cafile=$CERTS/ca.pem"
	wait_for_peer
}

@test "wrong options" {
	run -1 qmqp prot=25
	expect_text 'unknown option prot; --help lists the options'
	run -1 by_hand --port=25
	expect_text 'no host: give host=NAME as the first option'
	run -1 --separate-stderr by_hand --host=127.0.0.1 extra
	expect_text 'extra is no option; --help lists the options'
	[[ $stderr == usage:* ]]
	cut_short() {
		printf 'host=127.0.0.1\nport=1' | "$PROTOCOLS/qmqp" 3<"$MAIL"
	}
	run -18 cut_short
	expect_text 'options on descriptor 0 end without an empty line'
}

@test "help lists every option" {
	local option

	run -0 --separate-stderr "$PROTOCOLS/qmqp" --help
	[[ -z $stderr ]]
	for option in host port source user pass auth-login tls ssl starttls \
		x509certfile x509keyfile x509cafile x509crlfile x509fmtder \
		insecure tls-anon-auth; do
		[[ $output == *"--$option"[=\ ]* ]]
	done
}

@test "descriptor 3 that is no message" {
	a_pipe() {
		"$PROTOCOLS/qmqp" --host=127.0.0.1 -p1 3< <(:) </dev/null
	}
	run -12 a_pipe
	expect_text 'message: descriptor 3 is not a regular file'
	printf 's@x\n\nhi\n' >"$MAIL"
	run -13 qmqp
	expect_text 'envelope: no recipients'
}

@test "with the sender: delivered, deferred, and refused for one of two" {
	make_world
	make_send_world
	unset PROTOCOLDIR
	printf '%s\n' package 'reply Zlater' connection package 'reply Kok' \
		connection package 'reply Dno b' connection \
		package 'reply Kok' connection package 'reply Dno b' \
		>"$SCRIPT"
	start_qmqp
	control remotes "127.0.0.1 qmqp port=$PORT"
	enqueue s@x.example r@y.example
	send_once
	logged 'deferred .*remote=127.0.0.1 text=.*end of message: Zlater'
	send_once
	logged 'delivered .*text=.*end of message: Kok'
	queue_is_empty
	enqueue '' a@y.example b@y.example
	send_once
	wait_for_peer
	logged 'failed .*rcpt=b@y.example .*end of message: Dno b'
	run -0 json 'd["recipients"]' <"$RECORD.4.1.json"
	[[ $output == "['a@y.example']" ]]
	head -n 1 "$RECORD.4.1.eml" | grep -q '^Received: '
}
