/*
 * Verifying with libopendkim, behind rules that make a good result mean what
 * it says whatever the message is (RFC 6376, RFC 8301):
 *
 *   - The bytes verified are those that SMTP sends (wire.h).
 *   - A message of which parsers disagree where its header ends, or with a
 *     field of 64,000 bytes or more, has no good signature: the library leaves
 *     bytes beyond 65,536 out of the hash.
 *   - Names in h= beyond 4,000 bytes are no good: the library cuts its list at
 *     4,096 and would take the rest for signed.
 *   - Only so many signatures are looked at, so that a message can not make us
 *     ask the DNS for ever, and none where the header has more than 1,000
 *     other fields: the library looks at all of them for each name in h=.
 *   - rsa-sha1 and short RSA keys are not accepted.
 *   - Every From field must be signed, every Subject field if asked for.
 *   - Where l= leaves some of the body out, the body is not signed.
 */
#ifndef QFP_DKIM_VERIFIER_H
#define QFP_DKIM_VERIFIER_H

#include <stdbool.h>

#include "plugins/dkim/domain.h"
#include "plugins/dkim/status.h"
#include "plugins/dkim/wire.h"

enum {
	VERIFIER_FIELD_MAX = 64000, /* a field has fewer bytes than this */
	VERIFIER_NAMES_MAX = 4000,  /* bytes of h= */
	VERIFIER_FIELDS_MAX = 1000, /* besides signatures */
	VERIFIER_MAX = 100          /* signatures at most, whatever is set */
};

/* How a signature came off. */
struct signature {
	char letter;                /* status.h */
	const char *why;            /* in words, for one that is not good */
	char domain[DOMAIN_SIZE];   /* d= in lower case, or "" */
	char selector[DOMAIN_SIZE]; /* s=, or "" */
	char algorithm[20];         /* a=, or "" */
	char b[9];                  /* b= starts with this, or "" */
};

struct verifier_rules {
	unsigned max;         /* signatures looked at, from the top */
	unsigned min_bits;    /* of an RSA key */
	bool body_length;     /* l= may leave some of the body out */
	bool unsigned_from;   /* From need not be signed */
	bool require_subject; /* Subject must be */
	/* The text of a key record: as keydns_find(). */
	int32_t (*find)(void *arg, const char *name, char *out, size_t size);
	void *arg;
};

struct verified {
	struct signature v[VERIFIER_MAX];
	unsigned n;
	unsigned ignored; /* beyond the most that are looked at */
};

struct verifier;

int32_t verifier_open(struct verifier **out); /* QF_ENOMEM */
void verifier_close(struct verifier *v);

/* All signatures of the message: 0, QF_ENOMEM or an error of the host. Reads
 * the body. w NULL: the header is too long to be looked at, so there is one
 * signature that can not be verified. */
int32_t verifier_run(const struct verifier *v, struct wire *w,
    const struct verifier_rules *rules, struct verified *out);

#endif
