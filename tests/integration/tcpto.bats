# qfrontctl tcpto: the memory of hosts that did not answer, in qmail's file and
# in the one for IPv6.

bats_require_minimum_version 1.5.0
load ../lib/common

setup() {
	make_world
	NOW=$EPOCHSECONDS
}

# record ADDRESS-BYTES COUNT SECONDS-AGO SIZE: one record of a file, as
# lib/net/tcpto.h has it.
record() {
	"$PYTHON" -c 'if True:
		import sys
		address = bytes.fromhex(sys.argv[1])
		head = address + bytes([int(sys.argv[2]), 0, 0, 0])
		record = head + int(sys.argv[3]).to_bytes(4, "little")
		sys.stdout.buffer.write(record.ljust(int(sys.argv[4]), b"\0"))
	' "$1" "$2" "$((NOW - $3))" "$4"
}

fill() {
	{
		record c0000201 2 100 16
		record c0000202 0 100 16
		record c0000203 10 5000 16
		head -c "$((61 * 16))" /dev/zero
	} >"$QUEUEDIR/lock/tcpto"
	{
		record 20010db8000000000000000000000001 1 7 32
		head -c "$((63 * 32))" /dev/zero
	} >"$QUEUEDIR/lock/tcpto6"
}

# about SECONDS TEXT: TEXT is that number, or a little more.
about() {
	(($2 >= $1 && $2 <= $1 + PATIENCE))
}

@test "show says what qmail-tcpto says" {
	fill
	run "$SBIN/qfrontctl" tcpto show
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} =~ ^192\.0\.2\.1\ timed\ out\ ([0-9]+)\ seconds\ ago\;\ \#\ recent\ timeouts:\ 2$ ]]
	about 100 "${BASH_REMATCH[1]}"
	[[ ${lines[1]} =~ ^192\.0\.2\.3\ timed\ out\ ([0-9]+)\ seconds\ ago\;\ \#\ recent\ timeouts:\ 10$ ]]
	about 5000 "${BASH_REMATCH[1]}"
	[[ ${lines[2]} =~ ^2001:db8::1\ timed\ out\ ([0-9]+)\ seconds\ ago\;\ \#\ recent\ timeouts:\ 1$ ]]
}

@test "show for programs" {
	fill
	"$SBIN/qfrontctl" tcpto show --json >"$BATS_TEST_TMPDIR/out"
	json 'd[0]["address"], d[0]["timeouts"], d[0]["when"], len(d)' \
		<"$BATS_TEST_TMPDIR/out" >"$BATS_TEST_TMPDIR/got"
	[ "$(<"$BATS_TEST_TMPDIR/got")" = "192.0.2.1 2 $((NOW - 100)) 3" ]
}

@test "ok forgets all of it, as qmail-tcpok does" {
	fill
	"$SBIN/qfrontctl" tcpto ok
	head -c 1024 /dev/zero | cmp - "$QUEUEDIR/lock/tcpto"
	head -c 2048 /dev/zero | cmp - "$QUEUEDIR/lock/tcpto6"
	[ -z "$("$SBIN/qfrontctl" tcpto show)" ]
}

@test "where nothing was ever noted there is nothing to say" {
	[ -z "$("$SBIN/qfrontctl" tcpto show)" ]
	[ "$("$SBIN/qfrontctl" tcpto show --json)" = "[]" ]
	"$SBIN/qfrontctl" tcpto ok
	[ ! -e "$QUEUEDIR/lock/tcpto6" ]
}

@test "mistakes" {
	run "$SBIN/qfrontctl" tcpto
	[ "$status" -eq 64 ]
	run "$SBIN/qfrontctl" tcpto show all
	[ "$status" -eq 64 ]
	run "$SBIN/qfrontctl" tcpto ok --json
	[ "$status" -eq 64 ]
	QUEUEDIR=$BATS_TEST_TMPDIR/none run "$SBIN/qfrontctl" tcpto show
	[ "$status" -eq 111 ]
	[[ $output == "qfrontctl: "*"/none/lock: No such file or directory" ]]
}
