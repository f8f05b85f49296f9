# qfrontctl metrics and qfrontctl status: what was counted is what happened,
# with a daemon and without.

load ../lib/common
load ../lib/daemon

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR" || return
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	export QFRONT_METRICS=$BATS_TEST_TMPDIR/metrics
	mkdir -p "$PLUGINDIR"
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so "$PLUGINS"/*.so \
		"$PLUGINDIR"
	message >m
	envelope sender@test.example rcpt@test.example >e
}

teardown() {
	end_daemon
}

# send CODE [ARGUMENT...]
send() {
	local code=0

	inject m e "${@:2}" 2>>log.txt || code=$?
	[ "$code" -eq "$1" ]
}

# sample NAME{LABELS}: its value; nothing when there is none.
sample() {
	"$SBIN/qfrontctl" metrics >metrics.txt
	"$PYTHON" "$TESTLIB/openmetrics.py" <metrics.txt >samples.txt
	awk -v name="$1" '$1 == name { print $2 }' samples.txt
}

@test "runs without a daemon count their messages and stages" {
	: >metrics
	send 0
	control chain 'size max-message=1k' 'misbehave do=nothing if=relay'
	send 0
	head -c 5000 /dev/zero >>m
	send 31
	control chain 'misbehave do=crash onerror=pass'
	send 0
	control chain 'nosuchplugin'
	send 57
	[ "$(sample 'qfront_messages_total{code="0",way="cold"}')" = 3 ]
	[ "$(sample 'qfront_messages_total{code="31",way="cold"}')" = 1 ]
	[ "$(sample 'qfront_messages_total{code="57",way="cold"}')" = 1 ]
	[ "$(sample 'qfront_message_duration_seconds_count{way="cold"}')" = 5 ]
	[ "$(sample 'qfront_stage_verdicts_total{stage="size",verdict="pass"}')" = 1 ]
	[ "$(sample 'qfront_stage_verdicts_total{stage="size",verdict="reject"}')" = 1 ]
	[ "$(sample 'qfront_stage_verdicts_total{stage="misbehave",verdict="skipped"}')" = 1 ]
	[ "$(sample 'qfront_stage_verdicts_total{stage="misbehave",verdict="broken"}')" = 1 ]
	[ "$(sample 'qfront_daemon_up{}')" = 0 ]
	[ -z "$(sample 'qfront_generation{}')" ]
	run "$SBIN/qfrontctl" status
	[ "$status" -eq 0 ]
	[[ $output == *'not running'*'cold '*'5 messages'*'  0 '*'3  accepted'* ]]
}

@test "the daemon counts its own, and says how it is" {
	local bytes

	control chain 'size max-message=1k' 'filter command=cat'
	start_daemon
	send 0
	send 0 /bin/sh -c 'cat >/dev/null; cat <&1 >/dev/null'
	bytes=$(($(wc -c <m) * 2))
	head -c 5000 /dev/zero >>m
	bytes=$((bytes + $(wc -c <m)))
	send 31
	# The client has its answer a moment before that is counted.
	all_counted() {
		[[ $(sample 'qfront_message_duration_seconds_count{way="warm"}') == 3 ]]
	}
	wait_until all_counted
	[ "$(sample 'qfront_messages_total{code="0",way="warm"}')" = 2 ]
	[ "$(sample 'qfront_messages_total{code="31",way="warm"}')" = 1 ]
	[ "$(sample 'qfront_message_bytes_total{}')" = "$bytes" ]
	[ "$(sample 'qfront_stage_verdicts_total{stage="filter",verdict="pass"}')" = 2 ]
	[ "$(sample 'qfront_daemon_up{}')" = 1 ]
	[ "$(sample 'qfront_generation{}')" = 1 ]
	[ "$(sample 'qfront_requests{}')" = 0 ]
	[ "$(sample 'qfront_filter_workers{}')" -ge 1 ]
	[ "$(sample 'qfront_store_workers{}')" = 4 ]
	[ "$(sample 'qfront_start_time_seconds{}')" -gt 0 ]
	"$SBIN/qfrontctl" status --json >status.json
	"$PYTHON" -c 'import json, sys
s = json.load(open("status.json"))
assert s["daemon_up"] is True and s["daemon_pid"] == int(sys.argv[1])
assert s["messages"]["warm"]["codes"] == {"0": 2, "31": 1}, s
assert s["reload_error"] is None' "$DAEMON_PID"
	run "$SBIN/qfrontctl" status
	[[ $output == *"running, process $DAEMON_PID"*'generation 1'* ]]
	stop_daemon
	[ "$(sample 'qfront_daemon_up{}')" = 0 ]
	# What was counted stays.
	[ "$(sample 'qfront_messages_total{code="0",way="warm"}')" = 2 ]
}

@test "a configuration that does not load is in the status, with the reason" {
	control chain 'size max-message=1M'
	start_daemon
	control chain 'size max-message=many'
	wait_until logged 'configuration not loaded'
	told() {
		"$SBIN/qfrontctl" status | grep -q "NOT RELOADED .*$CONTROLDIR/chain:1"
	}
	wait_until told
	[ "$(sample 'qfront_generations_failed_total{}')" -ge 1 ]
	send 0
	control chain 'size max-message=2M'
	wait_until logged 'serving generation=[3-9]'
	healed() {
		! "$SBIN/qfrontctl" status | grep -q 'NOT RELOADED'
	}
	wait_until healed
	stop_daemon
}

@test "a worker that dies is counted, and one that is late" {
	control chain 'misbehave do=crash onerror=pass' \
		'misbehave@b do=hang onerror=pass timeout=1'
	start_daemon
	send 52
	control chain 'misbehave do=crash onerror=pass'
	wait_until logged 'serving generation=2'
	send 0
	counted() {
		[[ $(sample 'qfront_workers_died_total{}') -ge 2 &&
			$(sample 'qfront_workers_late_total{}') -ge 1 ]]
	}
	wait_until counted
	stop_daemon
}

@test "a file that is no place to count stops no mail" {
	send 0 # none
	[ ! -e metrics ]
	run "$SBIN/qfrontctl" metrics
	[ "$status" -eq 111 ]
	[[ $output == *"$QFRONT_METRICS"* ]]
	echo other >metrics
	send 0
	[ "$(<metrics)" = other ]
	run "$SBIN/qfrontctl" status
	[ "$status" -eq 111 ]
	rm metrics
	mkdir metrics
	send 0
	start_daemon
	send 0
	logged 'nothing is counted'
	stop_daemon
	rmdir metrics
	ln -s "$BATS_TEST_TMPDIR/elsewhere" metrics
	: >elsewhere
	send 0
	[ ! -s elsewhere ]
}

@test "what is tried is not counted" {
	unset QFRONT_METRICS
	send 0
	run "$SBIN/qfrontctl" metrics
	[ "$status" -eq 111 ]
	[[ $output == *'QFRONT_METRICS is not set'* ]]
	export QFRONT_METRICS=$BATS_TEST_TMPDIR/metrics
	: >metrics
	control chain 'size max-message=1M'
	"$SBIN/qfrontctl" test m >/dev/null
	send 0
	[ "$(sample 'qfront_stage_verdicts_total{stage="size",verdict="pass"}')" = 1 ]
}
