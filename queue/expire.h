/*
 * Limits on what is held: mail that nobody wants back must go at some time,
 * and may not fill the disk before.
 */
#ifndef QF_QUEUE_EXPIRE_H
#define QF_QUEUE_EXPIRE_H

#include "lib/base/ctl.h"
#include "queue/store.h"

struct qf_expire_limits {
	long long lifetime; /* seconds; 0: for ever */
	long long size;     /* bytes of all held messages; 0: no limit */
};

/* The control files quarantinelifetime and quarantinesize. */
extern const struct qf_ctl_item qf_expire_settings[];

struct qf_expired {
	size_t deleted, kept;
	uint64_t bytes; /* of those that are kept */
};

/*
 * Deletes held messages that are too old, then the oldest until the rest is
 * within the size, with a line in the log for each. What another program is at
 * work on is left out, and so is what is damaged, with a line. A code when the
 * queue can not be read, or a message not be removed; then the others had their
 * turn.
 */
int qf_expire(const struct qf_store_ops *ops, struct qf_store *st,
    const struct qf_expire_limits *limits, int64_t now, struct qf_expired *out,
    struct qf_err *e);

#endif
