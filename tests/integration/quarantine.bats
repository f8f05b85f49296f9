#!/usr/bin/env bats
# Mail that is held: qfrontctl quarantine, and the sender's limits on it.

bats_require_minimum_version 1.5.0

load ../lib/common
load ../lib/send

setup() {
	make_world
	make_send_world
}

teardown() {
	stop_peers
}

# hold SENDER RCPT... -- ATTRIBUTE...: queues the file m with attributes; its
# id is in ID.
hold() {
	local addresses=() before

	while [ "$1" != -- ]; do
		addresses+=("$1")
		shift
	done
	shift
	[ -e m ] || message >m
	{
		envelope "${addresses[@]}"
		printf '%s\0' "$@"
	} >hold.e
	before=$(held_ids)
	"$SBIN/qfront-queue" 0<m 1<hold.e
	ID=$(comm -13 <(echo "$before") <(held_ids))
}

held_ids() {
	find "$QUEUEDIR/hold" -name '*.mess' -printf '%f\n' |
		sed 's/\.mess$//' | sort
}

# The same as hold, for one that a spam filter holds.
hold_spam() {
	hold s@test.example a@x.example b@x.example -- \
		'HOLD=9.1 points of 5' STAGE=spam CATEGORY=spam
}

quarantine() {
	"$SBIN/qfrontctl" quarantine "$@"
}

# The time since which it is held.
set_age() {
	touch -d "$2 seconds ago" "$QUEUEDIR/hold/$(($1 % 23))/$1"
}

@test "nothing is held" {
	[ -z "$(quarantine list)" ]
	[ "$(quarantine list --json)" = '[]' ]
	[ "$(quarantine expire)" = '0 deleted, 0 held (0 bytes)' ]
	rm -r "$QUEUEDIR/hold"
	[ -z "$(quarantine list)" ]
}

@test "list: a line each, oldest first" {
	hold_spam
	one=$ID
	hold '' $'odd\033[1m@x.example' -- 'HOLD=why'
	two=$ID
	set_age "$two" 400000
	run -0 quarantine list
	echo "$output"
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} =~ ^ID\ +AGE\ +SIZE\ +SENDER\ +RECIPIENTS\ +STAGE\ +CATEGORY\ +REASON$ ]]
	[[ ${lines[1]} =~ ^$two\ +4d\ +[0-9]+\ +\<\>\ +odd\?\[1m@x.example\ +-\ +-\ +why$ ]]
	[[ ${lines[2]} =~ ^$one\ +[0-9]+s\ +[0-9]+\ +s@test.example\ +a@x.example\ \+1\ +spam\ +spam\ +9.1\ points\ of\ 5$ ]]
}

@test "list --json: for programs" {
	hold_spam
	hold $'caf\351@x.example' $'\303\244@x.example' $'q"\\@x.example' \
		-- 'HOLD=why' ROUTE=mx.example:26
	set_age "$ID" 7200
	quarantine list --json >out
	[ "$(json 'len(d)' <out)" -eq 2 ]
	[ "$(json 'd[0]["id"]' <out)" = "$ID" ]
	[ "$(json 'd[0]["age"] in range(7200, 7300)' <out)" = True ]
	[ "$(json 'd[0]["sender"]' <out)" = 'caf�@x.example' ]
	[ "$(json '"|".join(d[0]["recipients"])' <out)" = \
		'ä@x.example|q"\@x.example' ]
	[ "$(json 'd[0]["route"], d[0]["stage"]' <out)" = \
		"mx.example:26 None" ]
	[ "$(json 'd[1]["stage"], d[1]["category"], d[1]["reason"]' <out)" = \
		"spam spam 9.1 points of 5" ]
	[ "$(json 'd[1]["size"]' <out)" -gt "$(wc -c <m)" ]
}

@test "show: envelope, reason and header; or the message alone" {
	printf 'Subject: a \033[1m b\nX: caf\351\n folded\n\nbody \377\0end' >m
	hold s@test.example a@x.example '' -- HOLD=why ROUTE=mx.example
	run -0 quarantine show "$ID"
	echo "$output"
	[[ $output == "id:         $ID"$'\n'"held since: "*" ("*s\)* ]]
	grep -q '^sender:     s@test.example$' <<<"$output"
	grep -q '^recipient:  a@x.example$' <<<"$output"
	grep -q '^recipient:  <>$' <<<"$output"
	grep -q '^reason:     why$' <<<"$output"
	grep -q '^route:      mx.example$' <<<"$output"
	[[ $output != *stage:* ]]
	grep -q '^Received: (qmail ' <<<"$output"
	[[ $output == *$'\nSubject: a ?[1m b\nX: caf?\n folded' ]]
	quarantine show --message "$ID" | tail -n +2 | cmp - m
	quarantine show --json "$ID" >out
	[ "$(json '"message" in d, d["id"], d["header"].splitlines()[1:]' \
		<out)" = "False $ID ['Subject: a \\x1b[1m b', 'X: caf�', ' folded']" ]
	quarantine show --message --json "$ID" >out
	[ "$(json 'd["message"].endswith("\n\nbody \ufffd\0end")' <out)" = True ]
}

@test "release: it is delivered as if it had just come in" {
	start_sink
	control remotes "127.0.0.1 smtp port=$PORT"
	ln -s "$PROTOCOLS/smtp" "$PROTOCOLDIR/smtp"
	hold_spam
	set_age "$ID" 2000000
	send_once
	[ "$status" -eq 0 ]
	[ "$(held_ids)" = "$ID" ]
	# It may be held for longer than mail may be queued.
	exec 9<>"$QUEUEDIR/lock/trigger"
	[ "$(quarantine release "$ID")" = "$ID released" ]
	read -r -d '' -n 1 -t "$PATIENCE" -u 9
	exec 9>&-
	[ -z "$(held_ids)" ]
	send_once
	[ "$status" -eq 0 ]
	queue_is_empty
	[ "$("$PYTHON" -c 'import json; print(json.load(open("'"$SINK"'/1.json"))["rcpt_tos"])')" = \
		"['a@x.example', 'b@x.example']" ]
	tail -n +2 "$SINK/1.eml" | cmp - <(sed 's/$/\r/' m)
}

@test "release: a sender that runs takes it at once" {
	control remotes 'mx ok'
	control pausetime 3600
	ok_module
	hold_spam
	start_sender
	sees ' waiting '
	quarantine release "$ID"
	sees " end id=$ID"
	stop_sender
	[ "$(paste -sd' ' "$WORLD/rcpts")" = 'a@x.example b@x.example' ]
	queue_is_empty
}

@test "release: a queue program of somebody else gets it, or it stays" {
	export STUB=$BATS_TEST_TMPDIR/stub
	control queueprog "$TESTLIB/stubqueue 'with words'"
	hold_spam
	CODE=31 run -1 quarantine release "$ID"
	[[ $output == *"message $ID stays held: "*"/stubqueue refused it with code 31: "* ]]
	[ "$(held_ids)" = "$ID" ]
	[ "$(quarantine release "$ID")" = \
		"$ID released to $TESTLIB/stubqueue" ]
	queue_is_empty
	tail -n +2 "$STUB.message" | cmp - m
	# No attributes: it would not know them.
	envelope s@test.example a@x.example b@x.example | cmp - "$STUB.envelope"
}

@test "release: a route is for our own queue" {
	control queueprog "$TESTLIB/stubqueue"
	hold s@test.example a@x.example -- HOLD=why ROUTE=mx.example
	[ "$(quarantine release "$ID")" = "$ID released" ]
	[ "$(files "$QUEUEDIR/todo")" -eq 1 ]
}

@test "release: qfront behind itself is an error" {
	control queueprog "$SBIN/qfront"
	hold_spam
	run -111 quarantine release "$ID"
	[[ $output == *"qfront itself"* ]]
	[ "$(held_ids)" = "$ID" ]
}

@test "delete: nothing is left" {
	hold_spam
	one=$ID
	hold_spam
	[ "$(quarantine delete "$one" "$ID")" = "$one deleted
$ID deleted" ]
	queue_is_empty
}

@test "what is not held is named, and the others have their turn" {
	hold_spam
	held=$ID
	enqueue s@test.example a@x.example
	for action in release delete; do
		run -1 quarantine "$action" 12 "$ID" x ../../etc
		[ "${#lines[@]}" -eq 4 ]
		[[ ${lines[0]} == *"no message 12 is held"* ]]
		[[ ${lines[1]} == *"message $ID is not held, it is queued"* ]]
		[[ ${lines[2]} == *"no message x is held"* ]]
	done
	run -1 quarantine show 12
	[[ $output == *"no message 12 is held"* ]]
	run -1 quarantine delete 12 "$held"
	[[ ${lines[1]} == "$held deleted" ]]
	[ "$(queued)" -eq 1 ]
}

@test "one that another program is at work on is left alone" {
	hold_spam
	exec 9<"$QUEUEDIR/hold/$((ID % 23))/$ID"
	flock 9
	for action in release delete; do
		run -1 quarantine "$action" "$ID"
		[[ $output == *"another program is at work on message $ID"* ]]
	done
	exec 9>&-
	quarantine delete "$ID"
}

@test "wrong calls" {
	for args in '' bogus 'list x' 'list --message' show 'show 1 2' release \
		'release --json 1' delete 'expire 1' 'show --bogus 1'; do
		# shellcheck disable=SC2086 # words
		run -64 quarantine $args
		[[ $output == 'usage: qfrontctl quarantine '* ]]
	done
	QUEUEDIR=$WORLD/none run -111 quarantine list
	[[ $output == *"$WORLD/none"* ]]
}

# complains TEXT: both forms of the list end with 1, have the messages of
# `good`, and complain with this text.
complains() {
	run -1 --separate-stderr quarantine list
	echo "$output" "$stderr"
	[ "$(sed 1d <<<"$output" | cut -d' ' -f1 | sort)" = "$good" ]
	[[ $stderr == 'qfrontctl: '*"$1"* && $stderr != *$'\n'* ]]
	run -1 --separate-stderr quarantine list --json
	[ "$(json '"\n".join(sorted(m["id"] for m in d))' <<<"$output")" = \
		"$good" ]
	[[ $stderr == 'qfrontctl: '*"$1"* && $stderr != *$'\n'* ]]
}

@test "a damaged message is reported, the others are listed" {
	for _ in 1 2 3; do
		hold_spam
	done
	good=$(held_ids)
	hold_spam
	envelope=hold/$((ID % 23))/$ID
	cp "$QUEUEDIR/$envelope" whole
	: >"$QUEUEDIR/$envelope"
	complains "$QUEUEDIR/$envelope is damaged: no sender at byte 0; correct it, or remove it"
	printf 'X' >"$QUEUEDIR/$envelope"
	complains "$QUEUEDIR/$envelope is damaged: unknown record type at byte 0; correct it, or remove it"
	run -1 quarantine show "$ID"
	[[ $output == *"is damaged"* ]]
	cp whole "$QUEUEDIR/$envelope"
	cp "$QUEUEDIR/attr/$((ID % 23))/$ID" attributes
	echo x >>"$QUEUEDIR/attr/$((ID % 23))/$ID"
	complains "$QUEUEDIR/attr/$((ID % 23))/$ID is damaged; correct or remove it: unknown attribute"
	cp attributes "$QUEUEDIR/attr/$((ID % 23))/$ID"
	rm "$QUEUEDIR/$envelope.mess"
	complains "$QUEUEDIR/$envelope.mess is missing, but $envelope names it: its message is lost; \`qfrontctl queue fix\` clears it away"
	"$SBIN/qfrontctl" queue fix
	run -0 quarantine list
	[ "${#lines[@]}" -eq 4 ]
}

@test "when the queue can not be read on, what was found is listed" {
	for _ in 1 2 3; do
		hold_spam
	done
	# The last folder of the walk.
	rm -rf "$QUEUEDIR/hold/22"
	: >"$QUEUEDIR/hold/22"
	run -111 --separate-stderr quarantine list --json
	[ "$(json '"\n".join(sorted(m["id"] for m in d))' <<<"$output")" = \
		"$(held_ids)" ]
	[[ $stderr == *"can not read $QUEUEDIR/hold/22"* ]]
}

@test "expire: what is too old, then the oldest of what is too much" {
	control quarantinelifetime 1000
	for age in 10 990 1100 20000; do
		hold_spam
		set_age "$ID" $age
		ids+=("$ID")
	done
	run -0 quarantine expire
	echo "$output"
	[[ $output == *$'\n2 deleted, 2 held ('* ]]
	grep -q "held message deleted id=${ids[3]} from=s@test.example rcpts=2 to=a@x.example,b@x.example bytes=[0-9]* reason=\"9.1 points of 5\" limit=quarantinelifetime" <<<"$output"
	grep -q "held message deleted id=${ids[2]} " <<<"$output"
	[ "$(quarantine list --json | json '[x["id"] for x in d]')" = \
		"['${ids[1]}', '${ids[0]}']" ]
	control quarantinelifetime 0
	set_age "${ids[1]}" 200000000
	size=$(quarantine list --json | json 'sum(x["size"] for x in d)')
	control quarantinesize "$size"
	[ "$(quarantine expire)" = "0 deleted, 2 held ($size bytes)" ]
	control quarantinesize $((size - 1))
	run -0 quarantine expire
	[[ $output == *"deleted id=${ids[1]} "*" limit=quarantinesize"* ]]
	[ "$(held_ids)" = "${ids[0]}" ]
	# A wrong limit deletes nothing.
	control quarantinesize 1x
	run -111 quarantine expire
	[[ $output == *"quarantinesize:1:"* ]]
	[ "$(held_ids)" = "${ids[0]}" ]
}

@test "the sender: what is held waits, what is too old goes" {
	control remotes 'mx ok'
	ok_module
	control quarantinelifetime 1000
	hold_spam
	old=$ID
	set_age "$old" 1001
	hold_spam
	send_once
	[ "$status" -eq 0 ]
	[ ! -e "$WORLD/rcpts" ]
	logged "warn: held message deleted id=$old from=s@test.example .*reason=\"9.1 points of 5\" limit=quarantinelifetime"
	[ "$(held_ids)" = "$ID" ]
	control quarantinesize 1
	send_once
	logged "held message deleted id=$ID .*limit=quarantinesize"
	queue_is_empty
}

@test "the sender: wrong limits are wrong configuration" {
	control remotes 'mx ok'
	ok_module
	control quarantinelifetime forever
	hold_spam
	send_once
	[ "$status" -eq 18 ]
	logged 'quarantinelifetime:1:'
	run -1 "$SBIN/qfront-send" --check
	[[ $output == *quarantinelifetime:1:* ]]
	[ "$(held_ids)" = "$ID" ]
}

@test "the sender: a route takes the place of the remotes" {
	start_sink
	control remotes 'mx ok'
	ok_module
	ln -s "$PROTOCOLS/smtp" "$PROTOCOLDIR/smtp"
	message >m
	{
		envelope s@test.example a@x.example
		printf 'ROUTE=127.0.0.1:%s\0' "$PORT"
	} >routed
	"$SBIN/qfront-queue" 0<m 1<routed
	enqueue s@test.example b@x.example
	send_once
	[ "$status" -eq 0 ]
	queue_is_empty
	[ "$(<"$WORLD/rcpts")" = b@x.example ]
	[ "$(json 'd["rcpt_tos"]' <"$SINK/1.json")" = "['a@x.example']" ]
	[ ! -e "$SINK/2.json" ]
	# Held and released it has the same way, without any remotes.
	rm "$CONTROLDIR/remotes"
	hold s@test.example c@x.example -- HOLD=why "ROUTE=127.0.0.1:$PORT"
	quarantine release "$ID"
	send_once
	run ! grep 'no remotes' log
	[ "$(json 'd["rcpt_tos"]' <"$SINK/2.json")" = "['c@x.example']" ]
	queue_is_empty
}

@test "the sender: a route that takes nothing is final after queuelifetime" {
	control remotes 'mx ok'
	control queuelifetime 3600
	ok_module
	module smtp <<-'END'
		#!/bin/sh
		cat >>"$WORLD/options"
		echo 451 not now
		exit 16
	END
	bounce_to_stub
	{
		envelope s@test.example a@x.example
		printf 'ROUTE=[::1]:26\0'
	} >routed
	message >m
	"$SBIN/qfront-queue" 0<m 1<routed
	send_once
	logged 'deferred id=[0-9]* remote=::1 text="451 not now"'
	printf 'host=::1\nport=26\n\n' | cmp - "$WORLD/options"
	[ "$(queued)" -eq 1 ]
	touch -d '2 hours ago' "$QUEUEDIR"/info/*/*
	send_once
	logged 'failed id=[0-9]* rcpt=a@x.example text="not delivered in time; ::1: 451 not now"'
	[ ! -e "$WORLD/rcpts" ]
	queue_is_empty_but failed
}
