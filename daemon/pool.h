/*
 * The workers of one kind and generation, and who gets them.
 *
 * An errand is a part of the chain that one worker does for one message.
 * Workers are forked as they are needed, up to a limit: those in a stage that
 * waits for others cost little. What computes holds one of as many cores as
 * the machine has, so that more workers than that never compute at a time, and
 * slow networks keep nobody's filter from its core.
 */
#ifndef QF_DAEMON_POOL_H
#define QF_DAEMON_POOL_H

#include "frontend/job.h"
#include "frontend/metrics.h"
#include "frontend/task.h"
#include "lib/base/loop.h"

struct qf_pool_worker;

/* Shared by all pools. A stage that is busy for long, or waits although it does
 * not say so, gives its core back: it must not keep others from theirs. */
struct qf_cores {
	unsigned free;
	struct qf_pool_worker *first, *last; /* wait for one amid a job */
	struct qf_watch slice; /* runs while none is free; its owner's */
};

struct qf_errand {
	/* What is to be done; borrowed until done() is called. `work` NULL:
	 * copy the bytes of `message`, whoever can change them. */
	const struct qf_work *work;
	const struct qf_observer *observer;
	struct qf_task_caller caller;
	int message;
	int64_t deadline;
	/* What came of it, as qf_passage_take() takes it; the descriptors of
	 * the result that are not taken (set to -1) are closed afterwards. */
	void (*done)(void *arg, int rc, struct qf_job_result *in,
	    const struct qf_err *e);
	void *arg;
	/* The pool's. */
	struct qf_errand *next;
	struct qf_pool *pool;
	struct qf_pool_worker *worker;
	struct qf_job job;
	unsigned tries;
};

struct qf_pool_limits {
	unsigned workers;       /* at most */
	unsigned long messages; /* errands after which one is replaced */
};

struct qf_pool {
	struct qf_loop *loop;
	struct qf_cores *cores;
	struct qf_pool_limits limits;
	const char *name;
	enum qf_gauge gauge;    /* counts its workers */
	struct qf_watch zygote; /* its socket */
	struct qf_watch pause;  /* before the next fork, after failures */
	uid_t uid;              /* of its workers */
	uint64_t digest;        /* of the policy that they have read */
	bool ready, gone;
	char text[480]; /* why it is gone */
	/* Called when it becomes ready or is gone. */
	void (*changed)(void *arg);
	void *arg;
	/* The pool's own. */
	uint32_t next_id;
	struct qf_pool_worker *workers;
	unsigned n, idle, starting, failures;
	struct qf_errand *first, *last; /* wait for a worker */
	unsigned waiting;
};

/* Takes over the zygote's socket. */
int qf_pool_open(struct qf_pool *p, int zygote, struct qf_err *e);
/* The zygote and its workers end. Errands that are left are done with
 * QF_ECRASH. */
void qf_pool_close(struct qf_pool *p);

/* Takes the cores from workers that had them long enough; its caller schedules
 * then. True when a worker still has one. */
bool qf_pool_yield_cores(struct qf_pool *p);

void qf_pool_submit(struct qf_pool *p, struct qf_errand *errand);
/* Takes back one that no worker has begun; false: it is too late for that. */
bool qf_pool_take_back(struct qf_errand *errand);
/* Gives free cores and idle workers to those who wait. */
void qf_pool_schedule(struct qf_pool *p);

#endif
