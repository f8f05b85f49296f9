#include "lib/base/clock.h"

#include <limits.h>
#include <stddef.h>
#include <time.h>

static int64_t system_clock(int which)
{
	struct timespec ts;

	clock_gettime(which == 'w' ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ts);
	if (which == 'w')
		return ts.tv_sec;
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t (*clock_source)(int) = system_clock;

void qf_clock_source(int64_t (*source)(int which))
{
	clock_source = source != NULL ? source : system_clock;
}

int64_t qf_clock_wall(void)
{
	return clock_source('w');
}

int64_t qf_clock_mono_us(void)
{
	return clock_source('m');
}

int64_t qf_clock_cpu_us(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t qf_clock_mono(void)
{
	return qf_clock_mono_us() / 1000;
}

int64_t qf_deadline_in(int64_t ms)
{
	int64_t now = qf_clock_mono();

	return ms >= QF_NEVER - now ? QF_NEVER : now + ms;
}

int qf_deadline_poll(int64_t deadline)
{
	int64_t left;

	if (deadline == QF_NEVER)
		return -1;
	left = deadline - qf_clock_mono();
	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
