/*
 * Domains: what may stand in d= and s=, and which one a From field names.
 */
#ifndef QFP_DKIM_DOMAIN_H
#define QFP_DKIM_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <qfront/span.h>

enum {
	DOMAIN_SIZE = 254 /* with the NUL (RFC 1035 section 2.3.4) */
};

/* Copies it in lower case. False when it is not labels of letters, digits,
 * `-` and `_` (RFC 6376 section 3.5), at least min_labels of them. */
bool domain_copy(char out[DOMAIN_SIZE], struct qf_span s, size_t min_labels);

/* The domain after the last `@` of an envelope address. */
bool domain_of_address(char out[DOMAIN_SIZE], struct qf_span address);

/* The domain of the first mailbox in the value of a From field, with the
 * comments, quotes, groups and routes of RFC 5322 section 3.4 and 4.4. */
bool domain_of_from(char out[DOMAIN_SIZE], struct qf_span value);

/* Are both, in lower case, the same domain or one of them above the other?
 * It takes two labels to be above: without a list of public suffixes that is
 * as near as can be come to `relaxed` of RFC 7489 section 3.1.1. */
bool domain_aligned(const char *a, const char *b);

#endif
