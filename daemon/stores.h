/*
 * The store workers (`qfront-queue --serve`), and the commits that wait for
 * one.
 */
#ifndef QF_DAEMON_STORES_H
#define QF_DAEMON_STORES_H

#include "lib/base/loop.h"
#include "lib/mail/storereq.h"

struct qf_store_worker;

struct qf_commit_job {
	struct qf_storereq request;
	int fds[QF_STOREREQ_FDS_MAX]; /* borrowed until done() */
	size_t nfds;
	/* What came of it; NULL: its worker is gone without a word, and may
	 * have committed. */
	void (*done)(void *arg, const struct qf_storeres *result);
	void *arg;
	struct qf_commit_job *next;
};

struct qf_stores {
	struct qf_loop *loop;
	struct qf_store_worker *workers;
	unsigned n, busy;
	struct qf_commit_job *first, *last;
	unsigned waiting;
};

/* Takes over the socket of one more. */
void qf_stores_add(struct qf_stores *s, int fd);
void qf_stores_close(struct qf_stores *s);
void qf_stores_submit(struct qf_stores *s, struct qf_commit_job *job);
/* Takes back one that no worker has begun; false: it is too late for that. */
bool qf_stores_take_back(struct qf_stores *s, struct qf_commit_job *job);

#endif
