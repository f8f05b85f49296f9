# Helpers of the tests of the dkim plugin: `load ../lib/dkim` after common.
#
# shellcheck shell=bash

# make_keys DIR: keys of every kind, NAME.pem and the text of their record in
# NAME.txt.
make_keys() {
	local dir=$1 name bits

	while read -r name bits; do
		(umask 077 && openssl genpkey -algorithm RSA \
			-pkeyopt "rsa_keygen_bits:$bits" \
			-out "$dir/$name.pem") 2>/dev/null
		printf 'v=DKIM1; k=rsa; p=%s\n' "$(openssl pkey \
			-in "$dir/$name.pem" -pubout -outform DER |
			base64 -w 0)" >"$dir/$name.txt"
	done <<-'TABLE'
		rsa 2048
		other 1024
		short 512
		long 4096
	TABLE
	(umask 077 && openssl genpkey -algorithm ED25519 -out "$dir/ed.pem")
	printf 'v=DKIM1; k=ed25519; p=%s\n' "$(openssl pkey -in "$dir/ed.pem" \
		-pubout -outform DER | tail -c 32 | base64 -w 0)" \
		>"$dir/ed.txt"
	openssl pkey -in "$dir/rsa.pem" -pubout -out "$dir/rsa.public"
}

# dkim_world: a control directory, and the files that the helpers read and
# write.
dkim_world() {
	clean_environment
	umask 022
	CONTROL=$BATS_TEST_TMPDIR/control
	IN=$BATS_TEST_TMPDIR/in
	OUT=$BATS_TEST_TMPDIR/out
	LOG=$BATS_TEST_TMPDIR/log
	ZONE=$BATS_TEST_TMPDIR/zone
	mkdir -p "$CONTROL/plugins"
	: >"$ZONE"
}

# stage [OPTION...] -- [KEY=VALUE...]: $IN through the plugin to $OUT, what it
# says to $LOG. CLASS is the class of the verdict; what is worse fails.
stage() {
	local runner=("$QF_BUILDDIR/tests/lib/run-plugin")

	[[ -z ${QF_VALGRIND-} ]] || runner=("$TESTLIB/valgrind" "${runner[@]}")
	while (($#)) && [[ $1 != -- ]]; do
		runner+=("$1")
		shift
	done
	CLASS=0
	"${runner[@]}" "$PLUGINS/dkim.so" "$CONTROL" "${@:2}" \
		<"$IN" >"$OUT" 2>"$LOG" || CLASS=$?
	((CLASS < 8)) || {
		echo "run-plugin: exit code $CLASS"
		cat "$LOG"
		return 1
	}
}

# start_dns: a name server for what is in $ZONE; DNS is where it listens,
# $BATS_TEST_TMPDIR/questions what it was asked.
start_dns() {
	start_peer "$PYTHON" "$TESTLIB/dnsserver.py" "$ZONE"
	wait_for_line "$PEER_FD" '^([0-9]+)$'
	# shellcheck disable=SC2034 # the test files use it
	DNS=127.0.0.1:${BASH_REMATCH[1]}
}

# record SELECTOR DOMAIN TEXT: a key record, in strings of 200 bytes.
record() {
	printf '%s._domainkey.%s TXT %s\n' "$1" "$2" \
		"$(fold -w 200 <<<"$3" | sed 's/.*/"&"/' | tr '\n' ' ')" \
		>>"$ZONE"
}

# sign_with OPTION... SELECTOR DOMAIN KEY: $IN gets a signature of dkimpy.
sign_with() {
	"$PYTHON" "$TESTLIB/dkimsign.py" "$@" <"$IN" >"$IN.new"
	mv "$IN.new" "$IN"
}
