# The daemon under load and under attack: what a caller was told is true, and
# what happens to one message is not noticed by any other.

load ../lib/common
load ../lib/daemon

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins STUB=$BATS_TEST_TMPDIR/got
	mkdir -p "$PLUGINDIR"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINS"/*.so \
		"$PLUGINDIR"
	message >m
	envelope sender@test.example rcpt@test.example >e
}

teardown() {
	end_daemon
	stop_peers
}

# Runs a command: its exit code in `status`, what it logs in `log`.
answer() {
	status=0
	"$@" 2>log.txt || status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}

send() {
	answer inject "${1-m}" "${2-e}"
}

# storm OPTION...: its figures in the map `came`.
storm() {
	local name value rc=0

	"$PYTHON" "$TESTLIB/storm.py" --daemon "$DAEMON_PID" \
		--patience "$((PATIENCE * 5))" "$@" "$QUEUEDIR" "$SBIN/qfront" \
		>came.txt || rc=$?
	cat came.txt
	declare -gA came=()
	while read -r name value; do
		came[$name]=$value
	done <came.txt
	return "$rc"
}

# Workers are killed at any moment.

@test "200 workers killed under load: what got 0 is queued, once and whole" {
	skip_under_valgrind 'thousands of runs'
	control chain 'size max-message=1M' 'misbehave do=nothing'
	start_daemon
	storm --kill filter:200
	[ "${came[kills]}" -eq 200 ]
	[ "${came[marked]}" -eq 0 ]
	# No other message notices.
	((came[messages] - came[code.0] <= 200))
	for code in "${!came[@]}"; do
		case $code in
		code.0 | code.71 | code.81) ;;
		code.*) echo "unexpected: $code" && return 1 ;;
		esac
	done
	stop_daemon
}
