/*
 * Time: the one place that asks the system, so that tests can replace it.
 *
 * Deadlines, not durations, travel through the code: a point on the monotonic
 * clock in milliseconds, or QF_NEVER.
 */
#ifndef QF_BASE_CLOCK_H
#define QF_BASE_CLOCK_H

#include <stdint.h>

#define QF_NEVER INT64_MAX

int64_t qf_clock_wall(void); /* seconds since 1970-01-01 UTC */
int64_t qf_clock_mono(void); /* milliseconds, never goes back */
int64_t qf_clock_mono_us(void);
int64_t qf_clock_cpu_us(void); /* that this process has used */

/* The deadline that lies ms from now; QF_NEVER stays. */
int64_t qf_deadline_in(int64_t ms);
/* What poll() takes for a deadline: milliseconds left (0 when it passed, the
 * largest int at most), -1 for QF_NEVER. */
int qf_deadline_poll(int64_t deadline);

/* For tests: replaces the clocks; NULL restores the system's. The argument is
 * 'w' for wall (seconds) or 'm' for monotonic (microseconds). */
void qf_clock_source(int64_t (*source)(int which));

#endif
