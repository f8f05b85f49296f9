#include "queue/fix_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"

static void count(struct qf_fixed *out, enum qf_fix_outcome how)
{
	switch (how) {
	case QF_FIX_LEFT:
		out->left++;
		break;
	case QF_FIX_FAILED:
		out->failed++;
		break;
	case QF_FIX_TODO:
		out->todo++;
		break;
	case QF_FIX_DONE:
		out->done++;
		break;
	}
}

void qf_fx_report(struct qf_fx *fx, const char *path, enum qf_fix_outcome how,
    const char *fmt, ...)
{
	char text[QF_FX_PATH + 200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	count(fx->out, how);
	fx->options->report(fx->options->user,
	    &(struct qf_finding){.path = path, .text = text, .outcome = how});
}

void qf_fx_report_done(
    struct qf_fx *fx, const char *path, int rc, const char *text)
{
	if (rc < 0)
		qf_fx_report(
		    fx, path, QF_FIX_FAILED, "%s (%s)", text, strerror(errno));
	else
		qf_fx_report(fx, path,
		    fx->options->check ? QF_FIX_TODO : QF_FIX_DONE, "%s", text);
}

/* Where nothing was lost before, there is no such folder. It is on disk before
 * something moves into it, whoever made it. */
static int make_lost(struct qf_fx *fx)
{
	const struct qf_store *st = &fx->st;

	if (mkdirat(st->root, "lost", 0700) < 0) {
		if (errno != EEXIST)
			return -1;
	} else if (st->give && fchownat(st->root, "lost", st->uid, st->gid,
				   AT_SYMLINK_NOFOLLOW) < 0) {
		return -1;
	}
	return qf_sync_dir(st->root);
}

int qf_fx_lose(struct qf_fx *fx, const char *path)
{
	char to[QF_FX_PATH + 32];
	size_t n;
	int rc;

	if (fx->options->check)
		return 0;
	if (make_lost(fx) < 0)
		return -1;
	n = (size_t)snprintf(to, QF_FX_PATH, "lost/%s", path);
	for (char *p = to + 5; *p != '\0'; p++)
		*p = *p == '/' ? '.' : *p;
	rc = qf_fx_rename(fx, path, to);
	for (int i = 1; rc < 0 && errno == EEXIST; i++) {
		snprintf(to + n, sizeof to - n, ".%d", i);
		rc = qf_fx_rename(fx, path, to);
	}
	return rc;
}

/* Nobody else may be at work; a queue without its lock file has no sender. */
static int lock(struct qf_fx *fx, struct qf_err *e)
{
	struct stat sb;
	int rc;

	if (fstatat(fx->st.root, "lock/sendmutex", &sb, 0) < 0 ||
	    !S_ISREG(sb.st_mode))
		return 0;
	if ((rc = qf_sd_guard(&fx->st, e)) < 0)
		return rc;
	if (fx->st.guard < 0)
		return qf_fail(e, QF_EPERM,
		    "a sender runs on %s; stop it first", fx->st.dir);
	return 0;
}

static void find_owner(struct qf_fx *fx)
{
	const struct qf_fix_options *o = fx->options;
	struct stat sb;

	fx->st.give = geteuid() == 0;
	fx->st.uid = o->uid;
	fx->st.gid = o->gid;
	if (!o->owned && (fstatat(fx->st.root, "mess", &sb, 0) == 0 ||
			     fstatat(fx->st.root, ".", &sb, 0) == 0)) {
		fx->st.uid = sb.st_uid;
		fx->st.gid = sb.st_gid;
	}
}

/* For what no program but a person's eye can repair. */
static int find_damage(struct qf_fx *fx, bool held, struct qf_err *e)
{
	struct qf_walk walk = {.held = held};
	struct qf_item item = QF_ITEM_INIT;
	char id[QF_ID_SIZE], path[QF_SD_PATH];
	struct qf_err why;
	int rc;

	while ((rc = qf_store_dir.next(&fx->st, &walk, id, e)) > 0) {
		int got = qf_sd_load(&fx->st, id, &item, &why);

		qf_sd_path(path, held ? QF_SD_HELD : QF_SD_MESS, id);
		if (got < 0 && got != QF_ENOENT)
			qf_fx_report(fx, path, QF_FIX_LEFT, "%s", why.text);
		qf_item_free(&item);
	}
	qf_store_dir.walk_end(&fx->st, &walk);
	return rc;
}

/* In a queue that is not whole yet there is nothing to look through. */
static bool is_whole(const struct qf_fx *fx)
{
	return fx->out->todo == 0 && fx->out->failed == 0;
}

static int repair(struct qf_fx *fx, struct qf_err *e)
{
	int rc;

	if ((rc = lock(fx, e)) < 0 || (rc = qf_fx_layout(fx, e)) < 0 ||
	    (rc = lock(fx, e)) < 0 || (rc = qf_fx_names(fx, e)) < 0)
		return rc;
	/* What else there is, the names tell only when they are final. */
	if (fx->interrupted && (rc = qf_fx_ids(fx, e)) < 0)
		return rc;
	if (fx->interrupted && fx->options->check)
		return 0;
	if ((rc = qf_fx_state(fx, e)) < 0 || (rc = qf_fx_ids(fx, e)) < 0)
		return rc;
	if (fx->litter && !fx->options->check)
		qf_sd_sweep(&fx->st);
	if (is_whole(fx) && ((rc = find_damage(fx, false, e)) < 0 ||
				(rc = find_damage(fx, true, e)) < 0))
		return rc;
	return fx->options->check || syncfs(fx->st.root) == 0
		   ? 0
		   : qf_fail_sys(e, QF_EWRITE, "can not sync %s", fx->st.dir);
}

int qf_fix(const char *dir, const struct qf_fix_options *options,
    struct qf_fixed *out, struct qf_err *e)
{
	struct qf_fx fx = {.options = options,
	    .out = out,
	    .st = {.root = -1, .mutex = -1, .trigger = -1, .guard = -1}};
	int rc;

	*out = (struct qf_fixed){0};
	fx.st.dir = (char *)(uintptr_t)dir;
	fx.st.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fx.st.root < 0)
		return qf_fail_sys(e, QF_EQUEUE,
		    "no queue in %s (`qfrontctl queue init` makes one)", dir);
	find_owner(&fx);
	rc = repair(&fx, e);
	qf_close(&fx.st.root);
	qf_close(&fx.st.guard);
	return rc;
}
