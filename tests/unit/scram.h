/*
 * The server's side of SCRAM (RFC 5802), made of OpenSSL's functions only, for
 * tests of a client that uses another library.
 */
#ifndef QF_TESTS_SCRAM_H
#define QF_TESTS_SCRAM_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/unit/unit.h"

/* What goes over the wire, in base64. */
static inline void scram_encode(struct qf_buf *out, const void *p, size_t n)
{
	qf_buf_reserve(out, n / 3 * 4 + 8);
	out->len += (size_t)EVP_EncodeBlock(
	    (unsigned char *)out->s + out->len, p, (int)n);
}

static inline void scram_decode(struct qf_buf *out, struct qf_span in)
{
	int n;

	assert_int_equal(0, in.n % 4);
	qf_buf_reserve(out, in.n);
	n = EVP_DecodeBlock((unsigned char *)out->s + out->len,
	    (const unsigned char *)in.p, (int)in.n);
	assert_true(n >= 0);
	out->len += (size_t)n;
	/* OpenSSL counts the padding. */
	for (size_t i = in.n; i > 0 && in.p[i - 1] == '='; i--)
		out->len--;
	out->s[out->len] = '\0';
}

struct scram_keys {
	const EVP_MD *md;
	int n; /* bytes of a hash */
	unsigned char client[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE],
	    server[EVP_MAX_MD_SIZE];
};

static inline void scram_hmac(const struct scram_keys *k,
    const unsigned char *key, const char *text, unsigned char *out)
{
	assert_non_null(HMAC(k->md, key, k->n, (const unsigned char *)text,
	    strlen(text), out, NULL));
}

static inline void scram_keys(struct scram_keys *k, const EVP_MD *md,
    const char *pass, struct qf_span salt, int rounds)
{
	unsigned char salted[EVP_MAX_MD_SIZE];

	k->md = md;
	k->n = EVP_MD_get_size(md);
	assert_int_equal(1, PKCS5_PBKDF2_HMAC(pass, (int)strlen(pass),
				(const unsigned char *)salt.p, (int)salt.n,
				rounds, md, k->n, salted));
	scram_hmac(k, salted, "Client Key", k->client);
	scram_hmac(k, salted, "Server Key", k->server);
	assert_int_equal(
	    1, EVP_Digest(k->client, (size_t)k->n, k->stored, NULL, md, NULL));
}

/* Appends the proof of a client that knows the password. */
static inline void scram_proof(
    const struct scram_keys *k, const char *message, struct qf_buf *out)
{
	unsigned char proof[EVP_MAX_MD_SIZE];

	scram_hmac(k, k->stored, message, proof);
	for (int i = 0; i < k->n; i++)
		proof[i] ^= k->client[i];
	scram_encode(out, proof, (size_t)k->n);
}

/* Appends the signature of a server that knows the password. */
static inline void scram_signature(
    const struct scram_keys *k, const char *message, struct qf_buf *out)
{
	unsigned char signature[EVP_MAX_MD_SIZE];

	scram_hmac(k, k->server, message, signature);
	scram_encode(out, signature, (size_t)k->n);
}

#endif
