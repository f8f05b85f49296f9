/*
 * What is known of where a message comes from, under stable names.
 *
 * Every qmail tells its queue program other things in other variables; the
 * table in context.c maps them, so that plugins and conditions need not
 * guess. The keys are in qfront-chain(5).
 */
#ifndef QF_FRONTEND_CONTEXT_H
#define QF_FRONTEND_CONTEXT_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/mail/envelope.h"

struct qf_context {
	char uid[24];     /* of the caller, decimal */
	char pid[24];     /* and its process */
	char run[20];     /* a random number, hexadecimal */
	const char *path; /* "smtp", "inject", "bounce" or "local" */
	bool bounce;      /* it came with the sender of a bounce */
};

void qf_context_init(struct qf_context *c, const struct qf_envelope *env);
/* Another process than our parent has it. */
void qf_context_set_pid(struct qf_context *c, long pid);
/* Who calls, where that is not simply our real uid. What comes from somebody
 * who is not believed comes by the path `local`, whatever it is. */
void qf_context_set_caller(struct qf_context *c, uid_t uid, bool believed);
/* The value of a key, or NULL. A flag that is set is "1". Borrowed. */
const char *qf_context_get(const struct qf_context *c, const char *key);
/* Has it the sender of a bounce, empty or `#@[]`? Anybody can say so: only
 * `path` tells whether it is one of this host's. */
bool qf_context_is_bounce(const struct qf_envelope *env);
/* Is it a bounce that this host made? */
bool qf_context_is_own_bounce(const struct qf_context *c);
/* A name as a value of `path`, or NULL. */
const char *qf_context_path(struct qf_span name);
/* Is it one of the values of `path`? */
bool qf_context_is_path(struct qf_span name);
bool qf_context_is(const struct qf_context *c, const char *key);

#endif
