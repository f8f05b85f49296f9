#include "lib/base/err.h"

#include "tests/unit/unit.h"

#include <errno.h>

static void test_fill(void **state)
{
	struct qf_err e;

	(void)state;
	assert_int_equal(QF_ECONF, qf_fail(&e, QF_ECONF, "%s:%d", "file", 3));
	assert_int_equal(QF_ECONF, e.rc);
	assert_int_equal(0, e.sys);
	assert_string_equal("file:3", e.text);
	errno = ENOENT;
	assert_int_equal(QF_EREAD, qf_fail_sys(&e, QF_EREAD, "open %s", "x"));
	assert_int_equal(ENOENT, e.sys);
	assert_string_equal("open x: No such file or directory", e.text);
	assert_int_equal(QF_EREAD, qf_err_context(&e, "chain:%d", 7));
	assert_string_equal(
	    "chain:7: open x: No such file or directory", e.text);
	assert_int_equal(ENOENT, e.sys);
}

/* Without a place for it the code is all. */
static void test_null(void **state)
{
	(void)state;
	assert_int_equal(QF_EBUG, qf_fail(NULL, QF_EBUG, "x"));
	assert_int_equal(QF_EBUG, qf_fail_sys(NULL, QF_EBUG, "x"));
	assert_int_equal(0, qf_err_context(NULL, "x"));
}

static void test_long(void **state)
{
	char big[2000];
	struct qf_err e;

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	qf_fail(&e, QF_EBUG, "%s", big);
	assert_int_equal(sizeof e.text - 1, strlen(e.text));
	errno = EIO;
	qf_fail_sys(&e, QF_EBUG, "%s", big);
	assert_int_equal(sizeof e.text - 1, strlen(e.text));
	qf_err_context(&e, "%s", big);
	assert_int_equal(sizeof e.text - 1, strlen(e.text));
	qf_err_context(&e, "context");
	assert_memory_equal("context: xxx", e.text, 12);
	assert_int_equal(sizeof e.text - 1, strlen(e.text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fill),
	    cmocka_unit_test(test_null),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
