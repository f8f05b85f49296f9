# qfrontctl test and explain: what would happen, and why, without doing it.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR"
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	mkdir -p "$PLUGINDIR"
	install "$PLUGINS"/*.so "$QF_BUILDDIR"/tests/plugins/.libs/*.so \
		"$PLUGINDIR"
	message >m
}

try() {
	run "$SBIN/qfrontctl" test m "$@"
	echo "$output"
}

# json EXPRESSION: of the object j in OUTPUT.
json() {
	"$PYTHON" -c 'import json, sys
j = json.loads(sys.argv[1])
print(eval(sys.argv[2]))' "$output" "$1"
}

@test "a line for each stage, and nothing is queued" {
	control chain 'size max-message=1M' 'judge@x mark=x if=relay' \
		'judge@y mark=y'
	try a@test.example
	[ "$status" -eq 0 ]
	[[ $output == *'size '*' pass '*'ms'* ]]
	[[ $output == *'judge@x '*'skipped (if)'* ]]
	[[ $output == *'judge@y '*' pass '*'header 1'* ]]
	[[ $output == *'queue, changed, from <postmaster@test.example> to <a@test.example>'* ]]
	queue_is_empty
	# As a relay client.
	try -e RELAYCLIENT= -e TCPREMOTEIP=192.0.2.1 a@test.example
	[[ $output == *'judge@x '*' pass '*'header 1'* ]]
}

@test "a refusal shows what each caller would get" {
	control chain 'judge'
	try -f s@test.example reject-spam@test.example
	[ "$status" -eq 1 ]
	[[ $output == *'refused, 32 permanent'* ]]
	[[ $output =~ indimail\ +88\ +permanent\ +'Djudged by the address (#5.7.1)' ]]
	[[ $output =~ notqmail\ +82\ +permanent\ +Djudged ]]
	[[ $output =~ sqmail\ +33\ +permanent ]]
	[[ $output =~ netqmail\ +31\ +permanent ]]
	try defer@test.example --json
	[ "$status" -eq 1 ]
	[ "$(json 'j["code"]')" = 71 ]
	[ "$(json '{d["letter"] for d in j["dialects"]}')" = "{'Z'}" ]
}

@test "JSON has all of it" {
	control chain 'judge mark=x'
	try --json --diff a@test.example hold-virus@test.example \
		discard@test.example redirect@test.example
	[ "$status" -eq 0 ]
	[ "$(json 'j["code"]')" = 0 ]
	[ "$(json 'j["stages"][0]["stage"]')" = judge ]
	[ "$(json 'j["stages"][0]["verdict"]')" = pass ]
	[ "$(json 'j["stages"][0]["edits"]["recipients"]')" = 3 ]
	[ "$(json '[d["recipients"] for d in j["deliveries"] if not d["held"]]')" = \
		"[['a@test.example', 'target@test.example']]" ]
	[ "$(json '[d["recipients"] for d in j["deliveries"] if d["held"]]')" = \
		"[['hold-virus@test.example']]" ]
	[ "$(json '"+X-Judge: x" in j["deliveries"][0]["diff"]')" = True ]
	queue_is_empty
}

@test "the diff shows what would be changed, harmless for a terminal" {
	control chain 'judge mark=new'
	printf 'A: b\n\n\033[2Jbody\n' >m
	try --diff a@test.example
	[[ $output == *'+X-Judge: new'* ]]
	[[ $output != *$'\033'* ]]
}

@test "a stage that breaks, one in the shadow, one with a cap" {
	control chain 'misbehave do=crash onerror=pass' \
		'judge whole=reject shadow' 'judge@b whole=reject max-action=tag'
	try a@test.example
	[ "$status" -eq 0 ]
	[[ $output == *'misbehave '*'broken, so pass'* ]]
	[[ $output == *'judge '*'shadow of reject'* ]]
	[[ $output == *'judge@b '*'pass, not reject'* ]]
}

@test "mistakes are told, and say what to do" {
	control chain 'judge colour=blue' 'judge if=moon'
	try a@test.example
	[ "$status" -eq 111 ]
	[[ $output == *"$CONTROLDIR/chain:2"*moon* ]]
	control chain 'judge colour=blue'
	try a@test.example
	[ "$status" -eq 1 ]
	[[ $output == *colour* ]]
	run "$SBIN/qfrontctl" test nosuchfile
	[ "$status" -eq 111 ]
	[[ $output == *nosuchfile* ]]
	run "$SBIN/qfrontctl" test
	[ "$status" -eq 64 ]
	run "$SBIN/qfrontctl" test m -e RELAYCLIENT
	[ "$status" -eq 64 ]
	[[ $output == *NAME=VALUE* ]]
	run "$SBIN/qfrontctl" test m --as=sendmail
	[ "$status" -eq 111 ]
}

@test "another chain, and another name" {
	control chain-other 'judge whole=reject'
	try --chain=other a@test.example
	[ "$status" -eq 1 ]
	try --as=qmail-nullqueue a@test.example
	[ "$status" -eq 0 ]
}

@test "explain names the file and line of each setting" {
	control chain '# a comment' 'judge mark=x whole=pass' \
		'judge@b if=relay timeout=7 onerror=pass max=1k' \
		'judge@c rcpt=@kids.example shadow'
	control plugins/judge 'mark y' 'note z'
	control timeoutchain 99
	run "$SBIN/qfrontctl" explain a@kids.example b@test.example --size=2k
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"timeoutchain   99  ($CONTROLDIR/timeoutchain:1)"* ]]
	[[ $output == *'dialect        auto  (default)'* ]]
	[[ $output == *"mark = x  ($CONTROLDIR/chain:2)"* ]]
	[[ $output != *'mark = y'* ]]
	[[ $output == *"note = z  ($CONTROLDIR/plugins/judge:2)"* ]]
	[[ $output == *'timeout 7 s (this line), onerror=pass (this line)'* ]]
	[[ $output == *'does not run for such a message: if'* ]]
	[[ $output == *'runs for 1 of 2 recipients'* ]]
	run "$SBIN/qfrontctl" explain -e RELAYCLIENT= --size=2k
	[[ $output == *'does not run for such a message: max'* ]]
}
