/*
 * The exit codes of the qmail-queue interface: number, letter, text.
 *
 * One file, exitcodes.tbl, is the source of this table, of the manual page
 * qfront-exitcodes(7) and of the tests. The texts are those of
 * qmail-queue-clients(7).
 */
#ifndef QF_MAIL_QQCODE_H
#define QF_MAIL_QQCODE_H

#include <stddef.h>

#include "lib/base/err.h"

struct qf_qqcode {
	int code;            /* -1 in a general entry */
	char letter;         /* 'K' accepted, 'D' permanent, 'Z' temporary */
	const char *text;    /* without the letter, status included */
	const char *status;  /* enhanced status (RFC 3463) */
	const char *meaning; /* what it says, for the manual */
	int rc;              /* the QF_E code that ends a program with it, 0 */
};

/* Never NULL: a code that the table does not list has a general entry, D for
 * 11 to 40 and Z otherwise. */
const struct qf_qqcode *qf_qqcode_find(int code);
/* The listed ones in order of their numbers: NULL at the end. */
const struct qf_qqcode *qf_qqcode_at(size_t i);
/* The exit code for an error, as <qfront/err.h> names them: 0 for none, 81
 * for one that has no code of its own. */
int qf_qqcode_of_error(int rc);

#endif
