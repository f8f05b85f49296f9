/* Which program gets the message, and what it must not be. */
#include "frontend/handoff.h"

#include "tests/unit/unit.h"

static const char *const variables[] = {"QUEUEPROG", "DKIMQUEUE", "SPAMQUEUE",
    "QQF_QMAILQUEUE", "QHPSI", "SPAMFILTER"};

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(variables); i++)
		unsetenv(variables[i]);
	return 0;
}

/* The words of the choice and the variable that made it; or what is wrong. */
static const char *choose(
    const char *as, const char *control, char *const *argv)
{
	static char *const none[] = {NULL};
	static char got[600];
	struct qf_next next;
	struct qf_err e;

	got[0] = '\0';
	if (qf_next_choose(&next, as != NULL ? qf_builtin_find(as) : NULL,
		control, argv != NULL ? argv : none, &e) < 0) {
		assert_int_equal(QF_ECONF, e.rc);
		snprintf(got, sizeof got, "error: %s", e.text);
	} else if (next.builtin) {
		strcpy(got, "ours");
	} else {
		for (size_t i = 0; i < next.argv.n; i++) {
			strcat(got, next.argv.v[i]);
			strcat(got, "|");
		}
		if (next.variable != NULL)
			strcat(got, next.variable);
	}
	qf_next_free(&next);
	return got;
}

static void test_order(void **state)
{
	char *const words[] = {(char[]){"/q"}, (char[]){"a b"}, NULL};

	(void)state;
	assert_string_equal("ours", choose(NULL, NULL, NULL));
	assert_string_equal("/c|x|", choose(NULL, "/c x", NULL));
	setenv("QUEUEPROG", "/e 'x y'", 1);
	assert_string_equal("/e|x y|QUEUEPROG", choose(NULL, "/c", NULL));
	assert_string_equal("/q|a b|", choose(NULL, "/c", words));
	setenv("QUEUEPROG", "", 1);
	assert_string_equal("/c|", choose(NULL, "/c", NULL));
	setenv("QUEUEPROG", "'", 1);
	assert_non_null(strstr(choose(NULL, NULL, NULL), "error: QUEUEPROG: "));
}

static void test_personalities(void **state)
{
	static const struct {
		const char *as, *variable;
	} own[] = {
	    {"qmail-dkim", "DKIMQUEUE"},
	    {"qmail-spamfilter", "SPAMQUEUE"},
	    {"qmail-qfilter", "QQF_QMAILQUEUE"},
	};
	char *const words[] = {(char[]){"/q"}, NULL};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(own); i++) {
		bool filters = qf_builtin_find(own[i].as)->filters;
		char want[64];

		set_up(NULL);
		assert_string_equal("/c|", choose(own[i].as, "/c", NULL));
		setenv("QUEUEPROG", "/e", 1);
		assert_string_equal(
		    "/e|QUEUEPROG", choose(own[i].as, "/c", NULL));
		setenv(own[i].variable, "", 1);
		assert_string_equal(
		    "/e|QUEUEPROG", choose(own[i].as, "/c", NULL));
		setenv(own[i].variable, "/o", 1);
		snprintf(want, sizeof want, "/o|%s", own[i].variable);
		assert_string_equal(want, choose(own[i].as, "/c", NULL));
		/* Nobody else looks at it. */
		assert_string_equal("/e|QUEUEPROG", choose(NULL, "/c", NULL));
		assert_string_equal(
		    "/e|QUEUEPROG", choose("qmail-multi", "/c", NULL));
		/* Arguments beat it, but for filters. */
		assert_string_equal(
		    filters ? want : "/q|", choose(own[i].as, "/c", words));
	}
}

static void test_filters_left(void **state)
{
	char *const outside[] = {(char[]){"/q"}, NULL};
	char *const ours[] = {(char[]){"/x/qfront-queue"}, NULL};
	struct qf_strv taken = {0};
	struct qf_next next;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_next_choose(&next, NULL, NULL, ours, &e));
	assert_int_equal(0, qf_next_check_filters(&next, false, &e));
	setenv("QHPSI", "x", 1);
	setenv("SPAMFILTER", "x", 1);
	assert_int_equal(QF_ECONF, qf_next_check_filters(&next, false, &e));
	assert_non_null(strstr(e.text, "QHPSI is set"));
	assert_int_equal(QF_ECONF, qf_next_check_filters(&next, true, &e));
	assert_non_null(strstr(e.text, "SPAMFILTER is set"));
	qf_strv_add(&taken, "SPAMFILTER");
	qf_next_forget(&taken);
	assert_null(getenv("SPAMFILTER"));
	/* Our queue scans where it sees that it should. */
	assert_int_equal(QF_ECONF, qf_next_check_filters(&next, false, &e));
	assert_int_equal(0, qf_next_check_filters(&next, true, &e));
	qf_strv_add(&taken, "QHPSI");
	qf_next_forget(&taken);
	assert_int_equal(0, qf_next_check_filters(&next, false, &e));
	assert_null(getenv("QHPSI"));
	qf_next_free(&next);
	/* An outside queue program may run it. */
	setenv("QHPSI", "x", 1);
	assert_int_equal(0, qf_next_choose(&next, NULL, NULL, outside, &e));
	assert_int_equal(0, qf_next_check_filters(&next, false, &e));
	assert_non_null(getenv("QHPSI"));
	qf_next_free(&next);
	qf_strv_free(&taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order, set_up),
	    cmocka_unit_test_setup(test_personalities, set_up),
	    cmocka_unit_test_setup(test_filters_left, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
