/*
 * The key table: which key signs for which domain.
 *
 *	domain selector path
 *
 * A domain `*.example` stands for all domains below example (not for example
 * itself), `*` for every one. The most specific pattern wins; of two lines
 * with the same pattern the first. Every key is read and checked when the
 * table is loaded, so that a mistake is found before a message is signed.
 */
#ifndef QFP_DKIM_KEYTAB_H
#define QFP_DKIM_KEYTAB_H

#include <stdbool.h>

#include <qfront/plugin.h>

#include "plugins/dkim/domain.h"
#include "plugins/dkim/key.h"

struct table_key;

struct keytab_entry {
	char pattern[DOMAIN_SIZE + 2]; /* lower case */
	char selector[DOMAIN_SIZE];
	const struct key *key;
	uint32_t line; /* in dkim.keys */
};

struct keytab {
	struct keytab_entry *entry; /* sorted by pattern, then line */
	size_t n, cap;
	struct table_key *keys;
};

/*
 * Loads the list `keys` of the stage. Each mistake is reported by
 * conf_error(): QF_ECONF. An `optional` table may be missing, and is empty
 * then. With `advise`, what is allowed but unwise is logged. QF_ENOMEM. Free
 * it in any case.
 */
int32_t keytab_load(struct keytab *t, const struct qf_host *h,
    const struct qf_conf *c, bool optional, bool advise);
void keytab_free(struct keytab *t);

/* The entry for a domain in lower case, or NULL. */
const struct keytab_entry *keytab_find(
    const struct keytab *t, const char *domain);

#endif
