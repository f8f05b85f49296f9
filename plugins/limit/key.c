#include "plugins/limit/key.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	IP_MAX = 45 /* bytes of an address as text */
};

static const struct {
	const char *name, *title;
	const char *context; /* NULL: the envelope sender */
} kinds[KEY_KINDS] = {
    [KEY_UID] = {"uid", "user id", "submit.uid"},
    [KEY_AUTH] = {"auth", "user", "auth.user"},
    [KEY_CLIENT] = {"client", "client", "client.ip"},
    [KEY_SENDER] = {"sender", "sender", NULL},
};

const char *key_name(enum key key)
{
	return kinds[key].name;
}

const char *key_title(enum key key)
{
	return kinds[key].title;
}

bool key_find(struct qf_span name, enum key *out)
{
	for (enum key k = 0; k < KEY_KINDS; k++) {
		if (name.n == strlen(kinds[k].name) &&
		    memcmp(name.p, kinds[k].name, name.n) == 0) {
			*out = k;
			return true;
		}
	}
	return false;
}

uint64_t key_hash(uint64_t hash, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ c[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* What a value too long to keep ends in. */
static uint64_t hash_folded(struct qf_span s)
{
	uint64_t hash = KEY_HASH;

	for (size_t i = 0; i < s.n; i++) {
		char c = fold(s.p[i]);

		hash = key_hash(hash, &c, 1);
	}
	return hash;
}

/* The bytes in a form that is one word of ASCII. */
static void encode(struct qf_span s, char out[KEY_VALUE_MAX + 1])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0, room = KEY_VALUE_MAX - 17;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)fold(s.p[i]);

		if (n + 3 > room) {
			snprintf(out + n, KEY_VALUE_MAX + 1 - n, "~%016" PRIx64,
			    hash_folded(s));
			return;
		}
		if (c > ' ' && c < 127 && c != '%') {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		}
	}
	out[n] = '\0';
}

/* An address without the part that its owner can change at will. */
static bool network(struct qf_span s, char out[KEY_VALUE_MAX + 1])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[IP_MAX + 1];
	struct in6_addr a6;
	struct in_addr a4;
	bool is_6;

	if (s.n > IP_MAX || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	is_6 = inet_pton(AF_INET6, text, &a6) == 1;
	if (!is_6 && inet_pton(AF_INET, text, &a4) != 1)
		return false;
	if (is_6 && memcmp(&a6, mapped, sizeof mapped) == 0) {
		memcpy(&a4, a6.s6_addr + sizeof mapped, sizeof a4);
		is_6 = false;
	}
	if (!is_6)
		return inet_ntop(AF_INET, &a4, out, KEY_VALUE_MAX) != NULL;
	memset(a6.s6_addr + 8, 0, 8);
	if (inet_ntop(AF_INET6, &a6, out, KEY_VALUE_MAX) == NULL)
		return false;
	strcat(out, "/64");
	return true;
}

bool key_value(enum key key, struct qf_span raw, char out[KEY_VALUE_MAX + 1])
{
	if (raw.n == 0)
		return false;
	if (key == KEY_CLIENT)
		return network(raw, out);
	encode(raw, out);
	return true;
}

int32_t key_of(enum key key, const struct qf_host *h, struct qf_msg *m,
    char out[KEY_VALUE_MAX + 1])
{
	struct qf_span raw;
	int32_t rc = kinds[key].context != NULL
			 ? h->context(m, kinds[key].context, &raw)
			 : h->sender(m, &raw);

	if (rc < 0 || raw.n == 0)
		return rc == QF_ENOENT ? 0 : rc;
	/* A client that has no address is one all the same. */
	if (!key_value(key, raw, out))
		encode(raw, out);
	return 1;
}
