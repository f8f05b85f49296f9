#include "queue/received.h"

#include "tests/unit/unit.h"

#include "lib/base/clock.h"

/* The golden bytes: qmail-queue's for each of its accounts, a day of one
 * figure, and a leap day. */
static void test_format(void **state)
{
	static const struct {
		uid_t uid;
		const char *account;
		long pid;
		int64_t now;
		const char *want;
	} t[] = {
	    {1000, "joe", 4711, 1793869507,
		"Received: (qmail 4711 invoked by uid 1000); "
		"5 Nov 2026 09:05:07 -0000\n"},
	    {1000, NULL, 4711, 1793869507,
		"Received: (qmail 4711 invoked by uid 1000); "
		"5 Nov 2026 09:05:07 -0000\n"},
	    {7790, "alias", 1, 1709164800,
		"Received: (qmail 1 invoked by alias); "
		"29 Feb 2024 00:00:00 -0000\n"},
	    {7791, "qmaild", 4194304, 1735689599,
		"Received: (qmail 4194304 invoked from network); "
		"31 Dec 2024 23:59:59 -0000\n"},
	    {7796, "qmails", 2, 0,
		"Received: (qmail 2 invoked for bounce); "
		"1 Jan 1970 00:00:00 -0000\n"},
	    {4294967294u, "qmail", 2, 0,
		"Received: (qmail 2 invoked by uid 4294967294); "
		"1 Jan 1970 00:00:00 -0000\n"},
	};
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		qf_buf_reset(&b);
		qf_received_format(
		    &b, t[i].uid, t[i].account, t[i].pid, t[i].now);
		assert_string_equal(b.s, t[i].want);
		assert_int_equal(b.len, strlen(t[i].want));
	}
	qf_buf_free(&b);
}

static int64_t fake_clock(int which)
{
	return which == 'w' ? 1793869507 : 0;
}

static void test_now(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char want[128];

	(void)state;
	snprintf(want, sizeof want,
	    "Received: (qmail %ld invoked by uid 4200000000); "
	    "5 Nov 2026 09:05:07 -0000\n",
	    (long)getpid());
	qf_clock_source(fake_clock);
	qf_received_now(&b, 4200000000u, (long)getpid());
	qf_clock_source(NULL);
	assert_string_equal(b.s, want);
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
