# The floors of ARCHITECTURE.md hold, and the check itself sees what breaks
# them.

setup() {
	FLOORS=$QF_SRCDIR/tests/lint/floors
	TREE=$BATS_TEST_TMPDIR/tree
}

# plant FILE LINE...: a file in a tree of its own, which has our table.
plant() {
	local file=$TREE/$1

	shift
	mkdir -p "${file%/*}"
	printf '%s\n' "$@" >"$file"
	cp "$QF_SRCDIR/ARCHITECTURE.md" "$TREE/"
}

@test "includes go downward only" {
	"$FLOORS" "$QF_SRCDIR"
}

@test "what is allowed is not reported" {
	plant lib/base/a.h '#include <qfront/span.h>' '#include <stdio.h>'
	plant lib/mail/m.c '#include "lib/base/a.h"' '#include "lib/mail/m.h"'
	plant lib/mail/m.h ''
	plant queue/store.h '#include "lib/mail/m.h"'
	plant frontend/chain.h ''
	plant send/run.h ''
	plant send/qfront-send.c '#include "queue/store.h"' \
		'#include "frontend/chain.h"' '#include "send/run.h"' \
		'int main(void)'
	plant queue/qfront-queue.c '#include "frontend/chain.h"' \
		'int main(void)'
	plant plugins/p.c '#include <qfront/plugin.h>' '#include <opendkim/dkim.h>' \
		'#include "lib/mail/m.h"'
	run "$FLOORS" "$TREE"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

# Each: file, its line 2, a word of the complaint.
@test "each breach is reported with file and line" {
	local file line word

	while IFS='|' read -r file line word; do
		rm -rf "$TREE"
		plant lib/mail/m.h ''
		plant lib/net/n.h ''
		plant queue/store.h ''
		plant send/run.h ''
		plant queue/main.c 'int main(void)'
		plant "$file" '' "$line"
		run "$FLOORS" "$TREE"
		echo "$file: $line: $output"
		[ "$status" -eq 1 ]
		[[ $output == "$file:2: "*"$word"* ]]
	done <<-'TABLE'
		lib/base/x.c|#include "lib/mail/m.h"|downward
		lib/base/x.h|# include "queue/store.h"|downward
		lib/mail/x.c|#include "lib/net/n.h"|downward
		lib/net/x.c|#include "lib/mail/m.h"|downward
		lib/mail/x.c|#include <lib/base/a.h>|quotes
		include/qfront/x.h|#include "lib/mail/m.h"|downward
		frontend/x.c|#include "queue/store.h"|downward
		remote/x.c|#include "send/run.h"|downward
		tools/x.c|#include "send/run.h"|downward
		queue/x.c|#include "queue/main.c"|main
		plugins/x.c|#include "queue/store.h"|downward
		plugins/x.c|#include "m.h"|path
		send/x.c|#include "run.h"|path
		send/x.c|#include HEADER|name its file
	TABLE
}

@test "a folder without a floor is reported" {
	plant attic/x.c ''
	run "$FLOORS" "$TREE"
	[ "$status" -eq 1 ]
	[[ $output == "attic/x.c:1: "* ]]
}

@test "headers in a circle are reported" {
	plant lib/base/a.h '#include "lib/base/b.h"'
	plant lib/base/b.h '#include "lib/base/a.h"'
	run "$FLOORS" "$TREE"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"include each other"*lib/base/[ab].h* ]]
}
