/*
 * Where a message is from, as qmail-queue(8) tells by the user who calls it:
 * control file users, with the accounts of qmail where that says nothing.
 */
#ifndef QF_QUEUE_ORIGINS_H
#define QF_QUEUE_ORIGINS_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/base/ctl.h"

enum qf_origin {
	QF_ORIGIN_ALIAS,
	QF_ORIGIN_NETWORK,
	QF_ORIGIN_BOUNCE,
	QF_ORIGIN_USER /* anybody else */
};

struct qf_origins {
	struct qf_origin_user {
		enum qf_origin is;
		char *account; /* NULL: uid counts */
		uid_t uid;
	} * v;
	size_t n;
};

/* The accounts of qmail, and what the file has in the place of them (c may be
 * NULL: nothing). QF_ECONF, naming file and line, with nothing left. */
int qf_origins_load(
    struct qf_origins *o, const struct qf_ctl *c, struct qf_err *e);
/* The same for whom it may concern: is there every account that the file
 * names? */
int qf_origins_check(const struct qf_ctl *c, struct qf_err *e);
void qf_origins_free(struct qf_origins *o);

/* Reads /etc/passwd once, and only when no number says it and there is a
 * name to compare. */
enum qf_origin qf_origins_find(const struct qf_origins *o, uid_t uid);

#endif
