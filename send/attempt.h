/*
 * One message and one remote, or its end: what must stay true is said in
 * send/run.h.
 */
#ifndef QF_SEND_ATTEMPT_H
#define QF_SEND_ATTEMPT_H

#include <stdbool.h>

#include "send/jobs.h"
#include "send/remotes.h"
#include "send/run.h"

/* How many recipients are left. */
size_t qf_attempt_pending(const struct qf_item *item);

/* Tries it with the remote, of which `last` says that none follows in this
 * run; without a remote ends a message that has no recipient left. */
void qf_attempt(struct qf_run *run, struct qf_job *job,
    const struct qf_remote *remote, bool last);

#endif
