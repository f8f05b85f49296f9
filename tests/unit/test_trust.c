#include "frontend/trust.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>

static char *dir;
static struct qf_ctl ctl;

static int set_up(void **state)
{
	struct qf_err e;

	(void)state;
	dir = unit_dir();
	return qf_ctl_open(&ctl, dir, &e);
}

static int tear_down(void **state)
{
	(void)state;
	qf_ctl_close(&ctl);
	unit_remove_dir(dir);
	return 0;
}

static void write_list(const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/trusted-users", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(0, fchmod(fileno(f), 0644));
	fclose(f);
}

static void test_list(void **state)
{
	struct qf_trust t;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_trust_load(&t, &ctl, &e));
	assert_true(qf_trust_holds(&t, 0));
	assert_false(qf_trust_holds(&t, 7));
	qf_trust_free(&t);
	write_list("# the SMTP server\n\n  4711\nroot\n0012\n");
	assert_int_equal(0, qf_trust_load(&t, &ctl, &e));
	assert_true(qf_trust_holds(&t, 0));
	assert_true(qf_trust_holds(&t, 4711));
	assert_true(qf_trust_holds(&t, 12));
	assert_false(qf_trust_holds(&t, 7));
	assert_false(qf_trust_holds(&t, (uid_t)-1));
	qf_trust_free(&t);
}

static void test_mistakes(void **state)
{
	static const char *const wrong[] = {"no-such-user-here", "-1", "4711 8",
	    "4294967295", "99999999999999999999", "root root", "1,2"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
		struct qf_trust t;
		struct qf_err e;
		char text[80];

		snprintf(text, sizeof text, "4711\n%s\n", wrong[i]);
		write_list(text);
		assert_int_equal(QF_ECONF, qf_trust_load(&t, &ctl, &e));
		assert_non_null(strstr(e.text, "/trusted-users:2: "));
		assert_non_null(strstr(e.text, wrong[i]));
		assert_false(qf_trust_holds(&t, 4711));
	}
}

/* What is left, with a space after each. */
static void filter(
    char **env, bool believed, const char *left, const char *dropped)
{
	struct qf_buf names = QF_BUF_INIT, rest = QF_BUF_INIT;
	size_t n = qf_trust_filter(env, believed, &names), spaces = 0;

	for (; *env != NULL; env++)
		qf_buf_addf(&rest, "%s ", *env);
	assert_string_equal(left, rest.s != NULL ? rest.s : "");
	assert_string_equal(dropped, names.s != NULL ? names.s : "");
	for (size_t i = 0; i < names.len; i++)
		spaces += names.s[i] == ' ';
	assert_int_equal(n, spaces);
	qf_buf_free(&names);
	qf_buf_free(&rest);
}

#define ENV(...) ((char *[]){__VA_ARGS__, NULL})
#define E(text)  ((char[]){text})

static void test_strangers(void **state)
{
	(void)state;
	filter(ENV(E("RELAYCLIENT=")), false, "", " RELAYCLIENT");
	filter(
	    ENV(E("LANG=C.UTF-8"), E("QF_DKIM_MODE=sign"), E("TZ=Asia/Tokyo"),
		E("HOME=/x"), E("LC_ALL=C"), E("QFRONT_DEPTH=3")),
	    false, "LANG=C.UTF-8 TZ=Asia/Tokyo LC_ALL=C QFRONT_DEPTH=3 ",
	    " QF_DKIM_MODE HOME");
	/* twice, no value, no name */
	filter(ENV(E("HELO=a"), E("HELO=b"), E("LANG"), E("=x"), E("LANG=a"),
		   E("LANG=b")),
	    false, "LANG=a LANG=b ", " HELO HELO LANG ");
	/* like the harmless, but not */
	filter(ENV(E("LANGUAGE=x"), E("LC=x"), E("TZDIR=/x"), E("XLC_ALL=C")),
	    false, "", " LANGUAGE LC TZDIR XLC_ALL");
	filter(ENV(E("TZ=/x"), E("TZ=:/x"), E("TZ=a/../x"), E("LANG=a b"),
		   E("LC_ALL=\n"),
		   E("LANG=01234567890123456789012345678901234567890123456789"
		     "012345678901234")),
	    false, "", " TZ TZ TZ LANG LC_ALL LANG");
	filter(ENV(NULL), false, "", "");
}

static void test_the_believed(void **state)
{
	(void)state;
	filter(ENV(E("RELAYCLIENT="), E("CONTROLDIR=/x"), E("QUEUEDIR=/x"),
		   E("PLUGINDIR=/x"), E("PROTOCOLDIR=/x"), E("QFRONT_SOCKET=x"),
		   E("TMPDIR=/x"), E("PATH=/x"), E("LD_PRELOAD=x"),
		   E("QUEUEPROG=q"), E("TZ=/x"), E("LD_=x"), E("PATHS=p")),
	    true, "RELAYCLIENT= QUEUEPROG=q TZ=/x PATHS=p ",
	    " CONTROLDIR QUEUEDIR PLUGINDIR PROTOCOLDIR QFRONT_SOCKET TMPDIR "
	    "LD_PRELOAD LD_");
}

/* However many there are, the line that tells them stays a line. */
static void test_names_have_a_limit(void **state)
{
	struct qf_buf names = QF_BUF_INIT, big = QF_BUF_INIT;
	char *env[1001], name[] = "NAME=x";

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		qf_buf_addc(&big, 'X');
	env[0] = big.s;
	for (size_t i = 1; i < 1000; i++)
		env[i] = name;
	env[1000] = NULL;
	assert_int_equal(1000, qf_trust_filter(env, false, &names));
	assert_null(env[0]);
	assert_true(names.len > 500 && names.len < 700);
	qf_buf_free(&names);
	qf_buf_free(&big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_mistakes, set_up, tear_down),
	    cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_the_believed),
	    cmocka_unit_test(test_names_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
