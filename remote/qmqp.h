/*
 * The client's side of QMQP (cr.yp.to/proto/qmqp.html) as an engine without
 * I/O, as remote/smtp/session.h is one: one netstring with the message, the
 * sender and the recipients goes out, one netstring with the result comes back.
 *
 * A message goes to all of its recipients or to none: the protocol has one
 * answer. What must stay true: the last byte, a comma without which no server
 * takes the message, goes out only after every byte of the message was read; a
 * K counts only after that; once the outcome stands, nothing that the server
 * does changes it; memory stays under 256 KiB, whatever the server sends.
 */
#ifndef QF_REMOTE_QMQP_H
#define QF_REMOTE_QMQP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

enum {
	QF_QMQP_BLOCK = 4096,      /* bytes to be passed on in one time */
	QF_QMQP_REPLY_MAX = 65535, /* bytes of a reply */
	QF_QMQP_TEXT_MAX = 512     /* bytes of it that are kept */
};

/* Next bytes of the message: their number, 0 at the end, negative with e filled
 * when it can not be read. */
typedef long qf_qmqp_source_fn(void *ctx, char *p, size_t n, struct qf_err *e);

/* Milliseconds for each step. */
struct qf_qmqp_timeouts {
	int64_t block; /* to pass on each QF_QMQP_BLOCK bytes */
	int64_t reply;
};

extern const struct qf_qmqp_timeouts qf_qmqp_timeouts_default;

/* What is to be done; borrowed until qf_qmqp_free(). */
struct qf_qmqp_job {
	const char *sender;
	const struct qf_strv *rcpt; /* at least one */
	uint64_t size;              /* of the message, which the source gives */
	qf_qmqp_source_fn *source;
	void *source_ctx;
	const struct qf_qmqp_timeouts *timeouts;
	int64_t end; /* when all must be over, or QF_NEVER */
};

enum qf_qmqp_outcome {
	QF_QMQP_PENDING,  /* not known yet */
	QF_QMQP_SENT,     /* K: the server took it */
	QF_QMQP_DEFERRED, /* Z: it may take it later */
	QF_QMQP_REFUSED,  /* D: it will never do */
	QF_QMQP_CONFUSED, /* a reply that is none, or comes too early */
	QF_QMQP_CLOSED,   /* the server closed before it answered */
	QF_QMQP_TIMED_OUT,
	QF_QMQP_UNSENT, /* closed while the message was being written */
	QF_QMQP_UNREAD  /* the message can not be read */
};

struct qf_qmqp_result {
	enum qf_qmqp_outcome outcome;
	bool maybe_taken;   /* all was sent, and no answer came */
	struct qf_buf text; /* `phase: what happened`, one printable line */
};

struct qf_qmqp;

/* Times are points on one clock in milliseconds, never going back. */
struct qf_qmqp *qf_qmqp_new(const struct qf_qmqp_job *job, int64_t now);
void qf_qmqp_free(struct qf_qmqp **q);

/* Has it come to its end? Close the connection then. */
bool qf_qmqp_is_done(const struct qf_qmqp *q);
/* Are there bytes to send? Reading is always in order before the end. */
bool qf_qmqp_wants_write(const struct qf_qmqp *q);
/* When qf_qmqp_expired() is due. */
int64_t qf_qmqp_deadline(const struct qf_qmqp *q);

/* The next bytes for the server, until the next call of any of these; may read
 * from the source. Empty when there are none after all. */
struct qf_span qf_qmqp_pending(struct qf_qmqp *q);
void qf_qmqp_sent(struct qf_qmqp *q, size_t n, int64_t now);
void qf_qmqp_received(struct qf_qmqp *q, struct qf_span in);
/* The connection ended: why, or NULL when the server closed it. */
void qf_qmqp_closed(struct qf_qmqp *q, const char *why);
void qf_qmqp_expired(struct qf_qmqp *q);

/* Stands once it is done. */
const struct qf_qmqp_result *qf_qmqp_result(const struct qf_qmqp *q);

#endif
