/*
 * An errand: a part of the chain that one worker does for one message, or the
 * copying of its bytes; and the line in which errands wait for workers.
 */
#ifndef QF_DAEMON_ERRAND_H
#define QF_DAEMON_ERRAND_H

#include "frontend/job.h"
#include "frontend/task.h"
#include "lib/base/loop.h"

struct qf_pool;
struct qf_pool_worker;

struct qf_errand {
	/* What is to be done; borrowed until done() is called. `work` NULL:
	 * copy the bytes of `message`, whoever can change them. */
	const struct qf_work *work;
	const struct qf_observer *observer;
	struct qf_task_caller caller;
	int message;
	uint64_t max; /* bytes of a copy for a stranger, or 0 */
	int64_t deadline;
	/* What came of it, as qf_passage_take() takes it; the descriptors of
	 * the result that are not taken (set to -1) are closed afterwards. */
	void (*done)(void *arg, int rc, struct qf_job_result *in,
	    const struct qf_err *e);
	void *arg;
	/* The pool's. */
	struct qf_errand *next, *before;
	struct qf_pool *pool;
	struct qf_pool_worker *worker;
	struct qf_job job;
	unsigned tries;
};

/* Does its first stage wait for others, so that it needs no core? */
bool qf_errand_waits(const struct qf_errand *errand);
/* Is it to copy what a stranger has sent? */
bool qf_errand_is_strange(const struct qf_errand *errand);
/* Gives it back to its owner, who may submit the next one at once. */
void qf_errand_finish(struct qf_errand *errand, int rc,
    struct qf_job_result *in, const struct qf_err *e);
/* The same where there is no result: rc is that of *e. */
void qf_errand_fail(struct qf_errand *errand, const struct qf_err *e);

struct qf_errands {
	const char *name; /* of the pool, for the log */
	struct qf_errand *first, *last;
	unsigned n;
	struct qf_watch late; /* at the next deadline of one that waits */
};

/* Those whose time is up while they wait fail with QF_ETIME. */
int qf_errands_open(struct qf_errands *l, const char *name,
    struct qf_loop *loop, struct qf_err *e);
void qf_errands_append(struct qf_errands *l, struct qf_errand *errand);
/* One that has waited before. */
void qf_errands_put_first(struct qf_errands *l, struct qf_errand *errand);
void qf_errands_remove(struct qf_errands *l, struct qf_errand *errand);

#endif
