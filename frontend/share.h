/*
 * What the stages of a chain leave for each other: score, notes, results of
 * authentication, route. It goes from worker to worker with the message.
 *
 * One call's additions are staged in a share of their own and merged into the
 * message's only when the call ended well.
 */
#ifndef QF_FRONTEND_SHARE_H
#define QF_FRONTEND_SHARE_H

#include <stdint.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	QF_SHARE_MAX = 64 << 10, /* bytes of all keys and values */
	QF_SHARE_RECORDS = 4096
};

enum qf_share_kind {
	QF_SHARE_NOTE = 1, /* key, value */
	QF_SHARE_AUTHRES,  /* lib/mail/authres.h packs it into the value */
	QF_SHARE_ROUTE,    /* value; empty: taken back */
	QF_SHARE_TAKEN,    /* key: a variable that did its work */
	QF_SHARE_STRIPPED  /* forged results were removed */
};

struct qf_share_record {
	uint32_t kind;
	const char *key; /* "" where the kind has none */
	struct qf_span value;
};

/* Zeroed memory is an empty one. */
struct qf_share {
	int64_t score; /* thousandths of a point */
	struct qf_share_record *v;
	size_t n, cap, bytes;
	struct qf_arena arena;
};

void qf_share_free(struct qf_share *s); /* leaves it empty */

/* Copies it in: 0, QF_ENOMEM beyond the limits. A note or route takes the
 * place of an earlier one of its key. */
int qf_share_put(struct qf_share *s, enum qf_share_kind kind, const char *key,
    struct qf_span value);
/* The record of that kind and key, or NULL. */
const struct qf_share_record *qf_share_find(
    const struct qf_share *s, enum qf_share_kind kind, const char *key);
/* The next record of that kind at or after *at, which moves on; or NULL. */
const struct qf_share_record *qf_share_next(
    const struct qf_share *s, enum qf_share_kind kind, size_t *at);
/* Sums that would overflow stay at their end. */
void qf_share_score(struct qf_share *s, int64_t millipoints);

/* Does `more` fit into `to` with what is there? */
bool qf_share_fits(const struct qf_share *to, const struct qf_share *more);
/* Puts all of `more` into `to`, which it must fit. */
void qf_share_merge(struct qf_share *to, const struct qf_share *more);

/* As bytes: equal shares give equal bytes. */
void qf_share_format(const struct qf_share *s, struct qf_buf *out);
/* Replaces what s holds; QF_EPROTO when the bytes are none of ours. */
int qf_share_parse(struct qf_share *s, struct qf_span bytes, struct qf_err *e);

#endif
