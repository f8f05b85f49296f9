# What goes in comes out, byte for byte, when no stage edits: made-up mail
# through the programs as installed. tests/unit/test_bytes.c does the same with
# far more of it inside one process.

load ../lib/common

setup() {
	make_world
	cd "$BATS_TEST_TMPDIR"
	export STUB=$BATS_TEST_TMPDIR/got
	export PLUGINDIR=$BATS_TEST_TMPDIR/plugins
	mkdir mail "$PLUGINDIR"
	install "$PLUGINS"/size.so "$QF_BUILDDIR"/tests/plugins/.libs/*.so \
		"$PLUGINDIR"
	# A stage that only reads, two more workers, a plugin as shipped.
	control chain 'reader' 'secret do=nothing' 'reader@again' \
		'size max-message=100M'
}

# make_mail COUNT: that many, the odd ones first.
make_mail() {
	local n=$1

	# Each message starts programs under it.
	[[ -z ${QF_VALGRIND-} ]] || n=$((n / 10))
	[[ -z ${QF_SANITIZED-} ]] || n=$((n / 4))
	"$QF_BUILDDIR/tests/lib/write-mail" 0 "$n" mail
	[ "$(files mail)" -eq $((2 * n)) ]
}

@test "200 messages reach the next program as they came" {
	make_mail 200
	for m in mail/*.m; do
		echo "$m"
		inject "$m" "${m%m}e" "$TESTLIB/stubqueue" 2>log
		cmp "$m" got.message
		cmp "${m%m}e" got.envelope
	done
}

@test "60 messages and envelopes stand in our queue as they came" {
	make_mail 60
	for m in mail/*.m; do
		echo "$m"
		inject "$m" "${m%m}e" 2>log
		number=$(ls "$QUEUEDIR/todo")
		tail -n +2 "$QUEUEDIR/mess"/*/"$number" | cmp - "$m"
		# Less who sent it, and the zero byte at the end.
		sed -z '1,/^F/ { /^F/!d }' "$QUEUEDIR/todo/$number" >got
		head -c -1 "${m%m}e" | cmp - got
		rm "$QUEUEDIR/todo/$number" "$QUEUEDIR/mess"/*/"$number"
	done
}
