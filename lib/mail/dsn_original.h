/*
 * What a delivery status notification tells of the message that failed: its
 * header, made harmless.
 */
#ifndef QF_MAIL_DSN_ORIGINAL_H
#define QF_MAIL_DSN_ORIGINAL_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct qf_dsn_original {
	struct qf_buf header; /* lines of at most 998 bytes, no NUL, no CR */
	struct qf_span msgid; /* in header, with its brackets; or empty */
	bool cut;             /* longer than QF_DSN_HEADER_MAX */
};

/* Reads it from the start of fd into a header that was started with
 * QF_BUF_INIT: all of it, or when it is to be brief only date, addresses,
 * subject and Message-ID, of at most a thousand bytes each. QF_EREAD. */
int qf_dsn_original_read(
    struct qf_dsn_original *o, int fd, bool brief, struct qf_err *e);

#endif
