/*
 * Folders and lock files, whose they are, and names that no program gives.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "queue/fix_internal.h"
#include "queue/layout.h"

/* Without a word of the caller only what root owns, as after a restore, gets
 * another owner: other senders have several users. */
static bool is_strange(const struct qf_fx *fx, const struct stat *sb)
{
	const struct qf_fix_options *o = fx->options;

	if (o->owned)
		return sb->st_uid != fx->st.uid || sb->st_gid != fx->st.gid;
	return sb->st_uid == 0 && fx->st.uid != 0;
}

static void fix_owner(struct qf_fx *fx, const char *path, const struct stat *sb)
{
	char text[80];
	int rc = 0;

	if (!is_strange(fx, sb))
		return;
	snprintf(text, sizeof text, "belongs to uid %ld and gid %ld",
	    (long)sb->st_uid, (long)sb->st_gid);
	if (!fx->options->check)
		rc = fchownat(fx->st.root, path, fx->st.uid, fx->st.gid,
		    AT_SYMLINK_NOFOLLOW);
	/* A change of owner may clear mode bits. */
	if (!fx->options->check && rc == 0 && !S_ISLNK(sb->st_mode))
		rc = fchmodat(fx->st.root, path, sb->st_mode & 07777, 0);
	qf_fx_report_done(fx, path, rc, text);
}

static void make(struct qf_fx *fx, const char *path,
    const struct qf_layout_entry *en, const char *text)
{
	int rc = 0;

	if (!fx->options->check)
		rc = qf_layout_make(
		    fx->st.root, path, en, fx->st.uid, fx->st.gid);
	/* A queue that only another sender knew lacks nothing. */
	if (!en->ours || rc < 0)
		qf_fx_report_done(fx, path, rc, text);
}

static void fix_kind(
    struct qf_fx *fx, const char *path, const struct qf_layout_entry *en)
{
	char text[80];

	if (qf_fx_lose(fx, path) < 0) {
		qf_fx_report(fx, path, QF_FIX_LEFT, "is not a %s; move it away",
		    qf_layout_kind_name(en->kind));
		return;
	}
	snprintf(text, sizeof text, "is not a %s; moved to lost",
	    qf_layout_kind_name(en->kind));
	make(fx, path, en, text);
}

/* How a person keeps others from the whole queue is his choice. */
static bool has_mode(const struct qf_layout_entry *en, const struct stat *sb)
{
	return strcmp(en->path, ".") == 0 || (sb->st_mode & 07777) == en->mode;
}

static void fix_entry(
    struct qf_fx *fx, const char *path, const struct qf_layout_entry *en)
{
	char text[80];
	struct stat sb;
	int rc = 0;

	if (fstatat(fx->st.root, path, &sb, 0) < 0) {
		if (!en->optional)
			make(fx, path, en, "is missing");
		return;
	}
	if ((sb.st_mode & S_IFMT) != en->kind) {
		if (!S_ISDIR(sb.st_mode))
			fix_kind(fx, path, en);
		else
			qf_fx_report(fx, path, QF_FIX_LEFT,
			    "is not a %s; move it away",
			    qf_layout_kind_name(en->kind));
		return;
	}
	fix_owner(fx, path, &sb);
	if (has_mode(en, &sb))
		return;
	snprintf(text, sizeof text, "has mode %04o, not %04o",
	    (unsigned)(sb.st_mode & 07777), (unsigned)en->mode);
	if (!fx->options->check)
		rc = fchmodat(fx->st.root, path, en->mode, 0);
	qf_fx_report_done(fx, path, rc, text);
}

int qf_fx_layout(struct qf_fx *fx, struct qf_err *e)
{
	const struct qf_layout_entry *en = qf_layout;
	struct stat sb;
	char path[64];

	if (fstatat(fx->st.root, "mess", &sb, 0) < 0 &&
	    fstatat(fx->st.root, "todo", &sb, 0) < 0)
		return qf_fail(e, QF_EQUEUE,
		    "%s is no queue: it has neither mess nor todo "
		    "(`qfrontctl queue init` makes one)",
		    fx->st.dir);
	for (; en->path != NULL; en++) {
		fix_entry(fx, en->path, en);
		/* Those below an optional one are made when needed. */
		if (!en->split || (en->optional && fstatat(fx->st.root,
						       en->path, &sb, 0) < 0))
			continue;
		for (int n = 0; n < QF_QUEUE_SPLIT; n++) {
			snprintf(path, sizeof path, "%s/%d", en->path, n);
			fix_entry(fx, path, en);
		}
	}
	return 0;
}

/* A file that is where its number does not belong: nobody looks for it
 * there. */
static void fix_folder(struct qf_fx *fx, const struct qf_fx_file *f)
{
	char right[QF_FX_PATH], text[QF_FX_PATH + 80];
	struct stat sb;
	int rc = 0;

	qf_fx_path(right, f->place, f->kind, f->id, f->to);
	if (!fx->options->check)
		rc = qf_fx_rename(fx, f->path, right);
	if (rc < 0 && errno == EEXIST &&
	    fstatat(fx->st.root, right, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
		snprintf(text, sizeof text,
		    "%s has the same number; moved to lost", right);
		qf_fx_report_done(fx, f->path, qf_fx_lose(fx, f->path), text);
		return;
	}
	snprintf(
	    text, sizeof text, "is in the wrong folder; moved to %s", right);
	qf_fx_report_done(fx, f->path, rc, text);
}

static int visit_name(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e)
{
	unsigned long long n = strtoull(f->id, NULL, 10);

	(void)user;
	(void)e;
	if (f->kind == QF_FX_NONSENSE || !S_ISREG(f->sb.st_mode)) {
		qf_fx_report(fx, f->path, QF_FIX_LEFT,
		    f->kind == QF_FX_NONSENSE ? "no program of a queue gives "
						"such a name"
					      : "is not a regular file");
		return 0;
	}
	if (f->kind == QF_FX_LITTER) {
		qf_fx_report_done(fx, f->path,
		    fx->options->check ? 0 : unlinkat(fx->st.root, f->path, 0),
		    "was left when its writer ended; removed");
		return 0;
	}
	if (f->kind != QF_FX_FINAL)
		fx->interrupted = true;
	fix_owner(fx, f->path, &f->sb);
	if (qf_sd_is_split(f->place) && f->split != n % QF_QUEUE_SPLIT)
		fix_folder(fx, f);
	return 0;
}

int qf_fx_names(struct qf_fx *fx, struct qf_err *e)
{
	static const enum qf_sd_place place[] = {QF_SD_MESS, QF_SD_INTD,
	    QF_SD_TODO, QF_SD_INFO, QF_SD_LOCAL, QF_SD_REMOTE, QF_SD_BOUNCE,
	    QF_SD_ATTR, QF_SD_HOLD, QF_SD_FAILED};
	struct stat sb;
	int rc = 0;

	for (size_t i = 0; i < sizeof place / sizeof *place && rc == 0; i++)
		rc = qf_fx_walk(fx, place[i], visit_name, NULL, e);
	if (fstatat(fx->st.root, QF_SD_FIXING, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
		fx->interrupted = true;
		qf_fx_report_done(fx, QF_SD_FIXING, 0,
		    "is of a repair that was cut off; finished");
	}
	return rc;
}
