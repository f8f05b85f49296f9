# The files of the project below ROOT, without what builds make: what git
# tracks where there is a repository, else all but what .gitignore names.
#
# shellcheck shell=sh

sources() {
	if [ -e "$1/.git" ] && git -C "$1" rev-parse >/dev/null 2>&1; then
		# what is about to be added counts as well
		git -C "$1" ls-files -co --exclude-standard | while read -r f; do
			[ ! -e "$1/$f" ] || echo "$f"
		done
		return
	fi
	(cd "$1" && find . \( -name .git -o -name build -o -name 'build-*' \
		-o -name _build -o -name _inst -o -name autom4te.cache \
		-o -name .deps -o -name .libs \) -prune -o -type f \
		! -name '*.o' ! -name '*.lo' ! -name '*.la' ! -name '*.a' \
		! -name '*.trs' ! -name '*.log' ! -name .dirstamp \
		! -path ./aclocal.m4 ! -path ./configure ! -path './configure~' \
		! -path ./Makefile.in ! -path ./m4/libtool.m4 \
		! -path './m4/lt*.m4' ! -path './qfront-*.tar.*' \
		! -path ./lib/mail/exitcodes.inc \
		! -path ./man/qfront-exitcodes.7 \
		! -path ./tests/unit/exitcodes_expected.inc -print) |
		sed 's|^\./||'
}
