/* The host's accounts. */
#include "lib/base/passwd.h"

#include <pwd.h>

#include "tests/unit/unit.h"

/* As the C library has them, which looks there as well. */
static void test_names(void **state)
{
	struct qf_buf name = QF_BUF_INIT;
	const struct passwd *pw;
	size_t n = 0;
	FILE *f = fopen("/etc/passwd", "re");

	(void)state;
	assert_non_null(f);
	while ((pw = fgetpwent(f)) != NULL) {
		n++;
		assert_true(qf_passwd_has(pw->pw_name));
		qf_buf_reset(&name);
		assert_true(qf_passwd_name(pw->pw_uid, &name));
		assert_string_equal(name.s, getpwuid(pw->pw_uid)->pw_name);
	}
	fclose(f);
	assert_true(n > 0);
	qf_buf_free(&name);
}

static void test_nobody(void **state)
{
	struct qf_buf name = QF_BUF_INIT;

	(void)state;
	assert_false(qf_passwd_has(""));
	assert_false(qf_passwd_has("root:x"));
	assert_false(qf_passwd_has("no such account"));
	assert_false(qf_passwd_name((uid_t)-2, &name));
	assert_int_equal(name.len, 0);
	qf_buf_free(&name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests_name("passwd", tests, NULL, NULL);
}
