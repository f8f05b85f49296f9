/*
 * TLSA records as SMTP uses them (RFC 7672).
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/net/tls_internal.h"

enum {
	USAGE_TA = 2,
	USAGE_EE = 3
};

/* Usages 0 and 1 ask for authorities that all hosts know, which SMTP has
 * not. 1; 0 for what is of no use; negative when it can not be told. */
static int add(SSL *ssl, const struct qf_tlsa *r)
{
	if (r->usage != USAGE_TA && r->usage != USAGE_EE)
		return 0;
	return SSL_dane_tlsa_add(
	    ssl, r->usage, r->selector, r->matching, r->data, r->n);
}

int qf_tls_dane_use(struct qf_tls_session *s, const struct qf_tls_peer *p)
{
	char name[sizeof s->host];
	int used = 0;

	if (SSL_dane_enable(s->ssl, s->host) != 1)
		return -1;
	/* What the zone says of the key itself holds for the name and for any
	 * time as well. */
	SSL_dane_set_flags(s->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	if (p->name != NULL && !qf_tls_text_host(name, sizeof name, p->name))
		SSL_add1_host(s->ssl, name);
	for (size_t i = 0; i < p->ntlsa; i++) {
		int rc = add(s->ssl, &p->tlsa[i]);

		if (rc < 0)
			return -1;
		used += rc;
	}
	ERR_clear_error();
	return used;
}
