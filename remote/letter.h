/*
 * What qfront-remote is given to send: the message on descriptor 0, and the
 * addresses of its command line.
 */
#ifndef QF_REMOTE_LETTER_H
#define QF_REMOTE_LETTER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/spool.h"
#include "lib/base/strv.h"
#include "remote/body.h"
#include "remote/survey.h"

/* A recipient of the command line: why it can not be sent to, or its place
 * among those that a server hears of. */
struct qf_letter_rcpt {
	char *fault;
	size_t at;
};

struct qf_letter {
	struct qf_buf sender;        /* as it goes between the brackets */
	struct qf_letter_rcpt *rcpt; /* in the order of the command line */
	size_t nrcpt;
	struct qf_strv wire; /* those that can be sent to, in the same form */
	bool utf8;           /* an address needs SMTPUTF8 */

	struct qf_spool spool; /* of a message that is no file */
	struct qf_body body;
	struct qf_survey survey;
};

/* clang-format off */
#define QF_LETTER_INIT {.sender = QF_BUF_INIT, .spool = QF_SPOOL_INIT}
/* clang-format on */

/* The message of fd: a file from its offset on, or all that a pipe gives.
 * QF_EREAD, QF_EWRITE. */
int qf_letter_read(struct qf_letter *l, int fd, struct qf_err *e);
/* Addresses that have no safe form never reach a server: QF_EFORMAT for the
 * sender; recipients have each their own fault. */
int qf_letter_address(struct qf_letter *l, const char *sender, char **rcpt,
    size_t n, struct qf_err *e);
void qf_letter_free(struct qf_letter *l);

#endif
