# What the dkim plugin signs, another implementation verifies (dkimpy).

bats_require_minimum_version 1.5.0
load ../lib/common

setup_file() {
	export KEYS=$BATS_FILE_TMPDIR

	(umask 077 && openssl genpkey -algorithm RSA \
		-pkeyopt rsa_keygen_bits:2048 -out "$KEYS/key.pem") 2>/dev/null
	openssl pkey -in "$KEYS/key.pem" -pubout -out "$KEYS/public.pem"
}

setup() {
	clean_environment
	umask 022
	CONTROL=$BATS_TEST_TMPDIR/control
	IN=$BATS_TEST_TMPDIR/in
	OUT=$BATS_TEST_TMPDIR/out
	LOG=$BATS_TEST_TMPDIR/log
	mkdir -p "$CONTROL/plugins"
	cp -p "$KEYS/key.pem" "$CONTROL/key.pem"
	keys 'test.example s1 key.pem'
}

keys() {
	printf '%s\n' "$@" >"$CONTROL/plugins/dkim.keys"
}

# stage [OPTION...]: $IN through the plugin to $OUT, what it logs to $LOG.
stage() {
	local runner=("$QF_BUILDDIR/tests/lib/run-plugin")

	[[ -z ${QF_VALGRIND-} ]] || runner=("$TESTLIB/valgrind" "${runner[@]}")
	"${runner[@]}" "$@" "$PLUGINS/dkim.so" "$CONTROL" \
		<"$IN" >"$OUT" 2>"$LOG" || {
		echo "run-plugin: exit code $?"
		cat "$LOG"
		return 1
	}
}

# verify SELECTOR DOMAIN [FILE]: all signatures of the file, by default $OUT.
# A line for each is in $SIGNED.
verify() {
	SIGNED=$("$PYTHON" "$TESTLIB/dkimverify.py" --crlf "$1" "$2" \
		"$KEYS/public.pem" <"${3-$OUT}") || {
		echo "${3-$OUT}: $SIGNED"
		return 1
	}
}

# is_signed [SELECTOR [DOMAIN]]: the field is on top, nothing else changed.
is_signed() {
	local selector=${1-s1} domain=${2-test.example}

	grep -qx "log: info signed d=$domain s=$selector a=rsa-sha256" "$LOG"
	head -n 1 "$OUT" | grep -q '^DKIM-Signature: v=1; a=rsa-sha256; '
	tail -c "$(stat -c %s "$IN")" "$OUT" | cmp - "$IN"
	verify "$selector" "$domain"
}

# is_unsigned REASON: as it came, and the log says why.
is_unsigned() {
	cmp "$IN" "$OUT"
	grep -F "not signed: $1" "$LOG" || {
		cat "$LOG"
		return 1
	}
}

@test "a message is signed with rsa-sha256, relaxed/relaxed, From oversigned" {
	cat >"$IN" <<-'MESSAGE'
		Received: by somewhere
		Return-Path: <bounce@test.example>
		From: Joe <joe@Test.Example>
		To: one@else.example
		To: two@else.example
		Subject: a test
		Date: Sun, 22 Nov 2026 09:05:07 +0000
		Message-ID: <1@test.example>
		X-Mailer: none
		MIME-Version: 1.0
		Content-Type: text/plain; charset=us-ascii
		List-Unsubscribe: <https://test.example/>
		List-Unsubscribe-Post: List-Unsubscribe=One-Click

		Hello.
	MESSAGE
	stage
	is_signed
	echo "$SIGNED"
	[[ $SIGNED == "1 pass test.example h=from:to:to:subject:date:message-id:mime-version:content-type:list-unsubscribe:list-unsubscribe-post:from" ]]
	grep -q 'c=relaxed/relaxed; d=test.example; s=s1;$' "$OUT"
	grep -qP '^\tt=[0-9]+; bh=' "$OUT"
	[[ $(awk 'length > longest { longest = length } /^From/ { exit }
		END { print longest }' "$OUT") -le 78 ]]
	run ! grep -q $'\r' "$OUT"
}

@test "every form of body holds" {
	local body

	for body in '' '\n' 'x' 'x\n' 'x\r\n' '\r\n' 'a\r\nb\nc' 'a\rb\r\rc\n' \
		'x\n\n\n\n' 'x\r\n\r\n\r\n' 'x\n \t\n\n' ' a  b \t c \n\tz\n' \
		'.\n..\n.x\n' 'From x\n' 'gr\303\274n\n' 'a\0b\n' '\r' 'x\r' \
		'\r\r\r\n\n\n' 'a\n\r\nb'; do
		printf 'From: a@test.example\nSubject: x\n\n%b' \
			"$body" >"$IN"
		echo "body: $body"
		stage
		is_signed
	done
}

@test "every form of header holds" {
	local header

	for header in 'From: a@test.example\n' 'From: a@test.example' \
		'from:a@test.example\nSUBJECT:\nto:  \n' \
		'From: a@test.example\nSubject: a\n b\n\tc\n' \
		'From:\n a@test.example\nSubject:\n\tx\nTo:\n' \
		'From: a@test.example\r\nSubject: x\r\n y\r\n\r\nbody\r\n' \
		'From: a@test.example\r\nSubject: x\n y\r\n\nbody\n' \
		'From: a@test.example\rSubject: x\n\nbody\n' \
		'From: a@test.example\r\r\nSubject: x\n\nbody\n' \
		'From: a@test.example\nSubject: \303\274 \377 \t\n\nbody\n' \
		'From: a@test.example\nSubject: a\nSubject: b\nSubject: c\n' \
		'X-Long:\n\tx\nFrom: "a, b" <a@test.example> (c)\n\nbody\n'; do
		printf '%b' "$header" >"$IN"
		echo "header: $header"
		stage
		is_signed
	done
}

@test "a changed message does not verify" {
	local change

	printf '%s\n' 'From: a@test.example' 'Subject: x' 'To: b@test.example' \
		'' 'Pay 10.' >"$IN"
	stage
	is_signed
	for change in 's/Pay 10/Pay 11/' \
		"\$aMore." 's/^From: a/From: b/' \
		's/^Subject: x/Subject: y/' '/^To:/d' 's/d=test/d=best/' \
		'1iFrom: evil@test.example' 's/^Subject/From: c@d\n&/'; do
		echo "change: $change"
		sed "$change" "$OUT" >"$OUT.changed"
		run ! cmp -s "$OUT" "$OUT.changed"
		run ! verify s1 test.example "$OUT.changed"
	done
}

@test "a header field of 60,000 bytes holds, one of 64,000 is not signed" {
	local n

	# `Subject: ` and the value; 63,999 is the longest that is signed.
	for n in 59991 63990 63991; do
		printf 'From: a@test.example\nSubject: %0*d\n\nx\n' "$n" 0 >"$IN"
		stage
		if ((n < 63991)); then
			is_signed
			sed '0,/0000000/s//0000001/' "$OUT" >"$OUT.changed"
			run ! verify s1 test.example "$OUT.changed"
			sed 's/0$/1/' "$OUT" >"$OUT.changed"
			run ! verify s1 test.example "$OUT.changed"
		else
			is_unsigned 'a header field has 64000 bytes or more'
			grep -q '^log: warn' "$LOG"
		fi
	done
	printf 'X-Other: %064000d\nFrom: a@test.example\n' 0 >"$IN"
	stage
	is_unsigned 'a header field has 64000 bytes or more'
}

@test "many header fields hold, too many are not signed" {
	local i

	# 3 bytes of h= for each `To:`, 5 for each of two `From:`; 4,000 in all.
	for i in 1330 1331; do
		{
			echo 'From: a@test.example'
			yes 'To: b' | head -n "$i"
		} >"$IN"
		stage
		if ((i == 1330)); then
			is_signed
			sed '$s/b/c/' "$OUT" >"$OUT.changed"
			run ! verify s1 test.example "$OUT.changed"
		else
			is_unsigned 'there are too many header fields to sign'
		fi
	done
	{
		echo 'From: a@test.example'
		yes 'X-Other: not signed' | head -n 20000
	} >"$IN"
	stage
	is_signed
	{
		echo 'From: a@test.example'
		yes 'X-Other: not signed, and far too many' | head -n 40000
	} >"$IN"
	stage
	is_unsigned 'the header has more than 1048576 bytes'
}

@test "what would not verify everywhere is not signed" {
	local none='a line of the header is no field or holds a zero byte'

	printf 'Subject: x\n\nx\n' >"$IN"
	stage
	is_unsigned 'there is no From field'
	: >"$IN"
	stage
	is_unsigned 'there is no From field'
	printf 'From: a@test.example\nFROM: b@test.example\n\nx\n' >"$IN"
	stage
	is_unsigned 'there is more than one From field'
	printf 'From joe Sun Nov 22 2026\nFrom: a@test.example\n\nx\n' >"$IN"
	stage
	is_unsigned "$none"
	printf 'From: a@test.example\nno field\n\nx\n' >"$IN"
	stage
	is_unsigned "$none"
	printf ' x\nFrom: a@test.example\n\nx\n' >"$IN"
	stage
	is_unsigned "$none"
	printf 'From: a@test.example\nSubject : x\n\nx\n' >"$IN"
	stage
	is_unsigned "$none"
	printf 'From: a@test.example\nSubject: a\0b\n\nx\n' >"$IN"
	stage
	is_unsigned "$none"
	printf 'From: a@test.example\nSubject: a\rb\n\nx\n' >"$IN"
	stage
	is_unsigned "$none"
	printf '\nFrom: a@test.example\n\nx\n' >"$IN"
	stage
	is_unsigned 'there is no From field'
}

@test "the key is chosen by the From field, else by the envelope sender" {
	keys '*.test.example below key.pem' 'test.example exact key.pem'
	printf 'From: a@Test.example\n\nx\n' >"$IN"
	stage
	is_signed exact
	printf 'From: a@sub.test.example\n\nx\n' >"$IN"
	stage -f a@test.example
	is_signed below sub.test.example
	printf 'From: a@other.example\n\nx\n' >"$IN"
	stage
	is_unsigned 'no key for domain other.example'
	grep -q '^log: info' "$LOG"
	stage -f list-owner@Test.Example
	is_signed exact
	grep -q "signing for the envelope sender's domain test.example" "$LOG"
	printf 'From: nobody\n\nx\n' >"$IN"
	stage
	is_unsigned 'no key for domain (none in From)'
	keys '* any key.pem'
	printf 'From: a@other.example\n\nx\n' >"$IN"
	stage
	is_signed any other.example
}

@test "a message is not signed twice, unless its body has changed" {
	printf 'From: a@test.example\nSubject: x\n\nx\n' >"$IN"
	stage
	is_signed
	mv "$OUT" "$IN"
	stage
	cmp "$IN" "$OUT"
	grep 'not signed again' "$LOG"

	# Relays put their trace fields on top.
	sed -i '1iReceived: by a\n\tfor b\nDelivered-To: c@test.example' "$IN"
	stage
	cmp "$IN" "$OUT"
	grep 'not signed again' "$LOG"

	# Not on top: a list has put its own fields there.
	cp "$IN" "$IN.signed"
	sed -i '1iList-Id: <l.test.example>' "$IN"
	stage
	is_signed
	[[ $SIGNED == '1 pass '*$'\n''2 pass '* ]]

	# The body is another: the signature that is there does not hold.
	cp "$IN.signed" "$IN"
	echo 'A list was here.' >>"$IN"
	stage
	run verify s1 test.example
	[[ $output == *'1 pass '*$'\n''2 fail '* ]]

	# Another selector is another signer.
	cp "$IN.signed" "$IN"
	keys 'test.example s2 key.pem'
	stage
	run verify s2 test.example
	[[ $output == *'1 pass '*$'\n''2 fail '* ]]
	run verify s1 test.example
	[[ $output == *'1 fail '*$'\n''2 pass '* ]]
	keys 'test.example s1 key.pem'

	# Tags that are not those of a signature are no reason to stop.
	printf '%s\n' 'DKIM-Signature: d=test.example; s' 'From: a@test.example' \
		'' 'x' >"$IN"
	stage
	grep -q '^log: info signed' "$LOG"
	[[ $(grep -c '^DKIM-Signature:' "$OUT") -eq 2 ]]
}

@test "a body of 20 MB is signed in memory that does not grow with it" {
	{
		printf 'From: a@test.example\n\n'
		yes 'One line of a long body, and many more of them to come.' |
			head -c 20000000
	} >"$IN"
	(
		# The message is mapped, which does not count.
		[[ -n ${QF_SANITIZED-}${QF_VALGRIND-} ]] || ulimit -d 8192
		stage
	)
	is_signed
}

@test "one stage signs many messages" {
	printf 'From: a@test.example\n\nx\n' >"$IN"
	stage -n 20
	verify s1 test.example
	[[ $(grep -c '^log: info signed' "$LOG") -eq 20 ]]
}

@test "a mistake in the key table stops the stage" {
	printf 'From: a@test.example\n\nx\n' >"$IN"
	chmod 644 "$CONTROL/key.pem"
	run stage
	[[ $output == *'exit code 100'* ]]
	[[ $output == *"keys:1: key file $CONTROL/key.pem can be read by"* ]]
	[[ ! -s $OUT ]]
	run stage -c
	[[ $output == *'exit code 100'* ]]
	chmod 600 "$CONTROL/key.pem"
	stage -c
	[[ ! -s $LOG ]]
	head -c 500 "$KEYS/key.pem" >"$CONTROL/key.pem"
	run stage
	[[ $output == *'exit code 100'* ]]
	[[ $output == *'holds no private key in PEM form'* ]]
	run ! grep -F "$(sed -n 2p "$KEYS/key.pem")" "$LOG"
}
