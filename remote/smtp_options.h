/*
 * The options of the protocol module `smtp` (nullmailer-send(8), PROTOCOL
 * OPTIONS, and qfront-smtp(8)), and what they come to.
 */
#ifndef QF_REMOTE_SMTP_OPTIONS_H
#define QF_REMOTE_SMTP_OPTIONS_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/net/tls.h"
#include "remote/auth/auth.h"
#include "remote/module.h"
#include "remote/auth/secret.h"
#include "remote/smtp/session.h"

/* As they were given; zeroed memory is none. */
struct qf_smtp_options {
	const char *host, *source, *proxy, *proxy_pass_file;
	unsigned port; /* 0: the default */
	const char *user, *pass, *pass_file, *token_file, *mechanisms;
	bool auth_login, auth_external, insecure_auth;
	bool tls, ssl, starttls;
	const char *certfile, *keyfile, *cafile, *crlfile;
	bool der, insecure, anonymous;
	const char *tls_min, *fingerprint;
	bool no_pipelining, no_chunking;
};

extern const struct qf_module_option qf_smtp_options[];

/* Do they go together? Fills in the port. QF_EINVAL. */
int qf_smtp_options_check(struct qf_smtp_options *o, struct qf_err *e);

/* Is TLS used at all, and how does it begin? */
enum qf_smtp_tls qf_smtp_options_tls(const struct qf_smtp_options *o);
/* QF_EINVAL when tls-min is no version. */
int qf_smtp_options_tls_conf(
    const struct qf_smtp_options *o, struct qf_tls_conf *out, struct qf_err *e);
/* How to log in; a secret in a file is read into `secret`, and where everybody
 * can read that file the log says so. QF_EINVAL, QF_ECONF and as
 * qf_secret_read(). */
int qf_smtp_options_login(const struct qf_smtp_options *o,
    struct qf_auth_spec *out, struct qf_secret *secret, struct qf_err *e);

#endif
