#include "frontend/users.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/paths.h"

static const char file_name[] = "daemonusers";

static const struct {
	const char *name, *user;
} roles[] = {
    [QF_ROLE_DISPATCHER] = {"dispatcher", "qfrontd"},
    [QF_ROLE_FILTER] = {"filter", "qfrontf"},
    [QF_ROLE_SIGN] = {"sign", "qfrontk"},
    [QF_ROLE_STORE] = {"store", NULL},
    [QF_ROLE_PICKUP] = {"pickup", NULL},
};

const char *qf_role_name(enum qf_role role)
{
	return roles[role].name;
}

const struct qf_child_user *qf_users_of(
    const struct qf_users *u, enum qf_role role)
{
	if (!u->change)
		return NULL;
	return &u->of[role == QF_ROLE_PICKUP ? QF_ROLE_STORE : role];
}

/* With the groups that the user database gives him. */
static void set_ids(
    struct qf_child_user *u, uid_t uid, gid_t gid, const char *name)
{
	int n = 0;
	gid_t *groups;

	if (name != NULL)
		getgrouplist(name, gid, NULL, &n);
	if (n < 1)
		n = 1;
	groups = qf_alloc((size_t)n * sizeof *groups);
	groups[0] = gid;
	if (name != NULL && getgrouplist(name, gid, groups, &n) < 0)
		n = 1;
	free((void *)u->groups);
	*u = (struct qf_child_user){
	    .uid = uid, .gid = gid, .groups = groups, .ngroups = (size_t)n};
}

static int set_user(struct qf_users *u, enum qf_role role, const char *user,
    const char *where, struct qf_err *e)
{
	unsigned long long number;
	const struct passwd *pw;

	if (qf_span_u64(qf_span(user), INT_MAX, &number)) {
		pw = getpwuid((uid_t)number);
		set_ids(&u->of[role], (uid_t)number,
		    pw != NULL ? pw->pw_gid : (gid_t)number,
		    pw != NULL ? pw->pw_name : NULL);
		return 0;
	}
	pw = getpwnam(user);
	if (pw == NULL)
		return qf_fail(e, QF_ECONF,
		    "%s: there is no user \"%s\" for the role %s; make one "
		    "with: useradd --system --no-create-home --shell "
		    "/usr/sbin/nologin %s",
		    where, user, roles[role].name, user);
	set_ids(&u->of[role], pw->pw_uid, pw->pw_gid, pw->pw_name);
	return 0;
}

/* One line: ROLE USER. */
static int take_line(struct qf_users *u, bool *given, const struct qf_line *l,
    const char *path, struct qf_err *e)
{
	struct qf_span rest = l->s, name;
	char where[512], *user;
	int rc = 1;

	snprintf(where, sizeof where, "%s/%s:%u", path, file_name, l->number);
	if (!qf_span_cut(&rest, ' ', &name))
		name = rest;
	rest = qf_span_trim(rest);
	user = qf_strndup(rest.p, rest.n);
	for (size_t i = 0; i < QF_ROLES && rc > 0; i++) {
		if (qf_span_is(name, roles[i].name) && rest.n > 0 &&
		    rest.p != name.p) {
			rc = set_user(u, (enum qf_role)i, user, where, e);
			given[i] = true;
		}
	}
	free(user);
	if (rc > 0)
		return qf_fail(e, QF_ECONF,
		    "%s: write `dispatcher USER`, `filter USER`, `sign USER` "
		    "or `store USER`",
		    where);
	return rc;
}

/* The queue says who writes it. */
static int find_queue_owner(struct qf_users *u, struct qf_err *e)
{
	struct qf_buf mess = QF_BUF_INIT;
	struct stat st;
	int rc = 0;

	qf_buf_addf(&mess, "%s/mess", qf_dir(QF_DIR_QUEUE));
	if (stat(mess.s, &st) < 0)
		rc = qf_fail_sys(e, QF_ECONF,
		    "%s: make a queue with `qfrontctl queue init`", mess.s);
	else
		set_ids(&u->of[QF_ROLE_STORE], st.st_uid, st.st_gid, NULL);
	qf_buf_free(&mess);
	return rc;
}

static int load(struct qf_users *u, const struct qf_ctl *ctl, struct qf_err *e)
{
	struct qf_lines lines = QF_LINES_INIT;
	bool given[QF_ROLES] = {false};
	int rc = qf_ctl_lines(ctl, file_name, &lines, e);

	for (size_t i = 0; i < lines.n && rc >= 0; i++)
		rc = take_line(u, given, &lines.v[i], ctl->path, e);
	for (size_t i = 0; i < QF_ROLES && rc >= 0; i++) {
		if (!given[i] && roles[i].user != NULL)
			rc = set_user(
			    u, (enum qf_role)i, roles[i].user, file_name, e);
	}
	if (rc >= 0 && !given[QF_ROLE_STORE])
		rc = find_queue_owner(u, e);
	qf_lines_free(&lines);
	return rc < 0 ? rc : 0;
}

int qf_users_load(
    struct qf_users *u, const struct qf_ctl *ctl, struct qf_err *e)
{
	*u = (struct qf_users){.change = geteuid() == 0};
	return u->change && load(u, ctl, e) < 0 ? e->rc : 0;
}

int qf_users_check(const struct qf_ctl *ctl, struct qf_err *e)
{
	struct qf_users u = {0};
	int rc =
	    faccessat(ctl->fd, file_name, F_OK, 0) == 0 ? load(&u, ctl, e) : 0;

	qf_users_free(&u);
	return rc;
}

void qf_users_free(struct qf_users *u)
{
	for (size_t i = 0; i < QF_ROLES; i++)
		free((void *)u->of[i].groups);
	*u = (struct qf_users){0};
}
