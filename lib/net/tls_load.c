/*
 * What a context takes from files: whom it trusts, and what it shows of
 * itself.
 */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "lib/net/tls_internal.h"

#define TRUST_DIR  "/etc/ssl/certs"
#define TRUST_FILE "/etc/ssl/certs/ca-certificates.crt"

/* Nobody is there to type a passphrase. */
static int no_passphrase(char *buf, int size, int is_writing, void *arg)
{
	bool *is_locked = arg;

	(void)buf;
	(void)size;
	(void)is_writing;
	if (is_locked != NULL)
		*is_locked = true;
	return -1;
}

static void *read_certificate(BIO *b, bool der)
{
	return der ? d2i_X509_bio(b, NULL)
		   : PEM_read_bio_X509_AUX(b, NULL, no_passphrase, NULL);
}

static void free_certificate(void *object)
{
	X509_free(object);
}

static bool take_authority(void *to, void *object, size_t index)
{
	(void)index;
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(to), object) == 1;
}

static bool take_own(void *to, void *object, size_t index)
{
	return index == 0 ? SSL_CTX_use_certificate(to, object) == 1
			  : SSL_CTX_add1_chain_cert(to, object) == 1;
}

static void *read_list(BIO *b, bool der)
{
	return der ? d2i_X509_CRL_bio(b, NULL)
		   : PEM_read_bio_X509_CRL(b, NULL, no_passphrase, NULL);
}

static void free_list(void *object)
{
	X509_CRL_free(object);
}

static bool take_list(void *to, void *object, size_t index)
{
	(void)index;
	return X509_STORE_add_crl(SSL_CTX_get_cert_store(to), object) == 1;
}

static const struct qf_tls_kind authorities = {
    "authorities", read_certificate, take_authority, free_certificate};
static const struct qf_tls_kind own_certificate = {
    "certificate", read_certificate, take_own, free_certificate};
static const struct qf_tls_kind lists = {
    "revocation list", read_list, take_list, free_list};

static EVP_PKEY *parse_key(const struct qf_buf *b, bool der, bool *is_locked)
{
	BIO *bio = BIO_new_mem_buf(b->s, (int)b->len);
	EVP_PKEY *key =
	    der ? d2i_PrivateKey_bio(bio, NULL)
		: PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, is_locked);

	BIO_free(bio);
	return key;
}

static int use_key(SSL_CTX *ctx, const struct qf_tls_conf *c, struct qf_err *e)
{
	const char *path = c->keyfile != NULL ? c->keyfile : c->certfile;
	struct qf_buf bytes = QF_BUF_INIT;
	bool is_locked = false;
	EVP_PKEY *key = NULL;
	int rc = qf_tls_file_read(&bytes, "key", path, true, e);

	if (rc < 0)
		goto out;
	ERR_clear_error();
	key = parse_key(&bytes, c->der, &is_locked);
	if (is_locked)
		rc = qf_fail(e, QF_ECONF,
		    "key %.200s: it needs a passphrase: use one without, "
		    "readable by this program's user only",
		    path);
	else if (key == NULL)
		rc = qf_tls_file_bad("key", path, &bytes, c->der, e);
	else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) !=
		 1)
		rc = qf_fail(e, QF_ECONF,
		    "key %.200s does not belong to the certificate %.200s",
		    path, c->certfile);
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		rc = qf_fail(
		    e, QF_ECONF, "key %.200s: %s", path, qf_tls_text_reason());
out:
	ERR_clear_error();
	EVP_PKEY_free(key);
	qf_tls_file_wipe(&bytes);
	return rc;
}

int qf_tls_load_own(
    struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e)
{
	int rc;

	if (c->certfile == NULL)
		return 0;
	rc = qf_tls_file_each(&own_certificate, c->certfile, c->der, t->ctx, e);
	return rc < 0 ? rc : use_key(t->ctx, c, e);
}

/* 002c0b4f.0, as a certificate is found in a directory. */
static bool is_hashed(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
	       name[9] >= '0' && name[9] <= '9';
}

static bool is_usable(const char *path)
{
	bool found = false;
	struct dirent *entry;
	DIR *d = opendir(path);

	if (d == NULL)
		return false;
	while (!found && (entry = readdir(d)) != NULL)
		found = is_hashed(entry->d_name);
	closedir(d);
	return found;
}

/* A directory is read when it is needed, and only what is needed; the bundle
 * takes a hundred times as long as a handshake has to do with it. */
static int trust_default(
    struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(t->ctx);
	const char *dir = c->trust_dir != NULL ? c->trust_dir : TRUST_DIR;
	const char *file = c->trust_file != NULL ? c->trust_file : TRUST_FILE;
	int rc;

	if (is_usable(dir)) {
		t->has_trust = X509_STORE_load_path(store, dir) == 1;
		return t->has_trust ? 0
				    : qf_fail(e, QF_ECONF, "authorities %s: %s",
					  dir, qf_tls_text_reason());
	}
	if (access(file, F_OK) == 0) {
		rc = qf_tls_file_each(&authorities, file, false, t->ctx, e);
		t->has_trust = rc == 0;
		return rc;
	}
	rc = qf_fail(&t->no_trust, QF_ECONF,
	    "no server can be verified, since there are no trusted "
	    "authorities, neither in %.100s nor in %.100s: install the package "
	    "ca-certificates, or name a file of authorities (x509cafile), or "
	    "do without verification (insecure)",
	    dir, file);
	if (c->trust_optional)
		return 0;
	*e = t->no_trust;
	return rc;
}

static int trust_path(
    struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e)
{
	if (!is_usable(c->capath))
		return qf_fail(e, QF_ECONF,
		    "authorities %.200s: no directory with certificates under "
		    "their hashes: run `openssl rehash` on it",
		    c->capath);
	if (X509_STORE_load_path(SSL_CTX_get_cert_store(t->ctx), c->capath) !=
	    1)
		return qf_fail(e, QF_ECONF, "authorities %.200s: %s", c->capath,
		    qf_tls_text_reason());
	return 0;
}

int qf_tls_load_trust(
    struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(t->ctx);
	int rc = 0;

	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	if (c->crlfile != NULL) {
		X509_VERIFY_PARAM_set_flags(
		    param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
		rc = qf_tls_file_each(&lists, c->crlfile, c->der, t->ctx, e);
	}
	if (rc == 0 && c->cafile != NULL)
		rc = qf_tls_file_each(
		    &authorities, c->cafile, c->der, t->ctx, e);
	if (rc == 0 && c->capath != NULL)
		rc = trust_path(t, c, e);
	t->has_trust = rc == 0 && (c->cafile != NULL || c->capath != NULL);
	if (rc < 0 || t->has_trust || c->insecure || t->is_pinned)
		return rc;
	return trust_default(t, c, e);
}
