/*
 * What the sender writes down: who has the message, who never will, and when
 * to try again. Each step is on disk before the next one relies on it, so a
 * crash can repeat a delivery or a note and never loses one.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"

enum {
	STATE_MODE = 0600
};

static int fail_write(const struct qf_store *st, const char *what,
    const char *path, struct qf_err *e)
{
	return qf_fail_sys(
	    e, QF_EWRITE, "can not %s %s/%s", what, st->dir, path);
}

static int set_mtime(int fd, int64_t when)
{
	struct timespec ts[2] = {
	    {.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)when}};

	return futimens(fd, ts);
}

/* Writes a whole file of records, on disk with its time, without its name. */
static int write_file(const struct qf_store *st, enum qf_sd_place place,
    const struct qf_item *item, const struct qf_buf *b, int64_t mtime,
    struct qf_err *e)
{
	char path[QF_SD_PATH];
	int fd, rc = 0;

	qf_sd_path(path, place, item->id);
	fd = openat(st->root, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, STATE_MODE);
	if (fd < 0)
		return fail_write(st, "make", path, e);
	if (qf_sd_dress(st, fd, STATE_MODE) < 0 ||
	    qf_write_all(fd, b->s, b->len) < 0 || set_mtime(fd, mtime) < 0 ||
	    fsync(fd) < 0)
		rc = fail_write(st, "write", path, e);
	close(fd);
	return rc;
}

static int sync_place(const struct qf_store *st, enum qf_sd_place place,
    const char *id, struct qf_err *e)
{
	char folder[QF_SD_PATH];

	qf_sd_folder(folder, place, id);
	return qf_sd_sync_folder(st, folder, QF_EWRITE, e);
}

static int write_info(
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	qf_buf_addc(&b, 'F');
	qf_buf_add(&b, item->sender.s, item->sender.len + 1);
	rc = write_file(st, QF_SD_INFO, item, &b, item->born, e);
	if (rc == 0)
		rc = sync_place(st, QF_SD_INFO, item->id, e);
	qf_buf_free(&b);
	return rc;
}

/* All recipients: nothing is delivered locally yet. */
static int write_remote(const struct qf_store *st, struct qf_item *item,
    int64_t due, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	for (size_t i = 0; i < item->rcpt.n; i++) {
		item->place[i] = b.len;
		qf_buf_addc(&b, item->done[i] ? 'D' : 'T');
		qf_buf_add(&b, item->rcpt.v[i], strlen(item->rcpt.v[i]) + 1);
	}
	item->nlocal = 0;
	rc = write_file(st, QF_SD_REMOTE, item, &b, due, e);
	if (rc == 0)
		rc = sync_place(st, QF_SD_REMOTE, item->id, e);
	qf_buf_free(&b);
	return rc;
}

static int remove_all(const struct qf_store *st, const char *id,
    const enum qf_sd_place *order, size_t n, struct qf_err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = qf_sd_remove(st, order[i], id, e);
	return rc;
}

/*
 * From todo to a state of its own. While the todo file is there, the state
 * files do not count: what an earlier crash left is removed, the new ones are
 * written and synced, and only then the todo file goes.
 */
static int settle(const struct qf_store *st, struct qf_item *item, int64_t due,
    struct qf_err *e)
{
	static const enum qf_sd_place stale[] = {
	    QF_SD_INFO, QF_SD_LOCAL, QF_SD_REMOTE, QF_SD_BOUNCE};
	static const enum qf_sd_place gone[] = {QF_SD_INTD, QF_SD_TODO};
	int rc;

	if ((rc = remove_all(
		 st, item->id, stale, sizeof stale / sizeof stale[0], e)) < 0 ||
	    (rc = write_remote(st, item, due, e)) < 0 ||
	    (rc = write_info(st, item, e)) < 0 ||
	    (rc = remove_all(
		 st, item->id, gone, sizeof gone / sizeof gone[0], e)) < 0)
		return rc;
	item->fresh = false;
	return sync_place(st, QF_SD_TODO, item->id, e);
}

static int check_rcpt(const struct qf_item *item, size_t i, struct qf_err *e)
{
	if (i < item->rcpt.n)
		return 0;
	return qf_fail(
	    e, QF_EINVAL, "message %s has no recipient %zu", item->id, i);
}

/* Makes the T of a recipient a D, in place. */
static int write_mark(const struct qf_store *st, const struct qf_item *item,
    size_t i, struct qf_err *e)
{
	off_t at = (off_t)item->place[i];
	char path[QF_SD_PATH], now = 0;
	int fd, rc = 0;

	qf_sd_path(
	    path, i < item->nlocal ? QF_SD_LOCAL : QF_SD_REMOTE, item->id);
	fd = openat(st->root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_write(st, "open", path, e);
	if (pread(fd, &now, 1, at) < 0)
		rc = qf_fail_sys(
		    e, QF_EREAD, "can not read %s/%s", st->dir, path);
	else if (now != 'T' && now != 'D')
		rc = qf_fail(e, QF_EFORMAT,
		    "%s/%s is damaged: no recipient at byte %lld", st->dir,
		    path, (long long)at);
	else if (pwrite(fd, "D", 1, at) != 1 || fdatasync(fd) < 0)
		rc = fail_write(st, "write", path, e);
	close(fd);
	return rc;
}

int qf_sd_mark(
    struct qf_store *st, struct qf_item *item, size_t i, struct qf_err *e)
{
	int rc = check_rcpt(item, i, e);

	if (rc == 0 && !item->fresh)
		rc = write_mark(st, item, i, e);
	if (rc == 0)
		item->done[i] = true;
	return rc;
}

/* Puts the notes from byte `from` on to disk, and cuts what else is there. */
static int write_notes(const struct qf_store *st, const char *id,
    const struct qf_buf *notes, size_t from, struct qf_err *e)
{
	char path[QF_SD_PATH];
	int fd, rc = 0;

	qf_sd_path(path, QF_SD_BOUNCE, id);
	fd = openat(st->root, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    STATE_MODE);
	if (fd < 0)
		return fail_write(st, "open", path, e);
	if (qf_sd_dress(st, fd, STATE_MODE) < 0 ||
	    ftruncate(fd, (off_t)from) < 0 ||
	    lseek(fd, (off_t)from, SEEK_SET) < 0 ||
	    qf_write_all(fd, notes->s + from, notes->len - from) < 0 ||
	    fdatasync(fd) < 0)
		rc = fail_write(st, "write", path, e);
	close(fd);
	if (rc == 0 && from == 0)
		rc = sync_place(st, QF_SD_BOUNCE, id, e);
	return rc;
}

/* The note first, then the mark: a crash between the two repeats the
 * delivery, and its failure the note. */
int qf_sd_note(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e)
{
	size_t before = item->notes.len;
	int rc = check_rcpt(item, i, e);

	if (rc < 0)
		return rc;
	if (item->done[i])
		return qf_fail(e, QF_EINVAL,
		    "recipient %zu of message %s is done", i, item->id);
	if (item->fresh && (rc = settle(st, item, item->born, e)) < 0)
		return rc;
	qf_note_add(&item->notes, item->rcpt.v[i], reason);
	rc = write_notes(st, item->id, &item->notes, before, e);
	if (rc == 0)
		rc = write_mark(st, item, i, e);
	if (rc < 0) {
		item->notes.len = before;
		item->notes.s[before] = '\0';
		return rc;
	}
	item->done[i] = true;
	return 0;
}

static int set_due(const struct qf_store *st, enum qf_sd_place place,
    const char *id, int64_t due, struct qf_err *e)
{
	char path[QF_SD_PATH];
	int fd, rc = 0;

	qf_sd_path(path, place, id);
	fd = openat(st->root, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail_write(st, "open", path, e);
	if (set_mtime(fd, due) < 0 || fsync(fd) < 0)
		rc = fail_write(st, "set the time of", path, e);
	close(fd);
	return rc;
}

int qf_sd_set_due(
    const struct qf_store *st, const char *id, int64_t due, struct qf_err *e)
{
	int rc = set_due(st, QF_SD_LOCAL, id, due, e);

	return rc == 0 ? set_due(st, QF_SD_REMOTE, id, due, e) : rc;
}

int qf_sd_defer(
    struct qf_store *st, struct qf_item *item, int64_t due, struct qf_err *e)
{
	int rc;

	if (item->fresh)
		rc = settle(st, item, due, e);
	else
		rc = qf_sd_set_due(st, item->id, due, e);
	if (rc == 0)
		item->due = due;
	return rc;
}

/* One line for an address: an empty one would end the list, a line end would
 * make two of it. */
static void add_line(struct qf_buf *b, const char *addr, bool is_rcpt)
{
	if (is_rcpt && addr[0] == '\0')
		qf_buf_adds(b, "<>");
	for (; *addr != '\0'; addr++)
		qf_buf_addc(b, *addr == '\n' || *addr == '\r' ? '_' : *addr);
	qf_buf_addc(b, '\n');
}

static int copy_failed(const struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, int from, int to, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	char chunk[QF_IO_CHUNK];
	ssize_t r;
	int rc;

	add_line(&b, item->sender.s, false);
	for (size_t i = 0; i < rcpt->n; i++)
		add_line(&b, rcpt->v[i], true);
	qf_buf_addc(&b, '\n');
	rc = qf_write_all(to, b.s, b.len);
	qf_buf_free(&b);
	while (rc == 0 && (r = qf_read(from, chunk, sizeof chunk)) != 0) {
		if (r < 0)
			return qf_fail_sys(e, QF_EREAD,
			    "can not read message %s in %s", item->id, st->dir);
		rc = qf_write_all(to, chunk, (size_t)r);
	}
	if (rc < 0 || qf_sd_dress(st, to, STATE_MODE) < 0 || fsync(to) < 0)
		return fail_write(st, "write", "failed", e);
	return 0;
}

/*
 * The number of a message comes again when it is gone, but what is kept of it
 * stays: another name for that. A file that is younger than the message is of
 * an earlier try to keep it.
 */
static int make_room(const struct qf_store *st, const struct qf_item *item,
    int message, const char *path, struct qf_err *e)
{
	char aside[QF_SD_PATH + 16];
	struct stat kept, sb;
	int rc = -1;

	if (fstatat(st->root, path, &kept, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (fstat(message, &sb) < 0)
		return qf_fail_sys(e, QF_EREAD,
		    "can not look at message %s in %s", item->id, st->dir);
	if (kept.st_mtim.tv_sec > sb.st_mtim.tv_sec ||
	    (kept.st_mtim.tv_sec == sb.st_mtim.tv_sec &&
		kept.st_mtim.tv_nsec >= sb.st_mtim.tv_nsec))
		return 0;
	for (int i = 1; rc < 0 && (i == 1 || errno == EEXIST); i++) {
		snprintf(aside, sizeof aside, "%s.%d", path, i);
		rc = linkat(st->root, path, st->root, aside, 0);
	}
	if (rc < 0)
		return fail_write(st, "keep", path, e);
	return sync_place(st, QF_SD_FAILED, item->id, e);
}

int qf_sd_fail(struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, struct qf_err *e)
{
	char path[QF_SD_PATH], temp[QF_SD_PATH];
	int from, to = -1, rc;

	if ((from = qf_sd_message(st, item->id, e)) < 0)
		return from;
	qf_sd_path(path, QF_SD_FAILED, item->id);
	snprintf(temp, sizeof temp, "failed/.new.%s", item->id);
	if ((rc = make_room(st, item, from, path, e)) < 0)
		goto out;
	to = openat(st->root, temp,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, STATE_MODE);
	if (to < 0) {
		rc = fail_write(st, "make", temp, e);
		goto out;
	}
	rc = copy_failed(st, item, rcpt, from, to, e);
	if (rc == 0 && renameat(st->root, temp, st->root, path) < 0)
		rc = fail_write(st, "make", path, e);
	if (rc < 0)
		unlinkat(st->root, temp, 0);
	else
		rc = sync_place(st, QF_SD_FAILED, item->id, e);
out:
	qf_close(&from);
	qf_close(&to);
	return rc;
}

/* A person does not want it: its notes must not be lost while it may still be
 * delivered, and it must not come back. Nor must an info file that does not
 * count while there is todo/ID. */
static int delete (
    const struct qf_store *st, const struct qf_item *item, struct qf_err *e)
{
	static const enum qf_sd_place rest[] = {QF_SD_BOUNCE, QF_SD_INTD,
	    QF_SD_LOCAL, QF_SD_REMOTE, QF_SD_ATTR, QF_SD_MESS};
	int rc = 0;

	if (qf_sd_exists(st, QF_SD_INFO, item->id) &&
	    (rc = qf_sd_remove(st, QF_SD_INFO, item->id, e)) == 0)
		rc = sync_place(st, QF_SD_INFO, item->id, e);
	if (rc == 0 && item->fresh &&
	    (rc = qf_sd_remove(st, QF_SD_TODO, item->id, e)) == 0)
		rc = sync_place(st, QF_SD_TODO, item->id, e);
	if (rc == 0)
		rc = remove_all(
		    st, item->id, rest, sizeof rest / sizeof *rest, e);
	return rc;
}

/*
 * info and todo are what make a message queued; with both, info does not
 * count, so it goes first. What else there is only matters through them and
 * goes after them, but for the notes: without recipients left, an info file
 * without notes is a finished message, and notes without their info file could
 * become another message's. mess is last: until it is gone, no other message
 * gets the id.
 */
int qf_sd_finish(struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	static const enum qf_sd_place order[] = {QF_SD_BOUNCE, QF_SD_INFO,
	    QF_SD_TODO, QF_SD_INTD, QF_SD_LOCAL, QF_SD_REMOTE, QF_SD_ATTR,
	    QF_SD_MESS};

	if (item->held)
		return qf_sd_finish_held(st, item, e);
	if (st->mutex < 0) /* not the sender, so nobody has had it */
		return delete (st, item, e);
	return remove_all(
	    st, item->id, order, sizeof order / sizeof order[0], e);
}
