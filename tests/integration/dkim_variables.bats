# How indimail's variables and its control file dkimkeys choose what signs, and
# how.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/dkim

setup_file() {
	export KEYS=$BATS_FILE_TMPDIR
	make_keys "$KEYS"
}

setup() {
	dkim_world
	mkdir -p "$CONTROL/domainkeys/test.example"
	key domainkeys/test.example/default
	printf '%s\n' 'From: Joe <joe@test.example>' 'To: b@else.example' \
		'Subject: x' '' 'Hello.' >"$IN"
}

# key PATH [KIND]: a key file in the control directory.
key() {
	cp -p "$KEYS/${2-rsa}.pem" "$CONTROL/$1"
}

# signed SELECTOR [DOMAIN [ALGORITHM]]: what the log says, once.
signed() {
	grep -qx "log: info signed d=${2-test.example} s=$1 a=${3-rsa-sha256}" \
		"$LOG" || {
		cat "$LOG"
		return 1
	}
}

# is_unsigned REASON: as it came, and the log says why.
is_unsigned() {
	[[ $CLASS -eq 0 ]]
	cmp "$IN" "$OUT"
	grep -F "not signed: $1" "$LOG" || {
		cat "$LOG"
		return 1
	}
}

# verifies SELECTOR [DOMAIN]: dkimpy agrees.
verifies() {
	"$PYTHON" "$TESTLIB/dkimverify.py" --crlf "$1" "${2-test.example}" \
		"$KEYS/rsa.public" <"$OUT"
}

# tags: those of the topmost signature, without spaces.
tags() {
	awk '/^DKIM-Signature:/ { on++ } on == 1 && !/^(DKIM|[ \t])/ { exit }
		on == 1' "$OUT" | sed 's/^DKIM-Signature://' | tr -d ' \t\n'
}

@test "DKIMSIGN names the key file; % is the domain" {
	export DKIMSIGN=domainkeys/%/default
	stage -- key=elsewhere/%
	signed default
	verifies default
	grep -qx 'taken: DKIMSIGN' "$LOG"
	DKIMSIGN=$CONTROL/domainkeys/test.example/default stage -- key=x
	signed default

	# A file that is not there is tried without %.
	rm -r "$CONTROL/domainkeys/test.example"
	stage -- key=x
	is_unsigned 'no key file domainkeys/%/default for domain test.example'
	grep -q '^log: info not signed' "$LOG"
	grep -qx 'taken: DKIMSIGN' "$LOG"
	key domainkeys/default
	stage -- key=x
	signed default
	verifies default
}

@test "% as a whole name makes the domain the selector" {
	mkdir "$CONTROL/keys"
	key keys/test.example
	DKIMSIGN=keys/% stage -- key=x
	signed test.example
	rm "$CONTROL/keys/test.example"
	DKIMSIGN=keys/% stage -- key=x
	is_unsigned 'no key file keys/%'
	DKIMSIGN=% stage -- key=x
	is_unsigned 'no key file % for'
	mkdir "$CONTROL/keys/a.test.example"
	key keys/a.test.example/a.test.example
	sed -i 's/joe@/joe@a./' "$IN"
	DKIMSIGN=keys/%/% stage -- key=x
	signed a.test.example a.test.example
}

@test "a domain can not lead out of the folder of keys" {
	local from

	key leaked
	for from in 'a@..' 'a@../../leaked' 'a@%' 'a@.' 'a@/etc'; do
		sed -i "s|^From:.*|From: $from|" "$IN"
		DKIMSIGN=domainkeys/%/leaked stage -f "$from" -- key=x
		is_unsigned 'neither From nor the envelope sender has a domain'
	done
}

@test "the envelope sender's domain signs when the author's has no key" {
	export DKIMSIGN=domainkeys/%/default
	sed -i 's/test.example/other.example/' "$IN"
	stage -f bounce@test.example -- key=x
	signed default
	stage -f bounce@elsewhere.example -- key=x
	is_unsigned 'no key file'
	key domainkeys/default
	stage -f bounce@elsewhere.example -- key=x
	signed default other.example
}

@test "a key file without % must be there" {
	export DKIMSIGN=no/such/default
	stage -- key=x
	[[ $CLASS -eq 3 ]]
	grep -q '^class: 3 category: 4 text: the DKIM key file is missing$' \
		"$LOG"
	grep -qx 'log: error not signed: there is no key file no/such/default' \
		"$LOG"
	stage -- key=x missing-key=reject
	[[ $CLASS -eq 2 ]]
	grep -q '^class: 2 category: 4 ' "$LOG"
	stage -- key=x missing-key=pass
	is_unsigned 'there is no key file no/such/default'
}

@test "a key file that is no good defers mail" {
	export DKIMSIGN=bad
	(umask 077 && echo 'no key' >"$CONTROL/bad")
	stage -- key=x
	[[ $CLASS -eq 3 ]]
	grep -q "^log: error key file $CONTROL/bad holds no private key" "$LOG"
	key bad
	chmod 644 "$CONTROL/bad"
	stage -- key=x
	[[ $CLASS -eq 3 ]]
	key 'bad key'
	DKIMSIGN='bad key' stage -- key=x
	[[ $CLASS -eq 3 ]]
	grep -q 'log: error .*: its name is the selector' "$LOG"
}

@test "DKIMKEY is for mail of our own users" {
	key mine
	export DKIMKEY=mine
	stage -- key=domainkeys/%/default
	signed default
	stage -x relay=1 -- key=domainkeys/%/default
	signed mine
	AUTHINFO=joe stage -- key=domainkeys/%/default
	signed mine
	DKIMSIGN=domainkeys/%/default stage -x relay=1 -- key=x
	signed default
}

@test "the tables come before DKIMSIGN, unless NODKIMKEYS says otherwise" {
	key mine
	export DKIMSIGN=domainkeys/%/default
	echo 'test.example s1 mine' >"$CONTROL/plugins/dkim.keys"
	stage
	signed s1
	NODKIMKEYS='' stage
	signed default
	sed -i 's/test.example/other.example/' "$IN"
	key domainkeys/default
	stage
	signed default other.example
	rm "$CONTROL/plugins/dkim.keys"
	echo 'test.example:mine' >"$CONTROL/dkimkeys"
	sed -i 's/other.example/test.example/' "$IN"
	stage
	signed mine
	NODKIMKEYS='' stage
	signed default
}

@test "dkimkeys: patterns, variables, % and regular expressions" {
	key mine
	mkdir "$CONTROL/domainkeys/a.test.example"
	key domainkeys/a.test.example/sub
	printf '%s\n' '# comment' '' \
		'Test.example:mine:DKIMIDENTITY=joe@test.example,DKIMEXPIRE=60' \
		'*.test.example:domainkeys/%/sub:DKIMIDENTITY=' \
		'other.example:mine' '[^.]*\.example$:mine' >"$CONTROL/dkimkeys"
	DKIMIDENTITY=@a.test.example stage
	signed mine
	[[ $(tags) == *';i=joe@test.example;'* && $(tags) == *';x='* ]]
	verifies mine
	sed -i 's/joe@/joe@a./' "$IN"
	DKIMIDENTITY=@a.test.example stage
	signed sub a.test.example
	[[ $(tags) != *';i='* && $(tags) != *';x='* ]]
	sed -i 's/joe@a.test/joe@third/' "$IN"
	stage
	is_unsigned 'no key for domain third.example'
	QREGEX=1 stage
	signed mine third.example
}

@test "mistakes in dkimkeys stop the stage" {
	local line text

	while IFS='|' read -r line text; do
		echo "$line" >"$CONTROL/dkimkeys"
		run stage
		echo "$output"
		[[ $output == *"mistake: stage: dkimkeys:1: $text"* ]]
	done <<-'TABLE'
		test.example|write DOMAIN:KEYFILE
		:mine|write DOMAIN:KEYFILE
		test.example:|write DOMAIN:KEYFILE
		test.example:mine:DKIMVERIFY=A|"DKIMVERIFY=A" is no variable
		test.example:mine:DKIMEXPIRE|"DKIMEXPIRE" is no variable
	TABLE
	echo 'test.example:mine' >"$CONTROL/dkimkeys"
	chmod g+w "$CONTROL/dkimkeys"
	run stage
	[[ $output == *'mistake: stage: dkimkeys: others than root'* ]]
	rm "$CONTROL/dkimkeys"
	mkdir "$CONTROL/dkimkeys"
	run stage
	[[ $output == *'mistake: stage: dkimkeys: it is no regular file'* ]]
	rmdir "$CONTROL/dkimkeys"
	run stage
	[[ $output == *'mistake: keys:0: there is no such file'* ]]
}

@test "a check looks at the key files that are known" {
	local check=("$QF_BUILDDIR/tests/lib/run-plugin" -c
		"$PLUGINS/dkim.so" "$CONTROL")

	echo 'test.example:none' >"$CONTROL/dkimkeys"
	run -100 "${check[@]}" key=nothing extra-key=short.pem
	key short.pem short
	run -100 "${check[@]}" key=nothing extra-key=short.pem
	[[ $output == *"mistake: key: key file $CONTROL/nothing can not"* ]]
	[[ $output == *"mistake: extra-key: key file $CONTROL/short.pem holds"* ]]
	[[ $output == *"dkimkeys:1: key file $CONTROL/none can not be opened"* ]]
	echo 'test.example:domainkeys/%/none' >"$CONTROL/dkimkeys"
	"${check[@]}" key=domainkeys/%/default
}

@test "DKIMSIGNOPTIONS: what it asks for, and what is not done" {
	local options expect now

	skip_under_valgrind "many runs of the same code"
	export DKIMSIGN=domainkeys/%/default
	while IFS='|' read -r options expect; do
		echo "options: $options"
		DKIMSIGNOPTIONS=$options stage -- key=x
		signed default
		verifies default
		# shellcheck disable=SC2053 # a pattern
		[[ $(tags) == $expect ]]
	done <<-'TABLE'
		-c r|*;c=relaxed/relaxed;*
		-c s|*;c=simple/simple;*
		-c t|*;c=relaxed/simple;*
		-cu|*;c=simple/relaxed;*
		-t -q -b 1|*;t=*;bh=*
		-qtcs|*;c=simple/simple;*
		-i joe@sub.test.example|*;i=joe@sub.test.example;*
		-z 2|v=1;a=rsa-sha256;*
	TABLE
	DKIMSIGNOPTIONS='-x 100' stage -- key=x
	now=$(tags | sed 's/.*;t=\([0-9]*\);.*/\1/')
	[[ $(tags) == *";x=$((now + 100));"* ]]
	DKIMSIGNOPTIONS='-x 100' DKIMEXPIRE='' stage -- key=x expire=50
	[[ $(tags) != *';x='* ]]
	DKIMSIGNOPTIONS='-x -' stage -- key=x expire=50
	[[ $(tags) != *';x='* ]]
	DKIMEXPIRE=7 stage -- key=x expire=50
	now=$(tags | sed 's/.*;t=\([0-9]*\);.*/\1/')
	[[ $(tags) == *";x=$((now + 7));"* ]]

	DKIMSIGNOPTIONS='-l -h -z 3' stage -- key=x
	verifies default
	[[ $(grep -c '^log: warn DKIMSIGNOPTIONS -' "$LOG") -eq 3 ]]
	[[ $(tags) != *';l='* && $(tags) != *';z='* && $(tags) == *rsa-sha256* ]]
	DKIMSIGNOPTIONS='-z 4' stage -- key=x
	grep -q '^log: warn DKIMSIGNOPTIONS -z 4: the key is an RSA key' "$LOG"
	verifies default
}

@test "options that can not be understood defer mail" {
	local options

	skip_under_valgrind "many runs of the same code"
	export DKIMSIGN=domainkeys/%/default
	for options in -y x -c '-c x' '-z 5' '-x soon' '-x 1s' - '-t x' \
		'-x 99999999999999999999'; do
		DKIMSIGNOPTIONS=$options stage -- key=x
		[[ $CLASS -eq 3 ]]
		grep -q '^class: 3 category: 8 text: invalid DKIMSIGNOPTIONS$' \
			"$LOG"
	done
	DKIMEXPIRE=never stage -- key=x
	[[ $CLASS -eq 3 ]]
}

@test "an identity of another domain is left out" {
	local identity

	skip_under_valgrind "many runs of the same code"
	export DKIMSIGN=domainkeys/%/default
	for identity in joe@other.example joe joe@ @example \
		'joe@test.example; d=x' 'joe@besttest.example' 'a b@test.example'; do
		DKIMIDENTITY=$identity stage -- key=x
		signed default
		verifies default
		[[ $(tags) != *';i='* ]]
		grep -q '^log: warn signing without i=' "$LOG"
	done
}

@test "EXCLUDE_DKIMSIGN leaves fields out, but never From" {
	export DKIMSIGN=domainkeys/%/default
	EXCLUDE_DKIMSIGN=subj:X-:from:To stage -- key=x
	signed default
	verifies default
	[[ $(tags) == *';h=From:From;'* ]]
}

@test "a second signature, of another kind" {
	mkdir "$CONTROL/ed"
	key ed/e1 ed
	export DKIMSIGN=domainkeys/%/default
	DKIMSIGNEXTRA=ed/e1 DKIMSIGNOPTIONS='-i @test.example' \
		DKIMSIGNOPTIONSEXTRA='-z 4 -cs' stage -- key=x
	signed default
	signed e1 test.example ed25519-sha256
	[[ $(grep -c '^DKIM-Signature:' "$OUT") -eq 2 ]]
	grep -q '^log: warn DKIMSIGNOPTIONS -c: the header is relaxed' "$LOG"
	grep -qx 'taken: DKIMSIGNEXTRA' "$LOG"
	cp "$OUT" "$IN"
	SELECTOR_DATA=$(<"$KEYS/ed.txt") stage -- mode=verify
	grep -q '^authres: dkim=pass .* header.a=ed25519-sha256' "$LOG"

	# What comes in again is not signed again, by neither.
	DKIMSIGNEXTRA=ed/e1 stage -- key=x
	[[ $(grep -c 'not signed again' "$LOG") -eq 2 ]]
	cmp "$IN" "$OUT"
}

@test "a message in the front end is signed as DKIMSIGN says" {
	make_world
	mkdir -p "$CONTROLDIR/domainkeys/test.example"
	cp -p "$KEYS/rsa.pem" "$CONTROLDIR/domainkeys/test.example/default"
	control chain 'dkim key=domainkeys/%/default expire=604800'
	"$SBIN/qfrontctl" check
	envelope a@test.example b@else.example >"$IN.envelope"
	inject "$IN" "$IN.envelope"
	cp "$CONTROLDIR/domainkeys/test.example/default" "$CONTROLDIR/s9"
	chmod 600 "$CONTROLDIR/s9"
	DKIMSIGN=s9 inject "$IN" "$IN.envelope"
	[[ $(cat "$QUEUEDIR"/mess/*/* | grep -oE '\bs=(default|s9);' |
		sort -u | wc -l) -eq 2 ]]
	DKIMSIGN=s8 run -71 inject "$IN" "$IN.envelope"
	control chain 'dkim key=x missing-key=reject'
	DKIMSIGN=s8 run -35 inject "$IN" "$IN.envelope"
	[[ $(queued) -eq 2 ]]
}
