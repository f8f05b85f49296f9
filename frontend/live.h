/*
 * A stage with its plugin loaded and its state made: ready for messages.
 */
#ifndef QF_FRONTEND_LIVE_H
#define QF_FRONTEND_LIVE_H

#include "frontend/loader.h"

struct qf_live {
	struct qf_loaded loaded;
	struct qf_conf conf;
	void *state;
};

/* Which stages a process may open. */
enum qf_live_kind {
	QF_LIVE_ANY,   /* and is of that stage's kind from then on */
	QF_LIVE_PLAIN, /* those without keys */
	QF_LIVE_SECRET /* those that hold keys */
};

/*
 * Opens a stage of the chain: 1; 0 when it belongs to a process of the other
 * kind, or only to the daemon (*cold is set then) and this is none; or the code
 * of what is wrong, which is in e. The chain, the stage, ctl and p must outlast
 * it: plugins may report problems whenever they look at their lists.
 */
int qf_live_open(struct qf_live *l, const struct qf_ctl *ctl,
    const struct qf_chain *chain, const struct qf_stage *stage,
    enum qf_live_kind *kind, bool *cold, struct qf_problems *p,
    struct qf_err *e);
void qf_live_close(struct qf_live *l);

/* Does the environment override a setting of its plugin? */
bool qf_live_is_overridden(const struct qf_live *l);

#endif
