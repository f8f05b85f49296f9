# Servers that do wrong, on purpose or not, and what the SMTP client's two
# faces, the module smtp and qfront-remote, make of them: in bounded time and
# memory, with nothing of theirs in a log or a bounce that was not made
# harmless. Sessions that are cut off are in cuts.bats, exchangers and names in
# names.bats and remote.bats, reused connections in tests/unit/test_smtp_carry.c.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/certs

SAID='
Remote host said: '
DIED='connection died. (#4.4.2)
'

setup_file() {
	make_certificates
}

setup() {
	clean_environment
	unset HELOHOST
	cd "$BATS_TEST_TMPDIR"
	export CONTROLDIR=$PWD/control QUEUEDIR=$PWD/queue QFRONT_LOG=stderr
	mkdir -p "$CONTROLDIR" "$QUEUEDIR/lock"
	control me me.example
	SCRIPT=$PWD/script
	RECORD=$PWD/record
	CODES=() TEXTS=() REPORTS=()
	OPTIONS=()
	RCPTS=(r@y.example)
	the_message <<<$'Subject: a test\n\nHello.'
}

teardown() {
	stop_peers
}

# the_message <BYTES: what is sent, from s@x.example to RCPTS.
the_message() {
	cat >message
}

# module, remote: one run of either face with OPTIONS against PORT. What it says
# is in TEXT, the module's exit code in CODE, and the log in the file log.
module() {
	{
		printf '%s\n' s@x.example "${RCPTS[@]}" ''
		cat message
	} >mail
	CODE=0
	TEXT=$(printf '%s\n' host=127.0.0.1 "port=$PORT" "${OPTIONS[@]}" '' |
		HELOHOST=me.example "$PROTOCOLS/smtp" 3<mail 2>log) || CODE=$?
	echo "module: code $CODE, text: $TEXT"
	TEXT=${TEXT#"[127.0.0.1]:$PORT: "}
}

remote() {
	control smtproutes ":127.0.0.1:$PORT ${OPTIONS[*]}"
	TEXT=$("$SBIN/qfront-remote" y.example s@x.example "${RCPTS[@]}" \
		<message 2>log | tr '\0' '|')
	echo "remote: $TEXT"
	# whatever the server said
	! LC_ALL=C grep -q '[^ -~]' log
}

# says PATTERN: that is what it said; * stands for anything.
says() {
	# shellcheck disable=SC2053 # it is a pattern
	[[ $TEXT == $1 ]] || {
		echo "wanted: $1"
		return 1
	}
}

# row CODE TEXT REPORTS <SCRIPT: what both faces make of a server that plays it;
# CODE and TEXT of the module, patterns. Nothing is run before `play`.
row() {
	local script

	script=$(cat)
	((${#CODES[@]} == 0)) || echo connection >>"$SCRIPT"
	printf '%s\n' "$script" connection "$script" >>"$SCRIPT"
	CODES+=("$1") TEXTS+=("$2") REPORTS+=("$3")
}

# play [OPTION...]: all rows, with one server.
play() {
	local i

	start_fake --record "$RECORD" "$@" "$SCRIPT"
	for i in "${!CODES[@]}"; do
		echo "--- ${CODES[i]} ${TEXTS[i]}"
		module
		((CODE == CODES[i]))
		says "${TEXTS[i]}"
		remote
		says "${REPORTS[i]}"
	done
	wait_for_peer
	rm "$SCRIPT"
	CODES=() TEXTS=() REPORTS=()
}

# faces CODE TEXT REPORTS [OPTION...] <SCRIPT: one row.
faces() {
	row "$1" "$2" "$3"
	play "${@:4}"
}

# up_to STAGE: the script of a session, before the server's words at that stage:
# greeting, ehlo, helo, mail, rcpt, data, dot or quit.
up_to() {
	local stage

	for stage in greeting ehlo helo mail rcpt data dot quit; do
		[[ $stage != "$1" ]] || return 0
		case $stage in
		greeting) printf '%s\n' 'say 220 x' 'expect EHLO me\.example' ;;
		ehlo)
			if [[ $1 == helo ]]; then
				printf '%s\n' 'say 502 x' 'expect HELO me\.example'
			else
				printf '%s\n' 'say 250 x' 'expect MAIL FROM:<.*'
			fi
			;;
		mail) printf '%s\n' 'say 250 x' 'expect RCPT TO:<.*' ;;
		rcpt) printf '%s\n' 'say 250 x' 'expect DATA' ;;
		data) printf '%s\n' 'say 354 x' data ;;
		dot) printf '%s\n' 'say 250 taken' 'expect QUIT' ;;
		esac
	done
}

# at STAGE STEP...: the same with what follows.
at() {
	up_to "$1"
	printf '%s\n' "${@:2}"
}

# How qfront-remote tells where it was.
declare -gA WHERE=(
	[greeting]='Connected to 127.0.0.1 but greeting failed.'
	[ehlo]='Connected to 127.0.0.1 but my name was rejected.'
	[helo]='Connected to 127.0.0.1 but my name was rejected.'
	[mail]='Connected to 127.0.0.1 but sender was rejected.'
	[rcpt]='127.0.0.1 gave an odd reply to recipient.'
	[data]='127.0.0.1 failed on DATA command.'
	[dot]='127.0.0.1 failed after I sent the message.*'
)
declare -gA NAME=(
	[greeting]=greeting [ehlo]=EHLO [helo]=HELO
	[mail]='MAIL FROM:<s@x.example>' [rcpt]='RCPT TO:<r@y.example>'
	[data]=DATA [dot]='end of message'
)

# said STAGE: recipients that were accepted before it.
accepted() {
	case $1 in
	data | dot) echo 'r|' ;;
	esac
}

SENT_TEXT='end of message: 250 taken'
SENT_REPORT="r|K127.0.0.1 accepted message.${SAID}250 taken
|"

@test "a server that behaves" {
	faces 0 "$SENT_TEXT" "$SENT_REPORT" < <(up_to quit)
}

@test "replies that never end, at every stage" {
	local stage

	for stage in "${!NAME[@]}"; do
		faces 11 "${NAME[$stage]}: reply not understood: too many lines: 250-more*" \
			"$(accepted "$stage")Z${WHERE[$stage]}${SAID}250-more*" \
			< <(at "$stage" 'forever 250-more\r\n')
		((${#TEXT} < 6000))
		faces 11 "${NAME[$stage]}: reply not understood: line too long: 250 aa*" \
			"$(accepted "$stage")Z${WHERE[$stage]}${SAID}250 aaa*" \
			< <(at "$stage" 'raw 250\x20' 'forever a')
		((${#TEXT} < 6000))
	done
}

# data_kb PROGRAM [ARGUMENT...]: how much of its own memory it has when the
# server waits with its last words, in KB.
data_kb() {
	local pid

	start_fake --record "$RECORD" "$SCRIPT"
	options_for "$PORT"
	"$@" <stdin 3<mail >/dev/null 2>&1 &
	pid=$!
	wait_for_line "$PEER_FD" '^now$'
	sed -n 's/^VmData:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$pid/status"
	kill "$pid"
	wait "$pid" || :
}

options_for() {
	{
		printf '%s\n' s@x.example r@y.example ''
		cat message
	} >mail
	control smtproutes ":127.0.0.1:$1"
	printf '%s\n' host=127.0.0.1 "port=$1" '' >stdin
	[[ $FACE == module ]] || cp message stdin
}

@test "replies that never end, in a megabyte more than a session needs" {
	local kb stage way

	skip_under_valgrind "its memory is not the program's"
	skip_under_sanitizers "their memory is not the program's"
	export HELOHOST=me.example
	for FACE in module remote; do
		local program=("$PROTOCOLS/smtp")
		[[ $FACE == module ]] || program=("$SBIN/qfront-remote"
			y.example s@x.example r@y.example)
		at dot 'tell now' hang >"$SCRIPT"
		kb=$(data_kb "${program[@]}")
		echo "$FACE: $kb KB"
		((kb > 100 && kb < 20000))
		for stage in greeting dot; do
			for way in 'forever 250-more\r\n' 'forever a' \
				'forever 250-\0\0\0\0\0\0\0\0\r\n' \
				'forever \r\n'; do
				at "$stage" "$way" >"$SCRIPT"
				start_fake "$SCRIPT"
				options_for "$PORT"
				CODE=0
				TEXT=$(ulimit -d $((kb + 1024)) &&
					"${program[@]}" <stdin 3<mail 2>log |
					tr '\0' '|'; exit "${PIPESTATUS[0]}") ||
					CODE=$?
				echo "$FACE, $stage, $way: $CODE $TEXT"
				if [[ $FACE == module ]]; then
					((CODE == 11))
				else
					[[ $CODE == 0 && $TEXT == *Z*"Remote host said: "* ]]
				fi
				wait_for_peer
			done
		done
	done
}

@test "a reply that comes byte by byte is late all the same" {
	control timeoutremote 1
	for stage in greeting mail dot; do
		at "$stage" "drip 0.1 250-$(printf '%0300d' 0)" >"$SCRIPT"
		start_fake "$SCRIPT"
		remote
		case $stage in
		dot) says "r|ZConnected to 127.0.0.1 but ${DIED/died. /died. Possible duplicate! }|" ;;
		*) says "ZConnected to 127.0.0.1 but $DIED|" ;;
		esac
		wait_for_peer
	done
}

@test "replies that come just in time end when the time for all is over" {
	control timeoutremote 60
	control timeouttotal 1
	RCPTS=(a@y b@y c@y d@y e@y f@y g@y h@y)
	{
		up_to rcpt
		for _ in {1..7}; do
			printf '%s\n' 'drip 0.05 250 ok' 'expect RCPT .*'
		done
	} >"$SCRIPT"
	start_fake "$SCRIPT"
	remote
	says "*ZConnected to 127.0.0.1 but $DIED|"
	says "r|*"
	[[ $TEXT != r\|r\|r\|r\|r\|r\|r\|r\|* ]]
}

@test "421 at every stage" {
	local stage

	for stage in "${!NAME[@]}"; do
		[[ $stage != rcpt ]] || continue
		row 16 "${NAME[$stage]}: 421 going down" \
			"$(accepted "$stage")Z${WHERE[$stage]}${SAID}421 going down
|" < <(at "$stage" 'say 421 going down' close)
	done
	row 16 "${NAME[rcpt]}: 421 going down" \
		"s127.0.0.1 does not like recipient.${SAID}421 going down
|DGiving up on 127.0.0.1.
|" < <(at rcpt 'say 421 going down')
	# between the stages, when nobody asked
	row 16 'EHLO: 421 going down' \
		"Z${WHERE[ehlo]}${SAID}421 going down
|" < <(at greeting 'raw 220 x\r\n421 going down\r\n' close)
	play
}

@test "greetings that refuse" {
	# A relay's keep the mail; others are in remote.bats.
	row 16 'greeting: 554 no' \
		"ZConnected to 127.0.0.1 but greeting failed.${SAID}554 no
|" < <(at greeting 'say 554 no')
	row 16 'greeting: 521 a b' \
		"ZConnected to 127.0.0.1 but greeting failed.${SAID}521-a
521 b
|" < <(at greeting 'say 521-a' 'say 521 b')
	play
}

@test "codes that are none" {
	local stage code

	for code in '199 x' '600 x' 25 '' '250x' '2500 x' '\x20250 x' \
		'-250 x' '25O x' '250\0x' '250\tx'; do
		row 11 "${NAME[mail]}: reply not understood: no reply code: *" \
			"Z${WHERE[mail]}${SAID}*" < <(at mail "raw $code\r\n")
	done
	for stage in "${!NAME[@]}"; do
		row 11 "${NAME[$stage]}: reply not understood: no reply code: 600 x*" \
			"$(accepted "$stage")Z${WHERE[$stage]}${SAID}600 x
|" < <(at "$stage" 'say 600 x')
		row 11 "${NAME[$stage]}: reply not understood: codes of its lines differ: 550 no*" \
			"$(accepted "$stage")Z${WHERE[$stage]}${SAID}250-yes
*" < <(at "$stage" 'say 250-yes' 'say 550 no')
	done
	play
}

@test "codes without a text" {
	row 0 'end of message: 250' "r|K127.0.0.1 accepted message.${SAID}250
|" < <(up_to quit | sed -E 's/^(say ...) .*/\1/')
	row 35 'RCPT TO:<r@y.example>: 550' \
		"h127.0.0.1 does not like recipient.${SAID}550
|DGiving up on 127.0.0.1.
|" < <(at rcpt 'say 550')
	play
}

@test "a server that knows no EHLO" {
	local reply

	for reply in '500 what' '502 what' '504 what' '550 what'; do
		row 0 "$SENT_TEXT" "$SENT_REPORT" < <(
			at ehlo "say $reply" 'expect HELO me\.example'
			up_to quit | sed 1,2d
		)
	done
	row 16 'HELO: 550 no' "Z${WHERE[helo]}${SAID}550 no
|" < <(at helo 'say 550 no')
	play
}

@test "offers that are odd" {
	local offer

	for offer in 'SIZE abc' 'SIZE' 'SIZE 99999999999999999999999' 'SIZE -1' \
		'AUTH=LOGIN' 'AUTH' 'PIPELINING x y' '' 'X\0Y' '\xff\xfe' \
		'STARTTLS' 'AUTH LOGIN\r\n250-AUTH LOGIN\r\n250-AUTH=PLAIN' \
		"AUTH $(printf 'M%d ' {1..1000})"; do
		row 0 "$SENT_TEXT" "$SENT_REPORT" < <(
			at ehlo 'say 250-x' "raw 250-$offer\r\n" \
				"raw 250-$offer\r\n"
			up_to quit | sed 1,2d
		)
	done
	play
}

@test "a message is larger than the server takes" {
	row 35 "${NAME[mail]}: the message has 27 bytes; the server takes at most 26" \
		'D127.0.0.1 can not take this message: *the server takes at most 26 (#5.3.4)
|' < <(at ehlo 'say 250-x' 'say 250-SIZE 1000' 'say 250 SIZE 26' 'expect QUIT')
	row 35 "${NAME[mail]}: 552 too big" "D${WHERE[mail]}${SAID}552 too big
|" < <(at ehlo 'say 250-x' 'say 250 SIZE 27' 'expect MAIL .* SIZE=27' \
		'say 552 too big')
	play
}

@test "what a message needs is not offered" {
	# 8-bit text goes as it is, names need SMTPUTF8
	the_message <<<$'Subject: x\n\ncaf\xc3\xa9'
	faces 0 "$SENT_TEXT" "$SENT_REPORT" < <(up_to quit)
	grep -q $'caf\xc3\xa9' "$RECORD.1"
	lacks 8BITMIME "$RECORD.1"
	RCPTS=($'caf\xc3\xa9@y.example')
	faces 35 "${NAME[mail]}: the message needs SMTPUTF8, which the server does not offer" \
		'D127.0.0.1 can not take this message: *does not offer (#5.6.7)
|' < <(at ehlo 'say 250-x' 'say 250 8BITMIME' 'expect QUIT')
}

@test "recipients: all later, mixed, and a 354 in spite of it" {
	RCPTS=(a@y b@y c@y)
	faces 16 'RCPT TO:<a@y>: 450 no (not sent to any of its 3 recipients)' \
		"s127.0.0.1 does not like recipient.${SAID}450 no
|s127.0.0.1 does not like recipient.${SAID}451 no
|s127.0.0.1 does not like recipient.${SAID}452 no
|DGiving up on 127.0.0.1.
|" < <(at rcpt 'say 450 no' 'expect RCPT TO:<b@y>' 'say 451 no' \
		'expect RCPT TO:<c@y>' 'say 452 no' 'expect QUIT')
	{
		printf '%s\n' 'say 220 x' 'expect EHLO .*' \
			'say 250-x' 'say 250 PIPELINING' 'expect MAIL .*' \
			'expect RCPT TO:<a@y>' 'expect RCPT TO:<b@y>' \
			'expect RCPT TO:<c@y>' 'expect DATA' \
			'say 250 ok' 'say 550 no' 'say 550 no' 'say 550 no' \
			'say 354 go' hang
	} >"$SCRIPT"
	# nothing of the message goes to a server that has nobody for it
	start_fake --record "$RECORD" "$SCRIPT"
	remote
	says "h*|h*|h*|DGiving up on 127.0.0.1.
|"
	wait_for_peer
	lacks 'Hello|^\.' "$RECORD.1"
	# the sender refused, the recipients not: it would go to them
	sed -e '10,13c say 550 no\nsay 250 ok\nsay 250 ok\nsay 250 ok' \
		"$SCRIPT" >script.2
	start_fake --record "$RECORD" script.2
	remote
	says "D${WHERE[mail]}${SAID}550 no
|"
	wait_for_peer
	lacks 'Hello|^\.' "$RECORD.1"
}

@test "a message is taken before it came" {
	row 11 'message: reply before the command: 250 taken' \
		"r|Z${WHERE[dot]}${SAID}250 taken
|" < <(at data 'raw 354 x\r\n250 taken\r\n' hang)
	row 35 'message: 552 no' "r|D${WHERE[dot]}${SAID}552 no
|" < <(at data 'raw 354 x\r\n552 no\r\n' hang)
	row 11 'DATA: unexpected reply: 250 taken' \
		"r|Z${WHERE[data]}${SAID}250 taken
|" < <(at data 'say 250 taken' hang)
	play
}

@test "the end of the message is answered, and the connection goes" {
	row 16 'end of message: 451 no' "r|Z${WHERE[dot]}${SAID}451 no
|" < <(at dot 'say 451 no' close)
	row 35 'end of message: 554 no' "r|D${WHERE[dot]}${SAID}554 no
|" < <(at dot 'say 554 no' reset)
	row 0 "$SENT_TEXT" "$SENT_REPORT" < <(at dot 'say 250 taken' reset)
	row 11 'end of message: *possible duplicate)' \
		"r|ZConnected to 127.0.0.1 but ${DIED/died. /died. Possible duplicate! }|" \
		< <(at dot close)
	row 11 'end of message: unexpected reply: 354 more*possible duplicate)' \
		"r|Z${WHERE[dot]}${SAID}354 more
|" < <(at dot 'say 354 more' hang)
	play
}

@test "control characters, byte order marks and line ends in replies" {
	local evil='\x1b[2J\x1b]0;x\x07\xef\xbb\xbf\x9b1m\ra\0b\x7f'
	local seen='\?\[2J\?\]0;x\?\?\?\?\?1m\?a\?b\?'

	row 35 "${NAME[rcpt]}: 550 $seen" \
		"h127.0.0.1 does not like recipient.${SAID}550 $seen
|DGiving up on 127.0.0.1.
|" < <(at rcpt "say 550 $evil")
	row 16 "greeting: 421 $seen" "Z${WHERE[greeting]}${SAID}421 $seen
|" < <(at greeting "say 421 $evil")
	row 11 "EHLO: reply not understood: no reply code: $seen" \
		"Z${WHERE[ehlo]}${SAID}$seen
|" < <(at ehlo "say $evil")
	row 35 "end of message: 554 $seen $seen" \
		"r|D${WHERE[dot]}${SAID}554-$seen
554 $seen
|" < <(at dot "say 554-$evil" "say 554 $evil")
	row 0 "end of message: 250 $seen" \
		"r|K127.0.0.1 accepted message.${SAID}250 $seen
|" < <(at dot "say 250 $evil")
	play
}

@test "what a server says is no report of its own" {
	faces 35 "${NAME[mail]}: 550 no?Kok?h?K" \
		"D${WHERE[mail]}${SAID}550 no?Kok?h?K
|" < <(at mail 'raw 550 no\0Kok\0h\0K\r\n')
}

# over_tls STEP...: the script of a server that offers STARTTLS, up to it and
# with what follows.
over_tls() {
	printf '%s\n' 'say 220 x' 'expect EHLO .*' 'say 250-x' \
		'say 250 STARTTLS' 'expect STARTTLS' "$@"
}

# with_cert NAME: options of a server that has this certificate.
with_cert() {
	CERT=(--cert "$CERTS/$1.pem" --key "$CERTS/$1.key")
}

BAD_TLS='ZConnected to 127.0.0.1 but STARTTLS: '

@test "TLS: certificates that are not believed" {
	local name

	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem" "x509crlfile=$CERTS/ca.crl")
	for name in expired future wrong self sha1 revoked; do
		with_cert "$name"
		faces 16 'STARTTLS: *' "$BAD_TLS*" "${CERT[@]}" < <(
			over_tls 'say 220 go' 'tls-fails .*'
		)
		lacks MAIL "$RECORD.1"
		lacks MAIL "$RECORD.2"
	done
}

@test "TLS: old versions, and ciphers of which none is left" {
	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem")
	with_cert good
	for version in 1.0 1.1; do
		faces 16 'STARTTLS: *' "$BAD_TLS*" "${CERT[@]}" \
			--tls-max "$version" < <(
			over_tls 'say 220 go' 'tls-fails .*'
		)
	done
	faces 16 'STARTTLS: *' "$BAD_TLS*" --tls-max 1.2 \
		--ciphers 'aNULL:@SECLEVEL=0' < <(
		over_tls 'say 220 go' 'tls-fails .*'
	)
}

@test "TLS: a chain of a megabyte" {
	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem")
	cp "$CERTS/good.pem" long.pem
	middle=$(<"$CERTS/middle.pem")
	for _ in {1..2000}; do
		echo "$middle"
	done >>long.pem
	(($(wc -c <long.pem) > 1000000))
	faces 16 'STARTTLS: *' "$BAD_TLS*" --cert long.pem \
		--key "$CERTS/good.key" < <(over_tls 'say 220 go' 'tls-fails .*')
}

@test "TLS: a handshake that never ends" {
	control timeoutremote 1
	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem")
	for what in hang 'drip 0.1 \x16\x03\x03\x20\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; do
		over_tls 'say 220 go' "$what" >"$SCRIPT"
		start_fake "$SCRIPT"
		remote
		says "$BAD_TLS*"
		stop_peers
	done
	OPTIONS=(tls "x509cafile=$CERTS/ca.pem")
	echo hang >"$SCRIPT"
	start_fake "$SCRIPT"
	remote
	says "${BAD_TLS/STARTTLS/handshake}*"
	wait_for_peer
}

@test "TLS: what is no TLS" {
	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem")
	for what in 'raw 500 what?\r\n' 'repeat 100000 x' close reset \
		'raw HTTP/1.1 400 Bad Request\r\n\r\n' \
		'raw \x15\x03\x03\0\x02\x02\x28'; do
		row 16 'STARTTLS: *' "$BAD_TLS*" < <(
			over_tls 'say 220 go' 'bytes 5' "$what"
		)
	done
	play
	OPTIONS=(tls "x509cafile=$CERTS/ca.pem")
	faces 16 '*' "${BAD_TLS/STARTTLS/handshake}*" < <(at greeting 'say 220 a server in clear')
}

@test "STARTTLS is offered and then refused" {
	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem")
	faces 16 'STARTTLS: 454 not now' \
		"ZConnected to 127.0.0.1 but STARTTLS failed.${SAID}454 not now
|" < <(over_tls 'say 454 not now' 'expect QUIT')
	faces 16 'STARTTLS: the server does not offer STARTTLS' \
		"${BAD_TLS}the server does not offer STARTTLS (#4.7.0)
|" < <(at ehlo 'say 250 x' 'expect QUIT')
}

@test "replies in clear behind the one to STARTTLS" {
	with_cert good
	OPTIONS=(starttls "x509cafile=$CERTS/ca.pem")
	# in the same segment, and with the session's end under TLS
	cat >"$SCRIPT" < <(
		over_tls 'raw 220 go\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n' tls
		up_to quit | sed 1d
	)
	start_fake --connections 2 --record "$RECORD" "${CERT[@]}" "$SCRIPT"
	module
	[[ $CODE == 0 || $CODE == 16 ]]
	[[ $TEXT != *PIPELINING* ]]
	remote
	[[ $TEXT == r*K* || $TEXT == Z* ]]
	for k in 1 2; do
		[[ ! -e $RECORD.$k.tls ]] || lacks 'RCPT.*DATA' "$RECORD.$k.tls"
		lacks MAIL "$RECORD.$k"
	done
}

# SCRAM with a server that cheats: faces, over TLS.
cheats() {
	with_cert good
	faces 20 "$1" "ZConnected to 127.0.0.1 but $1 (#4.7.0)
TLS: *" "${CERT[@]}" < <(
		printf '%s\n' tls 'say 220 x' 'expect EHLO .*' 'say 250-x' \
			'say 250 AUTH SCRAM-SHA-256' "${@:2}"
	)
	lacks MAIL "$RECORD.1.tls"
	lacks MAIL "$RECORD.2.tls"
}

@test "AUTH: servers that do not know the password" {
	(umask 077 && echo pencil >pass)
	OPTIONS=(tls "x509cafile=$CERTS/ca.pem" user=user "pass-file=$PWD/pass")
	cheats 'AUTH SCRAM-SHA-256: *' 'scram sha256 user pencil nonce=wrong' \
		'expect \*' 'say 501 ok' 'expect QUIT'
	cheats 'AUTH SCRAM-SHA-256: *' 'scram sha256 user pencil proof=wrong' \
		'expect \*' 'say 501 ok' 'expect QUIT'
	cheats 'AUTH SCRAM-SHA-256: *' 'scram sha256 user pencil proof=none' \
		'say 235 welcome' 'expect QUIT'
	# more rounds than anybody would wait for
	cheats 'AUTH SCRAM-SHA-256: *' 'expect AUTH SCRAM-SHA-256 .*' \
		"say 334 $(printf 'r=x,s=eA==,i=2147483648' | base64)" \
		'expect \*' 'say 501 ok' 'expect QUIT'
	cheats 'AUTH SCRAM-SHA-256: *' 'expect AUTH SCRAM-SHA-256 .*' \
		'say 334 no-base64!' 'expect \*' 'say 501 ok' 'expect QUIT'
	cheats 'AUTH SCRAM-SHA-256: *' 'expect AUTH SCRAM-SHA-256 .*' \
		'say 235 welcome' 'expect QUIT'
}

@test "AUTH: challenges without end, and replies to a cancelled login" {
	(umask 077 && echo pencil >pass)
	OPTIONS=(tls "x509cafile=$CERTS/ca.pem" user=user "pass-file=$PWD/pass")
	with_cert good
	faces 20 'AUTH PLAIN: *' 'ZConnected to 127.0.0.1 but AUTH PLAIN: *' \
		"${CERT[@]}" < <(
		printf '%s\n' tls 'say 220 x' 'expect EHLO .*' 'say 250-x' \
			'say 250 AUTH PLAIN' 'expect AUTH PLAIN .*' 'say 334 ' \
			'expect \*' 'say 501 cancelled' 'expect QUIT'
	)
	faces 11 'AUTH PLAIN: *' "Z*" "${CERT[@]}" < <(
		printf '%s\n' tls 'say 220 x' 'expect EHLO .*' 'say 250-x' \
			'say 250 AUTH PLAIN' 'expect AUTH PLAIN .*' 'say 334 ' \
			'expect \*' 'say 334 more' hang
	)
}

@test "AUTH: XOAUTH2 that fails with a text of its own" {
	(umask 077 && echo secret-token >token)
	OPTIONS=(tls "x509cafile=$CERTS/ca.pem" user=user
		"oauth-token-file=$PWD/token")
	with_cert good
	faces 20 'AUTH XOAUTH2: 535 no*400*' 'Z*535 no*' "${CERT[@]}" < <(
		printf '%s\n' tls 'say 220 x' 'expect EHLO .*' 'say 250-x' \
			'say 250 AUTH XOAUTH2' 'expect AUTH XOAUTH2 .*' \
			"say 334 $(printf '{"status":"400"}' | base64)" \
			'expect ' 'say 535 no' 'expect QUIT'
	)
	[[ $TEXT != *secret* ]]
}
