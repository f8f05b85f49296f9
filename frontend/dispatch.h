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

/* A message on its way through the chain. It does no I/O: it says what a worker
 * is to do next, and takes what came of that. */
struct qf_passage {
	const struct qf_dispatch *d;
	struct qf_groups *groups;
	struct qf_group *at; /* the group that a worker has */
	unsigned failures;   /* stages that crashed or hung */
	int code;            /* what ended it, or 0 */
	/* The first stage of this part turned out to hold keys. */
	bool turned;
};

void qf_passage_start(
    struct qf_passage *r, const struct qf_dispatch *d, struct qf_groups *out);
/* 1 and work for a worker, to be answered by qf_passage_take(); it borrows from
 * the run. 0: the message is through, and every group of `groups` has ended, or
 * one has ended in a DEFER, which is the answer for all; or the run was ended
 * by trouble, and `code` is its exit code. */
int qf_passage_next(struct qf_passage *r, struct qf_work *work);
/* What came of it, as qf_job_run() returns it; takes what it needs of the
 * result, which the caller closes. */
void qf_passage_take(struct qf_passage *r, int rc, struct qf_job_result *in,
    const struct qf_err *e);

/* All of it, with a new worker for each part. */
void qf_passage_run(struct qf_passage *r);
/* The same from its start: the exit code of trouble, or 0. */
int qf_dispatch(const struct qf_dispatch *d, struct qf_groups *out);

#endif
