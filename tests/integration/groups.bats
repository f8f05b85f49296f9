#!/usr/bin/env bats
# qfront-queue with several messages, which are queued all or not at all, and
# with attributes behind an envelope.

load ../lib/common

setup() {
	make_world
	export QFRONT_LOG=stderr
	cd "$BATS_TEST_TMPDIR" || return
	for n in 1 2 3; do
		printf 'Subject: %d\n\nHello %d.\n' $n $n >m$n
		envelope "s$n@x.example" "r$n@y.example" >e$n
	done
}

# groups N: one run with three messages, of which N are announced.
groups() {
	"$SBIN/qfront-queue" --groups "$1" 3<m1 4<e1 5<m2 6<e2 7<m3 8<e3 \
		2>log
}

# expect CODE COMMAND...: its exit code; with any other than 0 nothing is left.
expect() {
	local want=$1 got=0

	shift
	"$@" || got=$?
	((got == want)) || {
		echo "exit code $got instead of $want: $*"
		cat log
		return 1
	}
	((want == 0)) || queue_is_empty
}

# check_queued N [FOLDER]: message N is there, whole and once.
check_queued() {
	local found id

	found=$(grep -laF "s$1@x.example" "$QUEUEDIR/${2-todo}"/*)
	id=${found##*/}
	tail -n +2 "$QUEUEDIR/mess/$((id % 23))/$id" | cmp - "m$1"
	head -n 1 "$QUEUEDIR/mess/$((id % 23))/$id" |
		grep -q '^Received: (qmail [0-9]* invoked by uid [0-9]*); '
	sed 's/^u[0-9]*\x0p[0-9]*\x0//' "$QUEUEDIR/todo/$id" |
		cmp - <(head -c -1 "e$1")
}

@test "three messages are queued together" {
	exec 9<>"$QUEUEDIR/lock/trigger"
	expect 0 groups 3
	exec 9>&-
	for n in 1 2 3; do
		check_queued $n
	done
	[ "$(files "$QUEUEDIR/mess")" -eq 3 ]
	[ "$(files "$QUEUEDIR/attr")" -eq 0 ]
	[ "$(grep -c ' queued id=[0-9]* from=s[123]@x.example rcpts=1 ' log)" \
		-eq 3 ]
}

@test "one of several: the others are not looked at" {
	expect 0 groups 1
	check_queued 1
	[ "$(queued)" -eq 1 ]
}

@test "the standard descriptors may be closed" {
	expect 0 groups 3 0<&- 1<&-
	[ "$(queued)" -eq 3 ]
}

@test "64 messages at once" {
	{
		for ((n = 0; n < 64; n++)); do
			echo "exec $((3 + 2 * n))<m1 $((4 + 2 * n))<e1"
		done
		echo "exec '$SBIN/qfront-queue' --groups 64"
	} >run64
	expect 0 bash run64 2>log
	[ "$(queued)" -eq 64 ]
}

@test "what is wrong with one of them leaves none" {
	printf 'F\0' >e2
	expect 54 groups 3
	printf 'Fs\0X\0\0' >e2
	expect 91 groups 3
	envelope "$(printf 'a%.0s' {1..1003})" >e2
	expect 11 groups 3
	envelope s2@x.example r2@y.example >e2
	expect 54 "$SBIN/qfront-queue" --groups 3 3<m1 4<e1 5<m2 6<e2 7<m3
	expect 54 "$SBIN/qfront-queue" --groups 2 3<m1 4<e1 5<./ 6<e2
	expect 54 "$SBIN/qfront-queue" --groups 2 3<m1 4<e1 5>out 6<e2
	head -c 1000000 /dev/zero >m3
	expect 53 bash -c 'ulimit -f 64; "$@"' - "$SBIN/qfront-queue" \
		--groups 3 3<m1 4<e1 5<m2 6<e2 7<m3 8<e3
	expect 0 groups 3
}

@test "a number that is none is refused for now, with a line" {
	for n in 0 65 x '' -1 1x; do
		expect 81 groups "$n"
		grep -q 'groups needs one number from 1 to 64' log
	done
	expect 81 "$SBIN/qfront-queue" --groups 2>log
	expect 81 "$SBIN/qfront-queue" --groups 1 2 2>log 3<m1 4<e1
	# As the only word of another meaning it is ignored, as by qmail-queue.
	expect 0 "$SBIN/qfront-queue" -x --groups 0<m1 1<e1
}

@test "attributes are kept beside the message" {
	{
		cat e1
		printf 'RET=HDRS\0\0junk\0ROUTE=mx.example:26\0'
	} >e
	"$SBIN/qfront-queue" 0<m1 1<e
	check_queued 1
	id=$(basename "$QUEUEDIR"/todo/*)
	attr=$QUEUEDIR/attr/$((id % 23))/$id
	[ "$(stat -c %a "$attr")" = 600 ]
	[ "$(tail -n +2 "$attr")" = "RET=HDRS
ROUTE=mx.example:26" ]
	[ "$(head -n 1 "$attr")" = "birth=$(stat -c %.9Y \
		"$QUEUEDIR/mess/$((id % 23))/$id")" ]
}

@test "an attribute that is no good is 91, one that is cut off 54" {
	for text in 'HOLD=a\nb\0' 'ROUTE=\0' 'ROUTE=a b\0'; do
		{
			cat e1
			printf "$text"
		} >e
		expect 91 "$SBIN/qfront-queue" 0<m1 1<e
	done
	{
		cat e1
		printf 'HOLD=spam'
	} >e
	expect 54 "$SBIN/qfront-queue" 0<m1 1<e
}

@test "a held message is where no other sender looks" {
	{
		cat e2
		printf 'HOLD=it is spam\0STAGE=spam\0'
	} >e
	mv e e2
	exec 9<>"$QUEUEDIR/lock/trigger"
	expect 0 groups 2
	exec 9>&-
	check_queued 1
	[ "$(files "$QUEUEDIR/mess")$(files "$QUEUEDIR/todo")" = 11 ]
	held=$(find "$QUEUEDIR/hold" -name '*.mess')
	id=$(basename "$held" .mess)
	[ "$(stat -c '%i %a' "$held")" = "$id 600" ]
	[ "$(stat -c %a "${held%.mess}")" = 600 ]
	tail -n +2 "$held" | cmp - m2
	grep -q " held id=$id from=s2@x.example .* reason=\"it is spam\"" log
	[ "$(tail -n +2 "$QUEUEDIR/attr/$((id % 23))/$id")" = "HOLD=it is spam
STAGE=spam" ]
}

@test "a held message alone does not wake the sender" {
	{
		cat e1
		printf 'HOLD=\0'
	} >e
	exec 9<>"$QUEUEDIR/lock/trigger"
	"$SBIN/qfront-queue" 0<m1 1<e
	if read -r -t 0 -u 9; then
		echo 'it was woken'
		return 1
	fi
	exec 9>&-
	[ "$(files "$QUEUEDIR/hold")" -eq 2 ]
	[ "$(files "$QUEUEDIR/todo")" -eq 0 ]
}

@test "folders that an older queue lacks are made" {
	rm -r "$QUEUEDIR/attr" "$QUEUEDIR/hold"
	(($(id -u) != 0)) || chown -R 65534:65534 "$QUEUEDIR"
	{
		cat e1
		printf 'HOLD=\0'
	} >e
	"$SBIN/qfront-queue" 0<m1 1<e
	[ "$(files "$QUEUEDIR/hold")" -eq 2 ]
	[ "$(files "$QUEUEDIR/attr")" -eq 1 ]
	[ "$(find "$QUEUEDIR"/attr "$QUEUEDIR"/hold -type d ! -perm 700)" = "" ]
	if (($(id -u) == 0)); then
		[ "$(find "$QUEUEDIR" ! -user 65534)" = "" ]
	fi
}
