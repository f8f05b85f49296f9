#include "tests/unit/tls_pki.h"

#include <sys/stat.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tests/unit/unit.h"

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX c;

	X509V3_set_ctx_nodb(&c);
	X509V3_set_ctx(&c, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(ext);
	assert_int_equal(1, X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static void describe(X509 *cert, const struct pki_spec *spec)
{
	static long serial = 1;
	X509_NAME *name = X509_get_subject_name(cert);
	long from = spec->from, to = spec->to;

	if (from == 0 && to == 0) {
		from = -PKI_DAY;
		to = PKI_DAY;
	}
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), to);
	assert_int_equal(
	    1, X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		   (const unsigned char *)spec->cn, -1, -1, 0));
}

struct pki_id pki_issue(
    const struct pki_spec *spec, const struct pki_id *issuer)
{
	struct pki_id id = {.cert = X509_new(),
	    .key = spec->rsa_bits != 0 ? EVP_RSA_gen((unsigned)spec->rsa_bits)
				       : EVP_EC_gen("P-256")};
	const struct pki_id *by = issuer != NULL ? issuer : &id;

	assert_non_null(id.key);
	describe(id.cert, spec);
	X509_set_pubkey(id.cert, id.key);
	X509_set_issuer_name(id.cert, X509_get_subject_name(by->cert));
	if (spec->is_ca)
		extend(id.cert, by->cert, NID_basic_constraints,
		    "critical,CA:TRUE");
	if (spec->san != NULL)
		extend(id.cert, by->cert, NID_subject_alt_name, spec->san);
	assert_true(X509_sign(id.cert, by->key,
			spec->is_sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	return id;
}

void pki_free(struct pki_id *id)
{
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	*id = (struct pki_id){NULL, NULL};
}

static void add_revoked(X509_CRL *crl, X509 *cert, const ASN1_TIME *when)
{
	X509_REVOKED *entry = X509_REVOKED_new();

	X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(cert));
	X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)when);
	X509_CRL_add0_revoked(crl, entry);
}

X509_CRL *pki_list(const struct pki_id *issuer, X509 *revoked, long to)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = X509_gmtime_adj(NULL, -2 * PKI_DAY);

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert));
	X509_CRL_set1_lastUpdate(crl, t);
	if (revoked != NULL)
		add_revoked(crl, revoked, t);
	X509_gmtime_adj(t, to);
	X509_CRL_set1_nextUpdate(crl, t);
	ASN1_TIME_free(t);
	X509_CRL_sort(crl);
	assert_true(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
	return crl;
}

static BIO *open_file(const char *path)
{
	BIO *b = BIO_new_file(path, "w");

	assert_non_null(b);
	return b;
}

void pki_write_cert(const char *path, X509 *cert, bool der)
{
	BIO *b = open_file(path);

	assert_int_equal(
	    1, der ? i2d_X509_bio(b, cert) : PEM_write_bio_X509(b, cert));
	BIO_free(b);
}

void pki_write_key(const char *path, EVP_PKEY *key, bool der)
{
	BIO *b = open_file(path);

	assert_int_equal(1,
	    der ? i2d_PrivateKey_bio(b, key)
		: PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL));
	BIO_free(b);
	chmod(path, 0600);
}

void pki_write_list(const char *path, X509_CRL *crl, bool der)
{
	BIO *b = open_file(path);

	assert_int_equal(
	    1, der ? i2d_X509_CRL_bio(b, crl) : PEM_write_bio_X509_CRL(b, crl));
	BIO_free(b);
}
