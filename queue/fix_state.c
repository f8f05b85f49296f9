/*
 * Files that belong to no message, and messages that are not whole. All names
 * are final ones here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "queue/fix_internal.h"

static bool has(const struct qf_fx *fx, enum qf_sd_place place, const char *id)
{
	return qf_sd_exists(&fx->st, place, id);
}

/* Does something name it for a sender, or for who looks after held mail? */
static bool is_named(const struct qf_fx *fx, const char *id)
{
	return has(fx, QF_SD_TODO, id) || has(fx, QF_SD_INFO, id) ||
	       has(fx, QF_SD_HOLD, id);
}

static bool has_message(const struct qf_fx *fx, const char *id)
{
	return has(fx, QF_SD_MESS, id) || has(fx, QF_SD_HELD, id);
}

static bool is_old(const struct qf_fx_file *f)
{
	int64_t limit = qf_clock_wall() - QF_SD_OSSIFIED;

	return f->sb.st_atime < limit && f->sb.st_mtime < limit;
}

static void lose(struct qf_fx *fx, const struct qf_fx_file *f, const char *text)
{
	qf_fx_report_done(fx, f->path, qf_fx_lose(fx, f->path), text);
}

static void drop(struct qf_fx *fx, const struct qf_fx_file *f, const char *text)
{
	int rc = 0;

	if (!fx->options->check)
		rc = unlinkat(fx->st.root, f->path, 0);
	qf_fx_report_done(fx, f->path, rc, text);
}

static void leave_to_sweep(struct qf_fx *fx, const struct qf_fx_file *f)
{
	qf_fx_report_done(
	    fx, f->path, 0, "was left by a writer that died; removed");
	fx->litter = true;
}

/* State without its message. What went with a lost message goes with it. */
static int visit_state(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e)
{
	(void)user;
	(void)e;
	if (f->kind != QF_FX_FINAL || has_message(fx, f->id))
		return 0;
	if (is_named(fx, f->id) || f->place == QF_SD_BOUNCE)
		lose(fx, f, "its message is missing; moved to lost");
	else if (f->place == QF_SD_INTD && !is_old(f))
		;
	else
		drop(fx, f, "belongs to no message; removed");
	return 0;
}

static int visit_envelope(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e)
{
	(void)user;
	(void)e;
	if (f->kind == QF_FX_FINAL && f->place != QF_SD_HELD &&
	    !has_message(fx, f->id))
		lose(fx, f,
		    "its message is missing, so this mail is lost; moved to "
		    "lost");
	return 0;
}

static bool is_same_file(
    const struct qf_fx *fx, const struct qf_fx_file *f, enum qf_sd_place place)
{
	char path[QF_SD_PATH];
	struct stat sb;

	qf_sd_path(path, place, f->id);
	return fstatat(fx->st.root, path, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sb.st_ino == f->sb.st_ino;
}

/* A held message whose bytes have only the name of a queued one. */
static void name_held(struct qf_fx *fx, const struct qf_fx_file *f)
{
	char path[QF_SD_PATH];
	int rc = 0;

	qf_sd_path(path, QF_SD_HELD, f->id);
	if (!fx->options->check)
		rc = linkat(fx->st.root, f->path, fx->st.root, path, 0);
	qf_fx_report_done(fx, path, rc, "is missing; made");
}

static int visit_mess(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e)
{
	(void)user;
	(void)e;
	if (f->kind != QF_FX_FINAL)
		return 0;
	if (!is_named(fx, f->id)) {
		if (is_old(f))
			leave_to_sweep(fx, f);
		return 0;
	}
	if (!has(fx, QF_SD_HOLD, f->id))
		return 0;
	if (has(fx, QF_SD_TODO, f->id) || has(fx, QF_SD_INFO, f->id))
		qf_fx_report(fx, f->path, QF_FIX_LEFT,
		    "the message is both held and queued: remove its name in "
		    "hold, or those in todo and info");
	else if (!has(fx, QF_SD_HELD, f->id))
		name_held(fx, f);
	else if (!is_same_file(fx, f, QF_SD_HELD))
		lose(fx, f,
		    "is another copy of a message that is held; moved to lost");
	return 0;
}

static int visit_held(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e)
{
	(void)user;
	(void)e;
	if (f->kind != QF_FX_FINAL || f->place != QF_SD_HELD ||
	    has(fx, QF_SD_HOLD, f->id))
		return 0;
	if (has(fx, QF_SD_MESS, f->id) && !is_same_file(fx, f, QF_SD_MESS))
		lose(fx, f,
		    "is another copy of a message that is queued; moved to "
		    "lost");
	else if (is_old(f))
		leave_to_sweep(fx, f);
	return 0;
}

int qf_fx_state(struct qf_fx *fx, struct qf_err *e)
{
	static const struct {
		enum qf_sd_place place;
		qf_fx_visit visit;
	} t[] = {
	    {QF_SD_LOCAL, visit_state},
	    {QF_SD_REMOTE, visit_state},
	    {QF_SD_BOUNCE, visit_state},
	    {QF_SD_ATTR, visit_state},
	    {QF_SD_INTD, visit_state},
	    {QF_SD_TODO, visit_envelope},
	    {QF_SD_INFO, visit_envelope},
	    {QF_SD_HOLD, visit_envelope},
	    {QF_SD_MESS, visit_mess},
	    {QF_SD_HOLD, visit_held},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof t / sizeof *t && rc == 0; i++)
		rc = qf_fx_walk(fx, t[i].place, t[i].visit, NULL, e);
	return rc;
}
