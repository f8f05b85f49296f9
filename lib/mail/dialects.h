/*
 * The numbers that a caller of the qmail-queue interface understands. Every
 * caller takes 11 to 40 for permanent and nearly all else for temporary, but
 * they differ in what some of them mean. The control file `dialect` names the
 * caller; qfront(8) has the list. What they read besides numbers is in
 * frontend/dialect.h.
 */
#ifndef QF_MAIL_DIALECTS_H
#define QF_MAIL_DIALECTS_H

#include <stdbool.h>

#include "lib/base/ctl.h"

enum qf_dialect {
	QF_DIALECT_AUTO,
	QF_DIALECT_INDIMAIL,
	QF_DIALECT_NOTQMAIL,
	QF_DIALECT_SQMAIL,
	QF_DIALECT_NETQMAIL,
	QF_DIALECT_LDAP,
	QF_DIALECT_SAGREDO,
	QF_DIALECTS /* how many there are */
};

const char *qf_dialect_name(enum qf_dialect d);
/* False: there is none of this name. */
bool qf_dialect_find(const char *name, enum qf_dialect *out);
/* The same for what the control file says. QF_ECONF. */
int qf_dialect_read(enum qf_dialect *out, const char *name,
    const struct qf_ctl *ctl, struct qf_err *e);

/* What this caller gets for a code of qfront-exitcodes(7). */
int qf_dialect_number(enum qf_dialect d, int code);

#endif
