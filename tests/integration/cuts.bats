# The connection of an SMTP client ends everywhere: after each byte that the
# server says, after each that it hears, inside of a handshake. The programs are
# run for each of these (tests/lib/cutsmtp.py); the engine alone, in all ways that
# there are, is in tests/unit/test_smtp_drop.c.

bats_require_minimum_version 1.5.0
load ../lib/common
load ../lib/certs
load ../lib/zones

setup_file() {
	make_certificates
	start_zones <<-'ZONES'
		zone test.example
		one A 127.0.0.2
		two A 127.0.0.3
		both MX 10 one
		both MX 20 two
	ZONES
}

teardown_file() {
	stop_zones
}

setup() {
	skip_under_valgrind "thousands of programs"
	clean_environment
	unset HELOHOST
	use_zones
	# The stub is asked, which starts faster.
	echo "nameserver $NAMESERVER" >"$CONTROLDIR/resolver"
	export QFRONT_LOG=stderr
}

# module CUT WAY..., remote CUT WAY...: all cuts of such sessions.
module() {
	echo "module: $*"
	cuts "$PROTOCOLS/smtp" module "$@"
}

remote() {
	echo "remote: $*"
	cuts "$SBIN/qfront-remote" remote "$@"
}

cuts() {
	"$PYTHON" "$TESTLIB/cutsmtp.py" --certs "$CERTS" "$@" 2>log || {
		tail log
		return 1
	}
}

@test "module: the server goes away after each byte that it says" {
	module said
	module said pipelining
	module said pipelining chunking
}

@test "module: ... that it hears" {
	module heard
	module heard pipelining chunking
	module ends pipelining
}

@test "module: ... in TLS, in a handshake" {
	module said starttls pipelining
	module said tls chunking
	module ends starttls
	module ends tls pipelining chunking
	module shake starttls
	module shake tls
}

@test "remote: the server goes away after each byte that it says" {
	remote said
	remote said pipelining chunking
}

@test "remote: ... that it hears" {
	remote heard
	remote heard pipelining chunking
	remote ends pipelining
}

@test "remote: ... in TLS, in a handshake" {
	remote said starttls pipelining chunking
	remote said tls pipelining
	remote ends starttls
	remote ends tls chunking
	remote shake starttls
	remote shake tls
}
