# Real power cuts, a few of them; dev/powercut makes many. Nothing that was
# accepted is lost, and the test would notice if it were.

load ../lib/common
load ../lib/daemon

CUTTER=$QF_SRCDIR/tests/crash/powercut/main.py

setup() {
	clean_environment
	skip_under_valgrind "it starts hundreds of programs"
	skip_under_sanitizers "it starts hundreds of programs"
	# Its folder is below this one, so that we know its disks.
	export TMPDIR=$BATS_TEST_TMPDIR
	cd "$BATS_TEST_TMPDIR" || return
}

# Whatever happens, no disk stays mounted: its processes are gone, then.
teardown() {
	[[ -z ${CUTTER_PID-} ]] || {
		kill -KILL "$CUTTER_PID" 2>/dev/null || :
		wait "$CUTTER_PID" 2>/dev/null || :
	}
	wait_until no_disks
}

# needs_disks FS: the case runs where such a disk can have its power cut.
needs_disks() {
	local said rc=0

	said=$("$PYTHON" "$CUTTER" --probe --fs "$1" 2>&1) || rc=$?
	((rc != 77)) || skip "no power can be cut here: $said"
	echo "$said"
	((rc == 0))
}

# cut_power [OPTION...]: one run; its exit code in status, its report in the file
# report.
cut_power() {
	status=0
	"$PYTHON" "$CUTTER" "$@" >report 2>&1 || status=$?
	cat report
}

# disks: the loop devices over images of this case.
disks() {
	grep -lF "$BATS_TEST_TMPDIR/" /sys/block/loop*/loop/backing_file \
		2>/dev/null || :
}

no_disks() {
	[[ -z $(disks) ]]
}

a_disk() {
	[[ -n $(disks) ]]
}

# safe FS: a few cuts in each scenario take nothing from us.
safe() {
	needs_disks "$1"
	cut_power --strict --fs "$1" --cuts 3 --load 8 --json records \
		--only 'qfront-queue,qfront warm'
	[ "$status" -eq 0 ]
	for scenario in idle load delivery; do
		for name in qfront-queue 'qfront warm'; do
			grep -qE "^$name +$1 +$scenario +1 +[1-9][0-9]* +0 +0 " \
				report
		done
	done
	# The cut is one.
	grep -qE "^\(no sync\) +$1 +idle +1 +1 +1 " report
	grep -q '^qfront: of [0-9]* accepted messages 0 lost and 0 corrupt, in 6 cuts$' \
		report
	"$PYTHON" -c 'import json
rows = json.load(open("records"))["rows"]
assert sum(r["cuts"] for r in rows if r["scenario"] == "delivery") == 2'
	no_disks
	[ -z "$(find . -name 'qfront-powercut-*')" ]
}

@test "ext4: nothing is lost" {
	safe ext4
}

@test "ext4 that does not order its data: nothing is lost" {
	safe ext4-writeback
}

@test "XFS: nothing is lost" {
	safe xfs
}

@test "a program that forgets to sync its files, or its folders, is caught" {
	needs_disks ext4
	# A static program takes no library before its own.
	export QF_STAGE=$QF_STAGE-dynamic
	for what in file dir; do
		cut_power --fs ext4 --cuts 1 --scenario load --load 8 \
			--only qfront-queue --break $what --keep .
		[ "$status" -eq 1 ]
		grep -q '^qfront-queue, ext4: message [0-9]* .*accepted and lost$' \
			report
		kept=$(find . -name disk.image)
		[ -s "$kept" ]
		grep -q 'accepted and lost$' "${kept%/*}/report"
		rm -r "${kept%/*}"
	done
}

@test "a signal ends it, and nothing stays mounted" {
	needs_disks ext4
	for signal in TERM KILL; do
		"$PYTHON" "$CUTTER" --fs ext4 --cuts 1000 --only qfront-queue \
			>report 2>&1 3>&- &
		CUTTER_PID=$!
		wait_until a_disk
		kill -s "$signal" "$CUTTER_PID"
		status=0
		wait "$CUTTER_PID" || status=$?
		CUTTER_PID=
		cat report
		wait_until no_disks
		if [[ $signal == TERM ]]; then
			[ "$status" -eq 143 ]
			[ -z "$(find . -name 'qfront-powercut-*')" ]
		fi
	done
}

@test "what can not be asked for" {
	cut_power --fs fat
	[ "$status" -eq 2 ]
	cut_power --only sendmail
	[ "$status" -eq 2 ]
	cut_power --list
	[ "$status" -eq 0 ]
	grep -qx 'qfront warm' report
}

@test "it says why it can not be done" {
	# Not as root: in a namespace where nobody has a name.
	if ((EUID == 0)); then
		set -- setpriv --reuid=65534 --regid=65534 --clear-groups
	fi
	"$@" test -r "$CUTTER" ||
		skip "an ordinary user can not reach $CUTTER"
	status=0
	"$@" "$PYTHON" "$CUTTER" --probe >report 2>&1 || status=$?
	cat report
	[ "$status" -eq 77 ]
	[ "$(<report)" = \
		"only root can mount a disk and cut its power" ]
}
