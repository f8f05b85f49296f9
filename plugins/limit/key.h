/*
 * Whom a limit counts: the kinds of keys, and their values in the one form
 * that counters have, so that nobody gets another counter by another way to
 * write the same.
 */
#ifndef QF_LIMIT_KEY_H
#define QF_LIMIT_KEY_H

#include <stdbool.h>

#include <qfront/plugin.h>

enum key {
	KEY_UID,
	KEY_AUTH,
	KEY_CLIENT,
	KEY_SENDER,
	KEY_KINDS
};

enum {
	KEY_VALUE_MAX = 200
};

/* As in the rules: "uid", "auth", "client", "sender". */
const char *key_name(enum key key);
bool key_find(struct qf_span name, enum key *out);
/* For texts: "user id", "user", ... */
const char *key_title(enum key key);

/* The form that counts: capitals are small, an IPv6 address is its /64, white
 * space and what is not ASCII is %XX, a very long value ends in its hash.
 * False when it is empty, or for an address when it is none. */
bool key_value(enum key key, struct qf_span raw, char out[KEY_VALUE_MAX + 1]);
/* That of a message: 1, 0 when it has none, or a code. */
int32_t key_of(enum key key, const struct qf_host *h, struct qf_msg *m,
    char out[KEY_VALUE_MAX + 1]);

/* FNV-1a of the bytes, going on from another hash; KEY_HASH starts one. */
#define KEY_HASH UINT64_C(0xcbf29ce484222325)
uint64_t key_hash(uint64_t hash, const void *p, size_t n);

#endif
