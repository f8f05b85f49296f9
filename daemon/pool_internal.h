/*
 * A pool's own state, for the files that it is made of: pool.c has the errands
 * and the zygote, pool_worker.c the lives of workers.
 */
#ifndef QF_DAEMON_POOL_INTERNAL_H
#define QF_DAEMON_POOL_INTERNAL_H

#include "daemon/pool.h"

enum qf_pool_state {
	QF_POOL_STARTING,
	QF_POOL_IDLE,
	QF_POOL_BUSY,
	QF_POOL_DYING /* to be reported gone by its zygote */
};

/* Why we want a worker to end. */
enum qf_pool_why {
	QF_POOL_UNKNOWN, /* we do not: it is its own doing */
	QF_POOL_LATE,
	QF_POOL_LIED,
	QF_POOL_NO_CORE, /* none became free in time */
	QF_POOL_CUT,     /* we had no room for a descriptor of its */
	QF_POOL_UNWANTED /* nobody waits for what it does */
};

struct qf_pool_worker {
	struct qf_pool_worker *next;
	struct qf_pool *pool;
	uint32_t id;
	uint32_t untold; /* what its zygote is to be told of it, or 0 */
	enum qf_pool_state state;
	enum qf_pool_why why;
	struct qf_watch watch;
	struct qf_errand *errand;
	struct qf_core_user core;
	bool told; /* it takes it that it has a core */
	unsigned long jobs;
	bool retire;
	struct qf_job_result in;
};

/* pool.c: */

/* As soon as there is room in its socket. */
void qf_pool_tell_zygote(struct qf_pool_worker *w, uint32_t kind);
/* For this pool and the others: a core may be free. */
void qf_pool_schedule_all(struct qf_pool *p);
/* Back in line, before all others. */
void qf_pool_requeue(struct qf_pool *p, struct qf_errand *errand);

/* pool_worker.c: */

struct qf_pool_worker *qf_pool_find(struct qf_pool *p, uint32_t id);
struct qf_pool_worker *qf_pool_find_idle(struct qf_pool *p);
void qf_pool_fork(struct qf_pool *p);
/* Its process `pid` is there, and this is its socket. */
void qf_pool_born(struct qf_pool_worker *w, pid_t pid, int fd);
/* An idle one gets an errand. */
void qf_pool_start(struct qf_pool_worker *w, struct qf_errand *errand);
/* Nobody wants its errand any more, which fails. */
void qf_pool_stop(struct qf_pool_worker *w);
/* Its process has ended, with this status; what it sent before still counts. */
void qf_pool_gone(struct qf_pool_worker *w, int status);
/* All of them at once; their errands fail with *e. */
void qf_pool_drop(struct qf_pool *p, const struct qf_err *e);

#endif
