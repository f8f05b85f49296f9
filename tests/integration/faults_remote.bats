# Faults at every point of qfront-remote, and of the module smtp under TLS:
# whichever call to the system fails, and wherever it is killed, success is
# said only for a message that the server has, and no trouble of this host
# becomes a permanent answer. The loops are in tests/lib/faults.py; what they
# print names the point, and how to set it off by hand.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/certs
load ../lib/zones

setup_file() {
	make_certificates
	start_zones <<-'ZONES'
		zone test.example signed
		to MX 10 mx
		mx A 127.0.0.2
	ZONES
}

teardown_file() {
	stop_zones
}

setup() {
	skip_under_sanitizers "their runtime must be loaded first"
	skip_under_valgrind "thousands of runs"
	clean_environment
	cd "$BATS_TEST_TMPDIR"
	use_zones
	echo me.example >"$CONTROLDIR/me"
	# A static program takes no library before its own.
	SBIN=$QF_BUILDDIR/tests/stage-dynamic${QF_SBINDIR-}
	export SBIN PROTOCOLS FAULT_SO=$QF_BUILDDIR/tests/lib/.libs/fault.so
	export MESSAGE=$BATS_TEST_TMPDIR/m QUEUEDIR=$BATS_TEST_TMPDIR/queue
	mkdir -p "$QUEUEDIR/lock"
	printf 'Subject: @ID@\n\nHello.\n.\n' >"$MESSAGE"
	RUNS=$(mktemp -d -p "$(fast_folder)" qfront-faults.XXXXXX)
}

teardown() {
	stop_peers
	rm -rf "${RUNS-}"
}

# server ADDRESS [OPTION...]: a real one, at PORT.
server() {
	start_sink --timeout 600 --bind "$@"
	export PORT SINK
}

# points ARGUMENT...: tries them all.
points() {
	local eml

	"$PYTHON" -B "$TESTLIB/faults.py" "$@" "$RUNS" 3>&-
	# What the server keeps is whole, whatever the client said.
	for eml in "$SINK"/*.eml; do
		tail -n +2 "$eml" | cmp - <(printf '\r\nHello.\r\n.\r\n')
	done
}

@test "qfront-remote, in clear to a relay" {
	server 127.0.0.2
	echo ":[127.0.0.2]:$PORT" >"$CONTROLDIR/smtproutes"
	HOST=to.test.example points remote
}

# These are the same under TLS.
ABOVE=close,fstat,lseek,pread,write

@test "qfront-remote, under TLS to a mail exchanger" {
	server 127.0.0.2 --cert "$CERTS/good.pem" --key "$CERTS/good.key"
	echo ": port=$PORT" >"$CONTROLDIR/smtproutes"
	echo "nameserver $NAMESERVER" >"$CONTROLDIR/resolver"
	HOST=to.test.example points remote --sparse 4 --skip "$ABOVE"
}

# What libunbound does in its thread may never be answered, until the time of a
# step is over: not here.
@test "qfront-remote, by a DNS that is proven" {
	server 127.0.0.2
	echo ": port=$PORT" >"$CONTROLDIR/smtproutes"
	HOST=to.test.example points remote --sparse 4 \
		--skip "$ABOVE,fcntl,open,read,stat,thread"
}

@test "qfront-remote, a resolver that never answers" {
	local point

	echo 1 >"$CONTROLDIR/timeoutremote"
	for point in thread:1:EAGAIN read:10:EIO fcntl:20:EMFILE; do
		# As qmail-rspawn joins them.
		FAULT=$point LD_PRELOAD=$FAULT_SO "$SBIN/qfront-remote" \
			to.test.example s@x.example r@y.example <"$MESSAGE" \
			>got 2>&1
		printf "ZSorry, I couldn't find any host by that name. (#4.1.2)\n\0" |
			cmp - got
	done
}

@test "smtp, under TLS with a certificate that is checked" {
	server 127.0.0.1 --cert "$CERTS/good.pem" --key "$CERTS/good.key"
	OPTIONS="starttls
x509cafile=$CERTS/ca.pem
" points smtp --sparse 4 --skip "$ABOVE"
}
