/*
 * The handshake: everything that is asked of the peer is set before it begins,
 * and nothing is believed before it has ended.
 */
#include "lib/net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/net/tls_internal.h"

enum {
	SECURITY_LEVEL = 2 /* of OpenSSL, where its own default is not ours */
};

static int usage(struct qf_tls_session *s, struct qf_err *e, const char *text)
{
	s->info.fault = QF_TLS_USAGE;
	return qf_fail(e, QF_EINVAL, "TLS: %s", text);
}

static bool set_sni(struct qf_tls_session *s, const char *name)
{
	char host[sizeof s->host];

	if (name == NULL || qf_tls_text_host(host, sizeof host, name) ||
	    host[0] == '\0')
		return true;
	return SSL_set_tlsext_host_name(s->ssl, host) == 1;
}

/* That the certificate must be for this name. */
static bool require_name(struct qf_tls_session *s, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
	bool is_address = qf_tls_text_host(s->host, sizeof s->host, name);

	SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (s->host[0] == '\0')
		return false;
	return is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, s->host) == 1
			  : SSL_set1_host(s->ssl, s->host) == 1;
}

/* Settings may be those for peers that nobody trusts. */
static void no_old_tls(struct qf_tls_session *s)
{
	if (s->min >= QF_TLS_1_2)
		return;
	s->min = QF_TLS_1_2;
	SSL_set_min_proto_version(s->ssl, TLS1_2_VERSION);
	SSL_set_security_level(s->ssl, SECURITY_LEVEL);
	SSL_clear_options(s->ssl, SSL_OP_LEGACY_SERVER_CONNECT);
}

static int use_records(
    struct qf_tls_session *s, const struct qf_tls_peer *p, struct qf_err *e)
{
	int used;

	if (p->dane_base == NULL || p->ntlsa == 0)
		return usage(s, e, "DANE without TLSA records or their name");
	if (qf_tls_text_host(s->host, sizeof s->host, p->dane_base) ||
	    !require_name(s, p->dane_base))
		return usage(s, e, "DANE: the name of the records is none");
	used = qf_tls_dane_use(s, p);
	if (used < 0)
		return usage(s, e, "DANE: the name of the records is none");
	if (used > 0) {
		no_old_tls(s);
	} else {
		s->mode = QF_TLS_VERIFY_NONE;
		s->info.dane_unusable = true;
	}
	return 0;
}

static int prepare(
    struct qf_tls_session *s, const struct qf_tls_peer *p, struct qf_err *e)
{
	const char *sni = p->sni;
	int rc = 0;

	if (s->ssl == NULL)
		return usage(s, e, qf_tls_text_reason());
	if (sni == NULL)
		sni = p->mode == QF_TLS_DANE ? p->dane_base : p->name;
	if (s->mode == QF_TLS_DANE)
		rc = use_records(s, p, e);
	else if (p->name != NULL && !require_name(s, p->name))
		rc = usage(s, e, "the name of the peer is none");
	if (rc == 0 && !set_sni(s, sni))
		rc = usage(s, e, "the name of the peer is too long");
	if (rc == 0 && s->mode == QF_TLS_VERIFY && !s->tls->has_trust &&
	    !s->tls->is_pinned) {
		s->info.fault = QF_TLS_USAGE;
		rc = qf_fail(e, QF_ECONF, "%s", s->tls->no_trust.text);
	}
	return rc;
}

static struct qf_tls_session *attach(
    struct qf_stream *st, struct qf_tls *t, const struct qf_tls_peer *p)
{
	struct qf_tls_session *s = qf_alloc(sizeof *s);
	BIO *b = BIO_new(t->wire);

	s->tls = t;
	s->mode = p->mode;
	s->min = s->tls->min;
	if (s->mode == QF_TLS_VERIFY && t->insecure)
		s->mode = QF_TLS_VERIFY_NONE;
	s->key = (struct qf_buf)QF_BUF_INIT;
	qf_tls_wire_init(&s->wire, st->fd);
	s->ssl = SSL_new(t->ctx);
	if (b == NULL || s->ssl == NULL) {
		BIO_free(b);
		SSL_free(s->ssl);
		s->ssl = NULL;
	} else {
		BIO_set_data(b, &s->wire);
		SSL_set_bio(s->ssl, b, b);
		SSL_set_app_data(s->ssl, s);
		SSL_set_connect_state(s->ssl);
	}
	st->ops = &qf_tls_ops;
	st->session = s;
	return s;
}

static int handshake(struct qf_stream *st, struct qf_tls_session *s,
    int64_t deadline, struct qf_err *e)
{
	for (;;) {
		int rc;

		ERR_clear_error();
		rc = SSL_do_handshake(s->ssl);
		if (rc == 1)
			return 0;
		if (SSL_get_error(s->ssl, rc) != SSL_ERROR_WANT_READ)
			return qf_tls_fault(s, e);
		if (qf_deadline_poll(deadline) == 0)
			return qf_tls_fault_late(s, e);
		rc = qf_stream_wait(st, QF_STREAM_READ, deadline, e);
		if (rc < 0 && rc != QF_ETIME)
			return rc;
	}
}

/* The handshake itself would have failed; this is the belt to the braces. */
static int is_believed(struct qf_tls_session *s, struct qf_err *e)
{
	if (s->mode == QF_TLS_VERIFY_NONE && !s->tls->is_pinned)
		return 0;
	if (s->info.verified >= QF_TLS_BY_CERTIFICATE)
		return 0;
	s->info.fault = QF_TLS_UNTRUSTED;
	return qf_fail(e, QF_EPERM, "TLS: the peer was not verified");
}

static void tell(struct qf_tls_session *s)
{
	bool unusable = s->info.dane_unusable;

	qf_tls_cache_adopt(s);
	s->info.dane_unusable = unusable;
	snprintf(s->info.version, sizeof s->info.version, "%s",
	    SSL_get_version(s->ssl));
	snprintf(s->info.cipher, sizeof s->info.cipher, "%s",
	    SSL_get_cipher_name(s->ssl));
	s->info.bits = SSL_get_cipher_bits(s->ssl, NULL);
}

int qf_tls_connect(struct qf_stream *st, struct qf_tls *t,
    const struct qf_tls_peer *p, int64_t deadline, struct qf_tls_info *info,
    struct qf_err *e)
{
	struct qf_tls_session *s = attach(st, t, p);
	struct qf_err why;
	int rc;

	if (e == NULL)
		e = &why;
	rc = prepare(s, p, e);
	if (rc == 0) {
		qf_tls_wire_fill(&s->wire);
		if (!s->wire.is_dry)
			rc = qf_tls_fault_early(s, e);
	}
	if (rc == 0) {
		qf_tls_cache_use(s, p);
		rc = handshake(st, s, deadline, e);
	}
	if (rc == 0) {
		tell(s);
		rc = is_believed(s, e);
	}
	s->is_up = rc == 0;
	if (rc < 0 && s->info.fault == QF_TLS_OK)
		s->info.fault = QF_TLS_FAILED;
	*info = s->info;
	if (rc < 0)
		qf_stream_close(st);
	return rc;
}
