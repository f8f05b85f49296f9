/*
 * The bounce for recipients that were refused while others of the message were
 * accepted. It holds the header of a message that nobody trusts, so a process
 * of its own writes it.
 */
#ifndef QF_FRONTEND_NOTIFY_H
#define QF_FRONTEND_NOTIFY_H

#include "frontend/judgement.h"
#include "lib/base/strv.h"
#include "lib/mail/envelope.h"

/* Who is refused, and why; zeroed memory is an empty one. */
struct qf_notice {
	struct qf_notice_rcpt *v;
	size_t n, cap;
	struct qf_strv strings;
};

void qf_notice_add(struct qf_notice *n, const struct qf_envelope *rcpts,
    const struct qf_judgement *j);
void qf_notice_free(struct qf_notice *n);

/* Writes it as a message for `sender`: *out is a descriptor for the caller to
 * close. QF_EWRITE, QF_EREAD, QF_EFORK, QF_ECRASH. */
int qf_notice_write(const struct qf_notice *n, const char *me,
    const char *sender, int original, int *out, struct qf_err *e);

#endif
