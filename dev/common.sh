# What dev/check and dev/demo share: getting from a clean clone to a build,
# out of tree, below build/. TOP is the top of the sources.
#
# shellcheck shell=bash

# Plugins and control files that others can write are refused.
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # its users read it
JOBS=$(nproc)
CHILD=

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# run LOG COMMAND...: in a process group of its own, so that a signal to us
# ends all that the command has started; its output goes to LOG.
run() {
	local log=$1 rc=0

	shift
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	CHILD=$!
	set +m
	wait "$CHILD" || rc=$?
	CHILD=
	return "$rc"
}

stop_child() {
	[[ -n $CHILD ]] || return 0
	kill -TERM -- "-$CHILD" 2>/dev/null || :
	wait "$CHILD" 2>/dev/null || :
	CHILD=
}

# Makes ./configure when it is not there or older than what it is made from.
make_configure() {
	[[ ! -e $TOP/config.status ]] ||
		die "the sources hold a build of their own; run: make distclean"
	if [[ -e $TOP/configure && -e $TOP/Makefile.in &&
		-z $(find "$TOP" -path "$TOP/build*" -prune -o \
			\( -name configure.ac -o -name Makefile.am \
			-o -name Makefile.inc -o -name qfront.m4 \) \
			-newer "$TOP/Makefile.in" -print) ]]; then
		return 0
	fi
	(cd "$TOP" && autoreconf -fi)
}

# configure_in DIR [OPTION...]: makes DIR a build folder with these options;
# one that has them already stays as it is, and make does what is left to do.
configure_in() {
	local dir=$1 wanted

	shift
	wanted="$TOP/configure $*"
	mkdir -p "$dir"
	if [[ -e $dir/Makefile && -e $dir/configured &&
		$(cat "$dir/configured") == "$wanted" ]]; then
		return 0
	fi
	(cd "$dir" && "$TOP/configure" --quiet "$@") || return 1
	echo "$wanted" >"$dir/configured"
}
