#!/usr/bin/env bats
# QHPSI in qfront-queue: what the scanner sees, what its answer does, and that
# nothing is left, in the queue or elsewhere, whatever happens to it.

bats_require_minimum_version 1.5.0
load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	message >m
	envelope s@x.example a@y.example >e
	mkdir bin tmp
	export PATH=$PWD/bin:$PATH TMPDIR=$PWD/tmp QFRONT_LOG=stderr
	unset REJECTVIRUS
}

# script NAME <TEXT: a scanner. Its environment has no HERE.
script() {
	{
		printf '#!/bin/bash\nHERE=%q\n' "$PWD"
		cat
	} >"bin/$1"
	chmod 755 "bin/$1"
}

# scan CODE COMMAND...: its exit code; nothing but a message that was accepted
# is left.
scan() {
	local want=$1 got=0

	shift
	"$@" 2>log || got=$?
	# Descriptor 1 may be an envelope.
	cat log >&2
	((got == want)) || {
		echo "exit code $got instead of $want: $*" >&2
		return 1
	}
	((want == 0)) || queue_is_empty
	[[ -z $(ls -A tmp) ]]
}

empty_queue() {
	find "$QUEUEDIR"/{mess,todo} -type f -delete
}

queue() {
	"$SBIN/qfront-queue" 0<"${1-m}" 1<"${2-e}"
}

# A scanner that keeps what it was given and ends with a code.
keeper() {
	script scan <<-'SH'
		printf '%s\n' "$@" >"$HERE/args"
		cat "${1-}" >"$HERE/scanned"
		stat -c '%a %h' "$1" >"$HERE/mode"
		stat -c %a "${1%/*}" >>"$HERE/mode"
		ls -l /proc/self/fd | sed -n 's/.* \([0-9]*\) -> /\1 /p' \
			>"$HERE/fds"
		env | sort >"$HERE/environment"
		ps -o pgid= $$ | tr -d ' ' >"$HERE/group"
		echo $$ >>"$HERE/group"
		ulimit -c >"$HERE/core"
		find "$QUEUEDIR" -type f ! -path '*/lock/*' >"$HERE/seen" 2>&1
		exit "$(cat "$HERE/code")"
	SH
	echo 0 >code
	sed -i "3i QUEUEDIR=$QUEUEDIR" bin/scan
}

@test "the scanner sees the message, and little else" {
	keeper
	head -c 200000 /dev/urandom >m
	export SECRET=x LD_LIBRARY_PATH=/nonexistent
	scan 0 env QHPSI=scan QHPSIARG1='-x y' QHPSIARG2=z QHPSIARG4=lost \
		"$SBIN/qfront-queue" 0<m 1<e
	[[ $(queued) == 1 ]]
	cmp m scanned
	mapfile -t args <args
	[[ ${#args[@]} == 3 && ${args[1]} == '-x y' && ${args[2]} == z ]]
	[[ ${args[0]} == "$PWD"/tmp/qfront-scan-*/message ]]
	[[ $(<mode) == $'600 1\n700' ]]
	# Nothing of it could be seen in the queue yet.
	[[ ! -s seen ]]
	[[ $(<core) == 0 ]]
	mapfile -t group <group
	[[ ${group[0]} == "${group[1]}" ]]
	grep -qx '0 /dev/null' fds
	# 3 is that of ls, 255 that of bash for its script.
	[[ $(cut -d ' ' -f 1 fds | paste -sd ' ') =~ ^0\ 1\ 2\ 3(\ 255)?$ ]]
	run ! grep -E 'SECRET|QHPSI|QUEUEDIR|LD_' environment
	grep -qx "TMPDIR=$TMPDIR" environment
}

@test "words, %s and paths" {
	keeper
	scan 0 env QHPSI="$PWD/bin/scan" "$SBIN/qfront-queue" 0<m 1<e
	empty_queue
	QHPSI='grep -q Hello %s' QHPSIRC=0 QHPSIRN=1 scan 33 queue
	script args <<-'SH'
		printf '%s\n' "$@" >"$HERE/args"
	SH
	QHPSI='args "a b"' QHPSIARG1=%s QHPSIARG2=c scan 0 queue
	mapfile -t args <args
	[[ ${args[0]} == 'a b' && ${args[1]} == "$PWD"/tmp/*/message ]]
	[[ ${args[2]} == c && ${#args[@]} == 3 ]]
	empty_queue
	QHPSI='grep -q nothing-like-it %s' QHPSIRC=0 QHPSIRN=1 scan 0 queue
	# Empty is unset.
	QHPSI='' QHPSIRC=x scan 0 queue
	[[ $(queued) == 2 ]]
}

@test "what the exit code of the scanner means" {
	keeper
	export QHPSI=scan
	while read -r code rc rn want; do
		echo "$code" >code
		QHPSIRC=$rc QHPSIRN=$rn scan "$want" queue
		[[ -s scanned ]]
		empty_queue
		rm scanned
	done <<-'TABLE'
		0 1 0 0
		1 1 0 33
		2 1 0 55
		255 1 0 55
		2 2 0 33
		1 2 0 55
		7 1 7 0
		0 1 7 55
	TABLE
	echo 1 >code
	scan 33 queue
	grep -q 'error: message not queued .*infected, says scan' log
}

@test "infected mail is told to each caller in its own number" {
	keeper
	echo 1 >code
	export QHPSI=scan
	for pair in auto:33 indimail:33 sqmail:32 notqmail:31 netqmail:31 \
		ldap:31 sagredo:31; do
		control dialect "${pair%:*}"
		scan "${pair#*:}" queue
	done
	control dialect nobody
	scan 55 queue
	grep -q "$CONTROLDIR/dialect:1: " log
}

@test "REJECTVIRUS lets infected mail by, or drops it" {
	keeper
	echo 1 >code
	export QHPSI=scan
	REJECTVIRUS=1 scan 33 queue
	REJECTVIRUS=0 scan 0 queue
	grep -q 'warn: infected, and let by' log
	[[ $(queued) == 1 ]]
	REJECTVIRUS=2 scan 0 queue
	grep -q 'warn: dropped: infected' log
	[[ $(queued) == 1 ]]
}

@test "sizes that are not scanned, in both spellings" {
	keeper
	echo 1 >code
	export QHPSI=scan
	size=$(stat -c %s m)
	for limit in QHPSIMINSIZE=$((size + 1)) QHPSIMAXSIZE=$((size - 1)) \
		QHPSIMISIZE=$((size + 1)) QHPPIMAXSIZE=1; do
		scan 0 env "$limit" "$SBIN/qfront-queue" 0<m 1<e
		grep -q 'info: not scanned: its size' log
		[[ $limit != *MISIZE* && $limit != *QHPPI* ]] ||
			grep -q 'warn: .*is a slip of the manual page' log
	done
	[[ $(queued) == 4 && ! -e scanned ]]
	empty_queue
	for limit in QHPSIMINSIZE=$size QHPSIMAXSIZE=$size QHPSIMAXSIZE=0; do
		scan 33 env "$limit" "$SBIN/qfront-queue" 0<m 1<e
	done
	for bad in QHPSIMINSIZE=1M QHPSIMAXSIZE=-1 QHPSIRC=256 QHPSIRC=0 \
		QHPSIRN=x 'QHPSI=plugin:virus.so' "QHPSI='scan"; do
		scan 55 env "$bad" "$SBIN/qfront-queue" 0<m 1<e
	done
}

@test "no scanner, no mail: 77 where it can not be run or crashes" {
	QHPSI=/nonexistent/scanner scan 77 queue
	QHPSI=no-such-scanner scan 77 queue
	: >bin/data
	QHPSI=$PWD/bin/data scan 77 queue
	# shellcheck disable=SC2016 # the scanner expands it
	echo 'kill -SEGV $$' | script crash
	QHPSI=crash scan 77 queue
	grep -q 'scanner crash: .*signal 11' log
	# No place for the file.
	keeper
	TMPDIR=/nonexistent QHPSI=scan scan 0 queue
}

@test "a scanner that hangs is stopped with all it started" {
	mkfifo "$PWD/alive"
	script hang <<-'SH'
		exec 9>"$HERE/alive"
		echo here >&9
		tail -f /dev/null >/dev/null &
		trap '' TERM
		while :; do wait; done
	SH
	exec 8<>alive
	QHPSI=hang DEATH=4 scan 77 queue
	read -r -t "$PATIENCE" line <&8
	[[ $line == here ]]
	exec 7<alive 8>&-
	# Who held the other end is gone: this is the end of it.
	rc=0
	read -r -t "$PATIENCE" line <&7 || rc=$?
	((rc == 1))
}

# A scanner that says when it runs, and ends when it is told.
start_waiting() {
	mkfifo here go
	script waits <<-'SH'
		echo $$ >"$HERE/here"
		read -r _ <"$HERE/go"
	SH
	QHPSI=waits "$SBIN/qfront-queue" 0<m 1<e 2>log 3>&- &
	pid=$!
	exec {fd}<>here
	read -r -t "$PATIENCE" -u "$fd" scanner
	exec {fd}<&-
}

@test "signals while it runs: nothing is left" {
	skip_under_sanitizers "the sanitizers catch signals"
	skip_under_valgrind "valgrind catches signals"
	for pair in TERM:143 ALRM:52 SEGV:81; do
		start_waiting
		[[ -n $(ls -A tmp) ]]
		kill -"${pair%:*}" "$pid"
		rc=0
		wait "$pid" || rc=$?
		((rc == ${pair#*:}))
		queue_is_empty
		[[ -z $(ls -A tmp) ]]
		while kill -0 "$scanner" 2>/dev/null; do :; done
		rm here go
	done
	# What is ignored is ignored here as well.
	start_waiting
	kill -HUP "$pid"
	kill -INT "$pid"
	echo >go
	wait "$pid"
	[[ $(queued) == 1 ]]
	[[ -z $(ls -A tmp) ]]
}

@test "what is wrong with the envelope is said before any scan" {
	keeper
	printf 'Fx\0Ta\0' >short
	QHPSI=scan scan 54 queue m short
	printf 'Fx\0Xa\0\0' >garbage
	QHPSI=scan scan 91 queue m garbage
	[[ ! -e scanned ]]
}

@test "what it says is logged, but not all of a flood" {
	# shellcheck disable=SC2016 # the scanner expands it
	printf 'echo out; echo err >&2; seq 100000; seq 100000 >&2; exit 1\n' |
		script loud
	QHPSI=loud scan 33 queue
	grep -q 'info: scanner program=loud text=out' log
	(($(wc -l <log) < 40))
}

@test "several messages: each is scanned, all are queued or none" {
	keeper
	echo "exit \$(grep -c Virus \"\$1\")" | script finds
	sed 's/Hello/Virus/' m >bad
	export QHPSI=finds
	scan 0 "$SBIN/qfront-queue" --groups 2 3<m 4<e 5<m 6<e
	[[ $(queued) == 2 ]]
	empty_queue
	scan 33 "$SBIN/qfront-queue" --groups 2 3<m 4<e 5<bad 6<e
	REJECTVIRUS=2 scan 0 "$SBIN/qfront-queue" --groups 3 \
		3<bad 4<e 5<m 6<e 7<bad 8<e
	[[ $(queued) == 1 ]]
	for file in "$QUEUEDIR"/mess/*/*; do
		tail -n +2 "$file" | cmp - m
	done
}

@test "behind the front end: by the chain, or by the queue, never twice" {
	script counts <<-'SH'
		echo x >>"$HERE/count"
		exit "$(cat "$HERE/code")"
	SH
	echo 0 >code
	export QHPSI=counts
	# No chain: a stage takes it.
	scan 0 inject m e
	[[ $(wc -l <count) == 1 ]]
	# A chain without it: the queue does.
	control chain 'size max-message=1M'
	scan 0 inject m e
	[[ $(wc -l <count) == 2 ]]
	control chain 'size max-message=1M' 'qhpsi'
	scan 0 inject m e
	[[ $(wc -l <count) == 3 ]]
	[[ $(queued) == 3 ]]
	empty_queue
	rm "$CONTROLDIR/chain"
	echo 1 >code
	for chain in '' 'size max-message=1M' qhpsi; do
		[[ -z $chain ]] || control chain "$chain"
		scan 33 inject m e
		control dialect sqmail
		scan 32 inject m e
		rm "$CONTROLDIR/dialect"
	done
	# Another filter is not our queue's.
	control chain 'size max-message=1M'
	FILTERARGS='cat' scan 55 inject m e
	grep -q 'FILTERARGS is set' log
}
