/*
 * The clock and the signals of a program with the qmail-queue interface:
 * DEATH (seconds, 86400 by default) bounds its run, with exit code 52, together
 * with the runs of the programs that became this one; a bug signal ends it with
 * 81 (qmail-queue(8)). A pipe without reader or a file that is too large is an
 * error of write(), and no signal.
 */
#ifndef QF_MAIL_QQGUARD_H
#define QF_MAIL_QQGUARD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* A sweeper takes files for litter after 36 hours: a writer must be dead by
 * then. */
enum {
	QF_DEATH_DEFAULT = 86400,
	QF_DEATH_MAX = 36 * 3600 - 1
};

/* QF_ECONF when DEATH is no number of seconds from 1 to QF_DEATH_MAX; the
 * default bounds the run then. */
int qf_qqguard_start(struct qf_err *e);
/* The clock alone, for a program that must be quick. */
int qf_qqguard_clock(struct qf_err *e);
/* Milliseconds until it ends the run; QF_NEVER where it does not tick. */
int64_t qf_qqguard_left(void);
/* For a program that writes a message: one that is half read is none, so what
 * asks politely to end waits until it is whole. Nothing else is blocked. To be
 * called first. */
void qf_qqguard_hold(void);
/* The clock must not turn what is queued into a failure: from here on it does
 * nothing. */
void qf_qqguard_commit(void);
/* Without clock, and with default signals for bugs: for a child that is to die
 * of them. */
void qf_qqguard_stop(void);

/* Opens the log of a front end: where QFRONT_LOG says, else on descriptor 2;
 * but in syslog instead of there when ERROR_FD says that the caller reads it
 * for the text of a refusal (qmail-queue-clients(7)). */
void qf_qqguard_log(const char *program);

/* Are n descriptors open, from this one on? A caller that closed one made a
 * mistake that must not pass for an empty message. QF_EREAD. */
int qf_qqguard_fds(int first, size_t n, struct qf_err *e);

#endif
