#include "send/schedule.h"

#include "tests/unit/unit.h"

static void pauses_double(void **state)
{
	static const struct {
		int64_t pausetime, maxpause, pause[6];
	} t[] = {
	    {60, 86400, {60, 120, 240, 480, 960, 1920}},
	    {1, 4, {1, 2, 4, 4, 4, 4}},
	    {3, 7, {3, 6, 7, 7, 7, 7}},
	    {10, 5, {5, 5, 5, 5, 5, 5}},
	    {1, 1, {1, 1, 1, 1, 1, 1}},
	    {INT32_MAX, INT32_MAX, {INT32_MAX, INT32_MAX, INT32_MAX}},
	    {INT64_MAX, INT64_MAX, {INT64_MAX, INT64_MAX, INT64_MAX}},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_schedule s = {0};

		for (size_t k = 0; k < 6 && t[i].pause[k] != 0; k++) {
			/* Looking does not change it. */
			assert_int_equal(
			    t[i].pause[k], qf_schedule_next(&s, t[i].pausetime,
					       t[i].maxpause));
			assert_int_equal(
			    t[i].pause[k], qf_schedule_pause(&s, t[i].pausetime,
					       t[i].maxpause, true));
		}
	}
}

static void new_mail_starts_anew(void **state)
{
	struct qf_schedule s = {0};

	(void)state;
	assert_int_equal(60, qf_schedule_pause(&s, 60, 86400, true));
	assert_int_equal(120, qf_schedule_pause(&s, 60, 86400, true));
	qf_schedule_reset(&s);
	assert_int_equal(60, qf_schedule_pause(&s, 60, 86400, true));
}

static void empty_queue_waits_longest(void **state)
{
	struct qf_schedule s = {0};

	(void)state;
	assert_int_equal(86400, qf_schedule_pause(&s, 60, 86400, false));
	assert_int_equal(60, qf_schedule_pause(&s, 60, 86400, true));
	assert_int_equal(120, qf_schedule_pause(&s, 60, 86400, true));
	assert_int_equal(86400, qf_schedule_pause(&s, 60, 86400, false));
	assert_int_equal(60, qf_schedule_pause(&s, 60, 86400, true));
}

/* The settings are read anew for each run. */
static void settings_may_change(void **state)
{
	struct qf_schedule s = {0};

	(void)state;
	assert_int_equal(60, qf_schedule_pause(&s, 60, 86400, true));
	assert_int_equal(300, qf_schedule_pause(&s, 300, 86400, true));
	assert_int_equal(100, qf_schedule_pause(&s, 60, 100, true));
	assert_int_equal(200, qf_schedule_pause(&s, 60, 86400, true));
}

static void expiry(void **state)
{
	static const struct {
		int64_t born, now, lifetime;
		int expired;
	} t[] = {
	    {1000, 1000, 604800, 0},
	    {1000, 1000 + 604800, 604800, 0},
	    {1000, 1000 + 604801, 604800, 1},
	    {1000, 1001, 1, 0},
	    {1000, 1002, 1, 1},
	    /* one run for each */
	    {1000, 1000, 0, 1},
	    {2000, 1000, 0, 1},
	    /* born in the future */
	    {2000, 1000, 1, 0},
	    {INT64_MAX, 0, 604800, 0},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		assert_int_equal(t[i].expired,
		    qf_schedule_expired(t[i].born, t[i].now, t[i].lifetime));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pauses_double),
	    cmocka_unit_test(new_mail_starts_anew),
	    cmocka_unit_test(empty_queue_waits_longest),
	    cmocka_unit_test(settings_may_change),
	    cmocka_unit_test(expiry),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
