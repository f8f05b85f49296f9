/*
 * How a message comes in, up to the point where all of it is written; what
 * makes it visible is in store_dir_publish.c.
 *
 * Message and envelope are files without a name until then (O_TMPFILE), so
 * that a writer that is killed leaves nothing. Where the file system or the
 * missing /proc does not allow that, they get names in pid/ and intd/ first,
 * as qmail-queue(8) does it.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "queue/layout.h"

enum {
	HELD_MODE = 0600,
	/* Bytes after which the kernel is asked to start writing, so that
	 * the sync at the end has little left to wait for. */
	WRITE_AHEAD = 4 << 20
};

int qf_sd_fail_step(
    const struct qf_intake *in, int rc, const char *what, struct qf_err *e)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
		rc = QF_EWRITE;
		break;
	case ENOMEM:
		rc = QF_ENOMEM;
		break;
	}
	return qf_fail_sys(e, rc, "%s in %s", what, in->st->dir);
}

/* Can the folder be written? QUEUEDIR itself, when that can not be entered. */
static int check_folder(
    const struct qf_store *st, const char *folder, int rc, struct qf_err *e)
{
	char path[QF_SD_PATH];
	int saved;

	/* The dot makes it a folder or an error. */
	snprintf(path, sizeof path, "%s/.", folder);
	if (faccessat(st->root, path, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	saved = errno;
	if (faccessat(st->root, ".", X_OK, AT_EACCESS) < 0)
		return qf_fail_sys(e, QF_EQUEUE, "can not enter %s", st->dir);
	errno = saved;
	return qf_fail_sys(e, rc, "can not write %s/%s", st->dir, folder);
}

/* They are needed where there are no unnamed files only, and must be there in
 * any case. What is wrong with the others shows when they are used. */
int qf_sd_check_intake(const struct qf_store *st, struct qf_err *e)
{
	int rc = check_folder(st, "pid", QF_EPID, e);

	return rc == 0 ? check_folder(st, "intd", QF_EINTD, e) : rc;
}

/* A file system that makes inodes as it needs them counts none. */
static int check_room(const struct qf_store *st, struct qf_err *e)
{
	const struct qf_store_settings *set = st->set;
	struct statvfs fs;

	if (set->free_bytes == 0 && set->free_inodes == 0)
		return 0;
	if (fstatvfs(st->root, &fs) < 0)
		return qf_fail_sys(
		    e, QF_EWRITE, "can not see how full %s is", st->dir);
	if ((uint64_t)fs.f_bavail < set->free_bytes / fs.f_frsize)
		return qf_fail(e, QF_EWRITE,
		    "the disk is full: %s has less than %llu bytes left",
		    st->dir, (unsigned long long)set->free_bytes);
	if (fs.f_files > 0 && (uint64_t)fs.f_favail < set->free_inodes)
		return qf_fail(e, QF_EWRITE,
		    "the disk is full: %s has less than %llu inodes left",
		    st->dir, (unsigned long long)set->free_inodes);
	return 0;
}

enum qf_sd_place qf_sd_envelope_place(const struct qf_intake *in)
{
	return in->held ? QF_SD_HOLD : QF_SD_TODO;
}

enum qf_sd_place qf_sd_message_place(const struct qf_intake *in)
{
	return in->held ? QF_SD_HELD : QF_SD_MESS;
}

/* Removes what was made, what makes it visible first. */
static void undo(struct qf_intake *in)
{
	if (in->in_todo)
		qf_sd_remove(in->st, qf_sd_envelope_place(in), in->id, NULL);
	if (in->in_intd)
		qf_sd_remove(in->st, QF_SD_INTD, in->id, NULL);
	if (in->in_attr)
		qf_sd_remove(in->st, QF_SD_ATTR, in->id, NULL);
	if (in->in_mess)
		qf_sd_remove(in->st, qf_sd_message_place(in), in->id, NULL);
	qf_sd_drop_file(in);
}

static void undo_all(void *arg)
{
	struct qf_store *st = arg;

	for (struct qf_intake *in = st->intakes; in != NULL; in = in->next)
		undo(in);
}

static void add_to_list(struct qf_intake *in)
{
	in->next = in->st->intakes;
	in->st->intakes = in;
	qf_alloc_undo(undo_all, in->st);
}

static void take_from_list(const struct qf_intake *in)
{
	struct qf_intake **at = &in->st->intakes;

	while (*at != in)
		at = &(*at)->next;
	*at = in->next;
	if (in->st->intakes == NULL)
		qf_alloc_undo(NULL, NULL);
}

static void drop(struct qf_intake **inp)
{
	struct qf_intake *in = *inp;

	take_from_list(in);
	undo(in);
	qf_close(&in->envelope);
	qf_close(&in->attrs);
	free(in);
	*inp = NULL;
}

int qf_sd_begin(struct qf_store *st, struct qf_intake **out, struct qf_err *e)
{
	struct qf_intake *in = qf_alloc(sizeof *in);
	int rc;

	*in = (struct qf_intake){
	    .st = st, .message = -1, .envelope = -1, .attrs = -1};
	add_to_list(in);
	rc = check_room(st, e);
	if (rc == 0)
		rc = qf_sd_take_file(in, e);
	if (rc < 0)
		drop(&in);
	*out = in;
	return rc;
}

int qf_sd_write(struct qf_intake *in, const void *p, size_t n, struct qf_err *e)
{
	if (qf_write_all(in->message, p, n) < 0)
		return qf_sd_fail_step(
		    in, QF_EWRITE, "can not write a message", e);
	in->size += n;
	if (in->size - in->started >= WRITE_AHEAD) {
		/* Only a hint: the sync finds the errors. */
		(void)sync_file_range(in->message, (off64_t)in->started,
		    (off64_t)(in->size - in->started), SYNC_FILE_RANGE_WRITE);
		in->started = in->size;
	}
	return 0;
}

void qf_sd_abort(struct qf_intake **in)
{
	if (*in != NULL)
		drop(in);
}

/* Nobody but the owner of the queue reads what is held. */
static int hold_message(struct qf_intake *in, struct qf_err *e)
{
	int rc = qf_sd_make_folder(in->st, QF_SD_HOLD, in->id, e);

	if (rc < 0)
		return rc;
	if (qf_sd_dress(in->st, in->message, HELD_MODE) < 0)
		return qf_sd_fail_step(
		    in, QF_EMESS, "can not set the mode of a message", e);
	return 0;
}

/* Its name, where it belongs: its number may still be on another message's
 * file, and no /proc may be there to name it by. */
static int name_message(struct qf_intake *in, struct qf_err *e)
{
	char path[QF_SD_PATH];
	int rc;

	for (;;) {
		if (in->held && (rc = hold_message(in, e)) < 0)
			return rc;
		qf_sd_path(path, qf_sd_message_place(in), in->id);
		if (qf_sd_give_name(in->st, in->message, in->pid, path) == 0)
			break;
		if (errno != EEXIST && !qf_sd_lacks_proc(in))
			return qf_sd_fail_step(
			    in, QF_EMESS, "can not name a message", e);
		if ((rc = qf_sd_change_file(in, e)) < 0)
			return rc;
	}
	in->in_mess = true;
	if (in->pid[0] != '\0' && unlinkat(in->st->root, in->pid, 0) < 0)
		return qf_sd_fail_step(in, QF_EPID, "can not remove a name", e);
	in->pid[0] = '\0';
	return 0;
}

static int write_attrs(
    struct qf_intake *in, const struct qf_attrs *attrs, struct qf_err *e)
{
	int rc = qf_sd_make_folder(in->st, QF_SD_ATTR, in->id, e);

	if (rc < 0)
		return rc;
	/* A file of that name is stale: the number is ours. */
	in->in_attr = true;
	in->attrs = qf_sd_write_attrs(in->st, in->id, in->message, attrs);
	if (in->attrs < 0)
		return qf_sd_fail_step(
		    in, QF_EWRITE, "can not write attributes", e);
	return 0;
}

static int open_first_name(struct qf_intake *in, mode_t mode)
{
	char path[QF_SD_PATH];

	qf_sd_path(path, QF_SD_INTD, in->id);
	/* What a dead writer left there is of no message: this id is ours by
	 * its name in mess/. */
	if (unlinkat(in->st->root, path, 0) < 0 && errno != ENOENT)
		return -1;
	in->envelope = openat(
	    in->st->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	in->in_intd = in->envelope >= 0;
	return in->envelope;
}

static int open_envelope(struct qf_intake *in, struct qf_err *e)
{
	mode_t mode = in->held ? HELD_MODE : QF_SD_FILE_MODE;
	char folder[QF_SD_PATH];
	int rc = QF_ETODO;

	qf_sd_folder(folder, qf_sd_envelope_place(in), in->id);
	in->envelope = qf_sd_open_unnamed(in->st, folder);
	if (in->envelope < 0 && errno == EOPNOTSUPP) {
		rc = QF_EINTD;
		open_first_name(in, mode);
	}
	if (in->envelope < 0 ||
	    ((in->dress || in->held) &&
		qf_sd_dress(in->st, in->envelope, mode) < 0))
		return qf_sd_fail_step(in, rc,
		    rc == QF_EINTD ? "can not make an envelope for intd"
				   : "can not make an envelope for todo",
		    e);
	return 0;
}

/* Appends a record, and writes the buffer out when it has grown. */
static int add_record(int fd, struct qf_buf *b, char letter, const char *value)
{
	qf_buf_addc(b, letter);
	qf_buf_add(b, value, strlen(value) + 1);
	if (b->len < QF_IO_CHUNK)
		return 0;
	if (qf_write_all(fd, b->s, b->len) < 0)
		return -1;
	qf_buf_reset(b);
	return 0;
}

/* `u` uid, `p` pid, `F` sender, `T` recipient each: no zero byte at the end. */
static int write_envelope(struct qf_intake *in, const struct qf_envelope *env,
    long uid, long pid, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	qf_buf_addf(&b, "u%ld%cp%ld%c", uid, 0, pid, 0);
	rc = add_record(in->envelope, &b, 'F', qf_envelope_sender(env));
	for (size_t i = 0; rc == 0 && i < env->nrcpt; i++)
		rc =
		    add_record(in->envelope, &b, 'T', qf_envelope_rcpt(env, i));
	if (rc == 0)
		rc = qf_write_all(in->envelope, b.s, b.len);
	if (rc < 0)
		rc = qf_sd_fail_step(
		    in, QF_EWRITE, "can not write an envelope", e);
	qf_buf_free(&b);
	return rc;
}

int qf_sd_prepare(struct qf_intake *in, const struct qf_envelope *env, long uid,
    long pid, struct qf_err *e)
{
	int rc;

	in->held = qf_attrs_get(&env->attrs, "HOLD") != NULL;
	if ((rc = name_message(in, e)) < 0 ||
	    (env->attrs.list.n > 0 &&
		(rc = write_attrs(in, &env->attrs, e)) < 0) ||
	    (rc = open_envelope(in, e)) < 0)
		return rc;
	return write_envelope(in, env, uid, pid, e);
}
