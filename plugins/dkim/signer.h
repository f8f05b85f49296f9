/*
 * Signing with libopendkim, behind the rules that make its signatures hold
 * whatever the message is (RFC 6376). A message that breaks one of them is
 * not signed at all: a signature that fails at the receiver is worse than
 * none.
 *
 *   - The bytes signed are those that SMTP sends (wire.h), fed with CR LF and
 *     a CR LF at the end.
 *   - Every line of the header is a field, without zero bytes: parsers take
 *     other lines each in its own way.
 *   - There is one From field. It is signed once more than it is there, so
 *     that a second one added later breaks the signature.
 *   - No field has 64,000 bytes or more: the library leaves bytes beyond
 *     65,536 out of the hash, and they could be changed.
 *   - The names in h= have at most 4,000 bytes: the library cuts its list at
 *     4,096 and would not sign the rest.
 *   - Canonicalisation is relaxed for header and body unless told otherwise,
 *     and always relaxed for the header with Ed25519: the library's other
 *     signatures of that kind do not verify.
 *   - The algorithm is that of the key, always with SHA-256 (RFC 8301).
 */
#ifndef QFP_DKIM_SIGNER_H
#define QFP_DKIM_SIGNER_H

#include <stdbool.h>

#include "plugins/dkim/domain.h"
#include "plugins/dkim/key.h"
#include "plugins/dkim/wire.h"

enum {
	SIGNER_FIELD_MAX = 64000, /* a field has fewer bytes than this */
	SIGNER_NAMES_MAX = 4000
};

struct signer;

/* One signature to be made. */
struct signature_plan {
	const struct key *key;
	char selector[DOMAIN_SIZE];
	char domain[DOMAIN_SIZE];
	bool simple_header, simple_body; /* else relaxed */
	uint64_t lifetime;               /* seconds until x=; 0: none */
	const char *identity;            /* i=, or NULL */
	const char *exclude; /* fields not to sign: starts of their names, with
			      * colons between; or NULL */
};

int32_t signer_open(struct signer **out); /* QF_ENOMEM */
void signer_close(struct signer *s);

/* Why the message can not be signed, one line, or NULL: then *from is the
 * value of its From field. */
const char *signer_refuses(const struct wire *w, struct qf_span *from);

/* Signs: 0 and *value, the value of a DKIM-Signature field with LF folding, to
 * be freed with free(). QF_ENOMEM, an error of the host, or QF_EBUG with *why:
 * what the library says. Reads the body. */
int32_t signer_sign(const struct signer *s, struct wire *w,
    const struct signature_plan *plan, char **value, char why[256]);

/* Is there, above all but trace fields, a signature of the same domain and
 * selector over the same body as the new one? */
bool signer_signed_before(const struct wire *w, const char *value);

/* "rsa-sha256" or "ed25519-sha256". */
const char *signer_algorithm(const struct key *k);

#endif
