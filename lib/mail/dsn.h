/*
 * Delivery status notifications (RFC 3464 in multipart/report, RFC 6522).
 */
#ifndef QF_MAIL_DSN_H
#define QF_MAIL_DSN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

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
};

/* Appends the whole message, header included. The original's header is
 * attached (text/rfc822-headers), its body is not. QF_EREAD. */
int qf_dsn_format(const struct qf_dsn *d, struct qf_buf *out, struct qf_err *e);

#endif
