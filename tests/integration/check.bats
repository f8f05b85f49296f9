# Mistakes in a chain, seeded one by one and all at once: qfrontctl check finds
# each with file and line, and mail that meets it waits. None lets mail by
# without its filters.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins RELAYCLIENT=
	mkdir plugins
	cp "$PLUGINS"/{size,dkim,example}.so \
		"$QF_BUILDDIR"/tests/plugins/.libs/{warm,network,liar}.so plugins
	message >m
	envelope sender@test.example rcpt@test.example >e
}

# stage LINE: appends a line to the chain; its number is in AT.
stage() {
	echo "$1" >>"$CONTROLDIR/chain"
	AT=$(wc -l <"$CONTROLDIR/chain")
}

# want TEXT: what qfrontctl check must say, after CONTROLDIR/.
want() {
	WANTED+=("$CONTROLDIR/$1")
}

# One function each: seeds the mistake and says what is to be found.
edit_after_seal() {
	(umask 077 && openssl genpkey -algorithm RSA \
		-pkeyopt rsa_keygen_bits:1024 -out "$CONTROLDIR/key.pem") \
		2>openssl.log
	control plugins/dkim.keys 'test.example s1 key.pem'
	stage 'dkim'
	stage 'example text=late'
	want "chain:$AT: stage example may change the message after stage dkim"
}

slow_stage() {
	control timeoutchain 30
	stage 'size@slow max-message=1M timeout=31'
	want "chain:$AT: timeout=31 is more than the whole chain may take"
}

warm_stage() {
	stage 'warm do=mark'
	want "chain:$AT: plugin warm runs only in the daemon"
}

onerror_not_chosen() {
	stage 'network do=mark'
	want "chain:$AT: stage network needs the network"
}

unknown_plugin() {
	stage 'nosuchplugin'
	want "chain:$AT: plugin nosuchplugin: "
}

unknown_key() {
	stage 'size@key colour=blue max-message=1M'
	want "chain:$AT: plugin size has no setting \"colour\""
}

unreadable_key_file() {
	control plugins/dkim@nokey.keys '# keys' 'test.example s1 nowhere.pem'
	stage 'dkim@nokey'
	want "plugins/dkim@nokey.keys:2: "
}

writable_file() {
	control plugins/size@open 'max-message 1M'
	chmod 666 "$CONTROLDIR/plugins/size@open"
	stage 'size@open max-recipients=9'
	want "plugins/size@open: others can write it"
}

bad_condition() {
	stage 'size@moon max-message=1M if=moon'
	want "chain:$AT: unknown condition \"moon\""
}

lying_plugin() {
	stage 'liar'
	want "chain:$AT: plugin liar says flags 0 in its note and 0x2"
}

loop_of_programs() {
	control queueprog "$SBIN/qfront"
	want "queueprog:1: $SBIN/qfront is qfront itself"
}

MISTAKES=(edit_after_seal slow_stage warm_stage onerror_not_chosen
	unknown_plugin unknown_key unreadable_key_file writable_file
	bad_condition lying_plugin loop_of_programs)

# found: check names every wanted place and exits with 1.
found() {
	local text

	run "$SBIN/qfrontctl" check
	echo "$output"
	[ "$status" -eq 1 ]
	for text in "${WANTED[@]}"; do
		grep -qF "$text" <<<"$output" || {
			echo "not found: $text"
			return 1
		}
	done
}

# waits: a temporary code for mail, and nothing in the queue.
waits() {
	local rc=0

	inject m e 2>log || rc=$?
	cat log
	echo "exit code $rc"
	[ "$rc" -ne 0 ]
	! ((rc >= 11 && rc <= 40)) # these are permanent
	queue_is_empty
}

# fresh: as it was before the first mistake.
fresh() {
	rm -rf "$CONTROLDIR"
	mkdir -p "$CONTROLDIR/plugins"
	control me test.example
	WANTED=()
}

@test "each mistake is found with file and line, and mail waits" {
	local mistake

	for mistake in "${MISTAKES[@]}"; do
		echo "== $mistake"
		fresh
		"$mistake"
		found
		[ "$(grep -c "^$CONTROLDIR/" <<<"$output")" -eq 1 ]
		waits
	done
}

@test "all of them at once are found" {
	local mistake

	fresh
	for mistake in "${MISTAKES[@]}"; do
		"$mistake"
	done
	found
	[ "${#WANTED[@]}" -eq "${#MISTAKES[@]}" ]
	[ "${#WANTED[@]}" -ge 10 ]
	waits
}

@test "a chain that only looks like a mistake is left alone" {
	fresh
	edit_after_seal
	control chain 'example@early text=early' 'dkim if=relay timeout=240' \
		'example text=late if=!relay' 'dkim@again if=relay' \
		'network do=mark onerror=defer if=!relay' \
		'size max-message=1M'
	run "$SBIN/qfrontctl" check
	echo "$output"
	[ "$status" -eq 0 ]
	inject m e
	[ "$(queued)" -eq 1 ]
}

@test "where a daemon is set up, what runs only there is no mistake" {
	fresh
	control chain 'warm do=mark'
	control daemonusers 'dispatcher 0' 'filter 0' 'sign 0' 'store 0'
	run "$SBIN/qfrontctl" check
	echo "$output"
	[ "$status" -eq 0 ]
	control daemonusers 'dispatcher 0' 'filter no-such-user-here' 'sign 0'
	want 'daemonusers:2: there is no user "no-such-user-here"'
	found
}

@test "routes for qfront-remote: each line, and the files that it names" {
	fresh
	control me me.example
	control chain ''
	printf 'secret\n' >pass
	chmod 600 pass
	control smtproutes "a.example:relay.example:587 starttls user=u \
pass-file=$PWD/pass x509cafile=$PWD/ca.pem" \
		"b.example: port=26"
	(umask 077 && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem \
		-out ca.pem -subj /CN=ca -days 2) 2>openssl.log
	run "$SBIN/qfrontctl" check
	echo "$output"
	[ "$status" -eq 0 ]
	control timeoutremote never
	control smtproutes 'a.example:relay.example:0' 'b.example relay' \
		'c.example:relay.example tls user=u pass-file=nothing' \
		'd.example:relay.example tls x509cafile=nothing' \
		'e.example: starttls user=u pass=p' 'f.example:relay speed=fast' \
		'g.example:relay'
	want 'timeoutremote:1: "never" is not a number'
	found
	rm "$CONTROLDIR/timeoutremote"
	want 'smtproutes:1: the port of a relay is no number'
	want 'smtproutes:2: no colon'
	want 'smtproutes:3: pass-file: nothing'
	want 'smtproutes:4: authorities nothing: '
	want 'smtproutes:5: a login without a relay'
	want 'smtproutes:6: word 2 behind the colon is no option'
	unset 'WANTED[0]'
	found
	[ "$(grep -c "^$CONTROLDIR/" <<<"$output")" -eq 6 ]
}

# By the notes alone: nothing is loaded for a message that no stage is for.
@test "an edit after a seal defers mail that neither stage is for" {
	fresh
	edit_after_seal
	control chain 'dkim if=auth' 'example text=late if=bounce onerror=pass'
	waits
	grep -q 'chain:2: stage example may change' log
}
