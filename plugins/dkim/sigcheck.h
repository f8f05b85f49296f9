/*
 * What is to be held of one signature: before its key is asked for by its tags,
 * after that by what the library made of it. The rules are the verifier's.
 */
#ifndef QFP_DKIM_SIGCHECK_H
#define QFP_DKIM_SIGCHECK_H

#include <dkim.h>

#include "plugins/dkim/bodylen.h"
#include "plugins/dkim/verifier.h"

/* What must be known of the message. */
struct sigcheck {
	const struct verifier_rules *rules;
	unsigned froms, subjects; /* fields of the name */
	struct bodylen body;      /* when a signature has l= */
};

/* Fills in what the tags say; the letter too when that is all there is to be
 * said. */
void sigcheck_before(
    const struct sigcheck *c, DKIM_SIGINFO *sig, struct signature *s);

/* Gives the letter. `key` is 0, or how the lookup of the key failed: as
 * keydns_find(). */
void sigcheck_after(const struct sigcheck *c, DKIM *d, DKIM_SIGINFO *sig,
    int32_t key, struct signature *s);

/* `why` NULL: the letter says it. */
void sigcheck_give(struct signature *s, char letter, const char *why);

/* The value of a tag, or NULL. */
const char *sigcheck_tag(DKIM_SIGINFO *sig, const char *name);

#endif
