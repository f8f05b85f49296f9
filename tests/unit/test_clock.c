#include "lib/base/clock.h"

#include "tests/unit/unit.h"

#include <limits.h>

static int64_t wall, mono_us;

static int64_t source(int which)
{
	return which == 'w' ? wall : mono_us;
}

static int restore(void **state)
{
	(void)state;
	qf_clock_source(NULL);
	return 0;
}

static void test_source(void **state)
{
	(void)state;
	qf_clock_source(source);
	wall = 1795338307;
	mono_us = 5001999;
	assert_int_equal(1795338307, qf_clock_wall());
	assert_int_equal(5001999, qf_clock_mono_us());
	assert_int_equal(5001, qf_clock_mono());
	qf_clock_source(NULL);
	assert_true(qf_clock_wall() > 1700000000);
	assert_true(qf_clock_wall() != 1795338307);
	assert_true(qf_clock_mono() <= qf_clock_mono());
}

static void test_deadlines(void **state)
{
	(void)state;
	qf_clock_source(source);
	mono_us = 1000000;
	assert_int_equal(1500, qf_deadline_in(500));
	assert_int_equal(1000, qf_deadline_in(0));
	assert_int_equal(QF_NEVER, qf_deadline_in(QF_NEVER));
	assert_int_equal(QF_NEVER, qf_deadline_in(QF_NEVER - 1));
	assert_int_equal(500, qf_deadline_poll(1500));
	assert_int_equal(0, qf_deadline_poll(1000));
	assert_int_equal(0, qf_deadline_poll(1));
	assert_int_equal(-1, qf_deadline_poll(QF_NEVER));
	assert_int_equal(INT_MAX, qf_deadline_poll(QF_NEVER - 1));
	/* never early: a part of a millisecond is left */
	mono_us = 1499999;
	assert_int_equal(1, qf_deadline_poll(1500));
	mono_us = 1500000;
	assert_int_equal(0, qf_deadline_poll(1500));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_source, restore),
	    cmocka_unit_test_teardown(test_deadlines, restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
