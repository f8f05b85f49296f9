#include "remote/smtp_options.h"

#include <stddef.h>

enum {
	SMTP_PORT = 25,
	SMTPS_PORT = 465
};

#define AT(field) offsetof(struct qf_smtp_options, field)

/* clang-format off */
const struct qf_module_option qf_smtp_options[] = {
    {"host", 0, QF_MODULE_TEXT, AT(host), NULL, "HOST",
	"name or address of the server; required"},
    {"port", 'p', QF_MODULE_PORT, AT(port), NULL, "N",
	"TCP port; default 25, and 465 with tls"},
    {"source", 0, QF_MODULE_TEXT, AT(source), NULL, "ADDR",
	"address or name to connect from"},
    {"proxy", 0, QF_MODULE_TEXT, AT(proxy), NULL, "HOST:PORT",
	"SOCKS5 proxy to connect through"},
    {"proxy-pass-file", 0, QF_MODULE_TEXT, AT(proxy_pass_file), NULL, "FILE",
	"file whose first line is the password for the proxy"},
    {"user", 0, QF_MODULE_TEXT, AT(user), NULL, "NAME", "user name"},
    {"pass", 0, QF_MODULE_SECRET, AT(pass), NULL, "WORD",
	"password; on descriptor 0 only"},
    {"pass-file", 0, QF_MODULE_TEXT, AT(pass_file), NULL, "FILE",
	"file whose first line is the password"},
    {"oauth-token-file", 0, QF_MODULE_TEXT, AT(token_file), NULL, "FILE",
	"file whose first line is an OAuth 2.0 bearer token"},
    {"auth", 0, QF_MODULE_TEXT, AT(mechanisms), NULL, "LIST",
	"mechanisms that may be used, the best first"},
    {"auth-login", 0, QF_MODULE_FLAG, AT(auth_login), NULL, NULL,
	"use AUTH LOGIN, offered or not"},
    {"auth-external", 0, QF_MODULE_FLAG, AT(auth_external), NULL, NULL,
	"log in by the client certificate"},
    {"insecure-auth", 0, QF_MODULE_FLAG, AT(insecure_auth), NULL, NULL,
	"send passwords also without TLS"},
    {"tls", 0, QF_MODULE_FLAG, AT(tls), NULL, NULL, "TLS from the first byte"},
    {"ssl", 0, QF_MODULE_FLAG, AT(ssl), NULL, NULL, "the same as tls"},
    {"starttls", 0, QF_MODULE_FLAG, AT(starttls), NULL, NULL,
	"require STARTTLS"},
    {"x509certfile", 0, QF_MODULE_TEXT, AT(certfile), NULL, "FILE",
	"client certificate"},
    {"x509keyfile", 0, QF_MODULE_TEXT, AT(keyfile), NULL, "FILE", "its key"},
    {"x509cafile", 0, QF_MODULE_TEXT, AT(cafile), NULL, "FILE",
	"trusted authorities"},
    {"x509crlfile", 0, QF_MODULE_TEXT, AT(crlfile), NULL, "FILE",
	"revocation list"},
    {"x509fmtder", 0, QF_MODULE_FLAG, AT(der), NULL, NULL,
	"these files are DER"},
    {"insecure", 0, QF_MODULE_FLAG, AT(insecure), NULL, NULL,
	"accept any certificate"},
    {"tls-anon-auth", 0, QF_MODULE_FLAG, AT(anonymous), NULL, NULL,
	"anonymous key exchange; with insecure"},
    {"tls-min", 0, QF_MODULE_TEXT, AT(tls_min), NULL, "VERSION",
	"oldest version: 1.0, 1.1, 1.2 (default) or 1.3"},
    {"tls-fingerprint", 0, QF_MODULE_TEXT, AT(fingerprint), NULL, "HEX",
	"SHA-256 of the certificate, or spki:HEX of its key"},
    {"no-pipelining", 0, QF_MODULE_FLAG, AT(no_pipelining), NULL, NULL,
	"one command after the other"},
    {"no-chunking", 0, QF_MODULE_FLAG, AT(no_chunking), NULL, NULL,
	"DATA, never BDAT"},
    {0},
};
/* clang-format on */

static bool wants_tls(const struct qf_smtp_options *o)
{
	return o->tls || o->ssl || o->starttls;
}

/* The first option that says something about TLS, or NULL. */
static const char *about_tls(const struct qf_smtp_options *o)
{
	const struct {
		bool given;
		const char *name;
	} all[] = {
	    {o->certfile != NULL, "x509certfile"},
	    {o->keyfile != NULL, "x509keyfile"},
	    {o->cafile != NULL, "x509cafile"},
	    {o->crlfile != NULL, "x509crlfile"},
	    {o->anonymous, "tls-anon-auth"},
	    {o->tls_min != NULL, "tls-min"},
	    {o->fingerprint != NULL, "tls-fingerprint"},
	    {o->auth_external, "auth-external"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (all[i].given)
			return all[i].name;
	}
	return NULL;
}

static int check_tls(const struct qf_smtp_options *o, struct qf_err *e)
{
	const char *name = about_tls(o);

	if (!wants_tls(o) && name != NULL)
		return qf_fail(e, QF_EINVAL,
		    "option %s needs TLS, which no option asks for: nothing "
		    "would be encrypted",
		    name);
	if (o->keyfile != NULL && o->certfile == NULL)
		return qf_fail(e, QF_EINVAL,
		    "option x509keyfile needs x509certfile, the certificate "
		    "of that key");
	if (o->auth_external && o->certfile == NULL)
		return qf_fail(e, QF_EINVAL,
		    "option auth-external needs x509certfile, the certificate "
		    "that it logs in by");
	return 0;
}

static int check_secrets(const struct qf_smtp_options *o, struct qf_err *e)
{
	if ((o->pass != NULL) + (o->pass_file != NULL) +
		(o->token_file != NULL) >
	    1)
		return qf_fail(e, QF_EINVAL,
		    "only one of pass, pass-file and oauth-token-file can be "
		    "used");
	return 0;
}

int qf_smtp_options_check(struct qf_smtp_options *o, struct qf_err *e)
{
	if (o->host == NULL)
		return qf_fail(e, QF_EINVAL,
		    "no host: give host=NAME as the first option");
	if (o->proxy_pass_file != NULL && o->proxy == NULL)
		return qf_fail(
		    e, QF_EINVAL, "option proxy-pass-file needs proxy");
	if (check_tls(o, e) < 0 || check_secrets(o, e) < 0)
		return QF_EINVAL;
	if (o->port == 0)
		o->port = o->tls || o->ssl ? SMTPS_PORT : SMTP_PORT;
	return 0;
}

enum qf_smtp_tls qf_smtp_options_tls(const struct qf_smtp_options *o)
{
	if (o->tls || o->ssl)
		return QF_SMTP_TLS_IS_ON;
	return o->starttls ? QF_SMTP_TLS_MUST : QF_SMTP_TLS_NEVER;
}

int qf_smtp_options_tls_conf(
    const struct qf_smtp_options *o, struct qf_tls_conf *out, struct qf_err *e)
{
	*out = (struct qf_tls_conf){.cafile = o->cafile,
	    .crlfile = o->crlfile,
	    .certfile = o->certfile,
	    .keyfile = o->keyfile,
	    .der = o->der,
	    .insecure = o->insecure,
	    .anonymous = o->anonymous,
	    .fingerprint = o->fingerprint};
	if (o->tls_min == NULL)
		return 0;
	if (qf_tls_version_parse(o->tls_min, &out->min, e) < 0)
		return qf_err_context(e, "option tls-min");
	return 0;
}

int qf_smtp_options_login(const struct qf_smtp_options *o,
    struct qf_auth_spec *out, struct qf_secret *secret, struct qf_err *e)
{
	int rc;

	*out = (struct qf_auth_spec){.mechanisms = o->mechanisms,
	    .user = o->user,
	    .pass = o->pass,
	    .host = o->host,
	    .port = o->port,
	    .external = o->auth_external,
	    .login = o->auth_login,
	    .cleartext = o->insecure_auth};
	if (o->token_file != NULL)
		rc = qf_secret_take(
		    &out->token, "oauth-token", o->token_file, secret, e);
	else
		rc =
		    qf_secret_take(&out->pass, "pass", o->pass_file, secret, e);
	if (rc == 0 && secret->exposed)
		qf_secret_warn(
		    o->token_file != NULL ? o->token_file : o->pass_file);
	return rc;
}
