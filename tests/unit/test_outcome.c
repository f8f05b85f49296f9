/* From verdicts to exit codes: no DEFER is ever permanent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "frontend/outcome.h"
#include "lib/mail/qqcode.h"

static int code(uint32_t class_, uint32_t category, uint32_t asked)
{
	struct qf_judgement j = {
	    .class_ = class_, .category = category, .code = asked};

	return qf_outcome_code(&j);
}

static void test_categories(void **state)
{
	(void)state;
	assert_int_equal(code(QF_REJECT, QF_CAT_NONE, 0), 31);
	assert_int_equal(code(QF_REJECT, QF_CAT_SPAM, 0), 32);
	assert_int_equal(code(QF_REJECT, QF_CAT_VIRUS, 0), 33);
	assert_int_equal(code(QF_REJECT, QF_CAT_ATTACHMENT, 0), 34);
	assert_int_equal(code(QF_REJECT, QF_CAT_KEY, 0), 35);
	assert_int_equal(code(QF_DEFER, QF_CAT_VIRUS, 0), 71);
	assert_int_equal(code(QF_DEFER, QF_CAT_CONFIG, 0), 55);
	assert_int_equal(code(QF_DEFER, QF_CAT_TIMEOUT, 0), 52);
	/* A category of a later version. */
	assert_int_equal(code(QF_REJECT, 999, 0), 31);
	assert_int_equal(code(QF_DEFER, 999, 0), 71);
}

static void test_asked_codes(void **state)
{
	(void)state;
	assert_int_equal(code(QF_REJECT, QF_CAT_NONE, 34), 34);
	assert_int_equal(code(QF_DEFER, QF_CAT_NONE, 76), 76);
	/* The wrong class, no code at all, those that promise a text. */
	assert_int_equal(code(QF_DEFER, QF_CAT_NONE, 31), 71);
	assert_int_equal(code(QF_REJECT, QF_CAT_NONE, 71), 31);
	assert_int_equal(code(QF_REJECT, QF_CAT_NONE, 0x1001f), 31);
	assert_int_equal(code(QF_DEFER, QF_CAT_NONE, 88), 71);
	assert_int_equal(code(QF_DEFER, QF_CAT_NONE, 82), 71);
}

static void test_class_decides(void **state)
{
	static const uint32_t deferred[] = {
	    QF_DEFER, QF_QUARANTINE, QF_REDIRECT, QF_BROKEN, 4711};

	(void)state;
	for (uint32_t category = 0; category < 20; category++) {
		for (uint32_t asked = 0; asked < 300; asked++) {
			int c = code(QF_REJECT, category, asked);

			assert_int_equal(qf_qqcode_find(c)->letter, 'D');
			for (size_t i = 0;
			     i < sizeof deferred / sizeof *deferred; i++) {
				c = code(deferred[i], category, asked);
				assert_int_equal(
				    qf_qqcode_find(c)->letter, 'Z');
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_categories),
	    cmocka_unit_test(test_asked_codes),
	    cmocka_unit_test(test_class_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
