# Programs that are set-id, called by somebody who has no rights: `load
# ../lib/prison` after common. They run in a copy of the system's root where they
# are installed where they were built for, so that all places are the
# compiled-in ones.
#
# shellcheck shell=bash

# Who owns the programs, and who calls them.
OWNER=4321 CALLER=65534

# Makes the prison below the current folder; the root's own files are below
# `new`, the control files below CONTROL.
open_prison() {
	skip_under_valgrind "it can not run set-id programs"
	skip_under_sanitizers "they do not run in set-id programs"
	((EUID == 0)) || skip "only root can install set-id programs"
	clean_environment
	umask 022
	mkdir new work root
	CONTROL=new$QF_SYSCONFDIR/qfront
	# shellcheck disable=SC2034 # control() uses it
	CONTROLDIR=$PWD/$CONTROL
	cp -a "$QF_STAGE/." new
	mkdir -p "$CONTROL/plugins" new/got new/evil
	chmod 777 new/got
	install "$QF_BUILDDIR"/tests/plugins/.libs/*.so \
		"new$QF_LIBDIR/qfront/plugins"
	write_prison
	can_be_tested
}

# Runs a command in the root, with the caller's real uid: UID COMMAND...
write_prison() {
	cat >prison <<-'END'
		mount -t overlay -o lowerdir=/,upperdir=new,workdir=work \
			overlay root || exit 99
		mount --rbind /proc root/proc
		mount --rbind /dev root/dev
		uid=$1
		shift
		exec chroot root setpriv --reuid="$uid" --regid="$uid" \
			--clear-groups "$@"
	END
}

can_be_tested() {
	install -m 4755 -o "$OWNER" /usr/bin/id new/evil/id
	unshare -m true || skip "no mount namespace"
	euid=$(unshare -m bash prison "$CALLER" /evil/id -u 2>&1) ||
		skip "no copy of the root: $euid"
	[ "$euid" = "$OWNER" ] || skip "set-id programs get no rights here"
}

# The exit code in `status`, the log in `log`: UID [VARIABLE=VALUE...] COMMAND
run_as() {
	local uid=$1

	shift
	status=0
	rm -f new/got/*
	unshare -m bash prison "$uid" env -i "$@" 0<m 1<e 2>log.txt ||
		status=$?
	log=$(<log.txt)
	echo "status $status, log: $log" >&2
}
