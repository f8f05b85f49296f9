/*
 * Authorities, certificates and lists for tests, made when they run.
 */
#ifndef QF_TESTS_UNIT_TLS_PKI_H
#define QF_TESTS_UNIT_TLS_PKI_H

#include <stdbool.h>

#include <openssl/x509.h>

enum {
	PKI_DAY = 86400
};

struct pki_spec {
	const char *cn;
	const char *san; /* "DNS:a,IP:127.0.0.1", or NULL */
	bool is_ca;
	long from, to; /* seconds from now; both 0: a day around now */
	int rsa_bits;  /* 0: a P-256 key */
	bool is_sha1;  /* the signature */
};

struct pki_id {
	X509 *cert;
	EVP_PKEY *key;
};

/* issuer NULL: by itself. */
struct pki_id pki_issue(
    const struct pki_spec *spec, const struct pki_id *issuer);
void pki_free(struct pki_id *id);
/* A list of the issuer that ends `to` seconds from now. */
X509_CRL *pki_list(const struct pki_id *issuer, X509 *revoked, long to);

/* Each replaces the file; PEM, or DER. */
void pki_write_cert(const char *path, X509 *cert, bool der);
void pki_write_key(const char *path, EVP_PKEY *key, bool der);
void pki_write_list(const char *path, X509_CRL *crl, bool der);

#endif
