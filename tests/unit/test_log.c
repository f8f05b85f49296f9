#include "lib/base/log.h"

#include "tests/unit/unit.h"

#include <errno.h>

static struct unit_capture capture;

static void begin(enum qf_log_target target, int max)
{
	qf_log_open("unit", target, max);
	capture = unit_capture_begin(STDERR_FILENO);
}

/* What was written since begin(); `%` stands for the process id. */
static void expect(const char *want)
{
	struct qf_buf got = QF_BUF_INIT, full = QF_BUF_INIT;

	unit_capture_end(&capture, &got);
	for (; *want != '\0'; want++) {
		if (*want == '%')
			qf_buf_addf(&full, "%ld", (long)getpid());
		else
			qf_buf_addc(&full, *want);
	}
	assert_string_equal(full.s, got.s);
	qf_buf_free(&got);
	qf_buf_free(&full);
}

static void test_fields(void **state)
{
	(void)state;
	begin(QF_LOG_TO_STDERR, QF_LOG_INFO);
	qf_log(QF_LOG_INFO, "queued", QF_KS("id", "4711"),
	    QF_KU("bytes", UINT64_MAX), QF_KD("left", INT64_MIN));
	expect("unit[%]: info: queued id=4711 bytes=18446744073709551615 "
	       "left=-9223372036854775808\n");
	begin(QF_LOG_TO_STDERR, QF_LOG_INFO);
	qf_log_kv(QF_LOG_ERROR, "event", (const struct qf_kv[]){{0}});
	expect("unit[%]: error: event\n");
}

static void test_quoting(void **state)
{
	static const struct {
		struct qf_span value;
		const char *written;
	} c[] = {
	    {{"a@b", 3}, "a@b"},
	    {{"", 0}, "\"\""},
	    {{"a b", 3}, "\"a b\""},
	    {{"a=b", 3}, "\"a=b\""},
	    {{"a\"\\", 3}, "\"a\\\"\\\\\""},
	    {{"a\nb\r\0", 5}, "\"a\\x0ab\\x0d\\x00\""},
	    {{"\x7f\xff", 2}, "\"\\x7f\\xff\""},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(c); i++) {
		char want[100];

		begin(QF_LOG_TO_STDERR, QF_LOG_INFO);
		qf_log(QF_LOG_WARN, "x", QF_KN("v", c[i].value));
		snprintf(want, sizeof want, "unit[%%]: warn: x v=%s\n",
		    c[i].written);
		expect(want);
	}
	begin(QF_LOG_TO_STDERR, QF_LOG_INFO);
	qf_log(QF_LOG_WARN, "x", QF_KS("v", NULL));
	expect("unit[%]: warn: x v=\"\"\n");
}

static void test_levels(void **state)
{
	(void)state;
	begin(QF_LOG_TO_STDERR, QF_LOG_WARN);
	qf_log(QF_LOG_ERROR, "e", QF_KD("n", 1));
	qf_log(QF_LOG_WARN, "w", QF_KD("n", 1));
	qf_log(QF_LOG_INFO, "i", QF_KD("n", 1));
	qf_log(QF_LOG_DEBUG, "d", QF_KD("n", 1));
	expect("unit[%]: error: e n=1\nunit[%]: warn: w n=1\n");
	begin(QF_LOG_TO_NONE, QF_LOG_DEBUG);
	qf_log(QF_LOG_ERROR, "e", QF_KD("n", 1));
	expect("");
}

static void test_error(void **state)
{
	struct qf_err e;

	(void)state;
	qf_fail(&e, QF_ECONF, "chain:3: no plugin \"x\"");
	begin(QF_LOG_TO_STDERR, QF_LOG_INFO);
	qf_log_err("config", &e);
	expect("unit[%]: error: config error=\"chain:3: no plugin \\\"x\\\"\""
	       "\n");
}

/* A log that can not be written stops nothing. */
static void test_unwritable(void **state)
{
	int saved = dup(STDERR_FILENO);

	(void)state;
	qf_log_open("unit", QF_LOG_TO_STDERR, QF_LOG_INFO);
	close(STDERR_FILENO);
	errno = ENOENT;
	qf_log(QF_LOG_ERROR, "e", QF_KD("n", 1));
	assert_int_equal(ENOENT, errno);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_quoting),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_error),
	    cmocka_unit_test(test_unwritable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
