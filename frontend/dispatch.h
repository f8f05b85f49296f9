/*
 * The dispatcher: sends a message through the chain, worker by worker, and
 * comes back with what is to be done with it.
 *
 * It loads no plugin, parses no message and holds no key. A worker that dies
 * or is late is killed, and its part of the chain runs again on the message
 * as it was, with the guilty stage preset to BROKEN, so that its `onerror`
 * decides. A second such stage ends it: 81 or 52, and nothing is queued.
 */
#ifndef QF_FRONTEND_DISPATCH_H
#define QF_FRONTEND_DISPATCH_H

#include "frontend/chain.h"
#include "frontend/host.h"
#include "lib/mail/envelope.h"

enum qf_action {
	QF_ACTION_QUEUE,
	QF_ACTION_DROP,
	QF_ACTION_REFUSE
};

struct qf_outcome {
	enum qf_action action;
	int code; /* of a refusal */
	/* Of the stage that refused it; zeros when none did. */
	struct qf_judgement judgement;
	int message; /* what to queue: a descriptor of ours, or -1: as given */
	struct qf_envelope envelope; /* valid when envelope_edited */
	bool envelope_edited;
};

/* clang-format off */
#define QF_OUTCOME_INIT {.message = -1, .envelope = QF_ENVELOPE_INIT}
/* clang-format on */

/* The deadline is the chain's. Logs what happened; cannot fail: trouble is a
 * refusal with a temporary code. */
void qf_dispatch(const struct qf_ctl *ctl, const struct qf_chain *chain,
    int message, const struct qf_envelope *envelope, int64_t deadline,
    struct qf_outcome *out);
void qf_outcome_free(struct qf_outcome *out);

#endif
