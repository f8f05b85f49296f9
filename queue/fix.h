/*
 * Repairs a queue in qmail's layout after it was copied, restored from a
 * backup, or handled by hand. No sender may run; messages may come in.
 *
 * Nothing that may be mail is removed: what belongs to no message any more but
 * may tell of one goes to QUEUEDIR/lost. A repair that is cut off, by a crash
 * or a loss of power, is continued by the next one.
 */
#ifndef QF_QUEUE_FIX_H
#define QF_QUEUE_FIX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum qf_fix_outcome {
	QF_FIX_LEFT,   /* it is for a person */
	QF_FIX_FAILED, /* it could not be repaired */
	QF_FIX_TODO,   /* with `check`: it would be repaired */
	QF_FIX_DONE
};

struct qf_finding {
	const char *path; /* below the queue */
	const char *text; /* what is wrong; what was wrong */
	enum qf_fix_outcome outcome;
};

struct qf_fix_options {
	bool check; /* change nothing */
	/* Whose the files shall be. Else the owner of mess/, and only what
	 * belongs to root is given to him: qmail has several owners. */
	bool owned;
	uid_t uid;
	gid_t gid;
	void (*report)(void *user, const struct qf_finding *f);
	void *user;
};

struct qf_fixed {
	size_t left, failed, todo, done; /* findings of each outcome */
};

/* QF_EPERM when a sender runs, QF_EQUEUE when it is no queue, QF_EWRITE when
 * it can not go on. */
int qf_fix(const char *dir, const struct qf_fix_options *options,
    struct qf_fixed *out, struct qf_err *e);

#endif
