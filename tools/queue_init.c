/*
 * qfrontctl queue init and fix: makes the folders of a queue, and repairs one.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/paths.h"
#include "queue/fix.h"
#include "queue/layout.h"
#include "tools/command.h"
#include "tools/mailcmd.h"
#include "tools/queue.h"

/* USER or USER:GROUP. */
int qf_owner_find(const char *text, struct qf_owner *out)
{
	struct qf_buf user = QF_BUF_INIT;
	const char *colon = strchr(text, ':');
	const struct passwd *pw;
	const struct group *gr;
	int rc = -1;

	qf_buf_add(
	    &user, text, colon != NULL ? (size_t)(colon - text) : strlen(text));
	pw = getpwnam(user.s);
	if (pw == NULL) {
		fprintf(stderr, "qfrontctl: no user \"%s\"\n", user.s);
		goto out;
	}
	*out = (struct qf_owner){pw->pw_uid, pw->pw_gid};
	if (colon != NULL) {
		gr = getgrnam(colon + 1);
		if (gr == NULL) {
			fprintf(
			    stderr, "qfrontctl: no group \"%s\"\n", colon + 1);
			goto out;
		}
		out->gid = gr->gr_gid;
	}
	rc = 0;
out:
	qf_buf_free(&user);
	return rc;
}

static int init(const char *dir, const struct qf_owner *owner)
{
	struct qf_err e;

	if (qf_layout_init(dir, owner->uid, owner->gid, &e) < 0 ||
	    qf_layout_check(dir, &e) < 0)
		return qf_mailcmd_trouble(&e);
	printf("queue %s is ready (uid %ld, gid %ld)\n", dir, (long)owner->uid,
	    (long)owner->gid);
	return QF_DONE;
}

/* The arguments that both take: false when they make no sense. */
struct arguments {
	struct qf_owner owner;
	const char *dir;
	bool owned, check;
};

/* 0, QF_USAGE or QF_TROUBLE. */
static int take_arguments(struct arguments *a, bool fix, char **argv)
{
	for (; *argv != NULL; argv++) {
		if (strncmp(*argv, "--owner=", 8) == 0) {
			if (qf_owner_find(*argv + 8, &a->owner) < 0)
				return QF_TROUBLE;
			a->owned = true;
		} else if (fix && strcmp(*argv, "--check") == 0) {
			a->check = true;
		} else if (**argv == '-' || a->dir != NULL) {
			return QF_USAGE;
		} else {
			a->dir = *argv;
		}
	}
	if (a->dir == NULL)
		a->dir = qf_dir(QF_DIR_QUEUE);
	return 0;
}

int qf_queue_init(char **argv)
{
	struct arguments a = {.owner = {geteuid(), getegid()}};
	int code = take_arguments(&a, false, argv);

	return code != 0 ? code : init(a.dir, &a.owner);
}

static void print_finding(void *user, const struct qf_finding *f)
{
	static const char *const done[] = {
	    [QF_FIX_LEFT] = "left as it is",
	    [QF_FIX_FAILED] = "not repaired",
	    [QF_FIX_TODO] = "to repair",
	    [QF_FIX_DONE] = "repaired",
	};

	(void)user;
	printf("%s: %s: %s\n", f->path, f->text, done[f->outcome]);
}

int qf_queue_fix(char **argv)
{
	struct arguments a = {.owner = {(uid_t)-1, (gid_t)-1}};
	int code = take_arguments(&a, true, argv);
	struct qf_fixed fixed = {0};
	struct qf_err e;
	bool good;

	if (code != 0)
		return code;
	if (qf_fix(a.dir,
		&(struct qf_fix_options){.check = a.check,
		    .owned = a.owned,
		    .uid = a.owner.uid,
		    .gid = a.owner.gid,
		    .report = print_finding},
		&fixed, &e) < 0)
		return qf_mailcmd_trouble(&e);
	good = fixed.left == 0 && fixed.failed == 0 && fixed.todo == 0;
	if (good && fixed.done == 0)
		printf("queue %s is good\n", a.dir);
	else
		printf("queue %s: %zu repaired, %zu to repair, %zu not "
		       "repaired, %zu left as they are\n",
		    a.dir, fixed.done, fixed.todo, fixed.failed, fixed.left);
	return good ? QF_DONE : QF_FOUND;
}
