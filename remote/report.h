/*
 * The reports of qmail-remote(8): for recipients, in their order, and then one
 * for the message. Each is a letter, a text and a zero byte.
 */
#ifndef QF_REMOTE_REPORT_H
#define QF_REMOTE_REPORT_H

#include "lib/base/buf.h"
#include "remote/smtp/mail.h"

enum qf_report {
	QF_REPORT_ACCEPTED = 'r',
	QF_REPORT_REFUSED = 'h',  /* a recipient, for good */
	QF_REPORT_DEFERRED = 's', /* a recipient, for now */
	QF_REPORT_SENT = 'K',
	QF_REPORT_LATER = 'Z',
	QF_REPORT_FAILED = 'D'
};

void qf_report_add(struct qf_buf *out, enum qf_report letter, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* What a server, known by its address, said of one recipient; false, and
 * nothing is added, when it said nothing. */
bool qf_report_recipient(
    struct qf_buf *out, const struct qf_smtp_said *said, const char *ip);

/* What became of the message; tls is what TLS came to, or empty. */
void qf_report_message(struct qf_buf *out, const struct qf_smtp_result *result,
    const char *ip, const char *tls);

#endif
