/*
 * Who changes a message claims it: a lock (flock) on the file that is there as
 * long as the message is what it is, mess/N/ID of a queued one and hold/N/ID
 * of a held one. What was loaded before may have changed, so it is loaded
 * again under the lock.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/io.h"

static int fail_gone(
    const struct qf_store *st, const char *id, bool held, struct qf_err *e)
{
	return qf_fail(e, QF_ENOENT, "message %s is not %s in %s", id,
	    held ? "held" : "queued", st->dir);
}

/* Does the name still lead to the file that was locked? */
static bool is_still_named(const struct qf_store *st, const char *path, int fd)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 &&
	       fstatat(st->root, path, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

int qf_sd_lock(const struct qf_store *st, const char *id, int fd,
    const char *path, struct qf_err *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return is_still_named(st, path, fd) ? 0 : QF_ENOENT;
	if (errno == EWOULDBLOCK)
		return qf_fail(e, QF_EPERM,
		    "another program is at work on message %s", id);
	return qf_fail_sys(e, QF_EQUEUE, "can not lock %s/%s", st->dir, path);
}

/* It loads, or why it does not: the lock is had. */
static int load_again(
    struct qf_store *st, struct qf_item *item, int fd, struct qf_err *e)
{
	struct qf_item now = QF_ITEM_INIT;
	int rc = qf_sd_load(st, item->id, &now, e);

	if (rc == 0 && now.held != item->held)
		rc = fail_gone(st, item->id, item->held, e);
	if (rc < 0) {
		qf_item_free(&now);
		return rc;
	}
	qf_item_free(item);
	*item = now;
	item->claim = fd;
	return 0;
}

static int fail_busy(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	/* With a guard of ours no sender runs. */
	if (item->held || st->guard >= 0)
		return QF_EPERM;
	return qf_fail(e, QF_EPERM,
	    "message %s is being delivered now; try again", item->id);
}

int qf_sd_claim(struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	char path[QF_SD_PATH];
	int fd, rc;

	if (item->claim >= 0)
		return 0;
	if (!qf_sd_is_id(item->id))
		return fail_gone(st, item->id, item->held, e);
	if ((rc = qf_sd_check_fixing(st, e)) < 0 ||
	    (!item->held && (rc = qf_sd_guard(st, e)) < 0))
		return rc;
	qf_sd_path(path, item->held ? QF_SD_HOLD : QF_SD_MESS, item->id);
	fd = openat(
	    st->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT)
		return qf_fail_sys(
		    e, QF_EQUEUE, "can not open %s/%s", st->dir, path);
	/* Without its file it may be lost: then it does not load. */
	rc = fd < 0 ? QF_ENOENT : qf_sd_lock(st, item->id, fd, path, e);
	if (rc == QF_EPERM)
		rc = fail_busy(st, item, e);
	else if (rc == QF_ENOENT)
		rc = fail_gone(st, item->id, item->held, e);
	else if (rc == 0)
		rc = load_again(st, item, fd, e);
	if (rc < 0)
		qf_close(&fd);
	return rc;
}
