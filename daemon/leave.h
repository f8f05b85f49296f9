/*
 * Leaving a message in drop/ for the daemon, where qfrontd --once could not
 * queue it: qfront-drop(8).
 */
#ifndef QF_DAEMON_LEAVE_H
#define QF_DAEMON_LEAVE_H

#include "frontend/setup.h"

/* Is the caller a stranger who can not write the queue, and has the operator
 * set up qfront-drop for him? Only for a message that the daemon, once it runs,
 * would treat as we do: for our own queue, by a caller who chooses nothing. */
bool qf_leave_applies(const struct qf_setup *s, char *const *argv);

/* Becomes qfront-drop. Returns only on failure. */
int qf_leave_exec(struct qf_setup *s, int message,
    const struct qf_envelope *envelope, struct qf_err *e);

#endif
