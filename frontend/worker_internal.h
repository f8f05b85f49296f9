/*
 * A worker's own state, for the files that it is made of: worker.c runs stages
 * and reports, worker_stage.c loads a plugin and calls it.
 */
#ifndef QF_FRONTEND_WORKER_INTERNAL_H
#define QF_FRONTEND_WORKER_INTERNAL_H

#include "frontend/warm.h"
#include "frontend/worker.h"

struct qf_worker {
	const struct qf_work *work;
	struct qf_txn txn;
	struct qf_warm *warm; /* or NULL */
	bool core;            /* it may compute; without `warm` nobody asks */
	struct qf_problems *problems;
	struct qf_report report; /* the result, as it grows */
	struct qf_buf fates;     /* of the last stage, formatted */
	enum qf_live_kind kind;  /* of the stages that it may open */
	int64_t stage_deadline;
	unsigned waits; /* reported for this stage */
	int sock;
};

/* Trouble that is not about the mail: it ends the run with this code. */
int qf_worker_trouble(struct qf_worker *w, const struct qf_err *e);

/* Loads the stage's plugin and calls it: 1, with the judgement and what it
 * staged applied; 0 when the stage belongs to a worker of the other kind; or
 * a code. */
int qf_worker_perform(struct qf_worker *w, const struct qf_stage *s,
    struct qf_judgement *j, struct qf_trace *t);
/* The judgement of a stage that crashed or hung in an earlier worker. */
void qf_worker_judge_preset(struct qf_worker *w, const struct qf_stage *s,
    int category, struct qf_judgement *j, struct qf_trace *t);

#endif
