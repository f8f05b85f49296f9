/*
 * Messages and envelopes for tests, made up from a number: the same number
 * gives the same bytes. The first RANDMAIL_ODD are those that programs trip
 * over; the others are random, from nothing to some 100 kB.
 */
#ifndef QF_TESTS_RANDMAIL_H
#define QF_TESTS_RANDMAIL_H

#include <stdint.h>

#include "lib/base/buf.h"

enum {
	RANDMAIL_ODD = 24
};

/* Replaces what the buffers hold. */
void randmail(uint64_t number, struct qf_buf *message, struct qf_buf *envelope);

#endif
