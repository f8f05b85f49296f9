# qfrontctl: what an administrator types.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR"
}

check() {
	run "$SBIN/qfrontctl" check
	echo "$output"
}

@test "without arguments it says how to use it" {
	run "$SBIN/qfrontctl"
	[ "$status" -eq 64 ]
	[[ $output == *"queue init"* ]]
	run "$SBIN/qfrontctl" frobnicate
	[ "$status" -eq 64 ]
	[[ $output == *'no command "frobnicate"'* ]]
	run "$SBIN/qfrontctl" --help
	[ "$status" -eq 0 ]
	run "$SBIN/qfrontctl" codes now
	[ "$status" -eq 64 ]
}

@test "codes prints the table that the clients use" {
	run "$SBIN/qfrontctl" codes
	[ "$status" -eq 0 ]
	[[ $output == *"32  permanent  5.7.1   qq spam or junk mail threshold exceeded (#5.7.1)"* ]]
	[[ $output == *"53  temporary  4.3.0   qq write error or disk full (#4.3.0)"* ]]
	# Every line of the source, in its order.
	awk '/^ *[0-9]+ *\|/ { print $1 }' "$QF_SRCDIR/lib/mail/exitcodes.tbl" \
		>want
	awk 'NR > 1 { print $1 }' <<<"$output" | diff want -
}

@test "queue init makes a queue, and leaves one that is there alone" {
	queue=$BATS_TEST_TMPDIR/fresh/queue
	mkdir fresh
	run "$SBIN/qfrontctl" queue init "$queue"
	[ "$status" -eq 0 ]
	[ -p "$queue/lock/trigger" ]
	[ "$(stat -c %a "$queue/lock/trigger")" = 622 ]
	for dir in mess info local remote; do
		for n in {0..22}; do
			[ -d "$queue/$dir/$n" ]
		done
	done
	echo keep >"$queue/todo/1"
	chmod 700 "$queue/mess/0"
	run "$SBIN/qfrontctl" queue init "$queue"
	[ "$status" -eq 0 ]
	[ "$(cat "$queue/todo/1")" = keep ]
	[ "$(stat -c %a "$queue/mess/0")" = 700 ]
}

@test "queue init says what it can not do" {
	echo >file
	run "$SBIN/qfrontctl" queue init "$BATS_TEST_TMPDIR/file"
	[ "$status" -eq 111 ]
	[[ $output == *"$BATS_TEST_TMPDIR/file"* ]]
	run "$SBIN/qfrontctl" queue init --owner=nobody-at-all here
	[ "$status" -eq 111 ]
	[[ $output == *'no user "nobody-at-all"'* ]]
	[ ! -e here ]
	run "$SBIN/qfrontctl" queue init --frob
	[ "$status" -eq 64 ]
}

@test "check is content with a world that works" {
	control remotes 'mail.example smtp port=2525'
	chmod 600 "$CONTROLDIR/remotes"
	control chain 'size max-message=10M'
	check
	[ "$status" -eq 0 ]
	[[ $output == *"chain: 1 stage"* ]]
	[[ $output == *"no problems found"* ]]
}

@test "check finds every mistake, with file and line" {
	control chain '# one' 'nosuchplugin' 'size max-message=10X' \
		'size colour=blue' 'size if=moon' 'null max='
	control chain-out 'size@'
	control queueprog "$BATS_TEST_TMPDIR/missing"
	control remotes 'mail.example smtp port=25' 'mail.example nosuch'
	control timeoutchain 240
	check
	[ "$status" -eq 1 ]
	for at in chain:2 chain:3 chain:4 chain:5 chain:6 chain-out:1; do
		[[ $output == *"$CONTROLDIR/$at: "* ]]
	done
	[[ $output == *"$BATS_TEST_TMPDIR/missing: can not be executed"* ]]
	[[ $output == *"$CONTROLDIR/remotes:2: "*nosuch* ]]
	[[ $output != *"no problems"* ]]
}

@test "check finds a queue program that is qfront again, or nowhere" {
	for loop in "$SBIN/qfront" qmail-dkim "$COMPAT/qmail-multi" \
		'qmail-dkim qmail-spamfilter' 'qmail-qfilter cat -- cat'; do
		control queueprog "$loop"
		check
		[ "$status" -eq 1 ]
		[[ $output == *"$CONTROLDIR/queueprog:1: "*" is qfront itself"* ]]
	done
	for other in "qmail-dkim qmail-multi $SBIN/qfront-queue" \
		qmail-nullqueue /bin/true true; do
		control queueprog "$other"
		check
		[[ $output != *queueprog* ]]
	done
	control queueprog 'no-such-queue -x'
	check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/queueprog:1: "*'"no-such-queue"'* ]]
}

@test "check finds files that others can write, and bad values" {
	control chain 'size max-message=1M'
	chmod 666 "$CONTROLDIR/chain"
	check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/chain: others can write it"* ]]
	chmod 644 "$CONTROLDIR/chain"
	control timeoutchain 0
	check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/timeoutchain:1: "* ]]
	rm "$CONTROLDIR/timeoutchain"
	control pausetime soon
	check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/pausetime:1: "* ]]
	rm "$CONTROLDIR/pausetime"
	control remotes "mail.example smtp pass='open"
	check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/remotes:1: "* ]]
}

@test "check finds a queue or a control directory that is not there" {
	rm -r "$QUEUEDIR/todo"
	check
	[ "$status" -eq 1 ]
	[[ $output == *todo*"run qfrontctl queue init"* ]]
	CONTROLDIR=$BATS_TEST_TMPDIR/none check
	[ "$status" -eq 1 ]
	[[ $output == *"$BATS_TEST_TMPDIR/none"* ]]
}
