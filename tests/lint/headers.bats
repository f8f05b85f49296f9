# Every header stands alone: it compiles without another before it. The
# installed ones also do as strict C and as C++, whatever a plugin author has.

# each COMMAND...: compiles every given header (standard input, one a line)
# with the command; the names of those that fail.
each() {
	local header bad=0

	while read -r header; do
		printf '#include "%s"\nextern int not_empty;\n' "$header" |
			"$@" -Wall -Wextra -Werror -fsyntax-only \
			-I "$QF_BUILDDIR" -I "$QF_SRCDIR" \
			-I "$QF_SRCDIR/include" - || {
			echo "does not compile alone: $header"
			bad=1
		}
	done
	return "$bad"
}

headers() {
	(cd "$QF_SRCDIR" && find "$@" -name '*.h' | sort)
}

public() {
	headers include/qfront | sed 's|^include/||'
}

@test "every header compiles alone" {
	[ "$(headers lib | wc -l)" -gt 10 ]
	# shellcheck disable=SC2086 # the compiler may have arguments
	headers lib frontend queue remote send tools |
		each $QF_CC -std=c11 -D_GNU_SOURCE -x c
}

@test "the installed headers compile alone as strict C11" {
	[ "$(public | wc -l)" -ge 3 ]
	# shellcheck disable=SC2086
	public | each $QF_CC -std=c11 -pedantic-errors -x c
}

@test "the installed headers compile alone as C++" {
	public | each g++ -std=c++11 -pedantic-errors -x c++
}

@test "a header that needs another is seen" {
	mkdir -p "$BATS_TEST_TMPDIR/lib"
	echo 'size_t f(void);' >"$BATS_TEST_TMPDIR/lib/bad.h"
	QF_SRCDIR=$BATS_TEST_TMPDIR
	# shellcheck disable=SC2086
	run each $QF_CC -std=c11 -x c <<<lib/bad.h
	[ "$status" -eq 1 ]
	[[ $output == *"does not compile alone: lib/bad.h"* ]]
}
