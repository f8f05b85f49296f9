/*
 * The workers of one kind and generation, and who gets them.
 *
 * As many as there are cores are forked at once, more as errands wait, up to a
 * limit: those in a stage that waits for others cost little. What computes
 * holds a core (daemon/cores.h).
 *
 * pool.c has the errands and the zygote, pool_worker.c the lives of workers.
 */
#ifndef QF_DAEMON_POOL_H
#define QF_DAEMON_POOL_H

#include "daemon/cores.h"
#include "daemon/errand.h"
#include "frontend/metrics.h"
#include "lib/base/loop.h"

struct qf_pool_limits {
	unsigned workers;       /* at most */
	unsigned long messages; /* errands after which one is replaced */
};

struct qf_pool {
	struct qf_loop *loop;
	struct qf_cores *cores; /* of all pools */
	struct qf_pool_limits limits;
	const char *name;
	enum qf_gauge gauge;    /* counts its workers */
	struct qf_watch zygote; /* its socket */
	struct qf_watch pause;  /* before the next fork, after failures */
	uid_t uid;              /* of its workers */
	uint64_t digest;        /* of the policy that they have read */
	bool ready, gone;
	char text[480]; /* why it is gone */
	/* Called when it becomes ready or is gone, and when others may have
	 * got something to do: qf_pool_schedule() is for all pools then. */
	void (*changed)(void *arg);
	void *arg;
	/* The pool's own. */
	uint32_t next_id;
	struct qf_pool_worker *workers;
	unsigned n, idle, starting, failures;
	unsigned strange; /* workers that copy what strangers have sent */
	bool stuck;       /* the zygote's socket is full */
	struct qf_errands errands; /* that wait for a worker */
};

/* Takes over the zygote's socket. */
int qf_pool_open(struct qf_pool *p, int zygote, struct qf_err *e);
/* The zygote and its workers end. Errands that are left are done with
 * QF_ECRASH. */
void qf_pool_close(struct qf_pool *p);

void qf_pool_submit(struct qf_pool *p, struct qf_errand *errand);
/* Takes back one that no worker has begun; false: it is too late for that. Of
 * what is being copied then the copying is stopped, and fails. */
bool qf_pool_take_back(struct qf_errand *errand);
/* Gives free cores and idle workers to those who wait. */
void qf_pool_schedule(struct qf_pool *p);

#endif
