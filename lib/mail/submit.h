/*
 * Handing a message to the queue: what every submitter uses (bounces,
 * sendmail, the SMTP listener), whatever stands behind it.
 *
 * Today that is a program with the qmail-queue interface: QMAILQUEUE from the
 * environment, else qfront; message on its descriptor 0, envelope on 1, text
 * of a refusal on 2 (exit 88) or 6 (exit 82), exit code. Calling order: open,
 * write any number of times, then one close with the envelope. When something
 * fails on the way, close still gives the answer of the program: it says more
 * than a broken pipe; only its 0 counts as 54 then. SIGPIPE is never raised.
 *
 * What the program writes to its descriptor 2 goes to ours, except a line that
 * is the text of a refusal: the last one. Of descriptor 6 the first one counts.
 */
#ifndef QF_MAIL_SUBMIT_H
#define QF_MAIL_SUBMIT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/mail/envelope.h"

struct qf_submit;

struct qf_submit_options {
	/* The words of a command; NULL: what `program` says. */
	char *const *argv;
	/* A path. NULL: QMAILQUEUE, a path or a command, its
	 * program found as lib/base/program.h says; SBINDIR/qfront when it is
	 * unset or empty, or when NULLQUEUE is set, which qfront obeys. */
	const char *program;
	int64_t deadline; /* for the whole run; 0: a day from now */
};

struct qf_submit_result {
	/* Exit code of the program; 123 when a signal killed it, 122 when its
	 * status can not be had, 52 when it was stopped at the deadline, 54
	 * instead of 0 when it did not get all. */
	int code;
	char letter;    /* K, D, Z */
	char text[256]; /* for the sender: one printable line, no letter */
	long pid;       /* of the program: qmail's "qp" */
};

/* QF_EEXEC, QF_EFORK, QF_EPIPE when the program can not be started; *out is
 * NULL then. options may be NULL. */
int qf_submit_open(struct qf_submit **out,
    const struct qf_submit_options *options, struct qf_err *e);
void qf_submit_write(struct qf_submit *s, const void *p, size_t n);
/* Sends the envelope and waits for the answer. Frees *s. */
void qf_submit_close(struct qf_submit **s, const struct qf_envelope *env,
    struct qf_submit_result *result);
/* Gives up: the program sees an envelope that ends early and drops the
 * message. Frees *s. */
void qf_submit_abort(struct qf_submit **s);

#endif
