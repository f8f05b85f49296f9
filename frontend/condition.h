/*
 * The conditions of a chain line: when does a stage run?
 *
 * `if=relay,!auth` holds when all of its terms hold; several `if=` on a line
 * are alternatives. Terms: relay, auth, local, bounce, path=NAME,
 * sender=ADDRESS or sender=@DOMAIN, rcpt= likewise, size<SIZE, size>SIZE; `!`
 * negates one.
 */
#ifndef QF_FRONTEND_CONDITION_H
#define QF_FRONTEND_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/context.h"
#include "lib/base/alloc.h"
#include "lib/base/err.h"

struct qf_condition; /* the terms of one if= */

/* What the terms are about. */
struct qf_subject {
	const struct qf_context *context;
	const struct qf_envelope *envelope;
	uint64_t size;    /* bytes of the message */
	const char *rcpt; /* one recipient, or NULL when there is none */
};

/* Adds the terms of one `if=` as another alternative to *list, which starts
 * as NULL. Memory is the arena's. QF_ECONF says which term is wrong. */
int qf_condition_add(struct qf_condition **list, struct qf_arena *a,
    struct qf_span text, struct qf_err *e);
/* True for NULL: no condition at all. */
bool qf_condition_holds(
    const struct qf_condition *list, const struct qf_subject *s);

/* Can the two never hold for one message? Seen where each is a single term,
 * one the negation of the other, about what no stage changes: not sender=,
 * size< and size>. */
bool qf_condition_excludes(
    const struct qf_condition *a, const struct qf_condition *b);

/* Can it hold for one recipient of a message and not for another? */
bool qf_condition_names_rcpt(const struct qf_condition *list);

/* A size with an optional suffix k, M or G (powers of 1024), as in
 * `max=50M`. */
bool qf_size_parse(struct qf_span text, uint64_t *out);

#endif
