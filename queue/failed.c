#include "queue/failed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "queue/store_dir_internal.h"

enum {
	HEAD_MAX = 1 << 30 /* bytes of the addresses */
};

void qf_failed_free(struct qf_failed *f)
{
	qf_buf_free(&f->sender);
	qf_strv_free(&f->rcpt);
	qf_close(&f->fd);
	*f = (struct qf_failed)QF_FAILED_INIT;
}

static void add_path(struct qf_buf *b, const char *dir, const char *id)
{
	qf_buf_addf(b, "%s/failed/%s", dir, id);
}

/* Up to the empty line: 0, or -1 when there is none. *used becomes the bytes
 * with that line. */
static int parse(struct qf_failed *f, struct qf_span rest, size_t *used)
{
	struct qf_span all = rest, line;

	qf_strv_free(&f->rcpt);
	if (!qf_span_cut(&rest, '\n', &line))
		return -1;
	qf_buf_reset(&f->sender);
	qf_buf_addspan(&f->sender, line);
	while (qf_span_cut(&rest, '\n', &line)) {
		if (line.n == 0) {
			*used = all.n - rest.n;
			return 0;
		}
		qf_strv_add_span(
		    &f->rcpt, qf_span_is(line, "<>") ? qf_span("") : line);
	}
	return -1;
}

/* Reads as much as holds the addresses. */
static int read_head(struct qf_failed *f, size_t *used, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	ssize_t n = 1;
	int rc = -1;

	while (rc < 0 && n > 0 && b.len < HEAD_MAX) {
		qf_buf_reserve(&b, QF_IO_CHUNK);
		n = qf_read(f->fd, b.s + b.len, QF_IO_CHUNK);
		if (n > 0) {
			b.len += (size_t)n;
			b.s[b.len] = '\0';
			if (memmem(b.s, b.len, "\n\n", 2) != NULL)
				rc = parse(f, qf_buf_span(&b), used);
		}
	}
	qf_buf_free(&b);
	if (n < 0)
		return qf_fail_sys(e, QF_EREAD, "can not read it");
	if (rc < 0)
		return qf_fail(
		    e, QF_EFORMAT, "no empty line ends its addresses");
	return 0;
}

static int open_file(struct qf_failed *f, struct qf_err *e)
{
	struct stat sb;
	size_t used = 0;
	int rc;

	if (fstat(f->fd, &sb) < 0)
		return qf_fail_sys(e, QF_EREAD, "can not look at it");
	if (!S_ISREG(sb.st_mode))
		return qf_fail(e, QF_EREAD, "it is not a regular file");
	if ((rc = read_head(f, &used, e)) < 0)
		return rc;
	if (lseek(f->fd, (off_t)used, SEEK_SET) < 0)
		return qf_fail_sys(e, QF_EREAD, "can not read it");
	f->born = sb.st_mtime;
	f->size = (uint64_t)sb.st_size - used;
	return 0;
}

int qf_failed_open(
    const char *dir, const char *id, struct qf_failed *out, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	int rc;

	qf_failed_free(out);
	if (!qf_sd_is_failed_id(id))
		return qf_fail(
		    e, QF_ENOENT, "`%.30s` is no message number", id);
	memcpy(out->id, id, strlen(id) + 1);
	add_path(&path, dir, id);
	out->fd = open(path.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (out->fd >= 0) {
		if ((rc = open_file(out, e)) < 0)
			qf_err_context(e, "%s", path.s);
	} else if (errno == ENOENT) {
		rc = qf_fail(e, QF_ENOENT,
		    "no message %s has failed; see qfrontctl queue failed", id);
	} else {
		rc = qf_fail_sys(e, QF_EREAD, "can not open %s", path.s);
	}
	qf_buf_free(&path);
	if (rc < 0)
		qf_failed_free(out);
	return rc;
}

int qf_failed_claim(
    const char *dir, const struct qf_failed *f, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	struct stat here, there;
	int rc = 0;

	add_path(&path, dir, f->id);
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK
			 ? qf_fail(e, QF_EPERM,
			       "another program is at work on %s", path.s)
			 : qf_fail_sys(e, QF_EQUEUE, "can not lock %s", path.s);
	else if (fstat(f->fd, &here) < 0 || lstat(path.s, &there) < 0 ||
		 here.st_ino != there.st_ino)
		rc = qf_fail(e, QF_ENOENT, "%s is gone", path.s);
	qf_buf_free(&path);
	return rc;
}

int qf_failed_remove(
    const char *dir, const struct qf_failed *f, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	int fd, rc = 0;

	add_path(&path, dir, "");
	fd = open(path.s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || unlinkat(fd, f->id, 0) < 0 || qf_sync_dir(fd) < 0)
		rc = qf_fail_sys(
		    e, QF_EWRITE, "can not remove %s%s", path.s, f->id);
	qf_close(&fd);
	qf_buf_free(&path);
	return rc;
}

static DIR *open_folder(const char *dir, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	DIR *folder;

	add_path(&path, dir, "");
	folder = opendir(path.s);
	if (folder == NULL)
		qf_fail_sys(e, QF_EREAD, "can not read %s", path.s);
	qf_buf_free(&path);
	return folder;
}

int qf_failed_next(
    const char *dir, void **walk, char id[QF_ID_SIZE], struct qf_err *e)
{
	struct dirent *d;

	if (*walk == NULL && (*walk = open_folder(dir, e)) == NULL)
		return QF_EREAD;
	errno = 0;
	while ((d = readdir(*walk)) != NULL) {
		if (!qf_sd_is_failed_id(d->d_name))
			continue;
		snprintf(id, QF_ID_SIZE, "%.*s", QF_ID_SIZE - 1, d->d_name);
		return 1;
	}
	if (errno != 0)
		return qf_fail_sys(e, QF_EREAD, "can not read %s/failed", dir);
	qf_failed_walk_end(walk);
	return 0;
}

void qf_failed_walk_end(void **walk)
{
	if (*walk != NULL)
		closedir(*walk);
	*walk = NULL;
}
