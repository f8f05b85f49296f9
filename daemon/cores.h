/*
 * The processors, as tokens: what computes holds one, so that no more workers
 * compute at a time than there are.
 *
 * One that has a core and waits without having said so must not keep others
 * from it. So while somebody wants one, holders are looked at: who sleeps and
 * has used next to nothing since the last look lends its core, and goes on
 * without. What a worker computes itself it computes with the core, to its end;
 * programs that it runs are other processes, and the kernel's business.
 */
#ifndef QF_DAEMON_CORES_H
#define QF_DAEMON_CORES_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/loop.h"

/* A worker's part in it; zero at first. */
struct qf_core_user {
	pid_t pid;
	void (*granted)(void *arg); /* it has waited, and has one now */
	void *arg;
	/* The cores'. */
	bool holds, queued; /* not both */
	struct qf_core_user *next, *before;
	int64_t looked, used; /* microseconds, at the last look; or 0 */
};

struct qf_core_list {
	struct qf_core_user *first, *last;
};

struct qf_cores {
	int n, free; /* below 0: some that lent theirs compute again */
	struct qf_core_list holders, queue;
	struct qf_watch look; /* runs while one is wanted */
	/* Some may have become free. */
	void (*changed)(void *arg);
	void *arg;
};

/* n: how many; 0: as many as the machine has. */
int qf_cores_open(
    struct qf_cores *c, int n, struct qf_loop *loop, struct qf_err *e);
/* Takes one, whether it is free or not. */
void qf_cores_take(struct qf_cores *c, struct qf_core_user *u);
/* It computes no more, or waits for a core no more. */
void qf_cores_leave(struct qf_cores *c, struct qf_core_user *u);
/* Queues one that has none; granted() is called when it is its turn. */
void qf_cores_queue(struct qf_cores *c, struct qf_core_user *u);
/* Gives the free ones to those in the queue. */
void qf_cores_grant(struct qf_cores *c);
/* Somebody who is in no queue wants one: changed() will be called. */
void qf_cores_want(struct qf_cores *c);

#endif
