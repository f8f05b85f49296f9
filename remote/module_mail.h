/*
 * The message that a protocol module gets on descriptor 3.
 */
#ifndef QF_REMOTE_MODULE_MAIL_H
#define QF_REMOTE_MODULE_MAIL_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"
#include "remote/body.h"

/* What descriptor 3 gives: a line with the sender, lines with recipients, an
 * empty line, the message. */
struct qf_module_mail {
	struct qf_buf sender;
	struct qf_strv rcpt;
	struct qf_body body;
	bool utf8; /* an address needs SMTPUTF8 */
};

/* clang-format off */
#define QF_MODULE_MAIL_INIT {.sender = QF_BUF_INIT, .body = {.fd = -1}}
/* clang-format on */

/* QF_ENOENT when fd is not open or can not be positioned (12), QF_EREAD when
 * it can not be read or holds no whole envelope (13). */
int qf_module_mail_open(struct qf_module_mail *m, int fd, struct qf_err *e);
void qf_module_mail_free(struct qf_module_mail *m);

/* Puts all addresses into the form that goes between the brackets of an SMTP
 * command; QF_EFORMAT, and e names it, when one has no safe form. */
int qf_module_mail_quote(struct qf_module_mail *m, struct qf_err *e);

#endif
