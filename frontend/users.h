/*
 * Who runs what, where qfrontd was started as root: control file daemonusers.
 */
#ifndef QF_FRONTEND_USERS_H
#define QF_FRONTEND_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/child.h"
#include "lib/base/ctl.h"

enum qf_role {
	QF_ROLE_DISPATCHER,
	QF_ROLE_FILTER,
	QF_ROLE_SIGN,
	QF_ROLE_STORE,
	QF_ROLES,
	QF_ROLE_PICKUP = QF_ROLES /* who the store is */
};

struct qf_users {
	bool change; /* we are root; else all are who we are */
	struct qf_child_user of[QF_ROLES];
};

/* QF_ECONF when a user is missing, or the file says what can not be. */
int qf_users_load(
    struct qf_users *u, const struct qf_ctl *ctl, struct qf_err *e);
/* The same for whom it may concern: is the file all right, if there is one? */
int qf_users_check(const struct qf_ctl *ctl, struct qf_err *e);
void qf_users_free(struct qf_users *u);

/* NULL: who we are. */
const struct qf_child_user *qf_users_of(
    const struct qf_users *u, enum qf_role role);
const char *qf_role_name(enum qf_role role);

#endif
