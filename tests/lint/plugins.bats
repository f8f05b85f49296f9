# A plugin shows one symbol and takes nothing of ours: it runs in every host
# of its ABI.

setup() {
	PLUGINS=$QF_STAGE$QF_LIBDIR/qfront/plugins
}

# What a plugin shows besides the one symbol, and what it wants of ours.
exported() {
	nm -D --defined-only "$1" | awk '$NF != "qf_plugin_v1" { print $NF }'
}

imported() {
	nm -D --undefined-only "$1" | awk '$NF ~ /^qf_/ { print $NF }'
}

@test "plugins export qf_plugin_v1 alone and import nothing of ours" {
	local file n=0

	for file in "$PLUGINS"/*.so; do
		echo "$file"
		nm -D --defined-only "$file" | grep -q ' qf_plugin_v1$'
		[ -z "$(exported "$file")" ]
		[ -z "$(imported "$file")" ]
		n=$((n + 1))
	done
	[ "$n" -ge 4 ]
}

@test "nothing but plugins is installed among them" {
	[ -z "$(find "$PLUGINS" -type f ! -name '*.so')" ]
}

@test "plugins are linked with relro and immediate binding" {
	local file

	for file in "$PLUGINS"/*.so; do
		echo "$file"
		readelf -lW "$file" | grep -q GNU_RELRO
		readelf -dW "$file" | grep -q 'FLAGS.*NOW'
	done
}

# Without one the dispatcher would have to guess what a plugin is.
@test "plugins have a note, one each" {
	local file

	for file in "$PLUGINS"/*.so; do
		echo "$file"
		[ "$(readelf -nW "$file" | grep -c '^ *qfront .*NT_VERSION')" -eq 1 ]
	done
}

@test "every plugin loads, and its note says what it says" {
	run "$QF_STAGE$QF_SBINDIR/qfrontctl" plugins
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a plugin that shows or takes more is seen" {
	cat >"$BATS_TEST_TMPDIR/bad.c" <<-'C'
		extern int qf_log_level;
		int helper(void);
		int helper(void)
		{
			return qf_log_level;
		}
	C
	# shellcheck disable=SC2086 # the compiler may have arguments
	$QF_CC -shared -fPIC -o "$BATS_TEST_TMPDIR/bad.so" \
		"$BATS_TEST_TMPDIR/bad.c"
	[[ $(exported "$BATS_TEST_TMPDIR/bad.so") == *helper* ]]
	[ "$(imported "$BATS_TEST_TMPDIR/bad.so")" = qf_log_level ]
}
