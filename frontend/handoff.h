/*
 * Handing a message to the next program with the qmail-queue interface: the
 * caller's own queue, another front end, or ours.
 *
 * This process becomes that program, so it sees the caller's uid and
 * environment, and its exit code is the caller's answer unchanged.
 */
#ifndef QF_FRONTEND_HANDOFF_H
#define QF_FRONTEND_HANDOFF_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/strv.h"
#include "lib/mail/envelope.h"

struct qf_next {
	struct qf_strv argv;
	bool builtin; /* our own queue */
};

/* Chooses it: the words of argv (NULL-terminated) when there are any, else
 * QUEUEPROG, else `control` (what the control file queueprog says, or NULL),
 * else our own queue. QF_ECONF when
 * filters that the caller's environment asks for would be skipped: our queue
 * runs none, and no stage of this version takes them. */
int qf_next_choose(struct qf_next *next, const char *control, char *const *argv,
    struct qf_err *e);
void qf_next_free(struct qf_next *next);

/* Counts how deep queue programs call each other: QF_ECONF for a loop. */
int qf_next_check_depth(struct qf_err *e);

/* Becomes the program, with the message and the envelope each as an open file
 * description of its own. Returns only on failure: QF_EEXEC, QF_EPIPE. */
int qf_next_exec(
    const struct qf_next *next, int message, int envelope, struct qf_err *e);

#endif
