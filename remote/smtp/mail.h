/*
 * One message for an SMTP session, and what became of it.
 */
#ifndef QF_REMOTE_SMTP_MAIL_H
#define QF_REMOTE_SMTP_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

/* Next bytes of the message, LF or CR LF line ends: their number, 0 at the
 * end, negative with e filled when it can not be read. */
typedef long qf_smtp_source_fn(void *ctx, char *p, size_t n, struct qf_err *e);

/* What a sender asked for (RFC 3461), in the form of the parameters; NULL:
 * nothing. */
struct qf_smtp_notify {
	const char *notify, *orcpt;
};

/* The addresses are as they go between the brackets. */
struct qf_smtp_mail {
	const char *sender;
	const struct qf_strv *rcpt; /* at least one */
	qf_smtp_source_fn *source;
	void *source_ctx;
	bool together; /* to all recipients or to none */
	uint64_t size; /* bytes on the wire, without doubled dots and the
			* end; 0: not known */
	bool eightbit; /* it has bytes above 127 */
	bool utf8;     /* addresses or header need SMTPUTF8 (RFC 6531) */
	const char *ret, *envid;             /* RFC 3461, or NULL */
	const struct qf_smtp_notify *notify; /* for each recipient, or NULL */
};

enum qf_smtp_step {
	QF_SMTP_GREETING,
	QF_SMTP_EHLO, /* or LHLO */
	QF_SMTP_HELO,
	QF_SMTP_STARTTLS, /* and the handshake */
	QF_SMTP_AUTH,
	QF_SMTP_RSET,
	QF_SMTP_MAIL,
	QF_SMTP_RCPT,
	QF_SMTP_DATA,
	QF_SMTP_BODY, /* the message is on its way */
	QF_SMTP_END,  /* its end, which may still be on its way */
	QF_SMTP_STEPS
};

enum qf_smtp_outcome {
	QF_SMTP_PENDING,  /* not known yet */
	QF_SMTP_SENT,     /* accepted at its end; of a recipient: accepted */
	QF_SMTP_DEFERRED, /* 4xx; or 5xx before MAIL, which is about the server
			   * and not about the message */
	QF_SMTP_SOME_DEFERRED, /* 4xx to some recipients, not to all */
	QF_SMTP_REFUSED,       /* 5xx to MAIL, RCPT, DATA or the message */
	QF_SMTP_UNFIT,         /* the server can not carry such a message */
	QF_SMTP_NO_TLS,        /* STARTTLS is needed and can not be had */
	QF_SMTP_NO_AUTH,       /* no way to log in, or it was refused */
	QF_SMTP_CONFUSED,      /* a reply that is none, or out of place */
	QF_SMTP_CLOSED,        /* the server closed before it answered */
	QF_SMTP_TIMED_OUT,
	QF_SMTP_UNSENT, /* the same, while the message was being written */
	QF_SMTP_UNREAD  /* the message can not be read */
};

/* What was said of one recipient. */
struct qf_smtp_said {
	/* The server has taken the message for it: with LMTP, which answers
	 * for each, also where the result is another. */
	bool delivered;
	enum qf_smtp_outcome outcome; /* PENDING, SENT, DEFERRED, REFUSED */
	int code;    /* 0: nobody was asked, as it needs SMTPUTF8 */
	char *reply; /* as in struct qf_smtp_result; NULL when accepted */
};

struct qf_smtp_result {
	enum qf_smtp_outcome outcome;
	enum qf_smtp_step step; /* at which it was decided */
	int code;               /* of the reply that decided, or 0 */
	bool maybe_taken;       /* no answer came to the end of the message */
	/* The connection was an old one and nothing was answered: another
	 * connection may do. */
	bool stale;
	bool too_big;        /* why UNFIT: else SMTPUTF8 is missing */
	struct qf_buf text;  /* `step: what happened`, one printable line */
	struct qf_buf reply; /* all lines of it, each `CODE text` LF; printable;
			      * empty when there was none */
	struct qf_smtp_said *rcpt; /* one for each recipient */
	size_t nrcpt, accepted;    /* recipients, and how many have SENT */
};

#endif
