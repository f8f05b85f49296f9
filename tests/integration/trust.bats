# Who is believed: a set-id qfront, called by somebody who has no rights.

load ../lib/common
load ../lib/prison

setup() {
	cd "$BATS_TEST_TMPDIR"
	open_prison
	for program in qfront qfrontd; do
		chown "$OWNER" "new$QF_SBINDIR/$program"
		chmod 4755 "new$QF_SBINDIR/$program"
	done
	program new/queue 'env >/got/environment' 'cat >/got/message' \
		'cat <&1 >/got/envelope'
	program new/evil/program 'cat >/got/evil'
	control queueprog /queue
	message >m
	envelope sender@test.example rcpt@test.example >e
}

# program FILE LINE...: a script that everybody can run.
program() {
	local file=$1

	shift
	printf '%s\n' '#!/bin/sh' "$@" >"$file"
	chmod 755 "$file"
}

# Of the caller, whom nobody trusts: [VARIABLE=VALUE...]
send() {
	run_as "$CALLER" "$@" "$QF_SBINDIR/qfront"
}

# The same message from the caller when root trusts it.
send_trusted() {
	control trusted-users '# our SMTP server' nobody
	send "$@"
	rm "$CONTROL/trusted-users"
}

queued() {
	[ "$status" -eq 0 ]
	cmp m new/got/message
	cmp e new/got/envelope
}

# The refusal of the stage that stands for a scanner.
refused() {
	[ "$status" -eq 32 ]
	[ ! -e new/got/message ]
}

SCANNER='say class=2 category=1'

@test "without variables the message passes, and nothing is told" {
	send
	queued
	[[ $log != *dropped* ]]
}

@test "a stranger is no relay client, and so no way round a scanner" {
	control chain "$SCANNER if=!relay"
	send RELAYCLIENT=
	refused
	[[ $log == *'dropped what the caller may not say uid=65534 believed=no'* ]]
	[[ $log == *'variables=1 names=RELAYCLIENT'* ]]
	send_trusted RELAYCLIENT=
	queued
}

@test "a stranger has no client, no HELO and has not authenticated" {
	control chain "$SCANNER if=!auth,path=local,local"
	send TCPREMOTEIP=192.0.2.1 TCPREMOTEINFO=me HELO=x AUTHINFO=me \
		SMTP_AUTH_USER=me SMTP_AUTH_METHOD=plain TLS_CIPHER=x
	refused
	for name in TCPREMOTEIP TCPREMOTEINFO HELO AUTHINFO SMTP_AUTH_USER \
		SMTP_AUTH_METHOD TLS_CIPHER; do
		[[ $log == *"variables=7 names=\"$name "* ||
			$log == *" $name "* || $log == *" $name\""* ]]
	done
	[ "$(grep -c 'dropped what' log.txt)" -eq 1 ]
	control chain "$SCANNER if=!path=smtp"
	send_trusted TCPREMOTEIP=192.0.2.1
	queued
}

@test "a stranger chooses no chain and no settings" {
	control chain "$SCANNER"
	control chain-open '# nothing'
	send QFRONT_CHAIN=open
	refused
	[[ $log == *'names=QFRONT_CHAIN'* ]]
	send_trusted QFRONT_CHAIN=open
	queued
	control chain 'misbehave do=reject-key'
	send QF_MISBEHAVE_DO=nothing
	[ "$status" -eq 35 ]
	send_trusted QF_MISBEHAVE_DO=mark
	[ "$status" -eq 0 ]
}

@test "a stranger asks for no filter" {
	rm "$CONTROL/queueprog"
	cp -a new/queue "new$QF_SBINDIR/qfront-queue"
	send QHPSI=/evil/program FILTERARGS=/evil/program \
		SPAMFILTER=/evil/program DKIMSIGN=x DKIMVERIFY=
	queued
	[ ! -e new/got/evil ]
}

@test "a stranger is not signed for" {
	control chain 'dkim if=relay'
	control plugins/dkim.keys "test.example mail $QF_SYSCONFDIR/qfront/key"
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
		-out "$CONTROL/key" 2>/dev/null ||
		openssl genrsa -out "$CONTROL/key" 2048 2>/dev/null
	chown "$OWNER" "$CONTROL/key"
	chmod 600 "$CONTROL/key"
	send RELAYCLIENT=
	queued
	send_trusted RELAYCLIENT=
	[ "$status" -eq 0 ]
	grep -q '^DKIM-Signature: ' new/got/message
}

@test "a stranger does not choose the next program" {
	send QUEUEPROG=/evil/program QMAILQUEUE=/evil/program
	queued
	run_as "$CALLER" "$QF_SBINDIR/qfront" /evil/program
	queued
	[[ $log == *'arguments=1 variables=0'* ]]
	run_as "$CALLER" "$QF_SBINDIR/qfrontd" --once -- /evil/program
	queued
	run_as "$CALLER" "$QF_SBINDIR/qfrontd" --once /evil/program
	queued
	send_trusted QUEUEPROG=/evil/program
	[ -e new/got/evil ]
	control trusted-users "$CALLER"
	run_as "$CALLER" "$QF_SBINDIR/qfront" /evil/program
	[ -e new/got/evil ]
}

@test "a stranger does not choose what qfront is called" {
	control chain "$SCANNER"
	for name in qmail-dkim qmail-multi qmail-spamfilter qmail-qfilter \
		qmail-nullqueue; do
		run_as "$CALLER" FILTERARGS=/evil/program bash -c \
			"exec -a $name $QF_SBINDIR/qfront /evil/program"
		refused
		[ ! -e new/got/evil ]
		run_as "$CALLER" "$QF_SBINDIR/qfrontd" --once --as "$name" -- \
			/evil/program
		refused
		[ ! -e new/got/evil ]
	done
}

@test "nobody chooses where configuration and plugins are" {
	control chain "$SCANNER"
	echo 'the secret' >new/secret
	chown "$OWNER" new/secret
	chmod 600 new/secret
	ln -s /secret new/evil/log
	ln -s /secret new/evil/queueprog
	ln -s /secret new/evil/chain
	for file in qfront qfrontd; do
		run_as "$CALLER" CONTROLDIR=/evil PLUGINDIR=/evil \
			PROTOCOLDIR=/evil QUEUEDIR=/evil TMPDIR=/evil \
			"$QF_SBINDIR/$file" --once
		refused
		[[ $log != *'the secret'* ]]
	done
	send_trusted CONTROLDIR=/evil PLUGINDIR=/evil
	refused
	[[ $log == *'believed=yes arguments=0 variables=2 names="CONTROLDIR PLUGINDIR"'* ]]
	# Nor which programs stand behind a name.
	program new/evil/queue 'cat >/got/evil'
	control queueprog queue
	rm "$CONTROL/chain"
	send PATH=/evil
	[ "$status" -eq 120 ]
	send_trusted PATH=/evil
	[ "$status" -eq 120 ]
	[ ! -e new/got/evil ]
}

@test "the next program sees nothing of a stranger's environment" {
	send LANG=C.UTF-8 LC_ALL=C TZ=Asia/Tokyo HOME=/evil HELO=x IFS=x \
		BASH_ENV=/evil/program ENV=/evil/program LD_PRELOAD=/evil/x
	queued
	sort new/got/environment >sorted
	echo "environment:" "$(<sorted)" >&2
	grep -qx 'LANG=C.UTF-8' sorted
	grep -qx 'LC_ALL=C' sorted
	grep -qx 'TZ=Asia/Tokyo' sorted
	# What qfront and the shell put there.
	run grep -vE '^(LANG|LC_ALL|TZ|QFRONT_DEPTH|QFRONT_LOG|PWD|OLDPWD|_|SHLVL)=' sorted
	[ -z "$output" ]
	grep -qx 'PWD=/' sorted
}

@test "a stranger's clock, log and channels do not count" {
	control chain "$SCANNER"
	send DEATH=soon QFRONT_LOG=none ERROR_FD=2 NULLQUEUE=
	refused
	[[ $log == *'refused from=sender@test.example code=32 exit=32'* ]]
	control trusted-users "$CALLER"
	send DEATH=soon
	[ "$status" -eq 55 ]
	[[ $log == *'DEATH=soon'* ]]
	send NULLQUEUE=
	[ "$status" -eq 0 ]
	[ ! -e new/got/message ]
	send QFRONT_LOG=none
	refused
	[ -z "$log" ]
}

@test "no line of the log stands where the caller reads texts" {
	control dialect indimail
	control chain "$SCANNER text='no junk'"
	status=0
	mkfifo pipe
	cat pipe >text &
	unshare -m bash prison "$CALLER" env -i HELO=x "$QF_SBINDIR/qfront" \
		0<m 1<e 2>pipe || status=$?
	wait "$!"
	[ "$status" -eq 88 ]
	[ "$(<text)" = 'Dno junk (#5.7.1)' ]
}

@test "with a set-id qfront everybody can queue mail, and only that" {
	rm "$CONTROL/queueprog"
	queue=new$QF_LOCALSTATEDIR/spool/qfront
	mkdir -p "${queue%/*}"
	chown "$OWNER" "${queue%/*}"
	control me test.example
	run_as "$OWNER" "$QF_SBINDIR/qfrontctl" queue init
	[ "$status" -eq 0 ]
	send
	[ "$status" -eq 0 ]
	file=$(find "$queue/mess" -type f)
	tail -n +2 "$file" | cmp - m
	head -n 1 "$file" | grep -q "invoked by uid $CALLER"
	[ "$(stat -c %u "$file")" -eq "$OWNER" ]
	# Without it, not.
	run_as "$CALLER" "$QF_SBINDIR/qfront-queue"
	[ "$status" -eq 62 ]
	[ "$(find "$queue" -type f ! -path '*/lock/*' | wc -l)" -eq 2 ]
}

@test "root is believed, whoever owns the programs" {
	control chain "$SCANNER if=!relay"
	run_as 0 RELAYCLIENT= "$QF_SBINDIR/qfront"
	queued
}

@test "a trusted user who does not exist defers all mail" {
	control trusted-users '# nobody' 0 no-such-user
	send
	[ "$status" -eq 55 ]
	[[ $log == *"$QF_SYSCONFDIR/qfront/trusted-users:3: there is no user"* ]]
	[[ $log == *no-such-user* ]]
	CONTROLDIR=$CONTROLDIR run "$SBIN/qfrontctl" check
	[ "$status" -eq 1 ]
	[[ $output == *'trusted-users:3: there is no user "no-such-user"'* ]]
}

@test "a loop of queue programs ends for strangers too" {
	control queueprog "$QF_SBINDIR/qfront"
	send QFRONT_DEPTH=0
	[ "$status" -eq 55 ]
	[[ $log == *'calls qfront again'* ]]
}
