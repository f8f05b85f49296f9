/*
 * AUTH (RFC 4954) as the client sees it, without I/O: which mechanism, and
 * what is answered to each challenge. The session sends the lines
 * (remote/smtp/session.h).
 *
 * What must stay true: a mechanism that shows the secret to whoever listens is
 * chosen only over TLS, or where the user has allowed it; whatever the server
 * sends, the work and the memory have limits; no text and no log ever holds a
 * secret; memory of ours that held one is overwritten.
 *
 * The order of calls: qf_auth_choose() once the capabilities are known,
 * qf_auth_first(), qf_auth_next() for each 334, qf_auth_done() on 235.
 * qf_auth_choose() starts anew, for the next connection.
 */
#ifndef QF_REMOTE_AUTH_AUTH_H
#define QF_REMOTE_AUTH_AUTH_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

enum {
	QF_AUTH_LINE_MAX = 12286, /* RFC 4954: of a line, without CR LF */
	QF_AUTH_SAID_MAX = 300,
	/* SCRAM: how often the password is hashed. More would be an attack on
	 * our time; fewer, without TLS, on the password (RFC 5802). */
	QF_AUTH_ROUNDS_MAX = 2000000,
	QF_AUTH_ROUNDS_MIN = 4096
};

struct qf_auth_spec {
	const char *mechanisms; /* to be tried in this order, separated by
				 * commas or blanks; NULL: all, the strongest
				 * first */
	const char *user, *pass;
	const char *token; /* OAuth 2.0 bearer token */
	const char *host;  /* that is connected to */
	unsigned port;
	bool external;  /* EXTERNAL only: the client's certificate */
	bool login;     /* LOGIN only, also if it is not offered */
	bool cleartext; /* a secret may go over a connection without TLS */
};

struct qf_auth;

/* Does the spec ask for a login? */
bool qf_auth_is_wanted(const struct qf_auth_spec *spec);
/* QF_EINVAL for what can never work: an unknown mechanism, a user without a
 * secret, characters that no mechanism can send. */
int qf_auth_check(const struct qf_auth_spec *spec, struct qf_err *e);

/* Strings of the spec are borrowed. */
struct qf_auth *qf_auth_new(const struct qf_auth_spec *spec);
void qf_auth_free(struct qf_auth **a);

/*
 * Picks a mechanism. 0 with its name; QF_ENOENT when none is in common, e
 * names what the server offers and what we could do; QF_EINVAL when only such
 * remain that need TLS, when the spec is wrong, or user and password do not fit
 * any.
 */
int qf_auth_choose(struct qf_auth *a, const struct qf_strv *offered,
    bool secure, const char **mechanism, struct qf_err *e);
/* Appends the initial response in base64, `=` for an empty one: 0; 1 when there
 * is none, as the server begins. */
int qf_auth_first(struct qf_auth *a, struct qf_buf *out, struct qf_err *e);
/* Appends the answer to a 334 with this text: 0; negative: there is none, the
 * session sends `*`. */
int qf_auth_next(struct qf_auth *a, struct qf_span challenge,
    struct qf_buf *out, struct qf_err *e);
/* On 235: 0, or QF_EPROTO when the mechanism is not complete; for SCRAM, when
 * the server has not proved who it is. Then nothing may be sent to it. */
int qf_auth_done(struct qf_auth *a, struct qf_err *e);

/* What the server said about the failure inside of the mechanism, printable,
 * without secrets; or NULL. */
const char *qf_auth_said(const struct qf_auth *a);
/* Hides the secrets in a text of the server, which may repeat what it got. */
void qf_auth_hide(const struct qf_auth *a, struct qf_buf *text);

#endif
