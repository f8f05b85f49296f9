/*
 * The control file dkimkeys of indimail: which key file signs for which
 * domain, and variables that hold for it.
 *
 *	DOMAIN:PATH[:NAME=VALUE[,NAME=VALUE]...]
 *
 * DOMAIN is a pattern of the shell, or with QREGEX a regular expression; the
 * first line that fits counts. PATH may hold `%` for the domain.
 */
#ifndef QFP_DKIM_DKIMKEYS_H
#define QFP_DKIM_DKIMKEYS_H

#include <stdbool.h>
#include <stddef.h>

#include <qfront/plugin.h>

struct dkimkeys_entry {
	char *pattern, *path;
	char *variables; /* NAME=VALUE with NULs between, then one more */
	unsigned line;
};

struct dkimkeys {
	struct dkimkeys_entry *entry;
	size_t n;
	bool exists;
};

/* Reads CONTROLDIR/dkimkeys; without the file it is empty. Each mistake is
 * reported by conf_error(): QF_ECONF. QF_ENOMEM. Free it in any case. */
int32_t dkimkeys_load(
    struct dkimkeys *k, const struct qf_host *h, const struct qf_conf *c);
void dkimkeys_free(struct dkimkeys *k);

/* The entry for a domain in lower case, or NULL. */
const struct dkimkeys_entry *dkimkeys_find(
    const struct dkimkeys *k, const char *domain, bool regex);

/* The value that an entry gives to a variable, or NULL; an empty one takes it
 * away. */
const char *dkimkeys_variable(const struct dkimkeys_entry *e, const char *name);

#endif
