# The protocol module smtp as a sender runs it: options on descriptor 0, the
# message on descriptor 3, text and exit code back; against a real server and
# against servers that do all that servers should not.

bats_require_minimum_version 1.5.0
load ../lib/common

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

# module [OPTION...]: one run as nullmailer-send(8) would make it.
module() {
	printf '%s\n' host=127.0.0.1 "port=$PORT" "$@" '' |
		HELOHOST=me.example "$PROTOCOLS/smtp" 3<"$MAIL"
}

# by_hand ARGUMENT...: options on the command line, none on descriptor 0.
by_hand() {
	HELOHOST=me.example "$PROTOCOLS/smtp" "$@" 3<"$MAIL" </dev/null
}

# Up to the reply to DATA, for scripts.
up_to_data() {
	printf '%s\n' 'say 220 fake' 'expect EHLO me\.example' 'say 250 fake' \
		'expect MAIL FROM:<.*>' 'say 250 ok' \
		'expect RCPT TO:<.*>' 'say 250 ok' 'expect DATA' 'say 354 go'
}

# expect_text TEXT: the one line that the module printed.
expect_text() {
	echo "text: $output"
	[[ $output == "$1" ]]
	((${#lines[@]} == 1))
}

# received K: the bytes of message K, as `.eml` of the sink.
received() {
	cmp "$1" "$SINK/$2.eml"
}

@test "a message arrives with its envelope" {
	start_sink --messages 1
	printf 'Subject: x\n\n.one\n..two\n' | mail s@x.example r@y.example q@z
	run -0 --separate-stderr module
	expect_text "[127.0.0.1]:$PORT: end of message: 250 2.0.0 kept as 1"
	[[ -z $stderr ]]
	wait_for_peer
	printf 'Subject: x\r\n\r\n.one\r\n..two\r\n' >"$BATS_TEST_TMPDIR/want"
	received "$BATS_TEST_TMPDIR/want" 1
	run -0 "$PYTHON" -c 'import json, sys
e = json.load(sys.stdin)
print(e["mail_from"], e["rcpt_tos"], e["helo"], e["esmtp"])' <"$SINK/1.json"
	[[ $output == "s@x.example ['r@y.example', 'q@z'] me.example True" ]]
}

@test "the null sender, and a host name that is tried at all addresses" {
	start_sink --messages 1
	printf 'hi\n' | mail '' r@y.example
	run -0 by_hand --host=localhost -p "$PORT"
	expect_text "localhost[127.0.0.1]:$PORT: end of message: 250 2.0.0 kept as 1"
	wait_for_peer
	grep -q '"mail_from": ""' "$SINK/1.json"
}

@test "every kind of line end, NUL, 8-bit and an empty message" {
	start_sink --messages 4
	printf 'a\r\nb\nc\rd\r\r\ne' | mail s@x r@y
	run -0 module
	printf '\0\377\n' | mail s@x r@y
	run -0 module
	mail s@x r@y </dev/null
	run -0 module
	printf '\r.\r' | mail s@x r@y
	run -0 module
	wait_for_peer
	cd "$BATS_TEST_TMPDIR"
	printf 'a\r\nb\r\nc\r\nd\r\n\r\ne\r\n' >want
	received want 1
	printf '\0\377\r\n' >want
	received want 2
	: >want
	received want 3
	printf '\r\n.\r\n' >want
	received want 4
}

@test "a large message passes unchanged" {
	start_sink --messages 1
	seq -f 'line %g of many that make it large enough for many writes' \
		60000 >"$BATS_TEST_TMPDIR/large"
	mail s@x r@y <"$BATS_TEST_TMPDIR/large"
	run -0 module
	wait_for_peer
	sed 's/$/\r/' "$BATS_TEST_TMPDIR/large" >"$BATS_TEST_TMPDIR/want"
	received "$BATS_TEST_TMPDIR/want" 1
}

# What a server that is lax about line ends might take for the end of data.
smuggling=(
	'\n.\n' '\n.\r\n' '\r.\r' '\r.\n' '\r\n.\n' '\r\n.\r' '\r.\r\n'
	'\n\r.\r\n' '\r\r\n.\r\n' '\r\n.\r\n' '\n.\r' '\r\n\0.\r\n' '\r\n.\0\r\n'
)

@test "no message can end early: the bytes on the wire" {
	local end k=0 second='MAIL FROM:<evil@x>\r\nRCPT TO:<r@y>\r\nDATA\r\n'

	for end in "${smuggling[@]}"; do
		((k == 0)) || echo connection
		up_to_data
		printf '%s\n' data 'say 250 taken' 'expect QUIT'
		k=$((k + 1))
	done >"$SCRIPT"
	start_fake --record "$RECORD" "$SCRIPT"
	for end in "${smuggling[@]}"; do
		# shellcheck disable=SC2059 # the formats are the bytes
		printf "first$end$second\r\nevil$end" | mail s@x r@y
		run -0 module
	done
	wait_for_peer
	run -0 "$PYTHON" - "$RECORD" "$k" <<-'END'
		import sys
		for k in range(1, int(sys.argv[2]) + 1):
		    wire = open(f"{sys.argv[1]}.{k}", "rb").read()
		    body = wire.split(b"DATA\r\n", 1)[1]
		    assert body.endswith(b"\r\n.\r\nQUIT\r\n"), (k, body)
		    rest = body.replace(b"\r\n", b"")
		    assert b"\r" not in rest and b"\n" not in rest, (k, body)
		    assert body.count(b"\r\n.\r\n") == 1, (k, body)
		    assert b"evil@x" in body, (k, body)
	END
}

@test "no message can end early: a real server sees one message" {
	local end

	start_sink --messages "${#smuggling[@]}"
	for end in "${smuggling[@]}"; do
		# shellcheck disable=SC2059 # the formats are the bytes
		printf "a${end}MAIL FROM:<evil@x>\r\nRCPT TO:<r@y>\r\nDATA\r\nb$end" |
			mail s@x r@y
		run -0 module
	done
	wait_for_peer
	[[ $(files "$SINK") -eq $((2 * ${#smuggling[@]})) ]]
	run ! grep -l 'evil@x' "$SINK"/*.json
}

@test "what the server says decides the exit code" {
	# code|text|reply to greeting, EHLO, HELO or MAIL, RCPT, DATA, dot
	local cases=(
		'16|greeting: 554 no|554 no'
		'16|greeting: 421 busy|421 busy'
		'16|EHLO: 450 no|220 a|450 no'
		'16|HELO: 550 no|220 a|550 x|550 no'
		'35|MAIL FROM:<s@x.example>: 550 5.7.1 no|220 a|250 b|550 5.7.1 no'
		'16|MAIL FROM:<s@x.example>: 451 no|220 a|250 b|451 no'
		'35|RCPT TO:<r@y.example>: 550 5.1.1 who|220 a|250 b|250 c|550 5.1.1 who'
		'16|RCPT TO:<r@y.example>: 450 later|220 a|250 b|250 c|450 later'
		'16|RCPT TO:<r@y.example>: 421 bye|220 a|250 b|250 c|421 bye'
		'35|DATA: 554 no|220 a|250 b|250 c|250 d|554 no'
		'16|DATA: 451 no|220 a|250 b|250 c|250 d|451 no'
		'11|DATA: unexpected reply: 250 ok|220 a|250 b|250 c|250 d|250 ok'
		'35|end of message: 554 spam|220 a|250 b|250 c|250 d|354 e|554 spam'
		'16|end of message: 452 full|220 a|250 b|250 c|250 d|354 e|452 full'
		'0|end of message: 250 f|220 a|250 b|250 c|250 d|354 e|250 f'
		'0|end of message: 250 f|220 a|502 b|250 b|250 c|250 d|354 e|250 f'
		'11|greeting: reply not understood: no reply code: 25|25'
		'11|EHLO: reply not understood: no reply code: 600 x|220 a|600 x'
		'11|EHLO: reply not understood: codes of its lines differ: 550 b|220 a|250-a\r\n550 b'
		'35|RCPT TO:<r@y.example>: 550 a?[2Jb?c|220 a|250 b|250 c|550 a\x1b[2Jb\rc'
	)
	local row reply before
	local -a part

	for row in "${cases[@]}"; do
		IFS='|' read -r -a part <<<"$row"
		before=
		for reply in "${part[@]:2}"; do
			case $before in
			'') [[ $row == "${cases[0]}" ]] || echo connection ;;
			354*) echo data ;;
			*) echo 'expect .*' ;;
			esac
			echo "say $reply"
			before=$reply
		done
	done >"$SCRIPT"
	start_fake --record "$RECORD" "$SCRIPT"
	for row in "${cases[@]}"; do
		IFS='|' read -r -a part <<<"$row"
		run -"${part[0]}" module
		expect_text "[127.0.0.1]:$PORT: ${part[1]}"
	done
	wait_for_peer
	grep -q '^HELO me.example' "$RECORD.4"
}

@test "one refused recipient: nothing is sent to any" {
	{
		printf '%s\n' 'say 220 a' 'expect EHLO .*' 'say 250 b' \
			'expect MAIL .*' 'say 250 c' \
			'expect RCPT TO:<a@y>' 'say 250 d' \
			'expect RCPT TO:<b@y>' 'say 450 later' \
			'expect RCPT TO:<c@y>' 'say 250 d' 'expect QUIT'
		printf '%s\n' connection 'say 220 a' 'expect EHLO .*' \
			'say 250 b' 'expect MAIL .*' 'say 250 c' \
			'expect RCPT TO:<a@y>' 'say 450 later' \
			'expect RCPT TO:<b@y>' 'say 550 never' 'expect QUIT'
	} >"$SCRIPT"
	start_fake "$SCRIPT"
	printf 'hi\n' | mail s@x a@y b@y c@y
	run -17 module
	expect_text "[127.0.0.1]:$PORT: RCPT TO:<b@y>: 450 later (not sent to any of its 3 recipients)"
	run -35 module
	expect_text "[127.0.0.1]:$PORT: RCPT TO:<b@y>: 550 never (not sent to any of its 3 recipients)"
	wait_for_peer
}

@test "PIPELINING: MAIL and RCPT go out together, DATA does not" {
	printf '%s\n' 'say 220 a' 'expect EHLO .*' \
		'say 250-b\r\n250 PIPELINING' 'expect MAIL .*' \
		'expect RCPT TO:<a@y>' 'expect RCPT TO:<b@y>' \
		'say 250 c\r\n250 d\r\n250 d' 'expect DATA' 'say 354 e' \
		data 'say 250 f' 'expect QUIT' >"$SCRIPT"
	start_fake "$SCRIPT"
	printf 'hi\n' | mail s@x a@y b@y
	run -0 module
	wait_for_peer
}

@test "connections that end when they should not" {
	{
		echo close
		printf '%s\n' connection 'say 220-a' 'raw 220' close
		printf '%s\n' connection 'say 220 a' 'expect EHLO .*' \
			'raw 250-' close
		echo connection
		up_to_data
		printf '%s\n' data close
		echo connection
		up_to_data
		printf '%s\n' data 'raw 25' close
	} >"$SCRIPT"
	start_fake "$SCRIPT"
	run -11 module
	[[ $output == "[127.0.0.1]:$PORT: greeting: "* ]]
	run -11 module
	expect_text "[127.0.0.1]:$PORT: greeting: the server closed the connection inside a reply"
	run -11 module
	expect_text "[127.0.0.1]:$PORT: EHLO: the server closed the connection inside a reply"
	run -11 module
	expect_text "[127.0.0.1]:$PORT: end of message: the server closed the connection (the server may have taken the message: possible duplicate)"
	run -11 module
	[[ $output == *'possible duplicate)' ]]
	wait_for_peer
}

@test "a server that stops reading in the middle of the message" {
	{
		up_to_data
		printf '%s\n' 'bytes 1000' reset connection
		up_to_data
		printf '%s\n' 'bytes 1000' 'say 552 too big' hang
	} >"$SCRIPT"
	start_fake "$SCRIPT"
	head -c 20000000 /dev/zero | tr '\0' 'x' | mail s@x r@y
	run -14 module
	[[ $output == "[127.0.0.1]:$PORT: message: "* ]]
	[[ $output != *duplicate* ]]
	run -35 module
	expect_text "[127.0.0.1]:$PORT: message: 552 too big"
	wait_for_peer
}

@test "replies before their commands" {
	{
		printf '%s\n' 'say 220 a\r\n250 b' hang
		printf '%s\n' connection 'say 220 a\r\n421 down' hang
		echo connection
		up_to_data | sed '$d'
		printf '%s\n' 'say 354 e\r\n250 f' hang
	} >"$SCRIPT"
	start_fake "$SCRIPT"
	run -11 module
	expect_text "[127.0.0.1]:$PORT: EHLO: reply before the command: 250 b"
	run -16 module
	expect_text "[127.0.0.1]:$PORT: EHLO: 421 down"
	run -11 module
	expect_text "[127.0.0.1]:$PORT: message: reply before the command: 250 f"
	wait_for_peer
}

@test "servers that never stop talking" {
	printf '%s\n' 'forever 220-more\r\n' connection 'forever x' \
		connection 'repeat 1000000 x' 'raw \r\n' connection \
		'say 220 a' 'expect EHLO .*' 'forever 250-X\r\n' >"$SCRIPT"
	start_fake "$SCRIPT"
	run -11 module
	expect_text "[127.0.0.1]:$PORT: greeting: reply not understood: too many lines: 220-more"
	run -11 module
	[[ $output == "[127.0.0.1]:$PORT: greeting: reply not understood: line too long: xxx"* ]]
	run -11 module
	[[ $output == *'line too long: xxx'* ]]
	run -11 module
	[[ $output == *'EHLO: reply not understood: too many lines: 250-X' ]]
	wait_for_peer
}

@test "a server that writes byte by byte" {
	up_to_data | sed 's/^say/slowly/' >"$SCRIPT"
	printf '%s\n' data 'slowly 250-a\r\n250 b' 'expect QUIT' >>"$SCRIPT"
	start_fake "$SCRIPT"
	run -0 module
	expect_text "[127.0.0.1]:$PORT: end of message: 250 a b"
	wait_for_peer
}

@test "IPv6" {
	"$PYTHON" -c 'import socket
socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null ||
		skip "this host has no ::1"
	start_sink --messages 1 --bind ::1
	run -0 by_hand --host=::1 "--port=$PORT"
	expect_text "[::1]:$PORT: end of message: 250 2.0.0 kept as 1"
	wait_for_peer
}

@test "no connection: refused, bad address, source address" {
	run -7 module
	expect_text '[127.0.0.1]:1: connect: Connection refused'
	run -2 by_hand --host='[300.1.1.1]'
	expect_text '[300.1.1.1]: no such host'
	run -19 module source=192.0.2.1
	expect_text '[127.0.0.1]:1: source 192.0.2.1: Cannot assign requested address'
	run -19 module source=::1
	expect_text '[127.0.0.1]:1: source ::1: no address of this family'
}

@test "the source address is used" {
	start_sink --messages 1
	run -0 module source=127.0.0.2
	wait_for_peer
	grep -q '"peer": "127.0.0.2"' "$SINK/1.json"
}

@test "wrong options" {
	run -1 module prot=25
	expect_text 'unknown option prot; --help lists the options'
	run -1 module port=x
	expect_text 'option port: x is no port number: use 1 to 65535'
	run -1 by_hand --port=25
	expect_text 'no host: give host=NAME as the first option'
	run -1 --separate-stderr by_hand --host=127.0.0.1 extra
	expect_text 'extra is no option; --help lists the options'
	[[ $stderr == usage:* ]]
	cut_short() {
		printf 'host=127.0.0.1\nport=1' |
			HELOHOST=a "$PROTOCOLS/smtp" 3<"$MAIL"
	}
	run -18 cut_short
	expect_text 'options on descriptor 0 end without an empty line'
}

@test "the name for EHLO" {
	unnamed() {
		"$PROTOCOLS/smtp" --host=127.0.0.1 -p1 3<"$MAIL" </dev/null
	}
	run -1 unnamed
	expect_text 'HELOHOST is not set: it is the name sent with EHLO'
	HELOHOST='a b' run -1 unnamed
	expect_text 'HELOHOST is no host name: a b'
}

@test "help lists every option" {
	run -0 --separate-stderr "$PROTOCOLS/smtp" --help
	[[ -z $stderr ]]
	for option in host port source user pass auth-login tls ssl starttls \
		x509certfile x509keyfile x509cafile x509crlfile x509fmtder \
		insecure tls-anon-auth; do
		[[ $output == *"--$option"[=\ ]* ]]
	done
	run -0 "$PROTOCOLS/smtp" -h
	[[ ${lines[0]} == usage:* ]]
}

@test "descriptor 3 that is not open" {
	skip_under_valgrind 'valgrind opens one of its own'
	closed() {
		"$PROTOCOLS/smtp" --host=127.0.0.1 -p1 3<&- </dev/null
	}
	HELOHOST=me.example run -12 closed
	expect_text 'message: descriptor 3: Bad file descriptor'
}

@test "descriptor 3 that is no message" {
	a_pipe() {
		"$PROTOCOLS/smtp" --host=127.0.0.1 -p1 3< <(:) </dev/null
	}
	HELOHOST=me.example run -12 a_pipe
	expect_text 'message: descriptor 3 is not a regular file'
	: >"$MAIL"
	run -13 module
	[[ $output == 'envelope: it ends early;'* ]]
	printf 's@x\n\nhi\n' >"$MAIL"
	run -13 module
	expect_text 'envelope: no recipients'
}

@test "addresses that can not be sent are refused before connecting" {
	local address

	for address in $'a\r@b' 'a@b>' '<a@b' $'a@b\x01' $'a@b\r' $'caf\xe9@b'; do
		printf 'hi\n' | mail s@x r@y "$address"
		run -35 module
		[[ $output == 'recipient address can not be sent by SMTP: '* ]]
		((${#lines[@]} == 1))
		printf 'hi\n' | mail "$address" r@y
		run -35 module
		[[ $output == 'sender address can not be sent by SMTP: '* ]]
	done
}

@test "nobody reads the text: the exit code stands" {
	start_sink --messages 1
	unheard() {
		module source=127.0.0.1 >/dev/full
	}
	run -0 unheard
	wait_for_peer
}
