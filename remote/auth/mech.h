/*
 * Between auth.c and the mechanisms.
 */
#ifndef QF_REMOTE_AUTH_MECH_H
#define QF_REMOTE_AUTH_MECH_H

#include <gsasl.h>

#include "remote/auth/auth.h"

enum {
	QF_MECH_USER = 1, /* what it needs */
	QF_MECH_PASS = 2,
	QF_MECH_TOKEN = 4,
	QF_MECH_TLS = 8,      /* makes no sense without */
	QF_MECH_CLEAR = 16,   /* whoever listens has the secret */
	QF_MECH_WAITS = 32,   /* the server begins */
	QF_MECH_PREPARE = 64, /* hashes user and password, so both sides need
			       * the same bytes (SASLprep) */
	QF_MECH_PROVES = 128  /* the server has to prove that it knows us */
};

struct qf_auth_mech {
	const char *name;
	unsigned flags;
	/* Before the first step; NULL: nothing to do. */
	int (*start)(struct qf_auth *a, struct qf_err *e);
	/* Appends the answer to `in`, which is empty at first, as bytes; sets
	 * complete. */
	int (*step)(struct qf_auth *a, struct qf_span in, struct qf_buf *out,
	    struct qf_err *e);
};

extern const struct qf_auth_mech qf_mech_scram_sha256, qf_mech_scram_sha1,
    qf_mech_cram_md5, qf_mech_plain, qf_mech_login; /* auth_gsasl.c */
extern const struct qf_auth_mech qf_mech_oauthbearer, qf_mech_xoauth2,
    qf_mech_external; /* auth_oauth.c */

struct qf_auth {
	struct qf_auth_spec spec;
	const struct qf_auth_mech *mech; /* chosen */
	bool secure;
	unsigned steps;      /* answers that were made */
	bool complete;       /* the client's side has all it needs */
	bool failed;         /* nothing can come of it any more */
	struct qf_buf said;  /* empty: nothing */
	struct qf_buf shown; /* lines that show the secret, for hiding */

	Gsasl *gsasl;
	Gsasl_session *session;
	unsigned long long rounds; /* that SCRAM refused, or 0 */
};

/* For a challenge after the last one that the mechanism has. */
int qf_auth_extra(const struct qf_auth *a, struct qf_err *e);
/* Keeps what the server said. */
void qf_auth_keep_said(struct qf_auth *a, struct qf_span text);

/* Base64 (RFC 4648), strict: 0, QF_ENOMEM, or QF_EPROTO for what is none. */
int qf_auth_encode(struct qf_span in, struct qf_buf *out, struct qf_err *e);
int qf_auth_decode(struct qf_span in, struct qf_buf *out, struct qf_err *e);

void qf_auth_gsasl_end(struct qf_auth *a); /* ends its session */
void qf_auth_gsasl_free(struct qf_auth *a);

#endif
