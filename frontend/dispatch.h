/*
 * The dispatcher: sends a message through the chain, worker by worker and
 * group by group, and comes back with what each group came to.
 *
 * It loads no plugin, parses no message and holds no key. A worker that dies
 * or is late is killed, and its part of the chain runs again on the message
 * as it was, with the guilty stage preset to BROKEN, so that its `onerror`
 * decides. A second such stage ends it: 81 or 52, and nothing is queued.
 *
 * Groups run in step: none passes a stage before another has reached it, so
 * that those that became alike are joined.
 */
#ifndef QF_FRONTEND_DISPATCH_H
#define QF_FRONTEND_DISPATCH_H

#include "frontend/chain.h"
#include "frontend/group.h"
#include "frontend/job.h"

struct qf_dispatch {
	const struct qf_ctl *ctl;
	const struct qf_chain *chain;
	const struct qf_context *context;
	const char *authserv_id; /* ours, or NULL */
	int message;             /* descriptor, sealed or ours alone */
	const struct qf_envelope *envelope;
	int64_t deadline;                   /* of the chain */
	const struct qf_observer *observer; /* or NULL */
};

/*
 * Runs it: 0, and every group of *out has ended, or one has ended in a DEFER,
 * which is the answer for all and leaves the others where they are; or the
 * exit code (above 0, temporary) when something else than the mail is at
 * fault, which is logged. Free *out with qf_groups_free() in any case.
 */
int qf_dispatch(const struct qf_dispatch *d, struct qf_groups *out);

#endif
