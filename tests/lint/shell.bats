# The scripts are clean: shellcheck has nothing to say about them.

setup() {
	# shellcheck source=tests/lint/sources.sh
	source "$QF_SRCDIR/tests/lint/sources.sh"
	cd "$QF_SRCDIR" || return
}

# Scripts by name or by their first line.
scripts() {
	local file line

	sources "$QF_SRCDIR" | while read -r file; do
		case $file in
		*.sh | *.bash) echo "$file" ;;
		*.bats | *.py | *.awk | *.c | *.h) ;;
		*)
			IFS= read -r line <"$file" || :
			[[ $line != '#!'*sh ]] || echo "$file"
			;;
		esac
	done 2>/dev/null
}

@test "scripts" {
	scripts >"$BATS_TEST_TMPDIR/scripts"
	cat "$BATS_TEST_TMPDIR/scripts"
	grep -qx dev/check "$BATS_TEST_TMPDIR/scripts"
	grep -qx .ci/run "$BATS_TEST_TMPDIR/scripts"
	xargs shellcheck -x <"$BATS_TEST_TMPDIR/scripts"
}

# In bats every case is a function of its own that runs in a subshell and ends
# at the first failure. SC2030 and SC2031 (changes of variables are lost),
# SC2034 and SC2154 (used, set elsewhere), SC2164 (`cd` that fails) say nothing
# here; SC2059 (formats in variables) is how tables hold zero bytes.
@test "bats files" {
	find tests -name '*.bats' -exec shellcheck -x -s bats \
		-e SC2030,SC2031,SC2034,SC2154,SC2164,SC2059,SC1091 {} +
}

@test "scripts that are commands can be executed" {
	local file

	for file in bench/frontend bench/queue bench/remote dev/check dev/deps dev/demo \
		dev/powercut .ci/run; do
		[ -x "$file" ]
	done
}
