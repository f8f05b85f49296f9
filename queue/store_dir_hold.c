/*
 * What becomes of a held message: it is released or deleted.
 *
 * The name of its envelope, hold/N/ID, is what makes it held; by its lock
 * (flock) one program at a time claims it, the sender's expiry or a person's
 * command. A release moves that name to todo/ID, or to info/N/ID when attempts
 * were made before it was held, after the message has its name in mess/, so the
 * message is held or queued at each moment, never both. The bytes keep their
 * name in hold/ until that is on disk.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	QUEUED_MODE = 0644,
	STATE_MODE = 0600 /* of info/N/ID */
};

/* Where the envelope of a queued message is. */
static enum qf_sd_place queued_place(const struct qf_item *item)
{
	return item->fresh ? QF_SD_TODO : QF_SD_INFO;
}

/*
 * As other senders know it. The time of last access becomes now before the
 * name in mess/ is made: a file there that nothing else names is litter when
 * it is old.
 */
static int dress_message(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	struct timespec ts[2] = {
	    {.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	char path[QF_SD_PATH];
	int fd, rc = 0;

	qf_sd_path(path, QF_SD_HELD, item->id);
	fd = openat(st->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || qf_sd_dress(st, fd, QUEUED_MODE) < 0 ||
	    futimens(fd, ts) < 0 || fsync(fd) < 0)
		rc = qf_fail_sys(
		    e, QF_EMESS, "can not prepare %s/%s", st->dir, path);
	qf_close(&fd);
	return rc;
}

/* Its time of last change is what the sender takes for its birth. */
static int dress_envelope(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	struct timespec ts[2] = {
	    {.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};

	if (qf_sd_dress(
		st, item->claim, item->fresh ? QUEUED_MODE : STATE_MODE) < 0 ||
	    futimens(item->claim, ts) < 0 || fsync(item->claim) < 0)
		return qf_fail_sys(e, QF_ETODO,
		    "can not prepare the envelope of message %s in %s",
		    item->id, st->dir);
	return 0;
}

/* Has the name in mess/ been made by a release that was cut off? */
static bool is_named(const struct qf_store *st, const struct qf_item *item)
{
	char from[QF_SD_PATH], to[QF_SD_PATH];
	struct stat here, there;

	qf_sd_path(from, QF_SD_HELD, item->id);
	qf_sd_path(to, QF_SD_MESS, item->id);
	return fstatat(st->root, from, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(st->root, to, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino;
}

static int name_message(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	char from[QF_SD_PATH], to[QF_SD_PATH], folder[QF_SD_PATH];
	int rc;

	qf_sd_path(from, QF_SD_HELD, item->id);
	qf_sd_path(to, QF_SD_MESS, item->id);
	if (linkat(st->root, from, st->root, to, 0) < 0 &&
	    (errno != EEXIST || !is_named(st, item)))
		return qf_fail_sys(
		    e, QF_EMESS, "can not make %s/%s", st->dir, to);
	qf_sd_folder(folder, QF_SD_MESS, item->id);
	rc = qf_sd_sync_folder(st, folder, QF_EMESS, e);
	if (rc < 0)
		qf_sd_remove(st, QF_SD_MESS, item->id, NULL);
	return rc;
}

/* From here on it is queued. */
static int move_envelope(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	char from[QF_SD_PATH], to[QF_SD_PATH];

	qf_sd_path(from, QF_SD_HOLD, item->id);
	qf_sd_path(to, queued_place(item), item->id);
	if (renameat(st->root, from, st->root, to) == 0)
		return 0;
	qf_fail_sys(e, QF_ETODO, "can not make %s/%s", st->dir, to);
	qf_sd_remove(st, QF_SD_MESS, item->id, NULL);
	return QF_ETODO;
}

/* The move to disk, then the name that is no longer needed: it may stay
 * until it is swept. */
static int settle_move(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	char to[QF_SD_PATH], folder[QF_SD_PATH];
	int rc;

	qf_sd_folder(to, queued_place(item), item->id);
	qf_sd_folder(folder, QF_SD_HOLD, item->id);
	if ((rc = qf_sd_sync_folder(st, to, QF_ETODO, e)) < 0 ||
	    (rc = qf_sd_sync_folder(st, folder, QF_EWRITE, e)) < 0)
		return qf_err_context(e,
		    "message %s is released, but may be held again after a "
		    "loss of power",
		    item->id);
	qf_sd_remove(st, QF_SD_HELD, item->id, NULL);
	return 0;
}

int qf_sd_release(struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	int rc;

	if (!item->held)
		return qf_fail(e, QF_ENOENT, "message %s is not held in %s",
		    item->id, st->dir);
	if ((rc = qf_sd_claim(st, item, e)) < 0 ||
	    (rc = dress_message(st, item, e)) < 0 ||
	    (rc = dress_envelope(st, item, e)) < 0 ||
	    (!item->fresh &&
		(rc = qf_sd_set_due(st, item->id, qf_clock_wall(), e)) < 0) ||
	    (rc = name_message(st, item, e)) < 0 ||
	    (rc = move_envelope(st, item, e)) < 0)
		return rc;
	item->held = false;
	rc = settle_move(st, item, e);
	/* On what was its name in hold/: it locks nothing any more. */
	qf_close(&item->claim);
	qf_sd_pull_trigger(st);
	return rc;
}

/* What made it held is gone, and must not come back: without what follows, it
 * would be another message than it was. */
static int remove_envelope(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	char folder[QF_SD_PATH];
	int rc = qf_sd_remove(st, QF_SD_HOLD, item->id, e);

	qf_sd_folder(folder, QF_SD_HOLD, item->id);
	return rc < 0 ? rc : qf_sd_sync_folder(st, folder, QF_EWRITE, e);
}

/* mess/ may have a second name of it, after a release that was cut off. */
int qf_sd_finish_held(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	static const enum qf_sd_place order[] = {QF_SD_INTD, QF_SD_LOCAL,
	    QF_SD_REMOTE, QF_SD_BOUNCE, QF_SD_ATTR, QF_SD_MESS, QF_SD_HELD};
	int rc = qf_sd_claim(st, item, e);

	if (rc == 0)
		rc = remove_envelope(st, item, e);
	for (size_t i = 0; i < sizeof order / sizeof order[0] && rc == 0; i++)
		rc = qf_sd_remove(st, order[i], item->id, e);
	return rc;
}
