/*
 * From settings to a context.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/net/tls_internal.h"

static const struct {
	const char *text;
	int wire;
} versions[] = {
    [QF_TLS_MIN_DEFAULT] = {"", TLS1_2_VERSION},
    [QF_TLS_1_0] = {"1.0", TLS1_VERSION},
    [QF_TLS_1_1] = {"1.1", TLS1_1_VERSION},
    [QF_TLS_1_2] = {"1.2", TLS1_2_VERSION},
    [QF_TLS_1_3] = {"1.3", TLS1_3_VERSION},
};

int qf_tls_version_parse(
    const char *text, enum qf_tls_version *v, struct qf_err *e)
{
	for (int i = QF_TLS_1_0; i <= QF_TLS_1_3; i++) {
		if (strcmp(text, versions[i].text) == 0) {
			*v = (enum qf_tls_version)i;
			return 0;
		}
	}
	return qf_fail(e, QF_EINVAL,
	    "%.40s is no version of TLS: use 1.0, 1.1, 1.2 or 1.3", text);
}

static void set_limits(SSL_CTX *ctx, enum qf_tls_version min)
{
	bool is_old = min == QF_TLS_1_0 || min == QF_TLS_1_1;

	SSL_CTX_set_min_proto_version(ctx, versions[min].wire);
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A peer that sends what is no data gets no more than one record's
	 * time from us before deadlines are looked at. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_max_cert_list(ctx, QF_TLS_CHAIN_MAX);
	if (is_old) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	}
}

static int allow_anonymous(
    SSL_CTX *ctx, const struct qf_tls_conf *c, struct qf_err *e)
{
	if (!c->anonymous)
		return 0;
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	if (SSL_CTX_set_cipher_list(
		ctx, "ALL:!RC4:!eNULL:+aNULL:@SECLEVEL=0") == 1)
		return 0;
	return qf_fail(
	    e, QF_EINVAL, "anonymous key exchange: %s", qf_tls_text_reason());
}

static int check_conf(const struct qf_tls_conf *c, struct qf_err *e)
{
	if (c->anonymous && (!c->insecure || c->fingerprint != NULL))
		return qf_fail(e, QF_EINVAL,
		    "anonymous TLS (tls-anon-auth) has no certificate to "
		    "verify: it goes with insecure only, and without a "
		    "fingerprint");
	if (c->anonymous && c->min == QF_TLS_1_3)
		return qf_fail(e, QF_EINVAL,
		    "TLS 1.3 has no anonymous key exchange: leave out "
		    "tls-anon-auth, or allow TLS 1.2 (tls-min)");
	if (c->keyfile != NULL && c->certfile == NULL)
		return qf_fail(e, QF_EINVAL,
		    "key %.200s without a certificate: name its certificate "
		    "(x509certfile)",
		    c->keyfile);
	if (c->der && c->certfile != NULL && c->keyfile == NULL)
		return qf_fail(e, QF_EINVAL,
		    "certificate %.200s: a DER file holds no key beside: name "
		    "the file of the key (x509keyfile)",
		    c->certfile);
	return 0;
}

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_cert_verify_callback(ctx, qf_tls_verify, NULL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, qf_tls_verify_problem);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, qf_tls_cache_put);
	if (SSL_CTX_dane_enable(ctx) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int fill(struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e)
{
	int rc;

	t->wire = qf_tls_wire_method();
	t->ctx = new_ctx();
	if (t->wire == NULL || t->ctx == NULL)
		return qf_fail(e, QF_ECONF,
		    "the TLS library does not work here: %s",
		    qf_tls_text_reason());
	t->insecure = c->insecure;
	t->min = c->min;
	set_limits(t->ctx, c->min);
	rc = allow_anonymous(t->ctx, c, e);
	if (rc == 0 && c->fingerprint != NULL)
		rc = qf_tls_pin_parse(t, c->fingerprint, e);
	if (rc == 0)
		rc = qf_tls_load_trust(t, c, e);
	return rc < 0 ? rc : qf_tls_load_own(t, c, e);
}

int qf_tls_new(struct qf_tls **t, const struct qf_tls_conf *c, struct qf_err *e)
{
	struct qf_err why;
	int rc = check_conf(c, e != NULL ? e : &why);

	*t = NULL;
	if (rc < 0)
		return rc;
	*t = qf_alloc(sizeof **t);
	rc = fill(*t, c, e != NULL ? e : &why);
	if (rc < 0)
		qf_tls_free(t);
	return rc;
}

void qf_tls_free(struct qf_tls **t)
{
	if (*t == NULL)
		return;
	qf_tls_cache_free(*t);
	SSL_CTX_free((*t)->ctx);
	BIO_meth_free((*t)->wire);
	free(*t);
	*t = NULL;
}
