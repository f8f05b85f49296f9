/*
 * One run over the queue: each remote in the order of `remotes`, for each the
 * messages that are left, oldest first (nullmailer-send(8)). Messages with a
 * route of their own have that one instead. What is held is left alone, but
 * for the limits on it.
 *
 * What must stay true, wherever it is cut off: a recipient is marked only
 * after a module delivered to it or its failure stands in the notes; a message
 * leaves the queue only when no recipient is left and the notification of the
 * failed ones is queued, can not be sent, or was refused for good. A crash
 * repeats at most what was going on.
 */
#ifndef QF_SEND_RUN_H
#define QF_SEND_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/store.h"
#include "send/config.h"
#include "send/jobs.h"
#include "send/wake.h"

struct qf_run {
	const struct qf_store_ops *ops;
	struct qf_store *store;
	const char *protocols;            /* the folder of the modules */
	const struct qf_send_config *cfg; /* loaded, with remotes or without */
	struct qf_wake *wake;
	int64_t
	    due; /* wall clock: when the next run may come, for the record */

	/* What stays from run to run; zeroed memory for the first. */
	struct qf_jobs left;    /* in the queue at the end; sorted by id */
	struct qf_jobs damaged; /* reported ones; sorted by id */
	uint64_t bounces;       /* notifications queued in this run */
	int64_t next_expiry;    /* deadline: when to look at held mail */
	bool only_new;          /* leave out what was left by the last run */
	bool failed; /* a result could not be recorded, or the queue read */
};

/* Is a stop wanted, or must the run end? */
bool qf_run_is_stopped(const struct qf_run *run);
/* Ends early when it is stopped. */
void qf_run_queue(struct qf_run *run);
void qf_run_free(struct qf_run *run);

#endif
