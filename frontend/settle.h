/*
 * From what the groups of a message came to, to one answer for its caller and
 * what is to be queued.
 *
 * One group that is deferred defers the message for all. When all groups are
 * refused the message is; when some are, the control file `split` says what
 * becomes of theirs, and no bounce answers a message without a sender.
 */
#ifndef QF_FRONTEND_SETTLE_H
#define QF_FRONTEND_SETTLE_H

#include "frontend/chain.h"
#include "frontend/group.h"
#include "frontend/split.h"
#include "lib/base/strv.h"

/* One run of a queue program. */
struct qf_delivery {
	int message; /* descriptor */
	bool owned;  /* close it; else it is the groups' or the caller's */
	bool held;   /* in our own queue, for a person to look at */
	struct qf_envelope envelope;
};

enum qf_plan_action {
	QF_PLAN_QUEUE,
	QF_PLAN_DROP,
	QF_PLAN_REFUSE
};

struct qf_plan {
	enum qf_plan_action action;
	struct qf_judgement judgement; /* of a refusal */
	struct qf_delivery *v;
	size_t n;
	struct qf_strv taken; /* variables that stages took */
};

struct qf_settle {
	const struct qf_chain *chain;
	const struct qf_split *split;
	const char *me;          /* this host, for a bounce */
	const char *authserv_id; /* for results of authentication */
	int message;             /* as it came */
	const struct qf_envelope *envelope;
};

/* The groups must stay until the plan is freed. QF_EREAD, QF_EWRITE and the
 * like when a bounce can not be written. */
int qf_settle(struct qf_plan *plan, const struct qf_settle *s,
    struct qf_groups *groups, struct qf_err *e);
void qf_plan_free(struct qf_plan *plan);

#endif
