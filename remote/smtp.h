/*
 * The client's side of an SMTP session (RFC 5321) as an engine without I/O:
 * bytes from the server in, bytes for the server out, and the time at which
 * waiting is over. Sockets, TLS and the clock are the driver's (smtp_run.h).
 *
 * One session sends one message to all of its recipients or to none. What
 * must stay true: the final dot goes out only after every recipient was
 * accepted and every byte of the message was read; a reply counts only for a
 * command that was sent before the reply began; once the outcome stands,
 * nothing that the server does changes it; memory stays under 512 KiB.
 */
#ifndef QF_REMOTE_SMTP_H
#define QF_REMOTE_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"
#include "remote/smtp_ehlo.h"

/* Next bytes of the message, LF or CR LF line ends: their number, 0 at the
 * end, negative with e filled when it can not be read. */
typedef long qf_smtp_source_fn(void *ctx, char *p, size_t n, struct qf_err *e);

/* Milliseconds for each step (RFC 5321 section 4.5.3.2). */
struct qf_smtp_timeouts {
	int64_t greeting;
	int64_t command; /* EHLO, HELO, MAIL, RCPT */
	int64_t data;    /* the reply to DATA */
	int64_t block; /* to pass on each QF_SMTP_BLOCK bytes of the message */
	int64_t end;   /* the reply to the final dot */
};

enum {
	QF_SMTP_BLOCK = 4096
};

extern const struct qf_smtp_timeouts qf_smtp_timeouts_rfc;

/* What is to be done; borrowed until qf_smtp_free(). The addresses are as
 * they go between the brackets. */
struct qf_smtp_job {
	const char *helo;
	const char *sender;
	const struct qf_strv *rcpt; /* at least one */
	qf_smtp_source_fn *source;
	void *source_ctx;
	const struct qf_smtp_timeouts *timeouts;
};

enum qf_smtp_outcome {
	QF_SMTP_PENDING,  /* not known yet */
	QF_SMTP_SENT,     /* accepted after the final dot */
	QF_SMTP_DEFERRED, /* 4xx; or 5xx to greeting, EHLO and HELO, which is
			   * about the server and not about the message */
	QF_SMTP_SOME_DEFERRED, /* 4xx to some recipients, not to all */
	QF_SMTP_REFUSED,       /* 5xx to MAIL, RCPT, DATA or the message */
	QF_SMTP_CONFUSED,      /* a reply that is none, or out of place */
	QF_SMTP_CLOSED,        /* the server closed before it answered */
	QF_SMTP_TIMED_OUT,
	QF_SMTP_UNSENT, /* the same, while the message was being written */
	QF_SMTP_UNREAD  /* the message can not be read */
};

struct qf_smtp_result {
	enum qf_smtp_outcome outcome;
	int code;           /* of the reply that decided, or 0 */
	bool maybe_taken;   /* no answer came to the final dot */
	struct qf_buf text; /* `phase: what happened`, one printable line */
};

struct qf_smtp;

/* May the name stand after EHLO? */
bool qf_smtp_helo_is_safe(struct qf_span name);

/* Times are points on one clock in milliseconds, never going back. */
struct qf_smtp *qf_smtp_new(const struct qf_smtp_job *job, int64_t now);
void qf_smtp_free(struct qf_smtp **s);

/* Has the session come to its end? Close the connection then. */
bool qf_smtp_is_done(const struct qf_smtp *s);
/* Are there bytes to send? Reading is always in order before the end. */
bool qf_smtp_wants_write(const struct qf_smtp *s);
/* When qf_smtp_expired() is due. */
int64_t qf_smtp_deadline(const struct qf_smtp *s);

/* The next bytes for the server, until the next call of any of these; may
 * read from the source. Empty when there are none after all. */
struct qf_span qf_smtp_pending(struct qf_smtp *s, int64_t now);
void qf_smtp_sent(struct qf_smtp *s, size_t n, int64_t now);
void qf_smtp_received(struct qf_smtp *s, struct qf_span in, int64_t now);
/* The connection ended: why, or NULL when the server closed it. */
void qf_smtp_closed(struct qf_smtp *s, const char *why);
void qf_smtp_expired(struct qf_smtp *s);

/* Stands once the session is done. */
const struct qf_smtp_result *qf_smtp_result(const struct qf_smtp *s);
/* What the server offered; all false before EHLO was answered. */
const struct qf_smtp_ehlo *qf_smtp_offers(const struct qf_smtp *s);

#endif
