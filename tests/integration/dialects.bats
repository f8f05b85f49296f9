# Dialects: what each kind of caller makes of an answer. The callers are those
# of tests/lib/qqclient.py, which know what the real ones know.

load ../lib/common

setup() {
	clean_environment
	umask 022
	cd "$BATS_TEST_TMPDIR"
	export CONTROLDIR=$BATS_TEST_TMPDIR/control
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	export STUB=$BATS_TEST_TMPDIR/got
	export QUEUEPROG=$TESTLIB/stubqueue
	mkdir -p "$CONTROLDIR/plugins" "$PLUGINDIR"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINDIR"
	message >m
	envelope sender@test.example rcpt@test.example >e
}

# What the client is told by the chain that the control file has: `told`.
# tell CLIENT [OPTION...]
tell() {
	local client=$1

	shift
	told=$("$PYTHON" "$TESTLIB/qqclient.py" --log "$PWD/log" "$@" \
		"$client" "$PWD/m" "$PWD/e" "$SBIN/qfront")
	echo "$client: $told" >&2
}

# The classes and categories of qfront/plugin.h.
REJECT=2 DEFER=3 BROKEN=7
SPAM=1 VIRUS=2 ATTACHMENT=3 KEY=4 POLICY=5

# The chains: a name for each.
declare -gA chains=(
	[pass]='say class=0'
	[reject]="say class=$REJECT"
	[reject-text]="say class=$REJECT text='we take no programs'"
	[defer]="say class=$DEFER"
	[defer-text]="say class=$DEFER text='come again' status=4.7.1"
	[spam]="say class=$REJECT category=$SPAM"
	[spam-text]="say class=$REJECT category=$SPAM text='no junk'"
	[virus]="say class=$REJECT category=$VIRUS"
	[attachment]="say class=$REJECT category=$ATTACHMENT"
	[key]="say class=$REJECT category=$KEY"
	[policy]="say class=$REJECT category=$POLICY"
	[policy-text]="say class=$REJECT category=$POLICY text='not from there' status=5.7.27"
	[config]='say colour=blue'
	[plugin]='nosuchplugin'
	[crash]='misbehave do=crash'
	[crash-reject]='misbehave do=crash onerror=reject'
	[broken-text]="say class=$BROKEN text='no such socket'"
)

# The texts, where there is a channel for them.
declare -gA texts=(
	[reject-text]='D we take no programs (#5.3.0)'
	[defer-text]='Z come again (#4.7.1)'
	[spam-text]='D no junk (#5.7.1)'
	[policy-text]='D not from there (#5.7.27)'
)

# What a client says to the number: CHAIN, or CLIENT:CHAIN where it has its
# own. All others of a class stand for themselves.
rejected='mail server permanently rejected message (#5.3.0)'
deferred='mail server temporarily rejected message (#4.3.0)'
declare -gA numbers=(
	[pass]='K'
	[reject]="D $rejected"
	[reject-text]="D $rejected"
	[defer]="Z $deferred"
	[defer-text]="Z $deferred"
	[spam]="D $rejected"
	[spam-text]="D $rejected"
	[virus]="D $rejected"
	[attachment]="D $rejected"
	[key]="D $rejected"
	[policy]="D $rejected"
	[policy-text]="D $rejected"
	[config]='Z qq unable to read configuration (#4.3.0)'
	[plugin]='Z qq unable to read configuration (#4.3.0)'
	[crash]="Z $deferred"
	[crash-reject]="D $rejected"
	[broken-text]="Z $deferred"
	[indimail:reject]="D qq $rejected"
	[indimail:reject-text]="D qq $rejected"
	[indimail:defer]="Z qq $deferred"
	[indimail:defer-text]="Z qq $deferred"
	[indimail:spam]='D qq spam or junk mail threshold exceeded (#5.7.1)'
	[indimail:spam-text]='D qq spam or junk mail threshold exceeded (#5.7.1)'
	[indimail:virus]='D qq message contains virus (#5.7.1)'
	[indimail:attachment]='D qq message contains banned attachment (#5.7.1)'
	[indimail:key]='D qq private key file does not exist (#5.3.5)'
	[indimail:policy]="D qq $rejected"
	[indimail:policy-text]="D qq $rejected"
	[indimail:plugin]='Z qq unable to open shared object/plugin (#4.3.0)'
	[indimail:crash]="Z qq $deferred"
	[indimail:crash-reject]="D qq $rejected"
	[indimail:broken-text]="Z qq $deferred"
	[sqmail:spam]='D mail server does not accept message (#5.3.0)'
	[sqmail:spam-text]='D mail server does not accept message (#5.3.0)'
	[sqmail:virus]='D mail server does not accept message (#5.3.0)'
	[sqmail:attachment]='D mail server does not accept message (#5.3.0)'
	[sagredo:key]='D Private key file does not exist (#5.3.5)'
)

# number CLIENT CHAIN
number() {
	echo "${numbers[$1:$2]-${numbers[$2]}}"
}

# Each chain gets from this client what belongs to it.
# matrix DIALECT CLIENT yes|no: does it read texts?
matrix() {
	local chain want

	skip_under_valgrind "many runs of several programs"
	[ "${#chains[@]}" -eq 17 ]
	control dialect "$1"
	for chain in "${!chains[@]}"; do
		control chain "${chains[$chain]}"
		want=$(number "$2" "$chain")
		[[ $3 != yes ]] || want=${texts[$chain]-$want}
		tell "$2"
		echo "$1, $chain: $want" >&2
		[ "$told" = "$want" ]
	done
}

@test "indimail: numbers and texts" {
	matrix indimail indimail yes
}

@test "notqmail: numbers and texts" {
	matrix notqmail notqmail yes
}

@test "qmail-ldap: numbers and texts" {
	matrix ldap ldap yes
}

@test "sagredo: numbers and texts" {
	matrix sagredo sagredo yes
}

@test "s/qmail: numbers" {
	matrix sqmail sqmail no
}

@test "netqmail and qmail-1.03: numbers" {
	matrix netqmail netqmail no
}

@test "s/qmail: spam is spam, and a virus is a virus" {
	control dialect sqmail
	control chain "${chains[spam]}"
	answer() {
		status=0
		inject m e 2>>log || status=$?
	}
	answer
	[ "$status" -eq 33 ]
	control chain "${chains[virus]}"
	answer
	[ "$status" -eq 32 ]
}

@test "auto: whom nothing gives away gets numbers, and their logs no text" {
	skip_under_valgrind "many runs of several programs"
	for client in qmail netqmail sqmail ldap sagredo; do
		for chain in reject-text defer-text spam-text virus crash; do
			control chain "${chains[$chain]}"
			tell "$client"
			want=$(number "$client" "$chain")
			[ "${told%% *}" = "${want%% *}" ]
		done
	done
	# A daemon has a log of its own.
	[[ -n ${QF_WARM-} ]] || [ "$(grep -c 'refused from' log)" -eq 25 ]
	[ "$(grep -c '^[DZ]' log)" -eq 0 ]
}

@test "auto: notqmail is known by its pipe, indimail by ERROR_FD" {
	control chain "${chains[policy-text]}"
	tell notqmail
	[ "$told" = "${texts[policy-text]}" ]
	tell indimail
	[ "$told" = "$(number indimail policy-text)" ]
	ERROR_FD=2 tell indimail
	[ "$told" = "${texts[policy-text]}" ]
	ERROR_FD=9 tell indimail
	[ "$told" = "${texts[policy-text]}" ]
	ERROR_FD=9 tell sagredo
	[ "$told" = "${texts[policy-text]}" ]
}

@test "auto: a pipe that was left open on 6 by mistake makes it temporary" {
	control chain "${chains[policy-text]}"
	tell netqmail --leak 6
	[ "$told" = 'Z qq temporary problem (#4.3.0)' ]
	# The number alone keeps its class.
	control chain "${chains[policy]}"
	tell netqmail --leak 6
	[ "$told" = "$(number netqmail policy)" ]
	# And who names the caller is safe.
	control dialect netqmail
	control chain "${chains[policy-text]}"
	tell netqmail --leak 6
	[ "$told" = "$(number netqmail policy)" ]
	# Other descriptors are no sign of anything.
	control dialect auto
	tell netqmail --leak 4 --leak 5 --leak 7
	[ "$told" = "$(number netqmail policy)" ]
}

@test "ERROR_FD=-1: numbers, and the log where it was" {
	skip_when_warm 'the log is the daemon'"'"'s'
	control dialect indimail
	control chain "${chains[spam-text]}"
	ERROR_FD=-1 tell indimail
	[ "$told" = "$(number indimail spam)" ]
	grep -q 'refused from=.* code=32 exit=32' log
}

@test "an ERROR_FD that is none makes it a number, and the log says so" {
	control dialect indimail
	control chain "${chains[spam-text]}"
	for fd in six '' 2x 99999999999; do
		status=0
		ERROR_FD=$fd inject m e 2>log || status=$?
		[ "$status" -eq 32 ]
		grep -q 'ERROR_FD is no descriptor value=' log
	done
	for fd in 9 0 1; do
		status=0
		ERROR_FD=$fd inject m e 2>log || status=$?
		[ "$status" -eq 32 ]
		grep -q "text not given .*descriptor=$fd " log
	done
	# Open for reading only.
	message >given
	status=0
	ERROR_FD=9 inject m e 2>log 9<given || status=$?
	[ "$status" -eq 32 ]
	message | cmp - given
}

@test "a text that nobody would read is not announced" {
	skip_under_valgrind "many runs of several programs"
	control chain "${chains[spam-text]}"
	for client in notqmail ldap sagredo indimail; do
		control dialect "$client"
		want=$(number "$client" spam)
		tell "$client" --deaf
		[ "$told" = "$want" ]
	done
	for client in notqmail ldap sagredo; do
		control dialect "$client"
		fd=4
		[ "$client" != notqmail ] || fd=6
		tell "$client" --closed "$fd"
		[ "$told" = "$(number "$client" spam)" ]
	done
	control dialect indimail
	tell indimail --closed 2
	[ "$told" = "$(number indimail spam)" ]
}

@test "whatever a stage says is one line of printable ASCII" {
	skip_under_valgrind "many runs of several programs"
	expect() {
		control chain "say class=$REJECT text='$1'"
		for client in notqmail indimail; do
			control dialect "$client"
			tell "$client"
			[ "$told" = "D $2 (#5.3.0)" ]
		done
	}
	expect 'no\r\n250 ok' 'no 250 ok'
	expect 'no\n\n554 really\r\n' 'no 554 really'
	expect 'gr\xc3\xbcn \xff' 'gr?n ?'
	expect 'no\x00\r\n250 ok' 'no'
	expect '\x1b[31mno\x7f\x08' '[31mno'
	expect '250 ok' '250 ok'
	expect 'no  (#5.3.0)' 'no'
	long=$(printf '%0300d' 0)
	expect "$long" "${long:0:240}"
}

@test "blanks are no text" {
	control dialect notqmail
	control chain "say class=$REJECT text='\\r\\n \\n'"
	tell notqmail
	[ "$told" = "$(number notqmail reject)" ]
}

@test "a status of the other class does not go with the text" {
	control dialect notqmail
	control chain "say class=$DEFER text=later status=5.7.1"
	tell notqmail
	[ "$told" = 'Z later (#4.3.0)' ]
	control chain "say class=$REJECT text=no status=4.7.1"
	tell notqmail
	[ "$told" = 'D no (#5.3.0)' ]
}

# As queue programs behind ours do it.
@test "the next program can give a text as well" {
	skip_under_valgrind "many runs of several programs"
	control chain 'misbehave do=mark'
	below() {
		cat >q <<-END
			#!/bin/sh
			cat >/dev/null
			cat <&1 >/dev/null
			printf 'Dfrom below (#5.9.9)' >&$2
			exit $1
		END
		chmod +x q
	}
	export QUEUEPROG=$PWD/q
	for case in notqmail:82:6 ldap:82:4 sagredo:82:4 indimail:88:2; do
		IFS=: read -r client code fd <<<"$case"
		below "$code" "$fd"
		control dialect "$client"
		tell "$client"
		[ "$told" = 'D from below (#5.9.9)' ]
	done
}

# A queue program for a message that becomes two: what the first of them does,
# and the second.
several() {
	control chain 'misbehave do=mark rcpt=a@test.example'
	envelope sender@test.example a@test.example b@test.example >e
	rm -rf first
	cat >q <<-END
		#!/bin/sh
		cat >/dev/null
		cat <&1 >/dev/null
		if mkdir $PWD/first 2>/dev/null; then
			$1
		else
			$2
		fi
	END
	chmod +x q
	export QUEUEPROG=$PWD/q
}

@test "of several next programs one can give a text as well" {
	skip_under_valgrind "many runs of several programs"
	for case in notqmail:82:6 ldap:82:4 sagredo:82:4 indimail:88:2; do
		IFS=: read -r client code fd <<<"$case"
		refuse="printf 'Dfrom below (#5.9.9)' >&$fd; exit $code"
		defer="printf 'Zlater (#4.9.9)' >&$fd; exit $code"
		several "$refuse" "$refuse"
		for dialect in "$client" auto; do
			[ "$dialect:$client" != auto:indimail ] || continue
			control dialect "$dialect"
			rm -rf first
			tell "$client"
			case $dialect:$client in
			auto:ldap | auto:sagredo)
				[ "$told" = "$(number "$client" reject)" ]
				;;
			*)
				[ "$told" = 'D from below (#5.9.9)' ]
				;;
			esac
		done
		# After the first was queued nothing is permanent.
		control dialect "$client"
		several 'exit 0' "$refuse"
		tell "$client"
		[ "$told" = "$(number "$client" defer)" ]
		several "$defer" 'exit 0'
		tell "$client"
		[ "$told" = 'Z later (#4.9.9)' ]
	done
	several "printf 'Dfrom below (#5.9.9)' >&9; exit 88" 'exit 0'
	control dialect auto
	ERROR_FD=9 tell indimail
	[ "$told" = 'D from below (#5.9.9)' ]
}

@test "a process that a stage leaves behind does not hold up the caller" {
	control dialect notqmail
	control chain 'misbehave do=brood' "${chains[reject-text]}"
	tell notqmail
	[ "$told" = "${texts[reject-text]}" ]
}

@test "no stage can write where the caller reads" {
	skip_under_valgrind "many runs of several programs"
	control chain 'misbehave do=scribble onerror=pass' \
		"${chains[reject-text]}"
	for client in notqmail ldap sagredo indimail; do
		control dialect "$client"
		tell "$client"
		[ "$told" = "${texts[reject-text]}" ]
	done
}

@test "a dialect that there is not defers the mail" {
	control dialect exim
	status=0
	inject m e 2>log || status=$?
	[ "$status" -eq 55 ]
	grep -q "$CONTROLDIR/dialect:1: .*exim.*use auto, indimail," log
	run "$SBIN/qfrontctl" check
	[ "$status" -eq 1 ]
	[[ $output == *"$CONTROLDIR/dialect:1: \"exim\": use auto,"* ]]
}
