# The plugin interface is a promise: within version 1 nothing moves, nothing
# goes away, nothing gets another meaning. Each version that was published is
# kept in tests/abi: its header, and its offsets with 64 and 32 bits.

bats_require_minimum_version 1.5.0

setup() {
	ABI=$QF_SRCDIR/tests/abi
	TODAY=$QF_SRCDIR/include/qfront/plugin.h
	MINOR=$(awk '$2 == "QF_ABI_MINOR" { print $3 }' "$TODAY")
}

header() {
	/usr/bin/python3 "$ABI/header.py" "$@"
}

# The minor versions that are frozen.
frozen() {
	local file

	for file in "$ABI"/plugin-1.*.h; do
		file=${file##*/plugin-1.}
		echo "${file%.h}"
	done
}

# Both widths where the machine has two. Nothing is linked or run: no library
# for 32 bits is needed.
widths() {
	echo -m64
	[[ $(uname -m) != x86_64 ]] || echo -m32
}

# compiles HEADER TABLE WIDTH [OPTION...]
compiles() {
	local header=$1 table=$2 width=$3

	shift 3
	# shellcheck disable=SC2086 # the compiler may have arguments
	$QF_CC -std=c11 -ffreestanding -fsyntax-only -Wall -Werror "$width" \
		-DQF_HEADER="\"$header\"" -DQF_TABLE="\"$table\"" "$@" \
		-I "$QF_SRCDIR/include" "$ABI/offsets.c"
}

# in_order MINOR: what that version declares stands at the beginning of what
# today's header declares, struct by struct.
in_order() {
	diff <(header members "$ABI/plugin-1.$1.h") \
		<(header members "${2-$TODAY}") | grep '^<'
}

# numbers FILE: the constants, without the version itself.
numbers() {
	header macros "$1" | grep -P '\t[^\t]*[0-9]' |
		grep -vP '^QF_ABI_MINOR\t|sizeof|__attribute__' | sort -u
}

@test "today's offsets and sizes are those of the table" {
	local width

	[ -e "$ABI/offsets-1.$MINOR.h" ]
	for width in $(widths); do
		compiles "$TODAY" "$ABI/offsets-1.$MINOR.h" "$width"
	done
}

@test "a published version has not moved, in its header and in today's" {
	local minor width

	[[ $(frozen) == *0* ]]
	for minor in $(frozen); do
		for width in $(widths); do
			compiles "$ABI/plugin-1.$minor.h" \
				"$ABI/offsets-1.$minor.h" "$width"
			compiles "$TODAY" "$ABI/offsets-1.$minor.h" "$width" \
				-DQF_LATER
		done
	done
}

@test "the tables have every member" {
	local minor file

	for file in "$ABI"/offsets-1.*.h; do
		minor=${file##*/offsets-1.}
		minor=${minor%.h}
		diff <({
			echo 'qf_span p'
			echo 'qf_span n'
			header members "$(
				if [[ $minor == "$MINOR" ]]; then
					echo "$TODAY"
				else
					echo "$ABI/plugin-1.$minor.h"
				fi
			)"
		} | awk '{ print $1, $2 }') \
			<(sed -nE 's/^QF_OFFSET\((\w+), (\w+), .*/\1 \2/p' "$file")
	done
}

@test "declarations are only appended" {
	local minor

	for minor in $(frozen); do
		[ "$(header members "$ABI/plugin-1.$minor.h" | wc -l)" -gt 50 ]
		run ! in_order "$minor"
		[ -z "$output" ]
	done
}

@test "numbers keep their meaning" {
	local minor

	for minor in $(frozen); do
		numbers "$ABI/plugin-1.$minor.h" >"$BATS_TEST_TMPDIR/then"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/then")" -gt 30 ]
		comm -23 "$BATS_TEST_TMPDIR/then" <(numbers "$TODAY") |
			tee "$BATS_TEST_TMPDIR/lost"
		[ ! -s "$BATS_TEST_TMPDIR/lost" ]
	done
}

# A struct of an older plugin is copied with its own size; a new field in what
# was padding then would be read from whatever stands there.
@test "what is new lies behind the structs of before" {
	local minor

	for minor in $(frozen); do
		awk -F'[(), ]+' '
			$1 == "QF_SIZE" && FNR == NR { wide[$2] = $3; narrow[$2] = $4 }
			$1 == "QF_OFFSET" && FNR == NR { old[$2, $3] = 1 }
			$1 == "QF_OFFSET" && FNR != NR && ($2 in wide) &&
			    !(($2, $3) in old) &&
			    ($4 < wide[$2] || $5 < narrow[$2]) {
				print $2 "." $3 " is in the padding of 1." minor
				bad = 1
			}
			END { exit bad }' minor="$minor" \
			"$ABI/offsets-1.$minor.h" "$ABI/offsets-1.$MINOR.h"
	done
}

# The checks above, on a header in which each mistake was made.
@test "a member that is inserted, removed, moved or changed is seen" {
	local edit bad=$BATS_TEST_TMPDIR/bad.h

	while IFS='|' read -r what edit; do
		sed -E "$edit" "$TODAY" >"$bad"
		echo "$what"
		run ! cmp -s "$bad" "$TODAY"
		case $what in
		offset)
			run ! compiles "$bad" "$ABI/offsets-1.0.h" -m64 -DQF_LATER
			[[ $output == *"has moved"* ]]
			;;
		order) in_order 0 "$bad" ;;
		number)
			comm -23 <(numbers "$ABI/plugin-1.0.h") \
				<(numbers "$bad") | grep .
			;;
		esac
	done <<-'TABLE'
		offset|s/^(.*\(\*size_of\).*)/	void *inserted;\n\1/
		offset|/uint64_t groups;/d
		offset|s/uint32_t category; /uint64_t category; /
		order|s/const char \*status;/uint64_t status;/
		order|s/uint32_t class_;/int32_t class_;/
		order|s/\(\*log\)\(struct qf_msg \*m, /(*log)(/
		order|s/const char \*version;/const char *release;/
		number|s/QF_REJECT( +)2/QF_REJECT\17/
		number|/define QF_CAT_AUTH /d
	TABLE
}

@test "the header and the note are strict C11 and C++11, 64 and 32 bit" {
	local width

	cat >"$BATS_TEST_TMPDIR/p.c" <<-'C'
		#include <qfront/plugin.h>
		#define NEEDS (QF_GROUP_EDIT | UINT64_C(1) << 40)
		QF_PLUGIN_NOTE(NEEDS, 0, QF_EFFECT_HEADER, QF_FLAG_WARM);
		#define KINDS(kind)                                \
			kind("mode", "a", 0, QF_FLAG_NETWORK)      \
			kind("mode", "b", QF_EFFECT_BODY, 0)
		QF_PLUGIN_KINDS(kinds, KINDS);
		extern const struct qf_kind *first;
		const struct qf_kind *first = kinds;
	C
	for width in $(widths); do
		# shellcheck disable=SC2086 # the compiler may have arguments
		$QF_CC -std=c11 -pedantic-errors -Wall -Wextra -Werror "$width" \
			-ffreestanding -fsyntax-only \
			-I "$QF_SRCDIR/include" "$BATS_TEST_TMPDIR/p.c"
		g++ -x c++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror \
			"$width" -ffreestanding -fsyntax-only \
			-I "$QF_SRCDIR/include" "$BATS_TEST_TMPDIR/p.c"
	done
}
