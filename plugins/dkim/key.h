/*
 * A private key in a file, read and checked before it signs anything.
 */
#ifndef QFP_DKIM_KEY_H
#define QFP_DKIM_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_WHY_SIZE = 600,
	KEY_BITS_MIN = 1024, /* of an RSA key: RFC 8301 section 3.2 */
	KEY_BITS_GOOD = 2048
};

struct key {
	char *pem; /* PKCS #8, whatever the file held; NUL-terminated */
	size_t n;
	bool ed25519; /* else it is an RSA key */
	int bits;
	bool group_reads; /* its file */
};

/* 0; QF_ENOENT when there is no such file; QF_ECONF for one that can not be
 * used; each with one line in `why`. QF_ENOMEM. Free it in any case. */
int32_t key_read(struct key *k, const char *path, char why[KEY_WHY_SIZE]);
void key_free(struct key *k);

#endif
