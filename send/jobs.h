/*
 * Lists of queued messages: what a run has to do, small for each message.
 */
#ifndef QF_SEND_JOBS_H
#define QF_SEND_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store.h"

struct qf_job {
	char id[QF_ID_SIZE];
	int64_t born;
	bool settled; /* no recipient is left: only its end is missing */
	bool over;    /* nothing more to do in this run */
	bool gone;    /* and it is no longer in the queue, or damaged */
	char *route;  /* where it goes instead of to the remotes, or NULL */
	char *answer; /* of an earlier remote, where it may be needed */
};

struct qf_jobs {
	struct qf_job *v; /* zeroed memory is an empty list */
	size_t n, cap;
};

/* The new one; valid until the next is added. */
struct qf_job *qf_jobs_add(struct qf_jobs *jobs, const char *id);
/* Oldest first; those of the same second by id. */
void qf_jobs_sort_by_age(struct qf_jobs *jobs);
void qf_jobs_sort_by_id(struct qf_jobs *jobs);
/* In a list that is sorted by id. */
bool qf_jobs_have(const struct qf_jobs *jobs, const char *id);
void qf_jobs_free(struct qf_jobs *jobs); /* leaves it empty */

#endif
