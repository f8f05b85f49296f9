/*
 * One worker's part of the chain as the dispatcher sees it: what the worker
 * reports is checked before it is believed, since plugins run in its process.
 *
 * A job is fed with records and does no I/O of its own: the daemon does that
 * for many at a time. qf_job_run() is the other way, a worker of its own for
 * one job, from fork to end.
 */
#ifndef QF_FRONTEND_JOB_H
#define QF_FRONTEND_JOB_H

#include "frontend/worker.h"
#include "lib/base/fdpass.h"

/* Who is told what happens at the stages; every call may be NULL. */
struct qf_observer {
	void *arg;
	void (*stage)(void *arg, const struct qf_stage *s,
	    const struct qf_trace *t, const struct qf_judgement *j);
	void (*waited)(
	    void *arg, const struct qf_stage *s, const char *what, int64_t us);
};

struct qf_job {
	const struct qf_work *work; /* borrowed until its end */
	const struct qf_observer *observer;
	uid_t owner;      /* the worker's user: of its unlinked files */
	long stage;       /* that it is in, or -1 */
	bool accepted;    /* a stage said ACCEPT */
	bool waits;       /* that stage waits for others: it needs no core */
	int64_t deadline; /* of that stage */
	size_t reports;
};

/* How a worker ended. */
struct qf_job_result {
	struct qf_report report; /* sound, once it is a result */
	int fds[QF_FDPASS_MAX];  /* in the order of the report's flags */
	size_t nfds;
	long stage; /* that it was in, or -1 */
};

void qf_job_start(struct qf_job *job, const struct qf_work *work,
    const struct qf_observer *observer, uid_t owner);
/* Takes a record of n bytes that was received into `in`, with its descriptors:
 * 1 when it is the result, 0 to go on, QF_EPROTO when it is nothing that a
 * worker of ours sends (its descriptors are closed then). */
int qf_job_take(
    struct qf_job *job, struct qf_job_result *in, int n, struct qf_err *e);
/* The time of the stage that it is in begins now: for a worker that had to wait
 * for its turn. */
void qf_job_enter(struct qf_job *job);
/* A worker ended without result: rc is QF_ETIME, QF_EPROTO, or 0 with the
 * status of wait(2). */
void qf_job_log_failure(const struct qf_job *job, int rc, int status);
void qf_job_close(struct qf_job_result *result);

/*
 * Runs a worker to its end, or to `work->deadline`: 1 and a result; 0 when it
 * died without one, which is logged; QF_ETIME when it was late (the stage or
 * the chain), logged; another code for trouble of our own. The caller closes
 * the descriptors with qf_job_close().
 */
int qf_job_run(const struct qf_work *work, const struct qf_observer *observer,
    struct qf_job_result *result, struct qf_err *e);

#endif
