# mode=verify of the dkim plugin: what dkimpy and our own stage sign, with keys
# from a name server on the loopback, and what hostile messages bring.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/dkim

setup_file() {
	export KEYS=$BATS_FILE_TMPDIR
	make_keys "$KEYS"
}

setup() {
	dkim_world
	record s1 test.example "$(<"$KEYS/rsa.txt")"
	record s2 other.example "$(<"$KEYS/other.txt")"
	record ed test.example "$(<"$KEYS/ed.txt")"
	start_dns
	plain
}

teardown() {
	stop_peers
}

plain() {
	printf '%s\n' 'From: Joe <joe@test.example>' 'To: b@else.example' \
		'Subject: a  test' '' 'Pay 10 to  me. ' '' ' And more.' '' '' \
		>"$IN"
}

verify() {
	stage -- mode=verify nameserver="$DNS" "$@"
}

# comes_to LETTER [SETTING...]: the message has this result.
comes_to() {
	local letter=$1

	shift
	verify "$@"
	grep -q "^log: info result $letter: " "$LOG" || {
		echo "not $letter:"
		cat "$LOG"
		return 1
	}
}

# has_result N TEXT...: the results for Authentication-Results in order.
has_result() {
	local want=$1 got

	shift
	got=$(sed -n 's/^authres: //p' "$LOG")
	[[ $(wc -l <<<"$got") -eq $want ]]
	for want; do
		grep -q -- "$want" <<<"$got" || {
			echo "no result $want in:"
			echo "$got"
			return 1
		}
	done
}

@test "what dkimpy signs is good, in every form" {
	local form

	for form in simple/simple simple/relaxed relaxed/simple \
		relaxed/relaxed; do
		plain
		sign_with -c "$form" s1 test.example "$KEYS/rsa.pem"
		comes_to A
		has_result 1 'dkim=pass header.d=test.example header.s=s1 header.a=rsa-sha256 header.b=[A-Za-z0-9+/=]\{8\}$'
		plain
		sign_with -a ed25519-sha256 -c "$form" ed test.example \
			"$KEYS/ed.pem"
		comes_to A
		has_result 1 'dkim=pass .* header.a=ed25519-sha256'
	done
	grep -q '^waited: dns ed._domainkey.test.example$' "$LOG"
}

@test "what our own stage signs is good, in every form" {
	local options

	skip_under_valgrind "many runs of the same code"
	cp -p "$KEYS"/{rsa,ed}.pem "$CONTROL/"
	mkdir "$CONTROL/keys"
	cp -p "$KEYS/rsa.pem" "$CONTROL/keys/s1"
	cp -p "$KEYS/ed.pem" "$CONTROL/keys/ed"
	for options in '' '-c r' '-c s' '-c t' '-c u' '-z 2 -t -q -x 900' \
		'-i joe@test.example' '-i @sub.test.example -x -'; do
		export DKIMSIGNOPTIONS=$options
		plain
		stage -- key=keys/s1 extra-key=keys/ed
		mv "$OUT" "$IN"
		comes_to A
		has_result 2 '^dkim=pass .* header.s=s1 header.a=rsa-sha256' \
			'^dkim=pass .* header.s=ed header.a=ed25519-sha256'
	done
}

@test "lines of any kind are verified as SMTP sends them" {
	local body

	for body in '' 'x' 'x\r\n' 'a\rb\n\n' '\n\n' 'a \t \n\n \n'; do
		printf 'From: a@test.example\n\n%b' "$body" >"$IN"
		cp -p "$KEYS/rsa.pem" "$CONTROL/s1"
		stage -- key=s1
		mv "$OUT" "$IN"
		comes_to A
	done
}

# Each: what sed does to a signed message, its result.
@test "what was changed on its way is not good" {
	local change letter

	skip_under_valgrind "many runs of the same code"
	plain
	sign_with s1 test.example "$KEYS/rsa.pem"
	cp "$IN" "$IN.signed"
	while read -r letter change; do
		echo "change: $change"
		sed "$change" "$IN.signed" >"$IN"
		run ! cmp -s "$IN" "$IN.signed"
		comes_to "$letter"
	done <<-'TABLE'
		U s/Pay 10/Pay 11/
		U $aMore.
		I s/^From: Joe/From: Moe/
		I s/^Subject: a/Subject: b/
		I /^To:/d
		I s/c=relaxed\/relaxed/c=simple\/simple/
	TABLE
}

@test "tags that are no good" {
	local letter tags

	skip_under_valgrind "many runs of the same code"
	while read -r letter tags; do
		plain
		echo "tags: $tags"
		# shellcheck disable=SC2086 # words
		sign_with $tags s1 test.example "$KEYS/rsa.pem"
		comes_to "$letter"
	done <<-'TABLE'
		K -t x=1
		K -t t=1 -t x=2
		H -t t=99999999999
		W -t v=2
		W -t v
		H -t c=loose/loose
		Y -t i=@else.example
		Y -t i=@tes.example
		Y -t d=example
		H -t d=
		H -t s=
		H -t a=rsa-md5
		V -a rsa-sha1
		H -t bh=
		H -t l=-1
		H -t l=99999999999999999999
		U -t l=9999
		H -t h=
		A -t i=joe@sub.test.example
		A -t z=From:joe@test.example|Subject:x
		A -t x=99999999999
	TABLE
}

@test "a record that is no good" {
	local letter text good

	skip_under_valgrind "many runs of the same code"
	good=$(sed 's/.*p=//' "$KEYS/rsa.txt")
	sign_with -t i=joe@sub.test.example s1 test.example "$KEYS/rsa.pem"
	while read -r letter text; do
		echo "record: $text"
		: >"$ZONE"
		record s1 test.example "${text//GOOD/$good}"
		comes_to "$letter"
	done <<-TABLE
		A v=DKIM1; p=GOOD
		A p=GOOD
		A v=DKIM1;k=rsa;h=sha256;s=email;t=y;n=note;p=GOOD
		N v=DKIM1; p=
		L v=DKIM2; p=GOOD
		L v=DKIM1; k=dsa; p=GOOD
		L v=DKIM1; s=tlsrpt; p=GOOD
		V v=DKIM1; h=sha1; p=GOOD
		Y v=DKIM1; t=s; p=GOOD
		R v=DKIM1; p=MIIB
		R v=DKIM1; k=rsa; p=$(sed 's/.*p=//' "$KEYS/ed.txt")
		I v=DKIM1; p=$(sed 's/.*p=//' "$KEYS/other.txt")
		R v=DKIM1; n=$(printf '%01200d' 0); p=GOOD
	TABLE
	# What fails while the key is for testing is no failure.
	: >"$ZONE"
	record s1 test.example "v=DKIM1; t=y; p=$good"
	sed -i 's/Pay 10/Pay 11/' "$IN"
	comes_to J
	has_result 1 '^dkim=neutral'
}

@test "answers of the DNS" {
	local letter lines

	sign_with s1 test.example "$KEYS/rsa.pem"
	while IFS='|' read -r letter lines; do
		echo "zone: $lines"
		printf '%b\n' "$lines" >"$ZONE"
		comes_to "$letter" dns-timeout=1
	done <<-TABLE
		Q|
		Q|s1._domainkey.test.example A 127.0.0.1
		P|s1._domainkey.test.example servfail
		P|s1._domainkey.test.example refused
		P|s1._domainkey.test.example drop
		L|s1._domainkey.test.example TXT "v=DKIM1; p="\ns1._domainkey.test.example TXT "v=DKIM1; p=x"
		L|s1._domainkey.test.example TXT ""
	TABLE
	has_result 1 '^dkim=permerror'
	echo 's1._domainkey.test.example drop' >"$ZONE"
	verify dns-timeout=1
	[[ $CLASS -eq 0 ]]
	has_result 1 '^dkim=temperror reason="the DNS did not answer"'
	grep -q '^log: warn no answer from the DNS for s1._domainkey' "$LOG"
}

@test "a long record is asked for again over TCP" {
	plain
	: >"$ZONE"
	record s1 test.example "$(<"$KEYS/long.txt")"
	# Other records fill the answer.
	printf 's1._domainkey.test.example CNAME %s\n' \
		k.{1..40}.elsewhere.example. >>"$ZONE"
	sign_with s1 test.example "$KEYS/long.pem"
	comes_to A
	wait_for_line "$PEER_FD" '^s1._domainkey.test.example TXT tcp$'
}

@test "keys that are too short" {
	: >"$ZONE"
	record s1 test.example "$(<"$KEYS/short.txt")"
	record s2 test.example "$(<"$KEYS/other.txt")"
	sign_with s1 test.example "$KEYS/short.pem"
	comes_to R
	has_result 1 '^dkim=permerror reason="the key is too short"'
	plain
	sign_with s2 test.example "$KEYS/other.pem"
	comes_to A
	comes_to R min-bits=2048
}

@test "a name that is too long for the DNS is not asked for" {
	local label

	label=$(printf '%063d' 0)
	sign_with -t i -t "s=$label.$label" -t "d=$label.$label.test.example" \
		s1 test.example "$KEYS/rsa.pem"
	comes_to O
	run ! grep '^waited' "$LOG"
}

@test "a length of the body that leaves some of it out" {
	sign_with -l s1 test.example "$KEYS/rsa.pem"
	comes_to A
	cp "$IN" "$IN.signed"
	# What the canonical form leaves out is not left out by l=.
	printf '\n \n\n' >>"$IN"
	comes_to A
	echo 'And send it to me.' >>"$IN"
	comes_to U
	has_result 1 '^dkim=fail reason="l= leaves some of the body out"'
	comes_to E body-length=yes
	HONOR_BODYLENGTHTAG=1 comes_to E
	has_result 1 '^dkim=pass header'

	cp "$IN.signed" "$IN"
	sed -i 's/Pay 10/Pay 11/' "$IN"
	comes_to U body-length=yes
	plain
	sign_with -c simple/simple -l s1 test.example "$KEYS/rsa.pem"
	comes_to A
	printf '\n\n' >>"$IN"
	comes_to A
	echo ' ' >>"$IN"
	comes_to U
}

@test "From must be signed, Subject if asked for" {
	sign_with -t h=subject:to s1 test.example "$KEYS/rsa.pem"
	comes_to X
	has_result 1 '^dkim=policy reason="not every From field is signed"'
	comes_to A unsigned-from=yes
	UNSIGNED_FROM='' comes_to A
	comes_to A unsigned-from=yes signed-subject=yes

	plain
	sign_with -t h=from:to s1 test.example "$KEYS/rsa.pem"
	comes_to A
	comes_to X signed-subject=yes
	UNSIGNED_SUBJECT=1 comes_to X

	# A second From above the one that was signed.
	sed -i '1iFrom: Boss <boss@test.example>' "$IN"
	comes_to X
	sed -i '/^From:/d' "$IN"
	comes_to X
}

@test "the best signature decides, the author's before others" {
	skip_under_valgrind "many runs of the same code"
	sign_with s1 test.example "$KEYS/rsa.pem"
	sign_with s2 other.example "$KEYS/other.pem"
	comes_to A
	has_result 2 '^dkim=pass header.d=other.example' \
		'^dkim=pass header.d=test.example'
	# Another's bad signature makes the author's no worse.
	sed -i '/d=other/s/a=rsa-sha256/a=rsa-sha1/' "$IN"
	comes_to A
	plain
	sign_with s2 other.example "$KEYS/other.pem"
	comes_to F
	# A list changes the header and signs again.
	plain
	sign_with s1 test.example "$KEYS/rsa.pem"
	sed -i 's/^Subject: /&[list] /' "$IN"
	comes_to I
	sign_with -t h=from:subject:to s2 other.example "$KEYS/other.pem"
	comes_to C
	has_result 2 '^dkim=fail' '^dkim=pass'

	# Below the domain, or above it, is the author's too; beside it is not.
	record s2 sub.test.example "$(<"$KEYS/other.txt")"
	record s2 b.sub.test.example "$(<"$KEYS/other.txt")"
	plain
	sign_with s2 sub.test.example "$KEYS/other.pem"
	comes_to A
	sed 's/joe@test/joe@a.sub.test/' "$IN" >"$IN.new"
	plain
	sed -i 's/joe@test/joe@a.sub.test/' "$IN"
	cp "$IN" "$IN.below"
	sign_with s2 sub.test.example "$KEYS/other.pem"
	comes_to A
	cp "$IN.below" "$IN"
	sign_with s2 b.sub.test.example "$KEYS/other.pem"
	comes_to F
	# Two bad ones: what may be good later decides.
	plain
	sign_with s1 test.example "$KEYS/rsa.pem"
	sign_with s9 test.example "$KEYS/rsa.pem"
	sed -i 's/Pay 10/Pay 11/' "$IN"
	echo 's9._domainkey.test.example servfail' >>"$ZONE"
	comes_to P
}

# What refuses, and the class it has: 0 pass, 2 for good, 3 for a time.
@test "letters refuse the results that they stand for" {
	local text

	sign_with s1 test.example "$KEYS/rsa.pem"
	verify refuse=CEFGHIJKLNOPQRSUVWXYa
	[[ $CLASS -eq 3 ]]
	text='DKIM: good        '
	grep -q "^class: 3 category: 7 text: $text\$" "$LOG"
	verify refuse=A
	[[ $CLASS -eq 2 ]]
	verify refuse=BCDEFGHIJKLMNOPQRSTUVWXYbcdefghijklmnopqrstuvwxy
	[[ $CLASS -eq 0 ]]
	sed -i 's/Pay 10/Pay 11/' "$IN"
	verify refuse=Iu
	[[ $CLASS -eq 3 ]]
	text='DKIM: signature verify error: message body does not hash'
	grep -q "^class: 3 category: 7 text: $text" "$LOG"
	verify refuse=Uu
	[[ $CLASS -eq 2 ]]
	verify refuse=I
	[[ $CLASS -eq 0 ]]
	: >"$ZONE"
	echo 's1._domainkey.test.example servfail' >"$ZONE"
	verify
	[[ $CLASS -eq 0 ]]
	verify refuse=Up
	[[ $CLASS -eq 3 ]]
}

@test "mail without a signature" {
	comes_to S
	has_result 1 '^dkim=none$'
	[[ $(cat "$LOG") != *'log: info signature'* ]]
	: >"$IN"
	comes_to S
	# A header that is not clear is no matter without a signature.
	printf 'From joe\nFrom: a@test.example\nno field\n\nx\n' >"$IN"
	comes_to S
}

@test "a message of which parsers disagree is not good" {
	local line

	sign_with s1 test.example "$KEYS/rsa.pem"
	cp "$IN" "$IN.signed"
	for line in 'no field' 'Subject : x' ': x' "X-Zero: \\x00"; do
		sed "1i$line" "$IN.signed" >"$IN"
		comes_to G
	done
	# A field that the library would hash in part only.
	{
		printf 'X-Long: %064000d\n' 0
		cat "$IN.signed"
	} >"$IN"
	comes_to G
	has_result 1 '^dkim=permerror reason="a header field has 64000 bytes'
	{
		yes 'X-Other: not signed, and far too many' | head -n 40000
		cat "$IN.signed"
	} >"$IN"
	comes_to G
}

@test "DKIMVERIFY refuses as indimail does, and overrides the settings" {
	export DKIMVERIFY=Sp
	verify refuse=ABC
	[[ $CLASS -eq 2 ]]
	grep -q '^class: 2 category: 7 text: DKIM: no signatures$' "$LOG"
	DKIMVERIFY=s verify
	[[ $CLASS -eq 3 ]]
	DKIMVERIFY='' verify refuse=S
	[[ $CLASS -eq 0 ]]
	grep -qx 'taken: DKIMVERIFY' "$LOG"
}

@test "DKIM-Status is on top, and no stranger's is left" {
	local forged='DKIM-Status: good        '

	{
		echo "$forged"
		echo 'Received: by somewhere'
		echo "dkim-status: good"
		cat "$IN"
	} >"$IN.new"
	mv "$IN.new" "$IN"
	verify
	cmp "$IN" "$OUT" # nobody asked for the field
	DKIMVERIFY='' verify
	[[ $(head -n 1 "$OUT") == 'DKIM-Status: no signatures' ]]
	[[ $(grep -ci '^dkim-status:' "$OUT") -eq 1 ]]
	grep -vi '^dkim-status:' "$IN" | cmp - <(tail -n +2 "$OUT")
	verify status-header=yes
	[[ $(head -n 1 "$OUT") == 'DKIM-Status: no signatures' ]]
	DKIMVERIFY='' verify status-header=no
	cmp "$IN" "$OUT"

	plain
	sign_with s1 test.example "$KEYS/rsa.pem"
	DKIMVERIFY='' verify
	[[ $(head -n 1 "$OUT") == "$forged" ]]
	cmp "$IN" <(tail -n +2 "$OUT")
}

@test "so many signatures are looked at, and their keys asked for once" {
	local i

	sign_with s1 test.example "$KEYS/rsa.pem"
	for i in {1..12}; do
		sign_with "s$i" bad.example "$KEYS/other.pem"
	done
	verify
	has_result 10 '^dkim=permerror .* header.d=bad.example header.s=s12'
	[[ $(grep -c '^waited: dns' "$LOG") -eq 10 ]]
	grep -q '^log: warn 3 more signatures were not looked at$' "$LOG"
	comes_to A max-signatures=13

	plain
	for i in {1..9}; do
		sign_with s9 bad.example "$KEYS/other.pem"
	done
	comes_to Q
	has_result 9
	[[ $(grep -c '^waited: dns' "$LOG") -eq 1 ]]
}

@test "hostile signatures neither crash nor pass" {
	local field long n

	long=$(printf '%060000d' 0)
	for field in '' ' ;;;;' ' =' ' ==' ' v' 'v=1' ' v=1; ; a' \
		" v=1; a=rsa-sha256; d=test.example; s=s1; h=from; bh=; b=" \
		" v=1; a=rsa-sha256; d=test.example; s=s1; h=from; bh=x; b=x" \
		" v=1; a=rsa-sha256; d=$long; s=s1; h=from; bh=eA==; b=eA==" \
		" v=1; a=rsa-sha256; d=a.b; s=$long; h=from; bh=eA==; b=eA==" \
		" v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=eA==; b=$long" \
		" v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=$long; b=eA==" \
		" v=1; a=$long; d=a.b; s=s; h=from; bh=eA==; b=eA==" \
		" v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=eA==; b=eA==; i=$long" \
		" v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=eA==; b=eA==; l=$long" \
		" v=1; a=rsa-sha256; d=a.b; s=s; h=from; bh=eA==; b=eA==; z=$long" \
		" v=1; a=rsa-sha256; d=a.b; s=../s; h=from; bh=eA==; b=eA==" \
		" v=1; a=rsa-sha256; d=a.b; d=c.d; s=s; h=from; bh=eA==; b=eA==" \
		" v=1; a=rsa-sha256; d=$(printf '\303\244').b; s=s; h=from; bh=eA==; b=eA==" \
		" v=1; a=rsa-sha256; d=a.b; s=s; h=from${long//0/:a}; bh=eA==; b=eA==" \
		" v=1;${long:0:20000}=1; a=rsa-sha256"; do
		plain
		sed -i "1iDKIM-Signature:XX" "$IN"
		{
			printf 'DKIM-Signature:%s\n' "$field"
			tail -n +2 "$IN"
		} >"$IN.new"
		mv "$IN.new" "$IN"
		verify dns-timeout=5
		has_result 1
		run ! grep -q '^authres: dkim=pass' "$LOG"
	done
	# Many tags, all different, or the same.
	plain
	sed -i "1iDKIM-Signature: $(seq -s '=1; t' 3000)=1" "$IN"
	verify
	has_result 1 '^dkim=neutral'
	plain
	sed -i "1iDKIM-Signature: $(yes 'd=a.example;' | head -n 3000 | tr -d '\n')" "$IN"
	verify
	has_result 1 '^dkim=neutral'
	# A thousand signatures, and as many fields as are looked at, or more.
	field=" v=1; a=rsa-sha256; d=bad.example; s=s; bh=eA==; b=eA==; h=from"
	for n in 997 998; do
		plain
		{
			yes "DKIM-Signature:$field" | head -n 1000
			yes 'X: y' | head -n "$n"
			sed "1iDKIM-Signature:$field$(yes :x | head -n 1500 |
				tr -d '\n')" "$IN"
		} >"$IN.new"
		mv "$IN.new" "$IN"
		verify max-signatures=100
		has_result 100
		grep -q '^log: warn 901 more signatures were not looked' "$LOG"
		if ((n == 997)); then
			grep -q '^log: info result Q' "$LOG"
		else
			grep -q '^log: info result G' "$LOG"
			has_result 100 '^dkim=permerror reason="the header has more than 1000 fields"'
		fi
	done
}

@test "names in h= beyond what the library keeps are not taken for signed" {
	local names

	# 4,095 bytes reach the library's list; From is behind them.
	names=$(yes x: | head -n 2100 | tr -d '\n')from
	sign_with -t "h=$names" s1 test.example "$KEYS/rsa.pem"
	comes_to H
	has_result 1 'reason="h= is too long"'
}

@test "tests can give the record in a variable" {
	sign_with s9 test.example "$KEYS/rsa.pem"
	comes_to Q
	SELECTOR_DATA=$(<"$KEYS/rsa.txt")
	export SELECTOR_DATA
	comes_to A
	run ! grep -q '^waited' "$LOG"
	SELECTOR_DATA='v=DKIM1; p='
	comes_to N
}

@test "a body of 20 MB is verified in memory that does not grow with it" {
	{
		printf 'From: a@test.example\n\n'
		yes 'One line of a long body, and many more of them to come.' |
			head -c 20000000
	} >"$IN"
	cp -p "$KEYS/rsa.pem" "$CONTROL/s1"
	stage -- key=s1
	mv "$OUT" "$IN"
	(
		# The message is mapped, which does not count.
		[[ -n ${QF_SANITIZED-}${QF_VALGRIND-} ]] || ulimit -d 8192
		verify
	)
	has_result 1 '^dkim=pass'
}

@test "one stage verifies many messages" {
	sign_with s1 test.example "$KEYS/rsa.pem"
	stage -n 20 -- mode=verify nameserver="$DNS"
	has_result 20 '^dkim=pass'
}

@test "a chain that verifies and signs does both in processes apart" {
	make_world
	cp -p "$KEYS/rsa.pem" "$CONTROLDIR/s1.pem"
	control plugins/dkim.keys 'test.example s1 s1.pem'
	control chain \
		"dkim@verify onerror=defer mode=verify nameserver=$DNS refuse=Us status-header=yes" \
		'dkim'
	"$SBIN/qfrontctl" check
	sign_with s2 other.example "$KEYS/other.pem"
	envelope a@test.example b@else.example >"$IN.envelope"
	inject "$IN" "$IN.envelope" 2>"$LOG"
	[[ $(queued) -eq 1 ]]
	cat "$LOG"
	grep -q 'name=dkim@verify verdict=pass' "$LOG"
	grep -q 'name=dkim verdict=pass' "$LOG"
	[[ $(grep -oE 'name=dkim(@verify)? .* worker=[0-9]+' "$LOG" |
		grep -o 'worker=.*' | sort -u | wc -l) -eq 2 ]]
	cat "$QUEUEDIR"/mess/*/* >"$OUT"
	grep -q '^DKIM-Status: verify result: signed by another domain' "$OUT"
	[[ $(grep -c '^DKIM-Signature:' "$OUT") -eq 2 ]]
	grep -A 3 '^Authentication-Results: test.example;' "$OUT" |
		grep -q 'dkim=pass header.d=other.example'

	# What is refused has code 31, or 71 for a time.
	plain
	run -71 inject "$IN" "$IN.envelope"
	sign_with s2 other.example "$KEYS/other.pem"
	echo 'More.' >>"$IN"
	run -31 inject "$IN" "$IN.envelope"
}
