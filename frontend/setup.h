/*
 * What the configuration makes of the front end for one message, and the run
 * of a message through it: for qfrontd, and for `qfrontctl test`, which stops
 * before anything is queued.
 */
#ifndef QF_FRONTEND_SETUP_H
#define QF_FRONTEND_SETUP_H

#include "frontend/builtin.h"
#include "frontend/config.h"
#include "frontend/dispatch.h"
#include "frontend/handoff.h"
#include "frontend/settle.h"
#include "frontend/trust.h"

struct qf_setup {
	struct qf_caller caller;
	const struct qf_personality *as; /* or NULL */
	struct qf_ctl ctl;
	struct qf_frontend_config config;
	struct qf_chain own_chain;
	const struct qf_chain *chain; /* that, or a lasting one */
	struct qf_split split;
	struct qf_next next;
	bool becomes_next; /* our queue sees this process's environment */
};

/* clang-format off */
#define QF_SETUP_INIT {.caller = QF_CALLER_INIT, .ctl = QF_CTL_NONE}
/* clang-format on */

/* Reads the control files that hold values: 0 or QF_ECONF. */
int qf_setup_open(struct qf_setup *s, struct qf_err *e);
/* Reads and checks the rest: the chain, split, and which program comes next,
 * which argv may name. 0, or the code of the first problem. */
int qf_setup_chain(
    struct qf_setup *s, char *const *argv, struct qf_problems *p);
void qf_setup_free(struct qf_setup *s);

/* A message on its way through the chain of a setup. */
struct qf_filtering {
	struct qf_context context;
	struct qf_dispatch dispatch;
	struct qf_passage passage;
};

/* Starts it: what is given is borrowed to the end. What to do with the passage
 * is in frontend/dispatch.h. */
void qf_setup_start(const struct qf_setup *s, int message,
    const struct qf_envelope *envelope, const struct qf_observer *observer,
    struct qf_groups *groups, struct qf_filtering *out);
/* When the passage has ended: as qf_setup_filter(). */
int qf_setup_settle(const struct qf_setup *s, const struct qf_filtering *f,
    struct qf_groups *groups, struct qf_plan *plan);

/* Sends a message through the chain: 0 and a plan, or the exit code of what is
 * wrong, which is logged. Free plan and groups, in that order, in any case. */
int qf_setup_filter(const struct qf_setup *s, int message,
    const struct qf_envelope *envelope, const struct qf_observer *observer,
    struct qf_groups *groups, struct qf_plan *plan);

#endif
