# Checks that configure.ac of qfront needs.

# QF_TRY_CFLAG(FLAG, IF-YES): does the compiler take FLAG?
AC_DEFUN([QF_TRY_CFLAG], [
	AC_MSG_CHECKING([whether $CC takes $1])
	qf_saved_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $1"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); qf_ok=yes],
		[AC_MSG_RESULT([no]); qf_ok=no])
	CFLAGS=$qf_saved_CFLAGS
	AS_IF([test $qf_ok = yes], [$2])
])

# The code is C11; -std=c11 keeps compiler extensions out.
AC_DEFUN([QF_PROG_C11], [
	AC_SUBST([QF_STD], ['-std=c11'])
])

AC_DEFUN([QF_WARNINGS], [
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [warnings are errors])])
	QF_WARN='-Wall -Wextra -Wshadow -Wstrict-prototypes'
	QF_WARN="$QF_WARN -Wmissing-prototypes -Wformat=2 -Wwrite-strings"
	QF_WARN="$QF_WARN -Wpointer-arith -Wvla -Wundef"
	AS_IF([test "x$enable_werror" = xyes], [QF_WARN="$QF_WARN -Werror"])
	AC_SUBST([QF_WARN])
])

AC_DEFUN([QF_HARDENING], [
	QF_HARDEN=
	QF_HARDEN_LINK=
	QF_HARDEN_MODULE=
	QF_TRY_CFLAG([-fstack-protector-strong],
		[QF_HARDEN="$QF_HARDEN -fstack-protector-strong"])
	QF_TRY_CFLAG([-fstack-clash-protection],
		[QF_HARDEN="$QF_HARDEN -fstack-clash-protection"])
	QF_TRY_CFLAG([-fcf-protection],
		[QF_HARDEN="$QF_HARDEN -fcf-protection"])
	AS_CASE([" $CFLAGS "], [*" -O0 "*|*_FORTIFY_SOURCE*], [],
		[QF_HARDEN="$QF_HARDEN -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
	QF_TRY_CFLAG([-fPIE -pie],
		[QF_PIE=-fPIE; QF_HARDEN_LINK="$QF_HARDEN_LINK -pie"])
	QF_TRY_CFLAG([-Wl,-z,relro,-z,now],
		[QF_HARDEN_LINK="$QF_HARDEN_LINK -Wl,-z,relro,-z,now"
		QF_HARDEN_MODULE="-Wl,-z,relro,-z,now"])
	AC_SUBST([QF_HARDEN])
	AC_SUBST([QF_HARDEN_LINK])
	AC_SUBST([QF_HARDEN_MODULE])
	AC_SUBST([QF_PIE])
])

AC_DEFUN([QF_SANITIZERS], [
	AC_ARG_WITH([sanitizers],
		[AS_HELP_STRING([--with-sanitizers=LIST],
			[build with -fsanitize=LIST, such as address,undefined])],
		[], [with_sanitizers=no])
	AS_IF([test "x$with_sanitizers" != xno && test "x$with_sanitizers" != x], [
		AS_IF([test "x$with_sanitizers" = xyes],
			[with_sanitizers=address,undefined])
		qf_flag="-fsanitize=$with_sanitizers -fno-sanitize-recover=all"
		qf_flag="$qf_flag -fno-omit-frame-pointer"
		CFLAGS="$CFLAGS $qf_flag"
		LDFLAGS="$LDFLAGS -fsanitize=$with_sanitizers"
		QF_HARDEN=$(AS_ECHO(["$QF_HARDEN"]) | sed 's/-D_FORTIFY_SOURCE=2//')
		AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [],
			[AC_MSG_ERROR([$CC can not build with $qf_flag])])
	])
	AM_CONDITIONAL([SANITIZED], [test "x$with_sanitizers" != xno])
])

# QF_CHECK_LIB(VARIABLE, LIBRARY, FUNCTION, DEBIAN-PACKAGE)
AC_DEFUN([QF_CHECK_LIB], [
	qf_saved_LIBS=$LIBS
	AC_CHECK_LIB([$2], [$3], [$1_LIBS=-l$2],
		[AC_MSG_ERROR([lib$2 is missing: install $4, or run dev/deps])])
	LIBS=$qf_saved_LIBS
	AC_SUBST([$1_LIBS])
])

# QF_CHECK_LOADED, the same for a library that is loaded when it is needed: by
# which name is $1_SONAME.
AC_DEFUN([QF_CHECK_LOADED], [
	QF_CHECK_LIB([$1], [$2], [$3], [$4])
	AC_CHECK_TOOL([READELF], [readelf])
	AC_MSG_CHECKING([by which name lib$2 is loaded])
	LIBS="$$1_LIBS $LIBS"
	AC_LINK_IFELSE([AC_LANG_CALL([], [$3])], [
		$1_SONAME=$($READELF -d conftest$ac_exeext |
			sed -n 's/.*NEEDED.*\@<:@\(lib$2\.@<:@^@:>@@:>@*\)@:>@.*/\1/p')
	])
	LIBS=$qf_saved_LIBS
	AS_IF([test -n "$$1_SONAME"], [AC_MSG_RESULT([$$1_SONAME])],
		[AC_MSG_ERROR([readelf of binutils does not tell the name of lib$2])])
	AC_SUBST([$1_SONAME])
])

# QF_CHECK_PKG(VARIABLE, PKG-CONFIG-NAME, DEBIAN-PACKAGE), without pkg.m4, so
# that autoreconf needs no pkg-config.
AC_DEFUN([QF_CHECK_PKG], [
	AC_ARG_VAR([PKG_CONFIG], [path to pkg-config])
	AC_PATH_PROG([PKG_CONFIG], [pkg-config])
	AC_MSG_CHECKING([for $2])
	AS_IF([test -n "$PKG_CONFIG" && $PKG_CONFIG --exists $2], [
		$1_CFLAGS=$($PKG_CONFIG --cflags $2)
		$1_LIBS=$($PKG_CONFIG --libs $2)
		AC_MSG_RESULT([yes])
	], [AC_MSG_ERROR([$2 is missing: install $3, or run dev/deps])])
	AC_SUBST([$1_CFLAGS])
	AC_SUBST([$1_LIBS])
])

# qfront and qfront-queue start once for each message: with musl, and static, they
# start in a fraction of the time that the dynamic linker alone takes. Sanitizers
# need the dynamic one.
AC_DEFUN([QF_STATIC], [
	AC_ARG_WITH([client],
		[AS_HELP_STRING([--with-client=KIND],
			[how qfront and qfront-queue are linked: musl (static,
			with musl-gcc), static (with the C library) or dynamic;
			default: musl if musl-gcc is there, else static if that
			links, else dynamic])],
		[], [with_client=auto])
	AC_ARG_VAR([MUSL_CC], [compiler for programs with musl])
	AC_CHECK_PROGS([MUSL_CC], [musl-gcc])
	QF_STATIC_LINK=
	AS_IF([test "x$with_client" = xauto], [
		AS_IF([test "x$with_sanitizers" != xno], [with_client=dynamic],
			[test -n "$MUSL_CC"], [with_client=musl], [
			with_client=dynamic
			QF_TRY_CFLAG([-static], [with_client=static])
		])
	])
	AS_CASE([$with_client],
		[musl], [
			AS_IF([test -z "$MUSL_CC"],
				[AC_MSG_ERROR([musl-gcc is missing: install musl-tools, or run dev/deps])])
			QF_STATIC_CC=$MUSL_CC
		],
		[static|dynamic], [QF_STATIC_CC=$CC],
		[AC_MSG_ERROR([--with-client=$with_client: give musl, static, dynamic or auto])])
	dnl musl-gcc takes -static-pie, and leaves the dynamic linker in.
	QF_STATIC_LINK=-static
	AS_IF([test $with_client = static],
		[QF_TRY_CFLAG([-fPIE -static-pie], [QF_STATIC_LINK=-static-pie])])
	AC_MSG_NOTICE([qfront and qfront-queue are $with_client])
	dnl Another library's own calls may go past what is put in their place.
	QF_STATIC_MEMORY=
	AS_IF([test $with_client = musl],
		[QF_STATIC_MEMORY=-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free])
	AC_SUBST([QF_STATIC_CC])
	AC_SUBST([QF_STATIC_LINK])
	AC_SUBST([QF_STATIC_MEMORY])
	AM_CONDITIONAL([STATIC_PROGRAMS], [test $with_client != dynamic])
])
