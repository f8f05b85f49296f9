/*
 * Whether a certificate is believed, within the handshake, so that nothing is
 * sent to a peer that is not; and if not, what exactly is wrong with it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/base/clock.h"
#include "lib/net/tls_internal.h"

enum {
	AUTH_LEVEL = 2, /* 112 bits, as today's authorities have it */
	DATE_SIZE = 64,
	NAME_SIZE = 160
};

static struct qf_tls_session *session_of(X509_STORE_CTX *c)
{
	return SSL_get_app_data(X509_STORE_CTX_get_ex_data(
	    c, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

/* What is looked at when something is wrong. */
struct trouble {
	struct qf_tls_session *s;
	X509_STORE_CTX *c;
	X509 *cert;
	int code;
	char whose[NAME_SIZE + 40]; /* "certificate of ..." */
	char issuer[NAME_SIZE];
};

static void is_expired(struct trouble *t)
{
	char date[DATE_SIZE];

	qf_tls_text_time(date, sizeof date, X509_get0_notAfter(t->cert));
	qf_fail(&t->s->why, QF_EPERM, "%s expired on %s", t->whose, date);
}

static void is_early(struct trouble *t)
{
	char date[DATE_SIZE];

	qf_tls_text_time(date, sizeof date, X509_get0_notBefore(t->cert));
	qf_fail(
	    &t->s->why, QF_EPERM, "%s is not valid before %s", t->whose, date);
}

static void is_other_host(struct trouble *t)
{
	char hosts[200];

	qf_tls_text_hosts(hosts, sizeof hosts, t->cert);
	qf_fail(&t->s->why, QF_EPERM,
	    "the certificate is not for %.100s but for %s", t->s->host, hosts);
}

static void has_no_record(struct trouble *t)
{
	qf_fail(&t->s->why, QF_EPERM,
	    "no TLSA record of %.200s matches the certificate, which %s has "
	    "issued",
	    t->s->host, t->issuer);
}

static void is_self_signed(struct trouble *t)
{
	if (t->s->mode == QF_TLS_DANE) {
		has_no_record(t);
		return;
	}
	if (t->s->info.verified == QF_TLS_BY_NONE)
		t->s->info.verified = QF_TLS_SELF_SIGNED;
	qf_fail(&t->s->why, QF_EPERM,
	    "the certificate is self-signed (%s) and not trusted", t->issuer);
}

static void has_unknown_issuer(struct trouble *t)
{
	if (t->s->mode == QF_TLS_DANE) {
		has_no_record(t);
		return;
	}
	qf_fail(&t->s->why, QF_EPERM,
	    "%s was issued by an authority that is unknown here: %s", t->whose,
	    t->issuer);
}

static void is_revoked(struct trouble *t)
{
	qf_fail(&t->s->why, QF_EPERM, "%s has been revoked by %s", t->whose,
	    t->issuer);
}

static void has_no_list(struct trouble *t)
{
	qf_fail(&t->s->why, QF_EPERM,
	    "the revocation lists have none of %s, which issued the "
	    "certificate",
	    t->issuer);
}

static void has_old_list(struct trouble *t)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(t->c);
	char date[DATE_SIZE] = "an unknown date";

	if (crl != NULL)
		qf_tls_text_time(
		    date, sizeof date, X509_CRL_get0_nextUpdate(crl));
	qf_fail(&t->s->why, QF_EPERM,
	    "the revocation list of %s expired on %s: fetch a new one",
	    t->issuer, date);
}

static void is_weak(struct trouble *t)
{
	const EVP_PKEY *key = X509_get0_pubkey(t->cert);

	t->s->info.fault = QF_TLS_WEAK;
	qf_fail(&t->s->why, QF_EPERM,
	    "%s is too weak: %s (key of %d bits, signed with %s)", t->whose,
	    X509_verify_cert_error_string(t->code),
	    key != NULL ? EVP_PKEY_get_bits(key) : 0,
	    OBJ_nid2sn(X509_get_signature_nid(t->cert)));
}

static void is_otherwise_wrong(struct trouble *t)
{
	qf_fail(&t->s->why, QF_EPERM, "%s: %s", t->whose,
	    X509_verify_cert_error_string(t->code));
}

static const struct {
	int code;
	void (*explain)(struct trouble *t);
} explanations[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, is_expired},
    {X509_V_ERR_CERT_NOT_YET_VALID, is_early},
    {X509_V_ERR_HOSTNAME_MISMATCH, is_other_host},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, is_other_host},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, is_self_signed},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, has_unknown_issuer},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, has_unknown_issuer},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, has_unknown_issuer},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, has_unknown_issuer},
    {X509_V_ERR_CERT_REVOKED, is_revoked},
    {X509_V_ERR_UNABLE_TO_GET_CRL, has_no_list},
    {X509_V_ERR_CRL_HAS_EXPIRED, has_old_list},
    {X509_V_ERR_EE_KEY_TOO_SMALL, is_weak},
    {X509_V_ERR_CA_KEY_TOO_SMALL, is_weak},
    {X509_V_ERR_CA_MD_TOO_WEAK, is_weak},
    {X509_V_ERR_DANE_NO_MATCH, has_no_record},
};

static void explain(struct qf_tls_session *s, X509_STORE_CTX *c)
{
	struct trouble t = {.s = s,
	    .c = c,
	    .cert = X509_STORE_CTX_get_current_cert(c),
	    .code = X509_STORE_CTX_get_error(c)};
	char subject[NAME_SIZE];

	if (t.cert == NULL)
		t.cert = X509_STORE_CTX_get0_cert(c);
	qf_tls_text_name(
	    t.issuer, sizeof t.issuer, X509_get_issuer_name(t.cert));
	qf_tls_text_name(
	    subject, sizeof subject, X509_get_subject_name(t.cert));
	if (X509_STORE_CTX_get_error_depth(c) > 0)
		snprintf(t.whose, sizeof t.whose,
		    "the certificate of the authority %s", subject);
	else
		snprintf(t.whose, sizeof t.whose, "the certificate");
	for (size_t i = 0; i < sizeof explanations / sizeof *explanations;
	     i++) {
		if (explanations[i].code == t.code) {
			explanations[i].explain(&t);
			return;
		}
	}
	is_otherwise_wrong(&t);
}

static bool matches_pin(struct qf_tls_session *s, X509 *cert)
{
	unsigned char md[EVP_MAX_MD_SIZE], *der = NULL;
	char hex[2 * QF_TLS_PIN_SIZE + 1] = "";
	unsigned n = 0;
	bool is_key = s->tls->is_key_pinned;
	int len = is_key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
			 : i2d_X509(cert, &der);

	if (len > 0)
		EVP_Digest(der, (size_t)len, md, &n, EVP_sha256(), NULL);
	OPENSSL_free(der);
	if (n == QF_TLS_PIN_SIZE && memcmp(md, s->tls->pin, n) == 0) {
		s->info.verified = QF_TLS_BY_FINGERPRINT;
		return true;
	}
	qf_tls_text_hex(hex, sizeof hex, md, n);
	qf_fail(&s->why, QF_EPERM,
	    "the certificate has another fingerprint than given: %s:%s",
	    is_key ? "spki" : "sha256", hex);
	return false;
}

/* How it is verified is in s->info afterwards. */
static bool believes(struct qf_tls_session *s, X509_STORE_CTX *c)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(c);

	if (s->tls->is_pinned)
		return matches_pin(s, X509_STORE_CTX_get0_cert(c));
	if (s->mode == QF_TLS_VERIFY_NONE && !s->tls->has_trust) {
		qf_fail(&s->why, QF_EPERM, "nothing to verify it with");
		return false;
	}
	X509_VERIFY_PARAM_set_time(param, qf_clock_wall());
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	if (X509_verify_cert(c) > 0) {
		s->info.verified = s->mode == QF_TLS_DANE
				       ? QF_TLS_BY_DANE
				       : QF_TLS_BY_CERTIFICATE;
		return true;
	}
	/* Not all that can go wrong is told to the callback. */
	if (s->why.rc == 0)
		explain(s, c);
	return false;
}

int qf_tls_verify(X509_STORE_CTX *c, void *arg)
{
	struct qf_tls_session *s = session_of(c);
	X509 *cert = X509_STORE_CTX_get0_cert(c);

	(void)arg;
	qf_tls_text_name(s->info.subject, sizeof s->info.subject,
	    X509_get_subject_name(cert));
	qf_tls_text_name(
	    s->info.issuer, sizeof s->info.issuer, X509_get_issuer_name(cert));
	s->verified_at = qf_clock_mono();
	if (believes(s, c))
		return 1;
	if (s->mode == QF_TLS_VERIFY_NONE && !s->tls->is_pinned) {
		s->info.fault = QF_TLS_OK;
		snprintf(
		    s->info.problem, sizeof s->info.problem, "%s", s->why.text);
		X509_STORE_CTX_set_error(c, X509_V_OK);
		return 1;
	}
	if (s->info.fault == QF_TLS_OK)
		s->info.fault = QF_TLS_UNTRUSTED;
	if (X509_STORE_CTX_get_error(c) == X509_V_OK)
		X509_STORE_CTX_set_error(
		    c, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* The first problem is the one that is told, and here more is known of it than
 * afterwards. */
int qf_tls_verify_problem(int ok, X509_STORE_CTX *c)
{
	if (ok)
		return ok;
	if (X509_STORE_CTX_get_error(c) == X509_V_ERR_UNABLE_TO_GET_CRL &&
	    X509_STORE_CTX_get_error_depth(c) > 0) {
		X509_STORE_CTX_set_error(c, X509_V_OK);
		return 1;
	}
	explain(session_of(c), c);
	return 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF", *at;

	at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)((at - digits) % 16) : -1;
}

int qf_tls_pin_parse(struct qf_tls *t, const char *text, struct qf_err *e)
{
	const char *p = text;
	size_t n = 0;

	t->is_pinned = true;
	t->is_key_pinned = strncasecmp(p, "spki:", 5) == 0;
	if (t->is_key_pinned)
		p += 5;
	else if (strncasecmp(p, "sha256:", 7) == 0)
		p += 7;
	while (*p != '\0' && n < QF_TLS_PIN_SIZE) {
		int high = hex_digit(p[0]);
		int low = high < 0 ? -1 : hex_digit(p[1]);

		if (low < 0)
			break;
		t->pin[n++] = (unsigned char)(high << 4 | low);
		p += 2;
		if (*p == ':' && n < QF_TLS_PIN_SIZE)
			p++;
	}
	if (n == QF_TLS_PIN_SIZE && *p == '\0')
		return 0;
	return qf_fail(e, QF_EINVAL,
	    "%.100s is no fingerprint: 64 hexadecimal digits, the SHA-256 of "
	    "the certificate, or behind `spki:` that of its public key",
	    text);
}
