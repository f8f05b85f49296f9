/*
 * One worker as the dispatcher sees it: started, heard, ended. What it reports
 * is checked before it is believed: plugins run in its process.
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

/* How a worker ended. */
struct qf_job_result {
	struct qf_report report; /* sound, when qf_job_run() returns 1 */
	int fds[QF_FDPASS_MAX];  /* in the order of the report's flags */
	size_t nfds;
	long stage; /* that it was in, or -1 */
};

/*
 * Runs a worker to its end, or to `work->deadline`: 1 and a result; 0 when it
 * died without one, which is logged; QF_ETIME when it was late (the stage or
 * the chain), logged; another code for trouble of our own. The caller closes
 * the descriptors with qf_job_close().
 */
int qf_job_run(const struct qf_work *work, const struct qf_observer *observer,
    struct qf_job_result *result, struct qf_err *e);
void qf_job_close(struct qf_job_result *result);

#endif
