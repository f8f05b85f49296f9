/*
 * How long a body is in the canonical forms of RFC 6376 sections 3.4.3 and
 * 3.4.4: what tells whether the length in l= leaves some of it unsigned.
 */
#ifndef QFP_DKIM_BODYLEN_H
#define QFP_DKIM_BODYLEN_H

#include <stdbool.h>
#include <stdint.h>

#include <qfront/span.h>

/* Lines that are empty count when another one follows. */
struct bodylen_form {
	uint64_t total, line, blank;
};

/* All zero means: nothing fed. */
struct bodylen {
	struct bodylen_form simple, relaxed;
	bool wsp; /* white space that a relaxed line may end with */
};

/* Bytes of the body in order, each line with CR LF. */
void bodylen_feed(struct bodylen *b, struct qf_span bytes);
uint64_t bodylen_of(const struct bodylen *b, bool relaxed);

#endif
