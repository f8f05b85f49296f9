#!/usr/bin/env bats
# qfrontctl queue: what is in the queue, and what a person does with it, with
# and without a sender at work.

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

queue() {
	"$SBIN/qfrontctl" queue "$@"
}

# A module that refuses fail@, delivers to done@ and defers all others.
odd_module() {
	control remotes 'mx odd'
	module odd <<-'END'
		#!/bin/sh
		rcpts=$(sed '1d;/^$/q' <&3)
		case $rcpts in
		fail@*[!e]) echo 550 no such user; exit 35 ;;
		esac
		case $rcpts in
		fail@x.example) echo 550 no such user; exit 35 ;;
		done@x.example) echo 250 ok; exit 0 ;;
		*@*@*) echo 550 not for all; exit 35 ;;
		esac
		echo 451 later
		exit 16
	END
}

# A message of which one recipient has failed, one has it and one waits.
enqueue_odd() {
	odd_module
	enqueue s@test.example fail@x.example done@x.example wait@y.example
	send_once
	[ -e "$QUEUEDIR/info/$((ID % 23))/$ID" ]
}

# A module that says so when it begins, and ends when it is told to.
slow_module() {
	control remotes 'mx slow'
	mkfifo begun go
	export BEGUN=$PWD/begun GO=$PWD/go
	module slow <<-'END'
		#!/bin/sh
		sed -n '2,/^$/{/./p}' <&3 >>"$WORLD/rcpts"
		echo begun >"$BEGUN"
		read -r how <"$GO"
		echo "$how"
		[ "$how" = "250 ok" ] || exit 16
	END
}

# Starts the sender and waits until it delivers.
start_slow() {
	slow_module
	start_sender
	read -r -t "$PATIENCE" _ <begun
}

# The files of a message, without its folders' numbers.
places_of() {
	(cd "$QUEUEDIR" && find . -name "$1" -o -name "$1.mess") |
		sed 's,^\./,,; s,/[0-9]*/,/,; s,/.*\(\.mess\)$,\1,; s,/.*,,' |
		sort | paste -sd' '
}

@test "list: queued, tried, held, each with its state" {
	[ -z "$(queue list)" ]
	[ "$(queue list --json)" = '[]' ]
	enqueue_odd
	tried=$ID
	enqueue '' a@x.example
	new=$ID
	enqueue h@test.example a@x.example b@x.example
	[ "$(queue hold --reason='not now' "$ID")" = "$ID held" ]
	run -0 queue list
	echo "$output"
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[0]} =~ ^ID\ +AGE\ +SIZE\ +LEFT\ +SENDER\ +RECIPIENTS\ +STATE$ ]]
	[[ ${lines[1]} =~ ^$new\ +[0-9]+s\ +[0-9]+\ +1/1\ +\<\>\ +a@x.example\ +new$ ]]
	[[ ${lines[2]} =~ ^$tried\ +[0-9]+s\ +[0-9]+\ +1/3\ +s@test.example\ +wait@y.example\ +due\ in\ [0-9]+s$ ]]
	[[ ${lines[3]} =~ ^$ID\ +[0-9]+s\ +[0-9]+\ +2/2\ +h@test.example\ +a@x.example\ \+1\ +held:\ not\ now$ ]]
	queue list --json >out
	[ "$(json '[(m["id"], m["held"], m["pending"], m["reason"]) for m in d]' \
		<out)" = "[('$new', False, 1, None), ('$tried', False, 1, None), ('$ID', True, 2, 'not now')]" ]
	[ "$(json 'd[1]["due"] > d[1]["born"] > 0, d[0]["due"]' <out)" = \
		"True 0" ]
}

@test "list: filters" {
	enqueue a@one.example x@two.example
	one=$ID
	enqueue '' Y@TWO.example z@three.example
	two=$ID
	touch -d '2 hours ago' "$QUEUEDIR/todo/$one"
	queue hold "$two"
	ids() {
		queue list --json "$@" | json '" ".join(m["id"] for m in d)'
	}
	[ "$(ids)" = "$one $two" ]
	[ "$(ids --held)" = "$two" ]
	[ "$(ids --sender=A@One.example)" = "$one" ]
	[ "$(ids --sender=one.example)" = "$one" ]
	[ "$(ids --sender=)" = "$two" ]
	[ "$(ids --sender='<>')" = "$two" ]
	[ "$(ids --rcpt=two.example)" = "$one $two" ]
	[ "$(ids --rcpt=@three.example)" = "$two" ]
	[ "$(ids --rcpt=y@two.example)" = "$two" ]
	[ -z "$(ids --rcpt=wo.example)" ]
	[ "$(ids --older=7000)" = "$one" ]
	[ -z "$(ids --older=7000 --held)" ]
}

# complains TEXT: both forms of the list end with 1, have the messages of
# `good` and that of `hurt` with this text, and complain with it.
complains() {
	run -1 --separate-stderr queue list
	echo "$output" "$stderr"
	[ "$(sed 1d <<<"$output" | grep -v "^$hurt *damaged: " |
		cut -d' ' -f1 | sort)" = "$good" ]
	[[ $output == *$'\n'"$hurt "*" damaged: $1"* ]]
	[[ $stderr == "qfrontctl: $1"* && $stderr != *$'\n'* ]]
	run -1 --separate-stderr queue list --json
	[ "$(json '"\n".join(sorted(m["id"] for m in d if len(m) == 9))' \
		<<<"$output")" = "$good" ]
	[ "$(json '[sorted(m) for m in d if m["id"] == "'"$hurt"'"]' \
		<<<"$output")" = "[['damaged', 'id']]" ]
	[[ $stderr == "qfrontctl: $1"* && $stderr != *$'\n'* ]]
}

@test "list: damaged and lost messages are lines of their own" {
	for _ in 1 2 3; do
		enqueue s@test.example a@x.example
		ids+=("$ID")
	done
	queue hold "${ids[0]}"
	hurt=${ids[2]}
	good=$(printf '%s\n' "${ids[@]:0:2}" | sort)
	printf X >"$QUEUEDIR/todo/$hurt"
	complains "$QUEUEDIR/todo/$hurt is damaged: unknown record type at byte 0; correct it, or remove it"
	rm "$QUEUEDIR/mess/$((hurt % 23))/$hurt"
	printf 'Fs@x\0' >"$QUEUEDIR/todo/$hurt"
	complains "$QUEUEDIR/mess/$((hurt % 23))/$hurt is missing, but todo/$hurt names it: its message is lost; \`qfrontctl queue fix\` clears it away"
	# A filter does not mean what nobody knows.
	run -0 queue list --sender=s@test.example
	[[ $output != *damaged* ]]
	queue fix
	run -0 queue list
	[ "${#lines[@]}" -eq 3 ]
	# The same of one that is held.
	hurt=${ids[0]}
	good=${ids[1]}
	: >"$QUEUEDIR/hold/$((hurt % 23))/$hurt"
	complains "$QUEUEDIR/hold/$((hurt % 23))/$hurt is damaged: no sender at byte 0; correct it, or remove it"
}

@test "list: who has seen enough is no error" {
	for _ in 1 2 3 4; do
		enqueue s@test.example a@x.example
	done
	mkfifo pipe
	queue list >pipe 2>err &
	PEERS+=("$!")
	lister=$!
	head -n 1 <pipe >got
	wait "$lister"
	[ ! -s err ]
	[[ $(<got) == ID* ]]
}

@test "show: all of it" {
	enqueue_odd
	run -0 queue show "$ID"
	echo "$output"
	[[ $output == "id:         $ID"$'\nstate:      tried\nsince:      '* ]]
	grep -q '^recipient:  fail@x.example (failed: .*550 no such user.*)$' <<<"$output"
	grep -q '^recipient:  done@x.example (delivered)$' <<<"$output"
	grep -q '^recipient:  wait@y.example (waiting)$' <<<"$output"
	grep -q '^due:        .* (in [0-9]*s)$' <<<"$output"
	grep -q '^Subject: a test$' <<<"$output"
	queue show --json "$ID" >out
	[ "$(json '[r["state"] for r in d["recipients"]]' <out)" = \
		"['failed', 'delivered', 'waiting']" ]
	[[ $(json 'd["recipients"][0]["reason"]' <out) == *"no such user"* ]]
	queue show --message "$ID" |
		cmp - "$QUEUEDIR/mess/$((ID % 23))/$ID"
	queue hold --reason=why "$ID"
	queue show --json --message "$ID" >out
	[ "$(json 'd["state"], d["attributes"], "Hello" in d["message"]' <out)" = \
		"held ['HOLD=why'] True" ]
	run -1 queue show 12
	[[ $output == *"message 12 is not in "* ]]
}

@test "wrong calls change nothing" {
	enqueue s@test.example a@x.example
	for args in '' bogus 'list 1' 'list --bogus' 'list --older=x' show \
		'show 1 2' 'show --all' hold 'hold --reason=x' release delete \
		retry "delete --all $ID" "delete --sender=x $ID" \
		"delete --reason=x $ID" 'failed bogus' 'failed show' \
		'failed list 1' 'failed --message' 'failed retry' \
		'failed delete --all' 'fix --bogus' 'fix a b'; do
		# shellcheck disable=SC2086 # words
		run -64 queue $args
		[[ $output == 'usage: qfrontctl queue '* ]]
	done
	[ "$(places_of "$ID")" = "mess todo" ]
}

@test "hold and release a new message" {
	enqueue s@test.example a@x.example
	touch -d '3 days ago' "$QUEUEDIR/todo/$ID"
	[ "$(queue hold "$ID")" = "$ID held" ]
	[ "$(places_of "$ID")" = "attr hold hold.mess" ]
	[ -z "$(find "$QUEUEDIR/hold" -type f -perm /077)" ]
	# It is held since now, whatever its age.
	control quarantinelifetime 1000
	control remotes 'mx ok'
	ok_module
	send_once
	[ ! -e "$WORLD/rcpts" ]
	run -0 "$SBIN/qfrontctl" quarantine list
	[[ ${lines[1]} =~ ^$ID\ .*held\ by\ qfrontctl\ queue\ hold$ ]]
	run -1 queue hold "$ID"
	[[ $output == *"message $ID is held already"* ]]
	run -1 queue retry "$ID"
	[[ $output == *"message $ID is held; release it first"* ]]
	[ "$(queue release "$ID")" = "$ID released" ]
	[ "$(places_of "$ID")" = "attr mess todo" ]
	[ -z "$(find "$QUEUEDIR/todo" "$QUEUEDIR/mess" -type f ! -perm 644)" ]
	run -1 queue release "$ID"
	[[ $output == *"message $ID is not held"* ]]
	send_once
	[ "$(<"$WORLD/rcpts")" = a@x.example ]
	queue_is_empty
}

@test "hold and release after attempts: who had it, failed or waits stays so" {
	bounce_to_stub
	enqueue_odd
	queue show --json "$ID" | json 'd["recipients"]' >before
	queue hold --reason=why "$ID"
	[ "$(places_of "$ID")" = "attr bounce hold hold.mess remote" ]
	send_once
	lacks "$ID" log
	queue show --json "$ID" | json 'd["recipients"]' | cmp - before
	# Another queue program could not go on with it.
	control queueprog "$TESTLIB/stubqueue"
	[ "$(queue release "$ID")" = "$ID released" ]
	[ "$(places_of "$ID")" = "attr bounce info mess remote" ]
	queue show --json "$ID" | json 'd["recipients"]' | cmp - before
	control remotes 'mx ok'
	ok_module
	send_once
	[ "$(<"$WORLD/rcpts")" = wait@y.example ]
	grep -q 'fail@x.example' "$STUB.message"
	lacks 'done@x.example' "$STUB.message"
	queue_is_empty_but failed
}

@test "hold: what a crash left of state does not become true" {
	enqueue s@test.example a@x.example
	n=$((ID % 23))
	printf 'Fs@test.example\0' >"$QUEUEDIR/info/$n/$ID"
	printf 'Da@x.example\0' >"$QUEUEDIR/remote/$n/$ID"
	printf '<a@x.example>:\nwrong\n\n' >"$QUEUEDIR/bounce/$ID"
	queue hold "$ID"
	[ "$(places_of "$ID")" = "attr hold hold.mess" ]
	[ "$(queue list --json | json 'd[0]["pending"]')" = 1 ]
}

@test "hold keeps what else belongs to the message, and no stage held it" {
	message >m
	{
		envelope s@test.example a@x.example
		printf '%s\0' ROUTE=mx.example HOLD=spam STAGE=spam CATEGORY=c
	} >e
	"$SBIN/qfront-queue" <m 1<e
	id=$(queue list --json | json 'd[0]["id"]')
	queue release "$id"
	queue hold --reason=mine "$id"
	[ "$(queue show --json "$id" | json 'd["attributes"]')" = \
		"['ROUTE=mx.example', 'HOLD=mine']" ]
	queue release "$id"
	run -1 queue hold --reason=$'two\nlines' "$id"
	[ "$(places_of "$id")" = "attr mess todo" ]
}

@test "delete: queued and held, in all states, and no bounce" {
	bounce_to_stub
	enqueue_odd
	one=$ID
	enqueue_odd
	two=$ID
	queue hold "$two"
	enqueue s@test.example a@x.example
	three=$ID
	enqueue s@test.example a@x.example
	queue hold "$ID"
	run -1 queue delete "$one" 12 "$two" "$three" "$ID"
	[ "$output" = "$one deleted
qfrontctl: message 12 is not in $QUEUEDIR
$two deleted
$three deleted
$ID deleted" ]
	queue_is_empty
	[ ! -e "$STUB.message" ]
}

@test "delete by filter: what matches, nothing else" {
	enqueue a@one.example x@two.example
	keep=$ID
	enqueue b@one.example x@two.example
	one=$ID
	enqueue b@one.example x@two.example
	queue hold "$ID"
	[ "$(queue delete --sender=b@one.example)" = "$one deleted
$ID deleted" ]
	[ "$(queue list --json | json '[m["id"] for m in d]')" = "['$keep']" ]
	queue hold --all
	enqueue c@one.example x@two.example
	[ "$(queue delete --held)" = "$keep deleted" ]
	[ "$(queue delete --all)" = "$ID deleted" ]
	queue_is_empty
}

@test "retry: due now, and the sender wakes" {
	enqueue_odd
	[ "$(queue list --json | json 'd[0]["due"] > d[0]["born"] + 10')" = True ]
	control remotes 'mx ok'
	control pausetime 3600
	ok_module
	exec 9<>"$QUEUEDIR/lock/trigger"
	[ "$(queue retry "$ID")" = "$ID due now" ]
	read -r -d '' -n 1 -t "$PATIENCE" -u 9
	exec 9>&-
	[ "$(queue list --json | json 'd[0]["due"] - d[0]["born"] < 60')" = True ]
	[ "$(queue retry --all)" = "$ID due now" ]
}

@test "retry: a sender that waits tries at once" {
	bounce_to_stub
	enqueue_odd
	control pausetime 3600
	start_sender
	sees ' waiting '
	control remotes 'mx ok'
	ok_module
	queue retry "$ID"
	sees " end id=$ID"
	stop_sender
	queue_is_empty_but failed
}

@test "one that is being delivered is left alone, the others are not" {
	enqueue s@test.example a@x.example
	touch -d '1 hour ago' "$QUEUEDIR/todo/$ID"
	one=$ID
	enqueue s@test.example b@x.example
	two=$ID
	enqueue s@test.example c@x.example
	start_slow
	for action in hold delete retry; do
		run -1 queue "$action" "$one"
		[ "$output" = "qfrontctl: message $one is being delivered now; try again" ]
	done
	[ "$(queue hold "$two")" = "$two held" ]
	[ "$(queue delete "$ID")" = "$ID deleted" ]
	[ "$(queue list --json | json '[m["id"] for m in d]')" = \
		"['$one', '$two']" ]
	echo 250 ok >go
	sees " end id=$one"
	sees ' waiting '
	stop_sender
	logged "info: no longer queued id=$two"
	logged "info: no longer queued id=$ID"
	[ "$(<"$WORLD/rcpts")" = a@x.example ]
	[ "$(places_of "$two")" = "attr hold hold.mess" ]
	lacks 'error' log
}

@test "the sender leaves a message alone that somebody else has" {
	control remotes 'mx ok'
	ok_module
	enqueue s@test.example a@x.example
	exec 9<"$QUEUEDIR/mess/$((ID % 23))/$ID"
	flock 9
	send_once
	logged "info: in use by another program; left for later id=$ID"
	run -1 queue delete "$ID"
	[[ $output == *"another program is at work on message $ID"* ]]
	exec 9>&-
	send_once
	[ "$(<"$WORLD/rcpts")" = a@x.example ]
	queue_is_empty
}

@test "another program's sender: a clear refusal, for what is queued" {
	enqueue s@test.example a@x.example
	one=$ID
	enqueue s@test.example a@x.example
	queue hold "$ID"
	exec 9<"$QUEUEDIR/lock/sendmutex"
	flock 9
	for action in hold delete retry; do
		run -111 queue "$action" "$one"
		[[ $output == *"another program's sender, such as qmail-send, runs on this queue ("*"); stop it first" ]]
	done
	run -111 queue fix
	[[ $output == *"another program's sender"* ]]
	queue list
	[ "$(queue delete "$ID")" = "$ID deleted" ]
	exec 9>&-
	[ "$(places_of "$one")" = "mess todo" ]
}

@test "failed: list, show, delete" {
	control remotes 'mx fail'
	fail_module
	[ -z "$(queue failed)" ]
	enqueue '' a@x.example b@x.example
	send_once
	enqueue '' ''
	send_once
	run -0 queue failed
	echo "$output"
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} =~ ^ID\ +AGE\ +SIZE\ +SENDER\ +RECIPIENTS$ ]]
	grep -Eq '^[0-9.]+ +[0-9]+s +[0-9]+ +<> +a@x.example \+1$' <<<"$output"
	queue failed list --json >out
	[ "$(json 'sorted(m["recipients"] for m in d)' <out)" = \
		"[[''], ['a@x.example', 'b@x.example']]" ]
	# Its number may have come again: then it has another name.
	one=$(json 'next(m["id"] for m in d if len(m["recipients"]) == 2)' <out)
	run -0 queue failed show "$one"
	grep -q '^recipient:  b@x.example$' <<<"$output"
	grep -q '^Subject: a test$' <<<"$output"
	printf x >"$QUEUEDIR/failed/12"
	run -1 queue failed
	[[ $output == *"failed/12: no empty line ends its addresses"* ]]
	run -1 queue failed delete "$one" 13
	[[ ${lines[0]} == "$one deleted" ]]
	[[ ${lines[1]} == *"no message 13 has failed"* ]]
	[ "$(files "$QUEUEDIR/failed")" -eq 2 ]
}

@test "failed retry: queued anew as it is, and then removed" {
	control remotes 'mx fail'
	fail_module
	printf 'Subject: x\n\n\nbody\n\nno end' >m
	enqueue_file m '' a@x.example ''
	send_once
	[ "$(files "$QUEUEDIR/failed")" -eq 1 ]
	cp "$QUEUEDIR/failed/$ID" kept
	exec 9<"$QUEUEDIR/failed/$ID"
	flock 9
	run -1 queue failed retry "$ID"
	[[ $output == *"another program is at work"* ]]
	exec 9>&-
	run -0 queue failed retry "$ID"
	[[ $output =~ ^$ID\ queued\ as\ ([0-9]+)$ ]]
	new=${BASH_REMATCH[1]}
	[ "$(files "$QUEUEDIR/failed")" -eq 0 ]
	printf '\n<>\na@x.example\n\n' | cat - "$QUEUEDIR/mess/$((new % 23))/$new" |
		cmp - kept
	[ "$(queue list --json | json 'd[0]["sender"], d[0]["recipients"]')" = \
		" ['', 'a@x.example']" ]
}

# What a queue holds, without numbers and times: the same after a copy.
digest() {
	QUEUEDIR=$1 "$PYTHON" - "$SBIN/qfrontctl" <<-'END' | sort
		import json, subprocess, sys

		def queue(*arguments):
		    return json.loads(subprocess.run(
		        [sys.argv[1], "queue", *arguments], check=True,
		        stdout=subprocess.PIPE).stdout)

		for message in queue("list", "--json"):
		    whole = queue("show", "--json", "--message", message["id"])
		    print({k: v for k, v in whole.items()
		           if k not in ("id", "born", "due")})
	END
}

# A queue with messages in all states.
fill() {
	local i

	enqueue_odd
	enqueue_odd
	queue hold --reason=tried "$ID"
	message >m
	{
		envelope s@test.example r@x.example
		printf 'ROUTE=mx.example\0'
	} >e
	for i in 1 2 3; do
		enqueue s@test.example "$i@x.example"
		"$SBIN/qfront-queue" <m 1<e
	done
	enqueue s@test.example h@x.example
	queue hold --reason=new "$ID"
}

@test "fix: a queue that is good" {
	run -0 queue fix
	[ "$output" = "queue $QUEUEDIR is good" ]
	fill
	queue fix --check
	run -0 queue fix
	[ "$output" = "queue $QUEUEDIR is good" ]
	# As qmail-queue makes it.
	queue delete --all
	rm -rf "$QUEUEDIR/attr" "$QUEUEDIR/hold" "$QUEUEDIR/failed"
	enqueue s@test.example a@x.example
	for f in "$QUEUEDIR"/todo/*; do
		ln "$f" "$QUEUEDIR/intd/${f##*/}"
	done
	run -0 queue fix --check
	[ "$output" = "queue $QUEUEDIR is good" ]
}

@test "fix: a copy gets the numbers of its inodes, nothing is lost" {
	fill
	digest "$QUEUEDIR" >want
	[ "$(wc -l <want)" -eq 9 ]
	cp -a "$QUEUEDIR" copy
	run -1 queue fix --check copy
	[ "$(grep -c 'does not have the number of its inode; becomes .*: to repair$' \
		<<<"$output")" -eq 9 ]
	diff -r "$QUEUEDIR/todo" copy/todo
	run -0 queue fix copy
	echo "$output"
	[ "$(grep -c 'does not have the number of its inode; becomes .*: repaired$' \
		<<<"$output")" -eq 9 ]
	[ "$(files copy)" -eq "$(files "$QUEUEDIR")" ]
	digest copy | diff want -
	[ "$(queue fix copy)" = "queue copy is good" ]
	# Without the times of the files, too.
	cp -r "$QUEUEDIR" other
	queue fix other
	digest other | diff want -
}

@test "fix: numbers that go round in a circle" {
	for i in 1 2 3; do
		{
			printf 'number %s\n\n' "$i"
			head -c "$i"000 /dev/zero
		} >m
		enqueue_file m s@test.example "$i@x.example"
		ids+=("$ID")
	done
	digest "$QUEUEDIR" >want
	# The files of each one get the number of the next.
	for i in 0 1 2; do
		from=${ids[i]} to=${ids[(i + 1) % 3]}
		mv "$QUEUEDIR/todo/$from" "$QUEUEDIR/todo/$to.x"
		mv "$QUEUEDIR/mess/$((from % 23))/$from" \
			"$QUEUEDIR/mess/$((to % 23))/$to.x"
	done
	(cd "$QUEUEDIR" && find . -name '*.x' | while read -r f; do
		mv "$f" "${f%.x}"
	done)
	run ! diff <(queue fix --check) <(echo "queue $QUEUEDIR is good")
	queue fix
	digest "$QUEUEDIR" | diff want -
	[ "$(queue fix)" = "queue $QUEUEDIR is good" ]
}

@test "fix: folders, lock files, modes and kinds" {
	enqueue s@test.example a@x.example
	rm -r "$QUEUEDIR/pid" "$QUEUEDIR/local/7" "$QUEUEDIR/lock/trigger" \
		"$QUEUEDIR/lock/sendmutex"
	echo x >"$QUEUEDIR/lock/trigger"
	chmod 777 "$QUEUEDIR/todo"
	run -1 queue fix --check
	echo "$output"
	[ "${#lines[@]}" -eq 6 ]
	[ ! -e "$QUEUEDIR/pid" ]
	run -0 queue fix
	echo "$output"
	for line in 'pid: is missing' 'local/7: is missing' \
		'lock/trigger: is not a FIFO; moved to lost' \
		'lock/sendmutex: is missing' 'todo: has mode 0777, not 0750'; do
		grep -Fqx "$line: repaired" <<<"$output"
	done
	[ "$(<"$QUEUEDIR/lost/lock.trigger")" = x ]
	[ "$(queue fix)" = "queue $QUEUEDIR is good" ]
	control remotes 'mx ok'
	ok_module
	send_once
	[ "$(<"$WORLD/rcpts")" = a@x.example ]
	mkdir none
	run -111 queue fix none
	[[ $output == *"none is no queue"* ]]
}

@test "fix: owners" {
	[ "$EUID" -eq 0 ] || skip "only root gives files away"
	enqueue s@test.example a@x.example
	run -0 queue fix --owner=daemon:daemon
	[ -z "$(find "$QUEUEDIR" ! -user daemon)" ]
	# What a restore left to root; another owner may be meant so.
	chown 0:0 "$QUEUEDIR/todo/$ID"
	chown -h nobody "$QUEUEDIR/info"
	run -0 queue fix
	[ "${lines[0]}" = "todo/$ID: belongs to uid 0 and gid 0: repaired" ]
	[ "${#lines[@]}" -eq 2 ]
	[ "$(stat -c %U "$QUEUEDIR/todo/$ID" "$QUEUEDIR/info" |
		paste -sd' ')" = "daemon nobody" ]
	run -111 queue fix --owner=no-such-user
}

@test "fix: what belongs to no message" {
	enqueue s@test.example good@x.example
	good=$ID
	enqueue s@test.example lost@x.example
	rm "$QUEUEDIR/mess/$((ID % 23))/$ID"
	printf 'Tx\0' >"$QUEUEDIR/remote/$((ID % 23))/$ID"
	printf 'Fs\0' >"$QUEUEDIR/info/7/30"
	printf '<x>:\nnote\n\n' >"$QUEUEDIR/bounce/31"
	printf 'Tx\0' >"$QUEUEDIR/local/9/32"
	printf 'birth=1.0\n' >"$QUEUEDIR/attr/10/33"
	printf x >"$QUEUEDIR/attr/10/33.new"
	printf x >"$QUEUEDIR/failed/.new.34"
	printf x >"$QUEUEDIR/todo/odd"
	printf x >"$QUEUEDIR/hold/3/4.bak"
	mkdir "$QUEUEDIR/mess/4/27"
	mv "$QUEUEDIR/mess/$((good % 23))/$good" "$QUEUEDIR/mess/$(((good + 1) % 23))"
	run -1 queue fix
	echo "$output"
	for line in "todo/$ID: its message is missing, so this mail is lost; moved to lost: repaired" \
		"remote/$((ID % 23))/$ID: its message is missing; moved to lost: repaired" \
		'info/7/30: its message is missing, so this mail is lost; moved to lost: repaired' \
		'bounce/31: its message is missing; moved to lost: repaired' \
		'local/9/32: belongs to no message; removed: repaired' \
		'attr/10/33: belongs to no message; removed: repaired' \
		'attr/10/33.new: was left when its writer ended; removed: repaired' \
		'failed/.new.34: was left when its writer ended; removed: repaired' \
		'todo/odd: no program of a queue gives such a name: left as it is' \
		'hold/3/4.bak: no program of a queue gives such a name: left as it is' \
		'mess/4/27: is not a regular file: left as it is' \
		"mess/$(((good + 1) % 23))/$good: is in the wrong folder; moved to mess/$((good % 23))/$good: repaired"; do
		grep -Fqx "$line" <<<"$output" || {
			echo "missing: $line"
			return 1
		}
	done
	[ "${#lines[@]}" -eq 13 ]
	grep -Fq lost@x.example "$QUEUEDIR/lost/todo.$ID"
	[ "$(cd "$QUEUEDIR/lost" && echo *)" = \
		"bounce.31 info.7.30 remote.$((ID % 23)).$ID todo.$ID" ]
	[ "$(queue list --json | json '[m["id"] for m in d]')" = "['$good']" ]
	run -1 queue fix
	[ "${#lines[@]}" -eq 4 ]
}

@test "fix: litter goes when it is old, damage is named" {
	enqueue s@test.example a@x.example
	rm "$QUEUEDIR/todo/$ID"
	run -0 queue fix
	touch -a -m -d '2 days ago' "$QUEUEDIR/mess/$((ID % 23))/$ID"
	run -0 queue fix
	[ "${lines[0]}" = "mess/$((ID % 23))/$ID: was left by a writer that died; removed: repaired" ]
	queue_is_empty
	enqueue s@test.example a@x.example
	printf X >"$QUEUEDIR/todo/$ID"
	run -1 queue fix
	[[ $output == *"todo/$ID is damaged: "*": left as it is"* ]]
}

@test "fix: not while a sender runs; no sender while it is not finished" {
	control remotes 'mx ok'
	ok_module
	start_sender
	sees ' waiting '
	run -111 queue fix
	[[ $output == *"a sender runs on "* ]]
	run -111 queue fix --check
	stop_sender
	enqueue s@test.example a@x.example
	: >"$QUEUEDIR/lock/fixing"
	send_once
	[ "$status" -eq 1 ]
	logged 'the repair of .* is not finished'
	run -111 queue delete "$ID"
	[[ $output == *"the repair of "*" is not finished"* ]]
	run -1 queue fix --check
	[ "${lines[0]}" = "lock/fixing: is of a repair that was cut off; finished: to repair" ]
	queue fix
	send_once
	[ "$(<"$WORLD/rcpts")" = a@x.example ]
}

@test "failed: a message whose number comes again takes nobody's place" {
	control remotes 'mx fail'
	fail_module
	enqueue '' a@x.example
	printf 's@x.example\nold@x.example\n\nold\n' >"$QUEUEDIR/failed/$ID"
	touch -d '1 hour ago' "$QUEUEDIR/failed/$ID"
	send_once
	[ "$(queue failed --json | json 'sorted((m["id"], m["recipients"][0]) for m in d)')" = \
		"[('$ID', 'a@x.example'), ('$ID.1', 'old@x.example')]" ]
	[[ $(queue failed show "$ID.1") == *$'\n\nold' ]]
	[ "$(queue fix)" = "queue $QUEUEDIR is good" ]
	[ "$(queue failed delete "$ID.1")" = "$ID.1 deleted" ]
	[ -z "$(queue failed --json | json 'd[1:] or ""')" ]
}
