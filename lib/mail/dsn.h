/*
 * Delivery status notifications (RFC 3464 in multipart/report, RFC 6522).
 *
 * Whatever addresses, diagnostics and the original hold, it can not end a
 * header field, a line or a part of the notification: controls become `?`,
 * long lines are cut or folded, and the boundary occurs in no part.
 */
#ifndef QF_MAIL_DSN_H
#define QF_MAIL_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	QF_DSN_STATUS_SIZE = 10,      /* "5.ddd.ddd" and the NUL */
	QF_DSN_HEADER_MAX = 64 << 10, /* of the original, in bytes */
};

/* Delivery time expired (RFC 3463 section 3.5, X.4.7). */
#define QF_DSN_STATUS_EXPIRED "5.4.7"

struct qf_dsn_rcpt {
	const char *address;
	const char *status;     /* RFC 3463, such as "5.1.1" */
	const char *diagnostic; /* what the remote said, or NULL */
	const char *remote;     /* Remote-MTA, a host name, or NULL */
};

struct qf_dsn {
	const char *me;     /* our host name: Reporting-MTA, From */
	const char *sender; /* of the original message: To */
	const char *id;     /* of the original in our queue */
	int64_t arrived;    /* of the original, wall clock */
	int64_t now;
	const struct qf_dsn_rcpt *rcpt;
	size_t nrcpt;
	int original; /* a descriptor to read the original from its start */
	bool brief;   /* of its header only what identifies it */
};

/* Appends the whole message, header included. The original's header is
 * attached (text/rfc822-headers), its body is not. A brief one is for who
 * refused the other: it is at most some KiB longer than what is said of the
 * recipients. QF_EREAD. */
int qf_dsn_format(const struct qf_dsn *d, struct qf_buf *out, struct qf_err *e);

/*
 * The SMTP reply in a diagnostic, or NULL: the first reply code that stands at
 * its start or after `: `, as in `mx.example:25: MAIL FROM:<a@x>: 550 no`.
 */
const char *qf_dsn_find_reply(const char *diagnostic);

/*
 * The enhanced status code of that reply (RFC 2034), when it is a permanent
 * one: `5.d.d` right after the reply code 5dd, nowhere else. False and "5.0.0"
 * when there is none.
 */
bool qf_dsn_reply_status(const char *diagnostic, char out[QF_DSN_STATUS_SIZE]);

#endif
