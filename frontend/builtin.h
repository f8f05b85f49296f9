/*
 * Chains that no file holds: those of indimail's front ends, for qfront under
 * their names, and the one that qfront puts together from their variables
 * where nobody has written a chain (qfront(8)).
 */
#ifndef QF_FRONTEND_BUILTIN_H
#define QF_FRONTEND_BUILTIN_H

#include <stdbool.h>

#include "frontend/chain.h"

/* What qfront does differently under another name. */
struct qf_personality {
	const char *name;
	const char *queueprog; /* variable with its next program, or NULL */
	bool filters;          /* its arguments are filters, no program */
	bool ends;             /* nothing comes after it */
};

/* The one of that name; NULL for any other: qfront itself. */
const struct qf_personality *qf_builtin_find(const char *name);

/*
 * The chain of a message. For a personality (`as` not NULL) the built-in chain
 * of its name, with the filters in argv where that has them. For qfront itself
 * as qf_chain_load() with QFRONT_CHAIN; but without that variable and without
 * a file, the built-in chain of what QHPSI, SPAMFILTER, FILTERARGS, DKIMSIGN
 * and DKIMVERIFY ask for. The environment says afterwards what of DKIMSIGN and
 * DKIMVERIFY holds: one that is overruled is unset, and DKIMVERIFY is empty
 * where mail is verified unasked. Returns as qf_chain_load().
 */
int qf_builtin_chain(struct qf_chain *c, const struct qf_ctl *ctl,
    const struct qf_personality *as, char *const *argv, struct qf_problems *p);
/* The same for whom no file holds a chain. */
int qf_builtin_make(struct qf_chain *c, const struct qf_personality *as,
    char *const *argv, struct qf_problems *p);

#endif
