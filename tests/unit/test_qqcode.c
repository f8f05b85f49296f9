#include "lib/mail/qqcode.h"

#include "tests/unit/unit.h"

#include "tests/unit/exitcodes_expected.inc"

static void test_all(void **state)
{
	(void)state;
	assert_int_equal(256, UNIT_COUNT(expected));
	for (int i = 0; i < 256; i++) {
		const struct qf_qqcode *c = qf_qqcode_find(i);

		assert_int_equal(i, expected[i].code);
		assert_true(c->code == i || c->code == -1);
		assert_int_equal(expected[i].letter, c->letter);
		assert_string_equal(expected[i].text, c->text);
		assert_string_equal(expected[i].status, c->status);
		assert_true(strlen(c->meaning) > 5);
	}
	assert_string_equal(
	    "qq temporary problem (#4.3.0)", qf_qqcode_find(256)->text);
	assert_int_equal('Z', qf_qqcode_find(-1)->letter);
	assert_int_equal(-1, qf_qqcode_find(-1)->code);
}

/* Texts as qmail-queue-clients(7) has them. */
static const struct {
	int code;
	const char *text;
} published[] = {
    {11, "Dqq envelope address too long (#5.1.3)"},
    {12, "Dqq permanent problem (#5.3.0)"},
    {31, "Dqq mail server permanently rejected message (#5.3.0)"},
    {32, "Dqq spam or junk mail threshold exceeded (#5.7.1)"},
    {33, "Dqq message contains virus (#5.7.1)"},
    {34, "Dqq message contains banned attachment (#5.7.1)"},
    {35, "Dqq private key file does not exist (#5.3.5)"},
    {40, "Dqq permanent problem (#5.3.0)"},
    {41, "Zqq temporary problem (#4.3.0)"},
    {53, "Zqq write error or disk full (#4.3.0)"},
    {57, "Zqq unable to open shared object/plugin (#4.3.0)"},
    {65, "Zqq trouble creating files in intd. (#4.3.0)"},
    {72, "Zqq connection to mail server timed out (#4.4.1)"},
    {80, "Zqq trouble removing intdfn"},
    {82, "Zqq unable to exec qq (#4.3.0)"},
    {87, "Zqq mail system incorrectly configured. (#4.3.5)"},
    {88, "Zqq temporary problem (#4.3.0)"},
    {91, "Zqq internal bug (#4.3.0)"},
    {111, "Zqq temporary problem (#4.3.0)"},
    {115, "Dqq envelope address too long (#5.1.3)"},
    {120, "Zqq unable to exec qq (#4.3.0)"},
    {123, "Zqq crashed (#4.3.0)"},
};

static void test_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(published); i++) {
		const struct qf_qqcode *c = qf_qqcode_find(published[i].code);

		assert_int_equal(published[i].text[0], c->letter);
		assert_string_equal(published[i].text + 1, c->text);
	}
}

static void test_list(void **state)
{
	static const int all[] = {0, 11, 31, 32, 33, 34, 35, 50, 51, 52, 53, 54,
	    55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71,
	    72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 87, 88, 91, 115, 120,
	    121, 122, 123};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(all); i++) {
		assert_int_equal(all[i], qf_qqcode_at(i)->code);
		assert_ptr_equal(qf_qqcode_at(i), qf_qqcode_find(all[i]));
	}
	assert_null(qf_qqcode_at(UNIT_COUNT(all)));
}

/* As <qfront/err.h> promises. */
static const struct {
	int rc, code;
} errors[] = {
    {0, 0},
    {QF_ENOMEM, 51},
    {QF_ETIME, 52},
    {QF_EWRITE, 53},
    {QF_EREAD, 54},
    {QF_ECONF, 55},
    {QF_ENET, 56},
    {QF_EPLUGIN, 57},
    {QF_ESYMBOL, 58},
    {QF_ECLOSE, 59},
    {QF_EPIPE, 60},
    {QF_EHOME, 61},
    {QF_EQUEUE, 62},
    {QF_EPID, 63},
    {QF_EMESS, 64},
    {QF_EINTD, 65},
    {QF_ETODO, 66},
    {QF_EEXEC, 120},
    {QF_EFORK, 121},
    {QF_EBUG, 81},
    {QF_EFORMAT, 91},
    {QF_ETOOLONG, 11},
    {QF_ENOENT, 81},
    {QF_EINVAL, 81},
    {QF_EPERM, 81},
    {QF_ENOSYS, 81},
    {QF_EPROTO, 74},
    {QF_ECRASH, 123},
    {-1000, 81},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(errors); i++)
		assert_int_equal(
		    errors[i].code, qf_qqcode_of_error(errors[i].rc));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all),
	    cmocka_unit_test(test_published),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
