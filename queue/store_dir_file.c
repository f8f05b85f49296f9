/*
 * The file of a message on its way in, and its number, which becomes the id.
 *
 * Where files were lost or copied by hand a number may still stand on another
 * message's files. Then another file is taken, while the first one stays open,
 * so that its number can not come again. An envelope in todo/ must be looked
 * for before there is a message for it; a name in mess/ shows when ours is
 * made, as it shows whether there is a /proc to make it by.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	NAME_TRIES = 9
};

static void fd_path(char out[QF_SD_PATH], int fd)
{
	snprintf(out, QF_SD_PATH, "/proc/self/fd/%d", fd);
}

int qf_sd_open_unnamed(const struct qf_store *st, const char *folder)
{
	int fd = -1;

	if (!st->named)
		fd = openat(st->root, folder, O_TMPFILE | O_RDWR | O_CLOEXEC,
		    QF_SD_FILE_MODE);
	if (fd < 0 && (st->named || errno == EISDIR || errno == EINVAL))
		errno = EOPNOTSUPP;
	return fd;
}

static int open_named(struct qf_intake *in)
{
	int fd = -1;

	for (int i = 1; i <= NAME_TRIES; i++) {
		snprintf(in->pid, sizeof in->pid, "pid/%ld.%lld.%d",
		    (long)getpid(), (long long)qf_clock_wall(), i);
		fd = openat(in->st->root, in->pid,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, QF_SD_FILE_MODE);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	if (fd < 0)
		in->pid[0] = '\0';
	return fd;
}

/* Has a file that was just made another mode or owner than it is to have? */
static bool is_odd(const struct qf_store *st, const struct stat *sb)
{
	return (sb->st_mode & 07777) != QF_SD_FILE_MODE ||
	       (st->give && (sb->st_uid != st->uid || sb->st_gid != st->gid));
}

static int open_message(struct qf_intake *in, struct qf_err *e)
{
	struct stat sb;
	int rc = QF_EMESS;

	in->message = qf_sd_open_unnamed(in->st, "mess");
	if (in->message < 0 && errno == EOPNOTSUPP) {
		in->st->named = true;
		rc = QF_EPID;
		in->message = open_named(in);
	}
	if (in->message < 0)
		return qf_sd_fail_step(in, rc,
		    rc == QF_EPID ? "can not make a file for pid"
				  : "can not make a file for mess",
		    e);
	if (fstat(in->message, &sb) < 0)
		return qf_sd_fail_step(in, QF_EPID, "can not set up a file", e);
	/* It tells for nothing whether we are root. */
	if (sb.st_uid == 0 && !in->st->give &&
	    (rc = qf_sd_find_owner(in->st, e)) < 0)
		return rc;
	in->dress = is_odd(in->st, &sb);
	if (in->dress && qf_sd_dress(in->st, in->message, QF_SD_FILE_MODE) < 0)
		return qf_sd_fail_step(in, QF_EPID, "can not set up a file", e);
	in->inode = sb.st_ino;
	snprintf(in->id, sizeof in->id, "%llu", (unsigned long long)sb.st_ino);
	return 0;
}

static void remove_first_name(struct qf_intake *in)
{
	if (in->pid[0] != '\0')
		unlinkat(in->st->root, in->pid, 0);
	in->pid[0] = '\0';
}

static int put_aside(struct qf_intake *in, struct qf_err *e)
{
	if (in->naside == QF_SD_ASIDE)
		return qf_fail(e, QF_EMESS,
		    "%s has records of message %s, which is gone; see "
		    "qfront-queue(8), FILES",
		    in->st->dir, in->id);
	remove_first_name(in);
	in->aside[in->naside++] = in->message;
	in->message = -1;
	return 0;
}

int qf_sd_take_file(struct qf_intake *in, struct qf_err *e)
{
	int rc = open_message(in, e);

	while (rc == 0 && qf_sd_exists(in->st, QF_SD_TODO, in->id)) {
		rc = put_aside(in, e);
		if (rc == 0)
			rc = open_message(in, e);
	}
	return rc;
}

static int copy(int from, int to, uint64_t n)
{
	off_t at = 0;

	while ((uint64_t)at < n) {
		ssize_t r = sendfile(to, from, &at, (size_t)(n - (uint64_t)at));

		if (r == 0)
			errno = EIO; /* it was longer */
		if (r <= 0 && errno != EINTR)
			return -1;
	}
	return 0;
}

int qf_sd_change_file(struct qf_intake *in, struct qf_err *e)
{
	int from = in->message, rc;

	if ((rc = put_aside(in, e)) < 0 || (rc = qf_sd_take_file(in, e)) < 0)
		return rc;
	if (copy(from, in->message, in->size) < 0)
		return qf_sd_fail_step(
		    in, QF_EWRITE, "can not write a message", e);
	return 0;
}

void qf_sd_drop_file(struct qf_intake *in)
{
	remove_first_name(in);
	qf_close(&in->message);
	while (in->naside > 0)
		qf_close(&in->aside[--in->naside]);
}

bool qf_sd_lacks_proc(struct qf_intake *in)
{
	char path[QF_SD_PATH];

	if (errno != ENOENT || in->pid[0] != '\0')
		return false;
	fd_path(path, in->message);
	if (faccessat(AT_FDCWD, path, F_OK, 0) < 0)
		in->st->named = true;
	else
		errno = ENOENT;
	return in->st->named;
}

int qf_sd_give_name(
    const struct qf_store *st, int fd, const char *first, const char *second)
{
	char path[QF_SD_PATH];

	if (first[0] != '\0')
		return linkat(st->root, first, st->root, second, 0);
	fd_path(path, fd);
	return linkat(AT_FDCWD, path, st->root, second, AT_SYMLINK_FOLLOW);
}
