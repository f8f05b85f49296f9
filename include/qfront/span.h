/*
 * Borrowed bytes: a pointer and a length, not NUL-terminated, never owned.
 */
#ifndef QFRONT_SPAN_H
#define QFRONT_SPAN_H

#include <stddef.h>

struct qf_span {
	const char *p; /* may be NULL only when n is 0 */
	size_t n;      /* bytes */
};

#endif
