/*
 * The client's side of SMTP (RFC 5321) and LMTP (RFC 2033) sessions as an
 * engine without I/O: bytes from the server in, bytes for the server out, and
 * the time at which waiting is over. Sockets, TLS and the clock are the
 * driver's (run.h).
 *
 * A session is opened once (greeting, EHLO, STARTTLS, AUTH) and then carries
 * one message after the other. What must stay true:
 *  - the end of a message goes out only after every byte of it was read, and
 *    after at least one recipient, or with `together` all of them, was
 *    accepted;
 *  - a reply counts only for a command that had left before the reply began;
 *  - what stood in clear before TLS is forgotten: offers, and bytes that came
 *    behind the reply to STARTTLS;
 *  - secrets go out under TLS only, unless the caller allows otherwise, and
 *    never into a text;
 *  - once the result of a message stands, nothing changes it;
 *  - memory stays under 512 KiB and 1000 bytes for each recipient that is
 *    refused, whatever the server says.
 */
#ifndef QF_REMOTE_SMTP_SESSION_H
#define QF_REMOTE_SMTP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "remote/smtp/ehlo.h"
#include "remote/smtp/mail.h"

struct qf_auth;

/* Milliseconds for each step (RFC 5321 section 4.5.3.2). */
struct qf_smtp_timeouts {
	int64_t greeting;
	int64_t command; /* EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT */
	int64_t data;    /* the reply to DATA */
	int64_t block; /* to pass on each QF_SMTP_BLOCK bytes of the message */
	int64_t end;   /* the reply to the end of the message */
	int64_t total; /* from the connection to READY, then for each message;
			* QF_NEVER: no limit. What a message takes on a line of
			* at least 400 bytes a second is not counted */
};

enum {
	QF_SMTP_BLOCK = 4096,
	/* A message of at most so many bytes on the wire may go out in one
	 * piece with its envelope. */
	QF_SMTP_CHUNK = 65536
};

extern const struct qf_smtp_timeouts qf_smtp_timeouts_rfc;

enum qf_smtp_tls {
	QF_SMTP_TLS_NEVER, /* STARTTLS is not used */
	QF_SMTP_TLS_MAY,   /* ... when it is offered */
	QF_SMTP_TLS_MUST,  /* ... or nothing is sent */
	QF_SMTP_TLS_IS_ON  /* from the first byte */
};

/* About the connection; borrowed until qf_smtp_free(). */
struct qf_smtp_setup {
	const char *helo;
	bool lmtp;
	bool once; /* QUIT as soon as the first result stands */
	enum qf_smtp_tls tls;
	/* TLS has failed before, so it is not used: a server that asks for it
	 * (530) is one to come back to. */
	bool tls_failed;
	struct qf_auth *auth; /* NULL: no authentication */
	/* Extensions that are not to be used, whatever the server offers. */
	bool no_pipelining, no_chunking;
	const struct qf_smtp_timeouts *timeouts;
};

enum qf_smtp_wants {
	QF_SMTP_WANTS_IO,        /* bytes, or that time passes */
	QF_SMTP_WANTS_HANDSHAKE, /* TLS, then qf_smtp_secured() */
	QF_SMTP_WANTS_MAIL,      /* qf_smtp_send(), or qf_smtp_quit() */
	QF_SMTP_WANTS_NOTHING    /* close the connection */
};

struct qf_smtp;

/* May the name stand after EHLO? */
bool qf_smtp_helo_is_safe(struct qf_span name);

/* Times are points on one clock in milliseconds, never going back. */
struct qf_smtp *qf_smtp_new(const struct qf_smtp_setup *setup, int64_t now);
void qf_smtp_free(struct qf_smtp **s);

enum qf_smtp_wants qf_smtp_wants(const struct qf_smtp *s);
/* Are there bytes to send? Reading is always in order before the end. */
bool qf_smtp_wants_write(const struct qf_smtp *s);
/* When qf_smtp_expired() is due. */
int64_t qf_smtp_deadline(const struct qf_smtp *s);

/* The next message, borrowed until its result stands; in order when the
 * session wants one, or once before that: it is sent as soon as possible. */
void qf_smtp_send(
    struct qf_smtp *s, const struct qf_smtp_mail *mail, int64_t now);
/* Ends the session politely; no reply is waited for. */
void qf_smtp_quit(struct qf_smtp *s, int64_t now);

/* The next bytes for the server, until the next call of any of these; may
 * read from the source. Empty when there are none after all. */
struct qf_span qf_smtp_pending(struct qf_smtp *s);
void qf_smtp_sent(struct qf_smtp *s, size_t n, int64_t now);
void qf_smtp_received(struct qf_smtp *s, struct qf_span in, int64_t now);
/* The handshake is done, or failed and why. */
void qf_smtp_secured(struct qf_smtp *s, int64_t now);
void qf_smtp_not_secured(struct qf_smtp *s, const char *why);
/* The connection ended: why, or NULL when the server closed it. */
void qf_smtp_closed(struct qf_smtp *s, const char *why);
void qf_smtp_expired(struct qf_smtp *s);

/* Of the last message; of the session as far as it came when it failed
 * before. The outcome is QF_SMTP_PENDING until it stands. */
const struct qf_smtp_result *qf_smtp_result(const struct qf_smtp *s);
/* What the server offers; all false before EHLO was answered. */
const struct qf_smtp_ehlo *qf_smtp_offers(const struct qf_smtp *s);

#endif
