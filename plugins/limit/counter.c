#include "plugins/limit/counter.h"

enum counter_answer counter_take(int64_t *empty, int64_t now, uint64_t n,
    uint32_t per, uint64_t count, int64_t *wait)
{
	/* Rounded down; all that follows counts in whole intervals, so that n
	 * fit exactly. */
	int64_t interval = per * COUNTER_SECOND / (int64_t)n;
	int64_t window = interval * (int64_t)n, next;

	if (count > n)
		return COUNTER_NEVER;
	if (*empty > now + window)
		*empty = now + window;
	next = *empty > now ? *empty : now;
	next += interval * (int64_t)count;
	if (next > now + window) {
		*wait = next - window - now;
		return COUNTER_FULL;
	}
	*empty = next;
	return COUNTER_FITS;
}
