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

#include "frontend/builtin.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"
#include "lib/mail/envelope.h"

struct qf_next {
	struct qf_strv argv;
	const char *variable; /* that named it, or NULL */
	bool builtin;         /* our own queue */
};

/* Chooses it for a personality (or NULL): the words of argv (NULL-terminated)
 * when there are any and they are no filters, else what the personality's own
 * variable or else QUEUEPROG says, else `control` (what the control file
 * queueprog says, or NULL), else our own queue. QF_ECONF when a text can not
 * be read. */
int qf_next_choose(struct qf_next *next, const struct qf_personality *as,
    const char *control, char *const *argv, struct qf_err *e);
void qf_next_free(struct qf_next *next);

/* How deep queue programs call each other, for QFRONT_DEPTH of the next one:
 * QF_ECONF for a loop. */
int qf_next_depth(char out[24], struct qf_err *e);
/* The same, and sets it. */
int qf_next_check_depth(struct qf_err *e);

/* Is it qfront itself, or a personality of it, that nothing sends to another
 * program? It would choose the same again, until qf_next_check_depth() stops
 * it. */
bool qf_next_is_loop(const struct qf_next *next);

/* Unsets the variables that stages took: nobody does it again. */
void qf_next_forget(const struct qf_strv *taken);
/* QF_ECONF when our own queue is next and a variable is left by which the
 * caller asks for a filter that it does not run: mail must not pass unfiltered
 * in silence. An outside queue program may honour it. scans: our queue sees
 * QHPSI itself, and runs it. */
int qf_next_check_filters(
    const struct qf_next *next, bool scans, struct qf_err *e);

/* Unsets what the programs below must not see: QMAILQUEUE, and the variable
 * that named the next program. */
void qf_next_hide(const struct qf_next *next);
/* Before an exec: ignored signals would stay so. */
void qf_next_reset_signals(void);

/* Becomes the program, with the message and the envelope each as an open file
 * description of its own, and without QMAILQUEUE and the variable that named
 * it. Returns only on failure: QF_EEXEC, QF_EPIPE. */
int qf_next_exec(
    const struct qf_next *next, int message, int envelope, struct qf_err *e);

#endif
