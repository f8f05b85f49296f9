/*
 * An event loop: descriptors and deadlines of one thread, over epoll(7).
 *
 * A watch is memory of its owner, who may remove it, and free what holds it, at
 * any time, also while events are handed out.
 */
#ifndef QF_BASE_LOOP_H
#define QF_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct qf_loop;

struct qf_watch {
	int fd; /* -1: watched for its time only */
	/* Something can be read, or written where that is wanted, or the peer
	 * is gone; or the time is up. */
	void (*ready)(struct qf_watch *w, void *arg);
	void (*late)(struct qf_watch *w, void *arg);
	void *arg;
	int64_t deadline; /* QF_NEVER; cleared before late() is called */
	/* The loop's. */
	struct qf_loop *loop;
	uint32_t events;
	size_t place; /* in the heap of deadlines, from 1; 0: not there */
};

int qf_loop_open(struct qf_loop **out, struct qf_err *e); /* QF_EPIPE */
void qf_loop_close(struct qf_loop *loop);

/* Watches w->fd with w's deadline. QF_EPIPE. `hangups`: only the end of the
 * peer counts, not what there is to read. */
int qf_loop_add(
    struct qf_loop *loop, struct qf_watch *w, bool hangups, struct qf_err *e);
/* From now on ready() is called when it can be written to as well, or no more.
 */
void qf_loop_want_write(struct qf_watch *w, bool wanted);
/* Does nothing to one that is not watched. */
void qf_loop_remove(struct qf_watch *w);
void qf_loop_set_deadline(struct qf_watch *w, int64_t deadline);

/* Waits until there are events and hands them out: 0 or QF_EPIPE. */
int qf_loop_step(struct qf_loop *loop, struct qf_err *e);
/* The same until qf_loop_stop(). */
int qf_loop_run(struct qf_loop *loop, struct qf_err *e);
void qf_loop_stop(struct qf_loop *loop);

#endif
