/*
 * The arithmetic of a limit: the generic cell rate algorithm (GCRA, ITU-T
 * I.371), a leaky bucket that keeps one number, the time at which it will be
 * empty. n at once fit into an empty one; it empties in the time of the
 * window. Integers only; times are nanoseconds since 1970.
 */
#ifndef QF_LIMIT_COUNTER_H
#define QF_LIMIT_COUNTER_H

#include <stdint.h>

#define COUNTER_SECOND INT64_C(1000000000)

enum {
	COUNTER_N_MAX = 1000000,
	COUNTER_PER_MAX = 31 * 86400 /* seconds */
};

enum counter_answer {
	COUNTER_FITS,
	COUNTER_FULL,  /* *wait: nanoseconds until it fits */
	COUNTER_NEVER, /* it is more than the limit by itself */
};

/* Would `count` more fit at `now`, where n may come in `per` seconds? *empty
 * is moved on when they do. One that is further away than the window, because
 * the clock was set back, the file is damaged or the limit was another one, is
 * set to the end of the window: so an error lasts no longer than that, if the
 * caller keeps *empty also when there is no room. */
enum counter_answer counter_take(int64_t *empty, int64_t now, uint64_t n,
    uint32_t per, uint64_t count, int64_t *wait);

#endif
