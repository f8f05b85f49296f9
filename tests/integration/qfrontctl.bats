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

# A PLUGINDIR with what is good and what is not.
plugin_dir() {
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	mkdir plugins
	cp "$PLUGINS"/{size,dkim}.so \
		"$QF_BUILDDIR"/tests/plugins/.libs/{misbehave,old}.so plugins
	echo 'not a plugin' >plugins/README
}

@test "plugins lists what each plugin declares and takes" {
	plugin_dir
	run "$SBIN/qfrontctl" plugins
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"size "*"(ABI 1.1): refuses large messages"* ]]
	[[ $output == *"  max-message=: largest message in bytes"* ]]
	[[ $output == *"  effects  header seal"* ]]
	[[ $output == *"  flags    secret"* ]]
	[[ $output == *"old 1.0 (ABI 1.0, no note): uses all of version 1.0"* ]]
	[[ $output == *"  do=: what to do (or QF_MISBEHAVE_DO)"* ]]
	[[ $output == *"  with kind=open instead:"* ]]
	[[ $output != *README* ]]
	# In order.
	grep -E '^[a-z]+ [0-9]' <<<"$output" | sort -c
}

@test "plugins --json says the same to programs" {
	plugin_dir
	run "$SBIN/qfrontctl" plugins --json
	echo "$output"
	[ "$status" -eq 0 ]
	"$PYTHON" - "$output" <<-'PY'
		import json, sys
		all = json.loads(sys.argv[1])
		assert all["problems"] == []
		by = {p["name"]: p for p in all["plugins"]}
		assert list(by) == ["dkim", "misbehave", "old", "size"]
		assert by["dkim"]["flags"] == ["secret"]
		assert by["dkim"]["note"] and not by["old"]["note"]
		assert by["old"]["abi"] == "1.0"
		assert by["size"]["wants"] == []
		assert "verdict" in by["size"]["needs"]
		assert by["misbehave"]["kinds"] == [{"setting": "kind",
		    "value": "open", "effects": ["header"], "flags": []}]
		setting = by["misbehave"]["settings"][0]
		assert setting["name"] == "do"
		assert setting["variable"] == "QF_MISBEHAVE_DO"
	PY
}

@test "plugins names every file that is no plugin of this host" {
	plugin_dir
	cp "$QF_BUILDDIR"/tests/plugins/.libs/{liar,needy,unbound}.so plugins
	echo text >plugins/text.so
	cp plugins/size.so plugins/wrong.so
	cp plugins/size.so plugins/open.so
	chmod 666 plugins/open.so
	cat >crash.c <<-'C'
		#include <signal.h>
		static void start(void) __attribute__((constructor));
		static void start(void)
		{
			raise(SIGKILL);
		}
	C
	sed 's/raise(SIGKILL)/_exit(0)/; s/signal/unistd/' crash.c >leave.c
	# shellcheck disable=SC2086 # the compiler may have arguments
	for name in crash leave; do
		$QF_CC -shared -fPIC -o plugins/$name.so $name.c
	done
	run "$SBIN/qfrontctl" plugins
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"plugin crash: crashed when it was loaded (signal 9)"* ]]
	[[ $output == *"plugin leave: ended the process that loaded it"* ]]
	[[ $output == *"plugin liar says flags 0"* ]]
	[[ $output == *"plugin needy needs host services"* ]]
	[[ $output == *"plugin open: "*"others can write it"* ]]
	[[ $output == *"plugin text: "*"no shared object"* ]]
	[[ $output == *"plugin unbound: "*qf_test_nowhere* ]]
	[[ $output == *"plugin wrong calls itself \"size\""* ]]
	# The others are listed all the same.
	[[ $output == *"dkim "[1-9]*"size "[1-9]* ]]
	run "$SBIN/qfrontctl" plugins --json
	[ "$status" -eq 1 ]
	"$PYTHON" -c 'import json, sys
all = json.loads(sys.argv[1])
assert len(all["problems"]) == 8 and len(all["plugins"]) == 4' "$output"
}

@test "plugins without a folder, and with arguments that it does not know" {
	PLUGINDIR=$BATS_TEST_TMPDIR/none run "$SBIN/qfrontctl" plugins
	[ "$status" -eq 111 ]
	[[ $output == *"$BATS_TEST_TMPDIR/none"* ]]
	run "$SBIN/qfrontctl" plugins --frob
	[ "$status" -eq 64 ]
	mkdir empty
	PLUGINDIR=$BATS_TEST_TMPDIR/empty run "$SBIN/qfrontctl" plugins --json
	[ "$status" -eq 0 ]
	[ "$output" = '{"plugins":[],"problems":[]}' ]
}
