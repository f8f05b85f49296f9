# The guide for plugin authors does what it says: its blocks are built and run
# out of the tree, against what is installed.

load ../lib/common

setup() {
	clean_environment
	umask 022
	mkdir "$BATS_TEST_TMPDIR/work"
	cd "$BATS_TEST_TMPDIR/work" || return
	GUIDE=$TESTLIB/guide.py
	DOC=$QF_STAGE$QF_DOCDIR/plugin-guide.md
	export GUIDE
}

# Runs it as an author would: with the programs in PATH, and no other flags
# than those of pkg-config.
follow() {
	"$GUIDE" script "$1" >../script
	PATH=$SBIN:$PATH PKG_CONFIG_PATH=$QF_STAGE$QF_LIBDIR/pkgconfig \
		PKG_CONFIG_SYSROOT_DIR=$QF_STAGE QUEUEDIR=$PWD/queue \
		bash ../script
}

@test "its steps are built, run, and end in the plugin of the sources" {
	follow "$DOC"
	diff "$QF_SRCDIR/plugins/example.c" example.c
	[ "$(grep -c '^```diff file=example.c$' "$DOC")" -eq 6 ]
}

@test "the last step has no warnings, as C11 and with the checks of the tree" {
	follow "$DOC"
	# shellcheck disable=SC2086 # the compiler may have arguments
	$QF_CC -std=c11 -pedantic-errors -Wall -Wextra -Wshadow -Werror \
		-fsyntax-only -I "$QF_SRCDIR/include" example.c
}

@test "a guide that says something else is found out" {
	sed 's/^X-Qfront-Example: hello$/X-Qfront-Example: goodbye/' "$DOC" \
		>../wrong
	run follow ../wrong
	[ "$status" -ne 0 ]
	[[ $output == *"the guide says:"*goodbye* ]]
	sed 's/^example 1.0 (ABI ...)/example 2.0/' "$DOC" >../wrong
	run follow ../wrong
	[ "$status" -ne 0 ]
}
