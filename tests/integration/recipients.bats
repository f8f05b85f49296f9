# Recipients of one message that go different ways: conditions per recipient,
# verdicts per recipient, what becomes of those that are refused, and how
# several runs of queue programs commit.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR"
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	export STUB=$BATS_TEST_TMPDIR/got
	mkdir -p "$PLUGINDIR" "$STUB"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINDIR"
	message >m
	NEXT=("$TESTLIB/manyqueue")
}

# send RCPT...: one message to the queue program NEXT, manyqueue at first.
send() {
	rm -rf "${STUB:?}"/*
	envelope sender@test.example "$@" >e
	status=0
	inject m e "${NEXT[@]}" 2>log.txt || status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}

# runs: what the queue program got, a line for each run: the marks on the
# message, then the recipients in order.
runs() {
	local dir

	for dir in "$STUB"/done.*; do
		[[ -e $dir ]] || continue
		printf '%s:' "$(sed -n 's/^X-Judge: //p' "$dir/message" |
			paste -sd+)"
		tr '\0' '\n' <"$dir/envelope" | sed -n 's/^T\(.*\)@.*/ \1/p' |
			tr -d '\n'
		echo
	done | sort
}

held() {
	"$SBIN/qfrontctl" quarantine list --json
}

@test "a stage runs for the recipients that it names" {
	control chain 'judge mark=kids rcpt=@kids.example'
	send a@kids.example b@test.example c@kids.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = $': b\nkids: a c' ]
	# As a term of a condition, and negated.
	control chain 'judge mark=adults if=!rcpt=@kids.example'
	send a@kids.example b@test.example c@kids.example
	[ "$(runs)" = $': a c\nadults: b' ]
	# For none of them, and for all of them, there is one run.
	control chain 'judge mark=kids rcpt=@kids.example'
	send a@test.example b@test.example
	[ "$(runs)" = ': a b' ]
	send a@kids.example b@kids.example
	[ "$(runs)" = 'kids: a b' ]
}

@test "what is alike again is joined, in the order as it came" {
	control chain 'judge rcpt=b@test.example' 'judge@b rcpt=a@test.example' \
		'judge@c rcpt=c@test.example' 'judge@d mark=all'
	send a@test.example b@test.example c@test.example d@test.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = 'all: a b c d' ]
	# The last stage ran once for all.
	[ "$(grep -c 'stage name=judge@d' <<<"$log")" -eq 1 ]
	cmp e "$STUB"/done.*/envelope
}

@test "an envelope of groups that nobody edited is the one that came" {
	control chain 'judge rcpt=b@test.example'
	send b@test.example a@test.example b@test.example
	cmp m "$STUB"/done.*/message
	cmp e "$STUB"/done.*/envelope
}

@test "notes and scores follow their group" {
	control chain 'judge note=x rcpt=@kids.example' \
		'judge@b want=x rcpt=@kids.example' \
		'judge@c want=x rcpt=@test.example onerror=reject'
	send a@kids.example b@kids.example
	[ "$status" -eq 0 ]
	send b@test.example
	[ "$status" -eq 31 ]
}

@test "one verdict for all recipients is the answer" {
	control chain 'judge'
	send reject-spam@test.example reject-spam@else.example
	[ "$status" -eq 32 ]
	[ -z "$(runs)" ]
	send discard@test.example
	[ "$status" -eq 0 ]
	[ -z "$(runs)" ]
	send reject-spam@test.example reject-virus@test.example
	[ "$status" -eq 32 ]
	# The order of the recipients does not matter.
	send reject-virus@test.example reject-spam@test.example
	[ "$status" -eq 32 ]
}

@test "a recipient that is deferred defers the message for all" {
	control chain 'judge'
	send a@test.example defer@test.example reject@test.example
	[ "$status" -eq 71 ]
	[ -z "$(runs)" ]
	queue_is_empty
}

@test "recipients that are dropped or redirected leave the others alone" {
	control chain 'judge'
	send a@test.example discard@test.example redirect@test.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = ': a target' ]
	[[ $log == *'recipient redirected'*'rcpt=redirect@test.example'* ]]
	[[ $log == *'recipients discarded'*'rcpt=discard@test.example'* ]]
}

@test "a message that is redirected skips what follows" {
	control chain 'judge whole=redirect mark=one' 'judge@b mark=two' \
		'judge@c mark=three always'
	send a@test.example b@test.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = 'three+one: target' ]
}

@test "refused beside accepted: a bounce goes to the sender" {
	control chain 'judge'
	send a@test.example reject-policy@test.example reject-size@x.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = $': a\n: sender' ]
	bounce=$(grep -l 'multipart/report' "$STUB"/done.*/message)
	grep -q '^Final-Recipient: rfc822; *reject-policy@test.example' \
		"$bounce"
	grep -q '^Final-Recipient: rfc822; *reject-size@x.example' "$bounce"
	grep -q 'judged by the address' "$bounce"
	tr '\0' '\n' <"${bounce%message}envelope" | head -n 1 | grep -qx F
	queue_is_empty
}

@test "refused beside accepted: spam and viruses are held, not bounced" {
	control chain 'judge'
	send a@test.example reject-spam@test.example reject-virus@x.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = ': a' ]
	[[ $(held) == *'reject-spam@test.example'* ]]
	[[ $(held) == *'reject-virus@x.example'* ]]
}

@test "refused beside accepted: without a sender nothing is bounced" {
	control chain 'judge'
	envelope '' a@test.example reject-policy@test.example >e
	status=0
	TCPREMOTEIP=192.0.2.1 inject m e "$TESTLIB/manyqueue" 2>log.txt ||
		status=$?
	[ "$status" -eq 0 ]
	[ "$(runs)" = ': a' ]
	[[ $(held) == *'reject-policy@test.example'* ]]
}

@test "the control file split decides what becomes of refused recipients" {
	control chain 'judge'
	control split 'policy discard' 'spam refuse' 'size	quarantine'
	send a@test.example reject-policy@test.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = ': a' ]
	queue_is_empty
	send a@test.example reject-spam@test.example
	[ "$status" -eq 32 ]
	[ -z "$(runs)" ]
	send a@test.example reject-size@test.example
	[ "$status" -eq 0 ]
	[[ $(held) == *'reject-size@test.example'* ]]
	control split 'spam quarantine' 'spam eat'
	send a@test.example
	[ "$status" -eq 55 ]
	[[ $log == *"$CONTROLDIR/split:2"* ]]
	control split 'moon bounce'
	send a@test.example
	[ "$status" -eq 55 ]
}

@test "held messages go to our queue, with reason, stage and category" {
	control chain 'judge@x whole=hold-spam'
	send a@test.example b@test.example
	[ "$status" -eq 0 ]
	[ -z "$(runs)" ]
	for word in a@test.example b@test.example sender@test.example judge@x \
		spam 'judged by the address'; do
		[[ $(held) == *"$word"* ]]
	done
	# Without a queue to hold it in, the mail waits.
	QUEUEDIR=$BATS_TEST_TMPDIR/none send a@test.example
	[ "$status" -eq 62 ]
}

@test "onerror=quarantine holds what a broken stage leaves" {
	control chain 'judge whole=broken mark=x onerror=quarantine'
	send a@test.example
	[ "$status" -eq 0 ]
	[ -z "$(runs)" ]
	[[ $(held) == *'a@test.example'* ]]
}

@test "our own queue takes all groups or none" {
	NEXT=()
	control chain 'judge mark=kids rcpt=@kids.example'
	send a@kids.example b@test.example
	[ "$status" -eq 0 ]
	[ "$(queued)" -eq 2 ]
	[ "$(grep -l 'X-Judge: kids' "$QUEUEDIR"/mess/*/* | wc -l)" -eq 1 ]
	chmod 0 "$QUEUEDIR/todo"
	[ -w "$QUEUEDIR/todo" ] || {
		send a@kids.example b@test.example
		[ "$status" -ne 0 ]
		chmod 700 "$QUEUEDIR/todo"
		[ "$(queued)" -eq 2 ]
	}
}

@test "a route goes to our own queue" {
	NEXT=()
	control chain 'judge route=[127.0.0.1]:2525'
	send a@test.example
	[ "$status" -eq 0 ]
	grep -rq 'ROUTE=\[127.0.0.1\]:2525' "$QUEUEDIR/attr"
}

@test "outside queue programs: when the first refuses, nothing is queued" {
	control chain 'judge mark=1 rcpt=@one.example'
	send refuse-31@one.example refuse-31@two.example
	[ "$status" -eq 31 ]
	[ -z "$(runs)" ]
	send refuse-53@one.example refuse-53@two.example
	[ "$status" -eq 53 ]
	[ -z "$(runs)" ]
}

@test "outside queue programs: one that ends early stops the others" {
	control chain 'judge mark=early rcpt=@two.example'
	# More than a pipe holds: that nobody reads it is seen before the end.
	many=$(printf '%s@two.example ' {10001..14000})
	# shellcheck disable=SC2086 # words
	send a@one.example $many
	[ "$status" -eq 53 ]
	[ -z "$(runs)" ]
	# Even when it says that all is well.
	# shellcheck disable=SC2086
	CODE=0 send a@one.example $many
	[ "$status" -eq 81 ]
	[ -z "$(runs)" ]
}

@test "outside queue programs: a later failure is temporary" {
	control chain 'judge mark=1 rcpt=@two.example'
	for list in 'a@one.example refuse-31@two.example' \
		'refuse-31@one.example a@two.example'; do
		# shellcheck disable=SC2086 # two words
		send $list
		[[ $status -eq 71 || $status -eq 31 ]]
		if [[ $status -eq 31 ]]; then
			[ -z "$(runs)" ]
		else
			[[ $log == *'a duplicate is possible'* ]]
			[ "$(runs | wc -l)" -eq 1 ]
		fi
		echo "$status"
	done | sort | paste -sd' ' | grep -qx '31 71'
}

@test "a group too many defers the message" {
	for i in {1..17}; do
		echo "judge@p$i mark=$i rcpt=r$i@test.example"
	done >"$CONTROLDIR/chain"
	send r{1..17}@test.example
	[ "$status" -eq 71 ]
	[[ $log == *'too many groups of recipients'* ]]
	[ -z "$(runs)" ]
	send r{1..16}@test.example
	[ "$status" -eq 0 ]
	[ "$(runs | wc -l)" -eq 16 ]
}

@test "max-action bounds what a stage may do" {
	expect() {
		control chain "judge whole=$1 max-action=$2"
		send a@test.example
		[ "$status" -eq "$3" ]
	}
	expect reject-spam tag 0
	[ "$(sed -n 's/^X-Qfront-Tag: //p' "$STUB"/done.*/message)" = \
		'spam reject judge' ]
	[[ $log == *'verdict=pass capped=reject category=spam'* ]]
	expect discard tag 0
	[ "$(runs)" = ': a' ]
	expect redirect tag 0
	[ "$(runs)" = ': a' ]
	expect defer tag 0
	expect reject-spam defer 71
	expect discard-virus reject 33
	expect reject-virus reject 33
	expect defer reject 71
	expect reject-spam quarantine 0
	[ -z "$(runs)" ]
	[[ $(held) == *a@test.example* ]]
	# Verdicts of single recipients too.
	control chain 'judge max-action=tag'
	send a@test.example reject-spam@test.example redirect@test.example
	[ "$status" -eq 0 ]
	[ "$(runs)" = ': a reject-spam redirect' ]
}

@test "a stage in the shadow runs, and nothing comes of it" {
	for whole in reject discard redirect defer hold broken pass; do
		control chain "judge whole=$whole mark=x shadow" \
			'judge@b want=x onerror=reject'
		send a@test.example reject-spam@test.example
		[ "$status" -eq 31 ]
		control chain "judge whole=$whole note=x mark=x shadow"
		send a@test.example
		[ "$status" -eq 0 ]
		cmp m "$STUB"/done.*/message
	done
	control chain 'misbehave do=crash shadow'
	send a@test.example
	[ "$status" -eq 0 ]
	[[ $log == *'verdict=broken'* ]]
	control chain 'judge whole=reject-spam shadow'
	send a@test.example
	[[ $log == *'verdict=pass shadow=reject category=spam'* ]]
}
