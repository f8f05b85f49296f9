# The release holds everything that the repository does.

setup() {
	# shellcheck source=tests/lint/sources.sh
	source "$QF_SRCDIR/tests/lint/sources.sh"
}

@test "make dist takes every file of the sources along" {
	local dist=$BATS_TEST_TMPDIR/dist missing

	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		make -C "$QF_BUILDDIR" distdir distdir="$dist" >/dev/null
	missing=$(sources "$QF_SRCDIR" | while read -r file; do
		[[ $file == .gitignore || -e $dist/$file ]] || echo "$file"
	done)
	echo "not in EXTRA_DIST or its like:"
	echo "$missing"
	[ -z "$missing" ]
}
