# The manual pages: clean mdoc, one for each program, and true to the tables
# in the code.

bats_require_minimum_version 1.5.0

setup() {
	cd "$QF_SRCDIR" || return
	# Pages as written and as generated.
	pages=$(find man "$QF_BUILDDIR/man" -name '*.[1-8]' | sort -u)
}

# items FOLDER...: the names in the tables of control files, a line for each:
# `FILE NAME`.
items() {
	grep -rlE 'struct qf_ctl_item [a-z_]+\[\]' "$@" --include='*.c' |
		while read -r file; do
			tr '\n' ' ' <"$file" |
				grep -oE '\{[[:space:]]*(\.name = )?"[a-z-]+",[[:space:]]*(\.type = )?QF_CTL_(STRING|NUMBER)' |
				cut -d'"' -f2 | sed "s|^|$file |"
		done
}

# documented NAME PAGE...: is it an item of a list in one of the pages?
documented() {
	local name=$1

	shift
	cat "$@" 2>/dev/null | grep -qE "^\\.It (Ic|Pa|Va|Cm|Ql|Li) $name( |\$)"
}

@test "mandoc has nothing to say" {
	[ -n "$pages" ]
	# It looks for other pages among the installed ones, and tells on
	# descriptor 2 when their index is old; the case below looks where
	# ours are.
	lint() {
		mandoc -Tlint -Wstyle "$@" 2>/dev/null
	}
	# shellcheck disable=SC2086 # words
	run lint $pages
	[ "$status" -lt 5 ] # a page that can not be read
	found=$(grep -E '^mandoc: [^ ]+:[0-9]+:[0-9]+: ' <<<"$output" |
		grep -v 'referenced manual not found' || :)
	echo "$found"
	[ -z "$found" ]
}

@test "every installed program has a page" {
	local program name missing=

	for program in "$QF_STAGE$QF_SBINDIR"/* "$QF_STAGE$QF_BINDIR"/* \
		"$QF_STAGE$QF_LIBEXECDIR"/qfront/{,protocols/}*; do
		[[ -f $program && $program != *.bin ]] || continue
		name=${program##*/}
		compgen -G "$QF_STAGE$QF_MANDIR/man[18]/$name.[18]" \
			>/dev/null ||
			compgen -G "$QF_STAGE$QF_MANDIR/man[18]/qfront-$name.[18]" \
				>/dev/null || missing+=" $program"
	done
	echo "without a page:$missing"
	[ -z "$missing" ]
}

@test "every control file of the programs' tables is in a page" {
	local file name missing=

	items frontend queue remote send tools lib >"$BATS_TEST_TMPDIR/items"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/items")" -ge 10 ]
	while read -r file name; do
		# shellcheck disable=SC2086 # words
		documented "$name" $pages || missing+=" $name ($file)"
	done <"$BATS_TEST_TMPDIR/items"
	echo "not documented:$missing"
	[ -z "$missing" ]
}

@test "qfront-metrics(5) has every number" {
	local name missing=

	{
		sed -nE 's/.*\] = \{"([a-z_]+)".*/\1/p' tools/numbers.c
		sed -nE 's/.*say_family\("([a-z_]+)".*/\1/p' tools/metrics.c
	} | sort -u >"$BATS_TEST_TMPDIR/numbers"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/numbers")" -ge 20 ]
	while read -r name; do
		documented "$name" man/qfront-metrics.5 || missing+=" $name"
	done <"$BATS_TEST_TMPDIR/numbers"
	echo "not documented:$missing"
	[ -z "$missing" ]
}

# interface HEADER: what a plugin author sees of it, a macro a line: `Dv NAME`
# or `Fn NAME`; the calls of struct qf_host, the structs.
interface() {
	local list=$QF_SRCDIR/tests/abi/header.py

	/usr/bin/python3 "$list" macros "$1" | awk '$1 ~ /^QF_/ { print $1 }'
	/usr/bin/python3 "$list" members "$1" |
		awk '{ print $1 } $1 == "qf_host" || $1 == "qf_plugin" { print $2 }' |
		grep -vx 'magic\|reserved' | sort -u
}

# named NAME PAGE: in a macro for constants, functions, arguments or types.
named() {
	grep -qE "^\.(It )?(Dv|Fn|Fa|Vt struct)( .*)? $1( |\$)|^\.Vt struct $1( |\$)" \
		"$2"
}

@test "qfront-plugin(3) has every call, struct and constant" {
	local name missing=

	interface include/qfront/plugin.h >"$BATS_TEST_TMPDIR/names"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -gt 120 ]
	while read -r name; do
		named "$name" man/qfront-plugin.3 || missing+=" $name"
	done <"$BATS_TEST_TMPDIR/names"
	echo "not in the page:$missing"
	[ -z "$missing" ]
	run ! named QF_GROUP_NOSUCH man/qfront-plugin.3
	run ! named header_nosuch man/qfront-plugin.3
}

@test "pages of ours that a page refers to are there" {
	local name section missing=

	# shellcheck disable=SC2086 # words
	sed -nE 's/^\.(It |Sy )?Xr (qfront[a-z-]*) ([1-8]).*/\2 \3/p' $pages |
		sort -u >"$BATS_TEST_TMPDIR/refs"
	while read -r name section; do
		[[ $pages == *"/$name.$section"* ]] ||
			missing+=" $name($section)"
	done <"$BATS_TEST_TMPDIR/refs"
	echo "not there:$missing"
	[ -z "$missing" ]
}

@test "an item that no page has is seen" {
	local x=$BATS_TEST_TMPDIR/x.c

	printf '%s\n' 'static const struct qf_ctl_item items[] = {' \
		'	{"nosuchthing", QF_CTL_STRING, 0, NULL},' \
		'	{.name = "another",' '.type = QF_CTL_NUMBER},' '};' \
		>"$x"
	[ "$(items "$BATS_TEST_TMPDIR")" = "$x nosuchthing
$x another" ]
	# shellcheck disable=SC2086 # words
	! documented nosuchthing $pages
}
