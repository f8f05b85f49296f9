#include "plugins/dkim/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <qfront/err.h>

enum {
	FILE_MAX = 65536 /* bytes of a key file */
};

__attribute__((format(printf, 2, 3))) static int32_t refuse(
    char why[KEY_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, KEY_WHY_SIZE, fmt, ap);
	va_end(ap);
	return QF_ECONF;
}

/* A key that others can read or change is not one's own. */
static int32_t check_mode(
    const char *path, const struct stat *st, char why[KEY_WHY_SIZE])
{
	if (!S_ISREG(st->st_mode))
		return refuse(why, "key file %s is no regular file", path);
	if (st->st_mode & S_IROTH)
		return refuse(why,
		    "key file %s can be read by everybody: chmod o-rwx it and "
		    "make a new key",
		    path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return refuse(why,
		    "key file %s can be written by others: chmod go-w it",
		    path);
	return 0;
}

static int32_t open_file(const char *path, int *fd, char why[KEY_WHY_SIZE])
{
	int error;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd >= 0)
		return 0;
	error = errno;
	refuse(why, "key file %s can not be opened: %s", path, strerror(error));
	return error == ENOENT || error == ENOTDIR ? QF_ENOENT : QF_ECONF;
}

/* The bytes of the file in buf: their number, or a code. */
static int32_t read_file(struct key *k, const char *path,
    char buf[FILE_MAX + 1], char why[KEY_WHY_SIZE])
{
	int fd;
	size_t n = 0;
	ssize_t r = 0;
	int32_t rc = open_file(path, &fd, why);
	struct stat st;

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		rc = refuse(why, "key file %s: %s", path, strerror(errno));
	else
		rc = check_mode(path, &st, why);
	while (rc == 0 && n <= FILE_MAX) {
		r = read(fd, buf + n, FILE_MAX + 1 - n);
		if (r == 0 || (r < 0 && errno != EINTR))
			break;
		if (r > 0)
			n += (size_t)r;
	}
	if (rc == 0 && r < 0)
		rc = refuse(why, "key file %s can not be read: %s", path,
		    strerror(errno));
	if (rc == 0 && n > FILE_MAX)
		rc = refuse(why, "key file %s is too large for a key", path);
	if (rc == 0)
		k->group_reads = (st.st_mode & S_IRGRP) != 0;
	close(fd);
	return rc < 0 ? rc : (int32_t)n;
}

/* An encrypted key must not make OpenSSL ask for a passphrase. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

/* libopendkim takes any key for any algorithm and signs garbage when they do
 * not fit, so the kind of key is looked at here. */
static int32_t check_kind(struct key *k, const char *path, const EVP_PKEY *pkey,
    char why[KEY_WHY_SIZE])
{
	int kind = EVP_PKEY_get_base_id(pkey);

	k->bits = EVP_PKEY_get_bits(pkey);
	k->ed25519 = kind == EVP_PKEY_ED25519;
	if (!k->ed25519 && kind != EVP_PKEY_RSA)
		return refuse(why,
		    "key file %s holds a key that DKIM has no use for: use an "
		    "RSA or Ed25519 key",
		    path);
	if (!k->ed25519 && k->bits < KEY_BITS_MIN)
		return refuse(why,
		    "key file %s holds an RSA key of %d bits: %d are the "
		    "least that receivers accept: make a new key",
		    path, k->bits, KEY_BITS_MIN);
	return 0;
}

/* libopendkim tells PEM from DER by the first byte of a text, so what it
 * will get is written anew. */
static int32_t keep_pem(struct key *k, const EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *p;
	long n;
	int32_t rc = QF_ENOMEM;

	if (bio == NULL)
		return QF_ENOMEM;
	if (PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) ==
	    1) {
		n = BIO_get_mem_data(bio, &p);
		k->pem = malloc((size_t)n + 1);
		if (k->pem != NULL) {
			memcpy(k->pem, p, (size_t)n);
			k->pem[n] = '\0';
			k->n = (size_t)n;
			rc = 0;
		}
	}
	BIO_free(bio);
	return rc;
}

static int32_t parse(struct key *k, const char *path, const char *bytes,
    int32_t n, char why[KEY_WHY_SIZE])
{
	bool asked = false;
	BIO *bio = BIO_new_mem_buf(bytes, n);
	EVP_PKEY *pkey;
	int32_t rc;

	if (bio == NULL)
		return QF_ENOMEM;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (pkey != NULL)
		rc = check_kind(k, path, pkey, why);
	else if (asked)
		rc = refuse(why,
		    "key file %s is encrypted: store it without passphrase",
		    path);
	else
		rc = refuse(
		    why, "key file %s holds no private key in PEM form", path);
	if (rc == 0)
		rc = keep_pem(k, pkey);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

int32_t key_read(struct key *k, const char *path, char why[KEY_WHY_SIZE])
{
	static char bytes[FILE_MAX + 1];
	int32_t rc;

	*k = (struct key){0};
	rc = read_file(k, path, bytes, why);
	if (rc >= 0)
		rc = parse(k, path, bytes, rc, why);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return rc;
}

void key_free(struct key *k)
{
	if (k->pem != NULL)
		OPENSSL_cleanse(k->pem, k->n);
	free(k->pem);
	*k = (struct key){0};
}
