/*
 * What TLS and certificates say, for logs and reports: bounded, and never a
 * byte that a terminal or a log would take for more than itself.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/net/tls_internal.h"

enum {
	NAMES_SHOWN = 5
};

static const char *const verified_names[] = {
    [QF_TLS_BY_NONE] = "none",
    [QF_TLS_SELF_SIGNED] = "self-signed",
    [QF_TLS_BY_CERTIFICATE] = "certificate",
    [QF_TLS_BY_DANE] = "dane",
    [QF_TLS_BY_FINGERPRINT] = "fingerprint",
};

void qf_tls_describe(const struct qf_tls_info *info, struct qf_buf *out)
{
	qf_buf_addf(out, "%s %s verified=%s resumed=%s", info->version,
	    info->cipher, verified_names[info->verified],
	    info->resumed ? "yes" : "no");
}

void qf_tls_text_bytes(char *buf, size_t size, const void *p, size_t n)
{
	const unsigned char *from = p;
	size_t i;

	for (i = 0; i < n && i + 1 < size; i++)
		buf[i] = from[i] >= ' ' && from[i] < 127 ? (char)from[i] : '?';
	buf[i] = '\0';
	if (i < n && size > 4)
		memcpy(buf + size - 4, "...", 4);
}

void qf_tls_text_name(char *buf, size_t size, const X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = 0;

	if (b != NULL && X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253) > 0)
		n = BIO_get_mem_data(b, &text);
	qf_tls_text_bytes(buf, size, text, n > 0 ? (size_t)n : 0);
	BIO_free(b);
}

void qf_tls_text_time(char *buf, size_t size, const ASN1_TIME *t)
{
	struct tm tm;

	if (t == NULL || !ASN1_TIME_to_tm(t, &tm) ||
	    strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(buf, size, "an unreadable date");
}

void qf_tls_text_hex(char *buf, size_t size, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n && 2 * i + 2 < size; i++)
		snprintf(buf + 2 * i, 3, "%02x", p[i]);
}

static void add_host(struct qf_buf *out, size_t *n, const char *what,
    const unsigned char *p, int len)
{
	char name[256];

	if (len < 0 || (*n)++ >= NAMES_SHOWN)
		return;
	qf_tls_text_bytes(name, sizeof name, p, (size_t)len);
	qf_buf_addf(out, "%s%s%s", out->len > 0 ? ", " : "", what, name);
}

static void add_address(
    struct qf_buf *out, size_t *n, const ASN1_OCTET_STRING *ip)
{
	char text[INET6_ADDRSTRLEN] = "?";
	int len = ASN1_STRING_length(ip);

	if (len == 4 || len == 16)
		inet_ntop(len == 4 ? AF_INET : AF_INET6,
		    ASN1_STRING_get0_data(ip), text, sizeof text);
	add_host(out, n, "", (const unsigned char *)text, (int)strlen(text));
}

static void add_common_name(struct qf_buf *out, size_t *n, X509 *cert)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	ASN1_STRING *cn;

	if (at < 0)
		return;
	cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	add_host(out, n, "common name ", ASN1_STRING_get0_data(cn),
	    ASN1_STRING_length(cn));
}

void qf_tls_text_hosts(char *buf, size_t size, X509 *cert)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct qf_buf out = QF_BUF_INIT;
	size_t n = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_DNS)
			add_host(&out, &n, "",
			    ASN1_STRING_get0_data(g->d.dNSName),
			    ASN1_STRING_length(g->d.dNSName));
		if (g->type == GEN_IPADD)
			add_address(&out, &n, g->d.iPAddress);
	}
	if (n == 0)
		add_common_name(&out, &n, cert);
	if (n > NAMES_SHOWN)
		qf_buf_addf(&out, " and %zu more", n - NAMES_SHOWN);
	if (n == 0)
		qf_buf_adds(&out, "no host at all");
	qf_tls_text_bytes(buf, size, out.s, out.len);
	qf_buf_free(&out);
	GENERAL_NAMES_free(names);
}

const char *qf_tls_text_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = NULL;

	if (ERR_SYSTEM_ERROR(code))
		text = strerror(ERR_GET_REASON(code));
	else if (code != 0)
		text = ERR_reason_error_string(code);
	ERR_clear_error();
	return text != NULL ? text : "no reason given";
}

bool qf_tls_text_host(char *buf, size_t size, const char *name)
{
	struct qf_span s = qf_span(name);
	unsigned char ip[16];

	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
		s = qf_span_n(s.p + 1, s.n - 2);
		if (s.n > 5 && strncasecmp(s.p, "IPv6:", 5) == 0)
			s = qf_span_n(s.p + 5, s.n - 5);
	} else if (s.n > 1 && s.p[s.n - 1] == '.') {
		s.n--;
	}
	/* For OpenSSL a dot in front stands for any host of the domain. */
	if (s.n >= size || (s.n > 0 && s.p[0] == '.'))
		s.n = 0;
	snprintf(buf, size, "%.*s", (int)s.n, s.p);
	return inet_pton(AF_INET, buf, ip) == 1 ||
	       inet_pton(AF_INET6, buf, ip) == 1;
}
