# Mail arrives in real servers as it was sent: aiosmtpd, and Debian's Postfix,
# Exim and OpenSMTPD, which come from their packages, installed or unpacked
# (bench/peers.py). Messages that are hard to carry (tests/lib/nasty.py) go
# through both faces of the client, by DATA and BDAT, in clear and by TLS; each
# has to be kept once, with its envelope, byte for byte, and nothing else with
# it (tests/lib/interop.py).

load ../lib/common
load ../lib/certs

setup_file() {
	make_certificates
}

setup() {
	clean_environment
	skip_under_valgrind "it starts hundreds of programs"
	skip_under_sanitizers "it starts hundreds of programs"
	# A folder in which daemons find their files who give up root.
	FOLDER=$(mktemp -d "$(fast_folder)/qfront-interop-XXXXXX")
	chmod 711 "$FOLDER"
}

teardown() {
	stop_peers
	[[ -z ${FOLDER-} ]] || rm -rf "$FOLDER"
}

# arrives_at SERVER WAYS: all messages, by so many ways.
arrives_at() {
	local status=0

	start_peer env PACKAGES="$QF_BUILDDIR/bench/packages" "$PYTHON" \
		"$TESTLIB/interop.py" "$1" "$FOLDER"
	cat <&"$PEER_FD" >"$BATS_TEST_TMPDIR/said"
	wait_for_peer || status=$?
	cat "$BATS_TEST_TMPDIR/said"
	((status != 77)) || skip "$(cat "$BATS_TEST_TMPDIR/said")"
	((status == 0))
	[[ $(grep -c ' taken, 0 differences$' "$BATS_TEST_TMPDIR/said") == "$2" ]]
}

@test "aiosmtpd keeps every message as it was sent" {
	arrives_at aiosmtpd 7
}

@test "Postfix keeps every message as it was sent" {
	arrives_at Postfix 9
}

@test "Exim keeps every message as it was sent" {
	arrives_at Exim 10
}

@test "OpenSMTPD keeps every message as it was sent" {
	arrives_at OpenSMTPD 3
}

@test "the messages have dots around the ends of all buffers" {
	PYTHONPATH=$TESTLIB "$PYTHON" -B - <<-'END'
		import re
		import nasty
		all = nasty.letters()
		assert len({letter.name for letter in all}) == len(all)
		found = {"file": set(), "wire": set(), "sent": set()}
		for letter in all:
		    stuffed = re.sub(rb"(?m)^\.", b"..", letter.wire)
		    for where, data in (("file", letter.data), ("sent", stuffed),
		                        ("wire", letter.wire)):
		        found[where] |= {m.start() for m in
		                         re.finditer(rb"(?m)^\.", data)}
		for edge in nasty.EDGES:
		    for n in range(1, (1 << 18) // edge):
		        for at in range(n * edge - 2, n * edge + 3):
		            for where, places in found.items():
		                assert at in places, (where, at)
	END
}
