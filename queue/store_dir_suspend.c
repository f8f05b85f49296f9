/*
 * A queued message becomes a held one.
 *
 * The name that makes it queued, todo/ID or info/N/ID, moves to hold/N/ID; its
 * bytes have their name in hold/ before, so the message is queued or held at
 * each moment, never neither. Files that say what became of recipients stay
 * where they are: without info/N/ID they mean nothing to a sender, and a held
 * envelope that was info/N/ID, with a sender and nothing else, says that they
 * count.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	HELD_MODE = 0600
};

/* A message on its way to hold/. */
struct suspension {
	const struct qf_store *st;
	struct qf_item *item;
	enum qf_sd_place from;
	int envelope;
};

static int fail_write(const struct suspension *s, const char *what,
    const char *path, struct qf_err *e)
{
	return qf_fail_sys(
	    e, QF_EWRITE, "can not %s %s/%s", what, s->st->dir, path);
}

static int sync_place(
    const struct suspension *s, enum qf_sd_place place, struct qf_err *e)
{
	char folder[QF_SD_PATH];

	qf_sd_folder(folder, place, s->item->id);
	return qf_sd_sync_folder(s->st, folder, QF_EWRITE, e);
}

/* What no stage of the chain held names none. */
static int write_reason(
    const struct suspension *s, const char *reason, struct qf_err *e)
{
	struct qf_attrs attrs = {0};
	int rc;

	qf_attrs_copy(&attrs, &s->item->attrs);
	qf_attrs_remove(&attrs, "STAGE");
	qf_attrs_remove(&attrs, "CATEGORY");
	rc = qf_attrs_set(&attrs, "HOLD", qf_span(reason), e);
	if (rc == 0)
		rc = qf_sd_replace_attrs(
		    s->st, s->item->id, s->item->claim, &attrs, e);
	if (rc == 0)
		qf_attrs_copy(&s->item->attrs, &attrs);
	qf_attrs_free(&attrs);
	return rc;
}

/* While todo/ID is there, what a crash left of state does not count. Without
 * it, it would. */
static int remove_stale(const struct suspension *s, struct qf_err *e)
{
	static const enum qf_sd_place stale[] = {
	    QF_SD_INFO, QF_SD_LOCAL, QF_SD_REMOTE, QF_SD_BOUNCE};
	const char *id = s->item->id;
	int rc = 0;

	if (!s->item->fresh)
		return 0;
	for (size_t i = 0; i < sizeof stale / sizeof *stale && rc == 0; i++) {
		if (!qf_sd_exists(s->st, stale[i], id))
			continue;
		rc = qf_sd_remove(s->st, stale[i], id, e);
		if (rc == 0)
			rc = sync_place(s, stale[i], e);
	}
	return rc;
}

/* The time of last access becomes now first: an old file in hold/ that nothing
 * else names there is litter. */
static int name_bytes(const struct suspension *s, struct qf_err *e)
{
	struct timespec ts[2] = {
	    {.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	char from[QF_SD_PATH], to[QF_SD_PATH];
	struct stat here, there;
	int rc = qf_sd_make_folder(s->st, QF_SD_HOLD, s->item->id, e);

	if (rc < 0)
		return rc;
	qf_sd_path(from, QF_SD_MESS, s->item->id);
	qf_sd_path(to, QF_SD_HELD, s->item->id);
	if (futimens(s->item->claim, ts) < 0 || fsync(s->item->claim) < 0)
		return fail_write(s, "set the time of", from, e);
	/* A release that was cut off may have left it. */
	if (linkat(s->st->root, from, s->st->root, to, 0) < 0 &&
	    (errno != EEXIST || fstat(s->item->claim, &here) < 0 ||
		fstatat(s->st->root, to, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
		here.st_ino != there.st_ino))
		return fail_write(s, "make", to, e);
	return sync_place(s, QF_SD_HOLD, e);
}

/* From the move on it is a held message, which others may claim: we have it
 * before. Its time is that since which it is held, so that no limit takes it
 * for one that is held for long. */
static int claim_envelope(struct suspension *s, struct qf_err *e)
{
	struct timespec ts[2] = {
	    {.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	char path[QF_SD_PATH];
	int rc;

	qf_sd_path(path, s->from, s->item->id);
	s->envelope = openat(
	    s->st->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->envelope < 0)
		return fail_write(s, "open", path, e);
	rc = qf_sd_lock(s->st, s->item->id, s->envelope, path, e);
	if (rc == QF_ENOENT)
		return qf_fail(e, rc, "message %s is not queued in %s",
		    s->item->id, s->st->dir);
	if (rc == 0 &&
	    (futimens(s->envelope, ts) < 0 || fsync(s->envelope) < 0))
		rc = fail_write(s, "set the time of", path, e);
	return rc;
}

static int move_envelope(struct suspension *s, struct qf_err *e)
{
	char from[QF_SD_PATH], to[QF_SD_PATH];

	qf_sd_path(from, s->from, s->item->id);
	qf_sd_path(to, QF_SD_HOLD, s->item->id);
	if (renameat(s->st->root, from, s->st->root, to) < 0)
		return fail_write(s, "make", to, e);
	return 0;
}

/* It is held; what is left of the queued message goes when that is on disk.
 * The folder keeps others from reading it, whatever its mode. */
static int settle_move(const struct suspension *s, struct qf_err *e)
{
	int rc;

	if ((rc = sync_place(s, QF_SD_HOLD, e)) < 0 ||
	    (rc = sync_place(s, s->from, e)) < 0)
		return qf_err_context(e,
		    "message %s is held, but may be queued again after a loss "
		    "of power",
		    s->item->id);
	if (qf_sd_dress(s->st, s->item->claim, HELD_MODE) < 0 ||
	    qf_sd_dress(s->st, s->envelope, HELD_MODE) < 0)
		return qf_fail_sys(e, QF_EWRITE,
		    "message %s is held, but its mode can not be set",
		    s->item->id);
	qf_sd_remove(s->st, QF_SD_INTD, s->item->id, NULL);
	qf_sd_remove(s->st, QF_SD_MESS, s->item->id, NULL);
	return 0;
}

static int suspend(struct suspension *s, const char *reason, struct qf_err *e)
{
	struct qf_item *item = s->item;
	int rc, claim;

	if ((rc = write_reason(s, reason, e)) < 0 ||
	    (rc = remove_stale(s, e)) < 0)
		return rc;
	if ((rc = name_bytes(s, e)) < 0 || (rc = claim_envelope(s, e)) < 0 ||
	    (rc = move_envelope(s, e)) < 0) {
		qf_sd_remove(s->st, QF_SD_HELD, item->id, NULL);
		return rc;
	}
	item->held = true;
	item->born = qf_clock_wall();
	rc = settle_move(s, e);
	/* The claim on a held message is on its envelope. */
	claim = item->claim;
	item->claim = s->envelope;
	s->envelope = claim;
	return rc;
}

int qf_sd_hold(struct qf_store *st, struct qf_item *item, const char *reason,
    struct qf_err *e)
{
	struct suspension s = {.st = st, .item = item, .envelope = -1};
	int rc;

	if (item->held)
		return qf_fail(
		    e, QF_EINVAL, "message %s is held already", item->id);
	if ((rc = qf_sd_claim(st, item, e)) < 0)
		return rc;
	s.from = item->fresh ? QF_SD_TODO : QF_SD_INFO;
	rc = suspend(&s, reason, e);
	qf_close(&s.envelope);
	return rc;
}
