/*
 * attr/N/ID: what a message has beside its bytes and its envelope, a line for
 * each, `KEY=value`.
 *
 * No other sender knows these files, so one may stay behind when another
 * program removes a message, and its number may come again. The first line
 * says whose they are: `birth=` and when the message file was last written
 * to, which is before it was queued and never after. Attributes with another
 * birth are not believed.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"

enum {
	ATTR_MODE = 0600,
	/* Of a whole file: the attributes, line ends, the first line. */
	ATTR_MAX = QF_ATTRS_BYTES + QF_ATTRS_MAX + 64
};

static void add_birth(struct qf_buf *b, const struct stat *message)
{
	qf_buf_addf(b, "birth=%lld.%09ld\n", (long long)message->st_mtim.tv_sec,
	    message->st_mtim.tv_nsec);
}

static int write_file(const struct qf_store *st, const char *path, int message,
    const struct qf_attrs *attrs)
{
	struct qf_buf b = QF_BUF_INIT;
	struct stat sb;
	int fd;

	if (fstat(message, &sb) < 0)
		return -1;
	fd = openat(st->root, path,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, ATTR_MODE);
	if (fd < 0)
		return -1;
	add_birth(&b, &sb);
	for (size_t i = 0; i < attrs->list.n; i++)
		qf_buf_addf(&b, "%s\n", attrs->list.v[i]);
	if (qf_sd_dress(st, fd, ATTR_MODE) < 0 ||
	    qf_write_all(fd, b.s, b.len) < 0) {
		int saved = errno;

		qf_close(&fd);
		errno = saved;
	}
	qf_buf_free(&b);
	return fd;
}

int qf_sd_write_attrs(const struct qf_store *st, const char *id, int message,
    const struct qf_attrs *attrs)
{
	char path[QF_SD_PATH];

	qf_sd_path(path, QF_SD_ATTR, id);
	return write_file(st, path, message, attrs);
}

/* The old ones are there until the new ones are on disk. */
int qf_sd_replace_attrs(const struct qf_store *st, const char *id, int message,
    const struct qf_attrs *attrs, struct qf_err *e)
{
	char path[QF_SD_PATH], temp[QF_SD_PATH + sizeof QF_SD_NEW];
	char folder[QF_SD_PATH];
	int fd, rc = qf_sd_make_folder(st, QF_SD_ATTR, id, e);

	if (rc < 0)
		return rc;
	qf_sd_path(path, QF_SD_ATTR, id);
	snprintf(temp, sizeof temp, "%s" QF_SD_NEW, path);
	fd = write_file(st, temp, message, attrs);
	if (fd < 0 || fsync(fd) < 0 ||
	    renameat(st->root, temp, st->root, path) < 0) {
		rc = qf_fail_sys(
		    e, QF_EWRITE, "can not write %s/%s", st->dir, path);
		unlinkat(st->root, temp, 0);
	}
	qf_close(&fd);
	qf_sd_folder(folder, QF_SD_ATTR, id);
	return rc < 0 ? rc : qf_sd_sync_folder(st, folder, QF_EWRITE, e);
}

static bool take_birth(struct qf_span *rest, const struct stat *message)
{
	struct qf_buf want = QF_BUF_INIT;
	bool same;

	add_birth(&want, message);
	same = rest->n >= want.len && memcmp(rest->p, want.s, want.len) == 0;
	if (same)
		*rest = qf_span_n(rest->p + want.len, rest->n - want.len);
	qf_buf_free(&want);
	return same;
}

static int parse(struct qf_item *item, struct qf_span rest, struct qf_err *e)
{
	struct qf_span line;
	int rc = 0;

	while (rc == 0 && qf_span_cut(&rest, '\n', &line))
		rc = qf_attrs_add(&item->attrs, line, e);
	if (rc == 0 && rest.n > 0)
		rc = qf_fail(e, QF_EFORMAT, "a line without its end");
	return rc;
}

int qf_sd_load_attrs(const struct qf_store *st, struct qf_item *item,
    const struct stat *message, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT_MAX(ATTR_MAX);
	char path[QF_SD_PATH];
	struct qf_span rest;
	int fd, rc;

	qf_sd_path(path, QF_SD_ATTR, item->id);
	fd = openat(
	    st->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return qf_fail_sys(
		    e, QF_EREAD, "can not open %s/%s", st->dir, path);
	rc = qf_read_all(fd, &b, e);
	close(fd);
	rest = qf_buf_span(&b);
	if (rc == 0 && take_birth(&rest, message))
		rc = parse(item, rest, e);
	if (rc == QF_ETOOLONG)
		rc = qf_fail(e, QF_EFORMAT, "too long");
	if (rc == QF_EFORMAT)
		qf_err_context(
		    e, "%s/%s is damaged; correct or remove it", st->dir, path);
	else if (rc < 0)
		qf_err_context(e, "%s/%s", st->dir, path);
	qf_buf_free(&b);
	return rc;
}
