# The reports of qfront-remote, byte for byte: each case in which notqmail's
# qmail-remote was observed, with its bytes, or with ours where the manual page
# lists a difference. Routes lead to a server that a script plays, so no name
# server is asked but where it is about hosts.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/zones

setup_file() {
	start_zones <<-'ZONES'
		zone test.example
		nowhere MX 10 no.such.test.example.
		nowhere MX 20 plain
		plain TXT "no address"
		null MX 0 .
		partly MX 10 a.gone
		partly MX 20 nobody
		nobody A 127.0.0.9
		unknown MX 10 a.gone
		unknown MX 20 no.such.test.example.
		self MX 10 me
		me A 127.0.0.1
		text MX 10 127.0.0.9.
		alias CNAME nobody
		lost CNAME a.gone
		zone gone.test.example missing
	ZONES
}

teardown_file() {
	stop_zones
}

setup() {
	clean_environment
	cd "$BATS_TEST_TMPDIR"
	export CONTROLDIR=$PWD/control QUEUEDIR=$PWD/queue QFRONT_LOG=stderr
	mkdir -p "$CONTROLDIR" "$QUEUEDIR/lock"
	control me me.example
	# Nobody is asked by chance.
	control resolver 'nameserver 127.0.0.1:9'
	MESSAGE=$PWD/message
	printf 'Subject: a test\n\nHello.\n' >"$MESSAGE"
	SESSIONS=0
	TO=(r@y.example)
}

teardown() {
	stop_peers
}

control() {
	printf '%s\n' "${@:2}" >"$CONTROLDIR/$1"
}

# remote ARGUMENT...: one run; it must exit 0. Its reports are in `got`.
remote() {
	"$SBIN/qfront-remote" "$@" <"$MESSAGE" >got 2>log
}

# reports REPORT: that is all of `got`; it is in the form of printf.
reports() {
	printf "$1" >want
	cmp want got || {
		echo 'wanted:'
		od -c want
		echo 'got:'
		od -c got
		cat log
		return 1
	}
}

# session REPORT STEP...: a connection more, whose server takes these steps;
# the report of it to the recipients of TO.
session() {
	((SESSIONS++ == 0)) || echo connection >>script
	printf '%s\n' "${@:2}" >>script
	printf '%s' "$1" >"report.$SESSIONS"
	printf '%s\n' "${TO[@]}" >"to.$SESSIONS"
}

# play: all of them, one after the other.
play() {
	local i to

	start_fake --record record script
	control smtproutes ":[127.0.0.1]:$PORT"
	for ((i = 1; i <= SESSIONS; i++)); do
		mapfile -t to <"to.$i"
		echo "session $i"
		remote y.example s@x.example "${to[@]}"
		reports "$(<"report.$i")"
	done
	wait_for_peer
}

# What a server has said before the step that a case is about.
NAMED=('say 220 x' 'expect EHLO me\.example' 'say 250 x')
FROM=("${NAMED[@]}" 'expect MAIL FROM:<s@x\.example>' 'say 250 ok')
RCPT=("${FROM[@]}" 'expect RCPT TO:<r@y\.example>')
DATA=("${RCPT[@]}" 'say 250 ok' 'expect DATA')
DOT=("${DATA[@]}" 'say 354 go' data)
QUIT='expect QUIT'
# The same for three recipients a, b and c.
THREE=('expect RCPT TO:<a@y\.example>' 'expect RCPT TO:<b@y\.example>'
	'expect RCPT TO:<c@y\.example>')

# Reports that stand for success where it is about something else.
SENT='r\0K127.0.0.1 accepted message.\nRemote host said: 250 taken\n\0'
DIED='ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n\0'
DOUBLE='ZConnected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n\0'

@test "taken: for one recipient, and for three" {
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250 queued as X1\n\0' \
		"${DOT[@]}" 'say 250 queued as X1' "$QUIT"
	TO=({a,b,c}@y.example)
	session 'r\0r\0r\0K127.0.0.1 accepted message.\nRemote host said: 250 queued as X1\n\0' \
		"${FROM[@]}" "${THREE[0]}" 'say 250 a' "${THREE[1]}" \
		'say 250 b' "${THREE[2]}" 'say 251 c' 'expect DATA' \
		'say 354 go' data 'say 250 queued as X1' "$QUIT"
	play
}

@test "greeting: refused, odd, empty, of many lines" {
	session 'ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: 421 busy\n\0' \
		'say 421 busy'
	session 'ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: 450 busy\n\0' \
		'say 450 busy' "$QUIT"
	# That of a relay, as here, says nothing about the message; where all
	# exchangers say so see remote.bats.
	session 'ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: 554 no\n\0' \
		'say 554 no' "$QUIT"
	session 'ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: hello world\n\0' \
		'say hello world'
	# A difference: the line after it is not waited for.
	session 'ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: \n\0' \
		'say ' 'say 220 x'
	session "$SENT" 'say 220-a' 'say 220-' 'say 220 b' "${DOT[@]:1}" \
		'say 250 taken' "$QUIT"
	play
}

@test "EHLO and HELO: refused" {
	session 'ZConnected to 127.0.0.1 but my name was rejected.\nRemote host said: 502 no\n\0' \
		'say 220 x' 'expect EHLO me\.example' 'say 500 what' \
		'expect HELO me\.example' 'say 502 no' "$QUIT"
	session 'ZConnected to 127.0.0.1 but my name was rejected.\nRemote host said: 421 no\n\0' \
		'say 220 x' 'expect EHLO me\.example' 'say 421 no'
	session 'ZConnected to 127.0.0.1 but my name was rejected.\nRemote host said: 421 no\n\0' \
		'say 220 x' 'expect EHLO me\.example' 'say 500 what' \
		'expect HELO me\.example' 'say 421 no'
	session 'ZConnected to 127.0.0.1 but my name was rejected.\nRemote host said: 354 no\n\0' \
		'say 220 x' 'expect EHLO me\.example' 'say 354 no'
	session "$SENT" 'say 220 x' 'expect EHLO me\.example' 'say 500 what' \
		'expect HELO me\.example' "${DOT[@]:2}" 'say 250 taken' "$QUIT"
	play
}

@test "MAIL: refused, and odd replies" {
	session 'DConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 550 5.1.0 bad sender\n\0' \
		"${FROM[@]:0:4}" 'say 550 5.1.0 bad sender' "$QUIT"
	session 'ZConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 451 not now\n\0' \
		"${FROM[@]:0:4}" 'say 451 not now' "$QUIT"
	session 'ZConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 421 bye\n\0' \
		"${FROM[@]:0:4}" 'say 421 bye'
	# A difference: what is neither 2xx nor a refusal is not understood.
	session 'ZConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 354 odd\n\0' \
		"${FROM[@]:0:4}" 'say 354 odd'
	session 'ZConnected to 127.0.0.1 but sender was rejected.\nRemote host said: 199 odd\n\0' \
		"${FROM[@]:0:4}" 'say 199 odd'
	play
}

@test "RCPT: refused" {
	session 'h127.0.0.1 does not like recipient.\nRemote host said: 550 5.1.1 no user\n\0DGiving up on 127.0.0.1.\n\0' \
		"${RCPT[@]}" 'say 550 5.1.1 no user' "$QUIT"
	session 's127.0.0.1 does not like recipient.\nRemote host said: 450 4.2.1 later\n\0DGiving up on 127.0.0.1.\n\0' \
		"${RCPT[@]}" 'say 450 4.2.1 later' "$QUIT"
	session 's127.0.0.1 does not like recipient.\nRemote host said: 421 later\n\0DGiving up on 127.0.0.1.\n\0' \
		"${RCPT[@]}" 'say 421 later'
	# A difference again.
	session 'Z127.0.0.1 gave an odd reply to recipient.\nRemote host said: 354 odd\n\0' \
		"${RCPT[@]}" 'say 354 odd'
	play
}

@test "RCPT: some of three are refused" {
	TO=({a,b,c}@y.example)
	session 'r\0h127.0.0.1 does not like recipient.\nRemote host said: 550-no such\n550 user\n\0s127.0.0.1 does not like recipient.\nRemote host said: 451 grey\n\0K127.0.0.1 accepted message.\nRemote host said: 250 ok\n\0' \
		"${FROM[@]}" "${THREE[0]}" 'say 250 ok' "${THREE[1]}" \
		'say 550-no such' 'say 550 user' "${THREE[2]}" 'say 451 grey' \
		'expect DATA' 'say 354 go' data 'say 250 ok' "$QUIT"
	session 'h127.0.0.1 does not like recipient.\nRemote host said: 550 a\n\0s127.0.0.1 does not like recipient.\nRemote host said: 450 b\n\0h127.0.0.1 does not like recipient.\nRemote host said: 551 c\n\0DGiving up on 127.0.0.1.\n\0' \
		"${FROM[@]}" "${THREE[0]}" 'say 550 a' "${THREE[1]}" \
		'say 450 b' "${THREE[2]}" 'say 551 c' "$QUIT"
	session 'r\0s127.0.0.1 does not like recipient.\nRemote host said: 421 closing\n\0'"$DIED" \
		"${FROM[@]}" "${THREE[0]}" 'say 250 ok' "${THREE[1]}" \
		'say 421 closing'
	session 'h127.0.0.1 does not like recipient.\nRemote host said: 550 a\n\0h127.0.0.1 does not like recipient.\nRemote host said: 550 b\n\0s127.0.0.1 does not like recipient.\nRemote host said: 421 closing\n\0DGiving up on 127.0.0.1.\n\0' \
		"${FROM[@]}" "${THREE[0]}" 'say 550 a' "${THREE[1]}" \
		'say 550 b' "${THREE[2]}" 'say 421 closing'
	session 'r\0'"$DIED" \
		"${FROM[@]}" "${THREE[0]}" 'say 250 ok' "${THREE[1]}" close
	TO=({a,b}@y.example)
	session 'h127.0.0.1 does not like recipient.\nRemote host said: 550 a\n\0r\0Z127.0.0.1 failed after I sent the message.\nRemote host said: 451 later\n\0' \
		"${FROM[@]}" "${THREE[0]}" 'say 550 a' "${THREE[1]}" \
		'say 250 ok' 'expect DATA' 'say 354 go' data 'say 451 later' \
		"$QUIT"
	play
}

@test "DATA: refused, and odd" {
	session 'r\0D127.0.0.1 failed on DATA command.\nRemote host said: 554 no valid rcpt\n\0' \
		"${DATA[@]}" 'say 554 no valid rcpt' "$QUIT"
	session 'r\0Z127.0.0.1 failed on DATA command.\nRemote host said: 451 no\n\0' \
		"${DATA[@]}" 'say 451 no' "$QUIT"
	# A difference: the message is not sent.
	session 'r\0Z127.0.0.1 failed on DATA command.\nRemote host said: 250 odd\n\0' \
		"${DATA[@]}" 'say 250 odd'
	play
}

@test "the end of the message: refused, and odd" {
	local many odd

	session 'r\0D127.0.0.1 failed after I sent the message.\nRemote host said: 554 5.7.1 spam\n\0' \
		"${DOT[@]}" 'say 554 5.7.1 spam' "$QUIT"
	session 'r\0Z127.0.0.1 failed after I sent the message.\nRemote host said: 451 no\n\0' \
		"${DOT[@]}" 'say 451 no' "$QUIT"
	session 'r\0Z127.0.0.1 failed after I sent the message.\nRemote host said: 421 no\n\0' \
		"${DOT[@]}" 'say 421 no'
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250\n\0' \
		"${DOT[@]}" 'say 250' "$QUIT"
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250 \n\0' \
		"${DOT[@]}" 'raw 250\x20\r\n' "$QUIT"
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250-a\n250-\n250 b\n\0' \
		"${DOT[@]}" 'say 250-a' 'say 250-' 'say 250 b' "$QUIT"
	# A difference: none of these is success, and none is final.
	for odd in '354 go on' 250xok 25 'abc def' '650 x'; do
		session 'r\0Z127.0.0.1 failed after I sent the message. Possible duplicate!\nRemote host said: '"$odd"'\n\0' \
			"${DOT[@]}" "say $odd"
	done
	session 'r\0Z127.0.0.1 failed after I sent the message. Possible duplicate!\nRemote host said: 250-a\n550 b\n\0' \
		"${DOT[@]}" 'say 250-a' 'say 550 b'
	many=$(printf '250-x\\n%.0s' {1..101})
	session 'r\0Z127.0.0.1 failed after I sent the message. Possible duplicate!\nRemote host said: '"$many"'\0' \
		"${DOT[@]}" "raw $many"
	play
}

@test "the connection dies at each step" {
	session "$DIED" close
	session "$DIED" 'say 220 x' 'expect EHLO .*' reset
	session "$DIED" 'raw 220 x' close
	session "$DIED" 'say 220 x' 'expect EHLO .*' close
	session "$DIED" "${FROM[@]:0:4}" close
	session "$DIED" "${RCPT[@]}" close
	session 'r\0'"$DIED" "${DATA[@]}" close
	session 'r\0'"$DOUBLE" "${DOT[@]}" close
	session 'r\0'"$DOUBLE" "${DOT[@]}" 'raw 250 tak' close
	play
}

@test "the connection dies in the message" {
	{
		cat "$MESSAGE"
		yes 'a line of a message that no buffer can hold' |
			head -c 16777216
		echo
	} >large
	MESSAGE=$PWD/large
	session 'r\0'"$DIED" "${DATA[@]}" 'say 354 go' 'bytes 100' reset
	play
}

@test "a silent server, from the greeting on and after the message" {
	control timeoutremote 1
	session "$DIED" hang
	session 'r\0'"$DOUBLE" "${DOT[@]}" hang
	play
}

@test "a server that takes its time, in all" {
	# A difference: qmail-remote limits each step.
	control timeouttotal 1
	session "$DIED" 'say 220 x' hang
	play
}

@test "replies that are long, and lines that end in LF" {
	local many k

	# 5000 bytes of it are quoted, without a final LF.
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250 '"$(
		printf 'x%.0s' {1..4996})"'\0' \
		"${DOT[@]}" 'raw 250\x20' 'repeat 5996 x' 'say ' "$QUIT"
	for k in {1..60}; do
		many+=$(printf '554-%095d' "$k")'\n'
	done
	session 'r\0D127.0.0.1 failed after I sent the message.\nRemote host said: '"${many::5050}"'\0' \
		"${DOT[@]}" "raw $many" 'say 554 end' "$QUIT"
	# A difference: of a reply to a recipient it is 1000.
	session 'h127.0.0.1 does not like recipient.\nRemote host said: 550 '"$(
		printf 'x%.0s' {1..996})"'\0DGiving up on 127.0.0.1.\n\0' \
		"${RCPT[@]}" 'raw 550\x20' 'repeat 5996 x' 'say ' "$QUIT"
	# A difference: a line without end is no reply.
	session 'ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: 220 '"$(
		printf 'x%.0s' {1..4996})"'\0' 'raw 220\x20' 'forever x'
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250-bare\n250 LF\n\0' \
		"${DOT[@]}" 'raw 250-bare\n250 LF\n' "$QUIT"
	play
}

@test "bytes that are not printable" {
	# A difference: qmail-remote replaces NUL, and nothing else.
	session 'r\0K127.0.0.1 accepted message.\nRemote host said: 250 a?b??c?d e\n\0' \
		"${DOT[@]}" 'say 250 a\0b\xc3\xa4c\x1bd\te' "$QUIT"
	play
}

@test "the last line is partial" {
	# A difference: no server is asked.
	printf 'no end' >"$MESSAGE"
	remote y.example s@x.example r@y.example
	reports 'DSMTP cannot transfer messages with partial final lines. (#5.6.2)\n\0'
}

@test "the message can not be read" {
	MESSAGE=/
	remote y.example s@x.example r@y.example
	reports 'ZUnable to read message. (#4.3.0)\n\0'
}

@test "there are no options" {
	control resolver "nameserver $NAMESERVER"
	remote --version s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0"
	grep -q 'MX of --version: ' log
}

@test "called wrongly" {
	local -a args=()
	local i

	for i in 1 2 3; do
		remote "${args[@]}"
		reports 'DI (qmail-remote) was invoked improperly. (#5.3.5)\n\0'
		args+=(word)
	done
}

@test "no name, no folder, and control files that say nothing" {
	rm "$CONTROLDIR/me"
	remote y.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)\n\0'
	CONTROLDIR=$PWD/none remote y.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)\n\0'
	control me me.example
	# A difference: for qmail-remote that is port 0.
	control smtproutes ':[127.0.0.1]:many'
	remote y.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)\n\0'
	# A difference: it would go to the server as it is.
	rm "$CONTROLDIR/smtproutes"
	control helohost 'two words'
	remote y.example s@x.example r@y.example
	reports 'ZUnable to read control files. (#4.3.0)\n\0'
}

@test "hosts: who is not there, and who can not be found now" {
	control resolver "nameserver $NAMESERVER"
	remote nosuch.test.example s@x.example r@y.example
	reports "DSorry, I couldn't find any host named nosuch.test.example. (#5.1.2)\n\0"
	remote plain.test.example s@x.example r@y.example
	reports "DSorry, I couldn't find any host named plain.test.example. (#5.1.2)\n\0"
	remote $'no\tsuch\x80.test.example' s@x.example r@y.example
	reports "DSorry, I couldn't find any host named no?such?.test.example. (#5.1.2)\n\0"
	remote x.gone.test.example s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0"
	remote refused.example s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0"
	remote nowhere.test.example s@x.example r@y.example
	reports "DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n\0"
	remote unknown.test.example s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0"
	# A difference: it is told as such.
	remote null.test.example s@x.example r@y.example
	reports 'DSorry, null.test.example does not accept mail: it has a null MX. (#5.1.10, #5.4.4)\n\0'
}

@test "hosts: this one" {
	control resolver "nameserver $NAMESERVER"
	for host in self.test.example '[127.0.0.1]' 127.0.0.1 '[0.0.0.0]'; do
		remote "$host" s@x.example r@y.example
		reports "DSorry. Although I'm listed as a best-preference MX or A for that host,\nit isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n\0"
	done
}

@test "hosts: nobody answers" {
	local host

	control resolver "nameserver $NAMESERVER"
	start_peer "$PYTHON" -c 'if True:
		import signal, socket
		s = socket.socket()
		s.bind(("127.0.0.9", 0))
		print(s.getsockname()[1], flush=True)
		signal.pause()'
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	# It does not listen, so it refuses.
	control smtproutes ": port=${BASH_REMATCH[1]}"
	for host in partly.test.example text.test.example nobody.test.example. \
		alias.test.example '[127.0.0.9]' 127.0.0.9; do
		remote "$host" s@x.example r@y.example
		reports "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0"
		grep -q 'Connection refused' log
	done
}

@test "hosts: a name server that is silent" {
	start_peer "$PYTHON" -c 'if True:
		import signal, socket
		s = socket.socket(type=socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", 0))
		print(s.getsockname()[1], flush=True)
		signal.pause()'
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	control resolver "nameserver 127.0.0.1:${BASH_REMATCH[1]}"
	control timeoutremote 1
	remote y.example s@x.example r@y.example
	reports "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0"
}

# silent_port: a port of 127.0.0.9 whose queue of connections is full, so that
# the next one is neither accepted nor refused.
silent_port() {
	start_peer "$PYTHON" -c 'if True:
		import signal, socket
		s = socket.socket()
		s.bind(("127.0.0.9", 0))
		s.listen(0)
		full = []
		try:
			while True:
				full.append(socket.create_connection(
					s.getsockname(), timeout=0.2))
		except TimeoutError:
			print(s.getsockname()[1], flush=True)
		signal.pause()'
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	PORT=${BASH_REMATCH[1]}
}

@test "hosts: one that does not answer is noted, and then left out" {
	local k

	silent_port
	control smtproutes ":[127.0.0.9]:$PORT"
	# Nothing but this ends the wait in the time that a failure takes.
	control timeoutconnect 1
	remote y.example s@x.example r@y.example
	reports "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0"
	grep -q 'timed out' log
	run -0 "$SBIN/qfrontctl" tcpto show
	[[ $output == '127.0.0.9 timed out '*' recent timeouts: 1' ]]

	# The address, two timeouts, and when the last one was.
	printf '\x7f\x00\x00\x09\x02\x00\x00\x00'"$(
		for k in 0 8 16 24; do
			printf '\\x%02x' $((EPOCHSECONDS >> k & 255))
		done)"'\x00\x00\x00\x00' |
		dd of="$QUEUEDIR/lock/tcpto" conv=notrunc status=none
	rm "$CONTROLDIR/timeoutconnect"
	remote y.example s@x.example r@y.example
	reports "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0"
	lacks 'timed out' log
}

# fault CALL:N:HOW ARGUMENT...: one run in which a call to the system fails.
fault() {
	skip_under_sanitizers "their runtime must be loaded first"
	FAULT=$1 LD_PRELOAD=$QF_BUILDDIR/tests/lib/.libs/fault.so \
		"$QF_BUILDDIR/tests/stage-dynamic${QF_SBINDIR-}/qfront-remote" \
		"${@:2}" <"$MESSAGE" >got 2>log
}

@test "want of memory, and of descriptors" {
	control smtproutes ':[127.0.0.9]:1'
	fault malloc:1:ENOMEM y.example s@x.example r@y.example
	reports 'ZOut of memory. (#4.3.0)\n\0'
	fault socket:1:EMFILE y.example s@x.example r@y.example
	reports 'ZSystem resources temporarily unavailable. (#4.3.0)\n\0'
}

@test "reports that can not be written: the exit code says so" {
	local status=0

	"$SBIN/qfront-remote" y.example s@x.example r@y.example \
		<"$MESSAGE" >/dev/full || status=$?
	((status == 111))
}

@test "messages on the wire" {
	local -a text=(
		'a\n' 'a\r\n'
		'a\r\n' 'a\r\n'
		'.a\n..\n.\n' '..a\r\n...\r\n..\r\n'
		'' ''
		'a\rb\n' 'a\r\nb\r\n'
		'a\r' 'a\r\n'
		'a\0\xff\n' 'a\0\xff\r\n'
		"$(printf 'x%.0s' {1..5000})"'\n' \
		"$(printf 'x%.0s' {1..5000})"'\r\n'
		# Differences: each CR is a line end, with what belongs to one.
		'a\r\r\n' 'a\r\n\r\n'
		'a\r.b\n' 'a\r\n..b\r\n'
		'a\r.\r\nMAIL FROM:<x@y>\r\n' 'a\r\n..\r\nMAIL FROM:<x@y>\r\n'
		'a\n.\rMAIL FROM:<x@y>\n' 'a\r\n..\r\nMAIL FROM:<x@y>\r\n'
	)
	local i k

	for ((i = 0; i < ${#text[@]}; i += 2)); do
		session "$SENT" "${DOT[@]}" 'say 250 taken' "$QUIT"
	done
	start_fake --record record script
	control smtproutes ":[127.0.0.1]:$PORT"
	for ((i = 0, k = 1; i < ${#text[@]}; i += 2, k++)); do
		printf "${text[i]}" >"$MESSAGE"
		remote y.example s@x.example r@y.example
		reports "$SENT"
		printf '%s\r\n' 'EHLO me.example' 'MAIL FROM:<s@x.example>' \
			'RCPT TO:<r@y.example>' DATA >"want.$k"
		printf "${text[i + 1]}"'.\r\nQUIT\r\n' >>"want.$k"
	done
	wait_for_peer
	for ((i = 1; i < k; i++)); do
		cmp "record.$i" "want.$i"
	done
}

@test "addresses on the wire" {
	local -a wire=(
		'' '<>'
		'#@[]' '<#@[]>'
		'joe@b.example' '<joe@b.example>'
		'joe.x+y@B.example' '<joe.x+y@B.example>'
		'joe blow@b' '<"joe blow"@b>'
		'a@b@c' '<"a@b"@c>'
		'@b' '<""@b>'
		'.a@b' '<".a"@b>'
		'a.@b' '<"a."@b>'
		'a..b@c' '<"a..b"@c>'
		'a"\b@c' '<"a\"\\b"@c>'
		'a(b)@c' '<"a(b)"@c>'
		'nobody' '<nobody>'
		# A difference: it is not quoted twice.
		'"joe blow"@b' '<"joe blow"@b>'
	)
	local i k

	for ((i = 0; i < ${#wire[@]}; i += 2)); do
		session "$SENT" "${NAMED[@]}" 'expect .*' 'say 250 ok' \
			'expect .*' 'say 250 ok' 'expect DATA' 'say 354 go' data \
			'say 250 taken' "$QUIT"
	done
	start_fake --record record script
	control smtproutes ":[127.0.0.1]:$PORT"
	for ((i = 0; i < ${#wire[@]}; i += 2)); do
		remote y.example "${wire[i]}" "${wire[i]:-r@y}"
		reports "$SENT"
	done
	wait_for_peer
	for ((i = 0, k = 1; i < ${#wire[@]}; i += 2, k++)); do
		grep -qFx "MAIL FROM:${wire[i + 1]}"$'\r' "record.$k"
		[[ -z ${wire[i]} ]] ||
			grep -qFx "RCPT TO:${wire[i + 1]}"$'\r' "record.$k"
	done
}

@test "addresses that never reach a server" {
	# A difference: qmail-remote sends them, whatever follows.
	control smtproutes ':[127.0.0.9]:1'
	remote y.example $'s@x.example>\r\nDATA' r@y.example
	reports 'DSorry, sender address can not be sent by SMTP: s@x.example>??DATA. (#5.1.7)\n\0'
	remote y.example s@x.example $'r\n@y.example'
	reports 'hSorry, recipient address can not be sent by SMTP: r?@y.example. (#5.1.3)\n\0DNo recipient can be sent to. (#5.1.3)\n\0'
	session 'hSorry, recipient address can not be sent by SMTP: <a@y.example. (#5.1.3)\n\0r\0K127.0.0.1 accepted message.\nRemote host said: 250 taken\n\0' \
		"${DOT[@]}" 'say 250 taken' "$QUIT"
	printf '%s\n' '<a@y.example' r@y.example >to.1
	play
}

@test "what a server can not carry" {
	# A difference: qmail-remote asks for no extension.
	session 'D127.0.0.1 can not take this message: MAIL FROM:<s@x.example>: the message has 27 bytes; the server takes at most 26 (#5.3.4)\n\0' \
		'say 220 x' 'expect EHLO .*' 'say 250-x' 'say 250 SIZE 26' \
		"$QUIT"
	TO=($'r\xc3\xa4@y.example')
	session 'D127.0.0.1 can not take this message: MAIL FROM:<s@x.example>: the message needs SMTPUTF8, which the server does not offer (#5.6.7)\n\0' \
		"${NAMED[@]}" "$QUIT"
	play
}

@test "addresses of UTF-8 on the wire" {
	TO=($'r\xc3\xa4@y.example')
	session "$SENT" 'say 220 x' 'expect EHLO .*' 'say 250-x' \
		'say 250 SMTPUTF8' \
		'expect MAIL FROM:<s@x\.example> SMTPUTF8' 'say 250 ok' \
		$'expect RCPT TO:<r\\xc3\\xa4@y\\.example>' 'say 250 ok' \
		'expect DATA' 'say 354 go' data 'say 250 taken' "$QUIT"
	play
}

@test "routes: the lines of qmail-remote's manual" {
	session "$SENT" "${DOT[@]}" 'say 250 taken' "$QUIT"
	start_fake script
	control resolver "nameserver $NAMESERVER"
	control smtproutes "inside.af.mil:127.0.0.1:$PORT" '.test.example:' \
		'# a comment:127.0.0.9:1' 'a line without that' \
		':self.test.example:1'
	remote inside.af.mil s@x.example r@y.example
	reports "$SENT"
	wait_for_peer
	# By its MX, which is this host.
	remote self.test.example s@x.example r@y.example
	reports "DSorry. Although I'm listed as a best-preference MX or A for that host,\nit isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n\0"
	# A relay has no MX, and so no address. A difference: it is a mistake
	# that may be mended.
	remote test.example s@x.example r@y.example
	reports "ZSorry, I couldn't find the relay self.test.example. (#4.4.4)\n\0"
}

@test "recipients whose domain is an alias are sent as they are" {
	# A difference, also where the name behind it can not be found.
	TO=({a@alias,b@lost}.test.example)
	session 'r\0r\0K127.0.0.1 accepted message.\nRemote host said: 250 taken\n\0' \
		"${FROM[@]}" 'expect RCPT TO:<a@alias\.test\.example>' \
		'say 250 ok' 'expect RCPT TO:<b@lost\.test\.example>' \
		'say 250 ok' 'expect DATA' 'say 354 go' data 'say 250 taken' \
		"$QUIT"
	start_fake script
	control resolver "nameserver $NAMESERVER"
	control smtproutes "other.example:127.0.0.9:1" \
		"y.example:127.0.0.1:$PORT"
	remote y.example s@x.example "${TO[@]}"
	reports "$(<report.1)"
	wait_for_peer
}

@test "the name that is told: helohost before me" {
	control helohost hello.example
	session "$SENT" 'say 220 x' 'expect EHLO hello\.example' \
		"${DOT[@]:2}" 'say 250 taken' "$QUIT"
	play
}
