# What every text file of the sources keeps to.

setup() {
	# shellcheck source=tests/lint/sources.sh
	source "$QF_SRCDIR/tests/lint/sources.sh"
	cd "$QF_SRCDIR" || return
	sources "$QF_SRCDIR" | grep -vE '^tests/(golden|fuzz/corpus)/' \
		>"$BATS_TEST_TMPDIR/all"
	grep '\.[ch]$' "$BATS_TEST_TMPDIR/all" >"$BATS_TEST_TMPDIR/c"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/c")" -gt 20 ]
}

# none LIST GREP-ARGUMENT...: no file of the list has a line that matches.
none() {
	local list=$BATS_TEST_TMPDIR/$1 found

	shift
	found=$(xargs -d '\n' grep -nHI "$@" -- <"$list") || :
	echo "$found"
	[ -z "$found" ]
}

@test "no blanks at the end of a line" {
	none all -E '[[:blank:]]+$'
}

@test "no line of C is longer than 80 columns" {
	local file

	while read -r file; do
		expand "$file" |
			awk -v file="$file" 'length > 80 {
				print file ":" NR ": " length " columns"
			}'
	done <"$BATS_TEST_TMPDIR/c" >"$BATS_TEST_TMPDIR/long"
	cat "$BATS_TEST_TMPDIR/long"
	[ ! -s "$BATS_TEST_TMPDIR/long" ]
}

@test "C is ASCII, with LF line ends and one at the end of the file" {
	local file

	none c -P '[^\x00-\x7f]|\r'
	while read -r file; do
		[ -z "$(tail -c 1 "$file")" ] || {
			echo "$file: no line end at the end"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/all"
}

@test "no place of somebody's machine" {
	none all -E '(^|[^[:alnum:]_])/(home|root|work|tmp/[a-z])/'
}

@test "nothing is left to do in the sources" {
	none all -E '\b(TO[D]O|FIX[M]E|XX[X])\b'
}

@test "a header opens with a comment that says why it exists" {
	local file

	while read -r file; do
		[[ $file != *.h || $(head -n 1 "$file") == '/*'* ]] || {
			echo "$file"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/c"
}

@test "the search sees what it must not find" {
	printf 'int x;  \n' >"$BATS_TEST_TMPDIR/planted.c"
	echo "$BATS_TEST_TMPDIR/planted.c" >"$BATS_TEST_TMPDIR/planted"
	run none planted -E '[[:blank:]]+$'
	[ "$status" -eq 1 ]
	[ "$output" = "$BATS_TEST_TMPDIR/planted.c:1:int x;  " ]
}
