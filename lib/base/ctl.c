#include "lib/base/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"

enum {
	CTL_FILE_MAX = 64 << 20
};

int qf_ctl_check_modes(
    const struct stat *st, uid_t owner, const char *path, struct qf_err *e)
{
	if (st->st_uid != 0 && st->st_uid != owner)
		return qf_fail(e, QF_ECONF,
		    "%s: belongs to uid %ld, who is neither root nor the owner "
		    "of the control directory; chown it",
		    path, (long)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return qf_fail(e, QF_ECONF,
		    "%s: others can write it (mode %03o); chmod go-w it", path,
		    (unsigned)st->st_mode & 0777);
	return 0;
}

int qf_ctl_open(struct qf_ctl *c, const char *path, struct qf_err *e)
{
	struct stat st;

	*c = (struct qf_ctl)QF_CTL_NONE;
	c->fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->fd < 0 || fstat(c->fd, &st) < 0) {
		qf_fail_sys(e, QF_ECONF, "control directory %s", path);
		qf_ctl_close(c);
		return QF_ECONF;
	}
	c->owner = st.st_uid;
	c->path = qf_strdup(path);
	if (qf_ctl_check_modes(&st, c->owner, path, e) < 0) {
		qf_ctl_close(c);
		return QF_ECONF;
	}
	return 0;
}

void qf_ctl_close(struct qf_ctl *c)
{
	qf_close(&c->fd);
	free(c->path);
	c->path = NULL;
}

static void full_name(
    struct qf_buf *out, const struct qf_ctl *c, const char *name)
{
	if (name[0] != '/')
		qf_buf_addf(out, "%s/", c->path);
	qf_buf_adds(out, name);
}

static int zero_byte(
    const struct qf_ctl *c, const char *name, unsigned line, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	int rc;

	full_name(&path, c, name);
	rc = qf_fail(e, QF_ECONF, "%s:%u: holds a zero byte", path.s, line);
	qf_buf_free(&path);
	return rc;
}

/* No such file: 0; but a link that leads nowhere is one that was meant. */
static int absent(const struct qf_ctl *c, const char *name, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	struct stat st;
	int rc;

	if (fstatat(c->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	full_name(&path, c, name);
	rc = qf_fail(e, QF_ECONF,
	    "%s: a link to what is not there; make that or remove the link",
	    path.s);
	qf_buf_free(&path);
	return rc;
}

/* Who can write a folder below CONTROLDIR chooses which files are there. */
static int check_folder(
    const struct qf_ctl *c, const char *name, struct qf_err *e)
{
	const char *slash = strrchr(name, '/');
	struct qf_buf path = QF_BUF_INIT;
	struct stat st;
	char *folder;
	int rc = 0;

	if (slash == NULL || name[0] == '/')
		return 0;
	folder = qf_strndup(name, (size_t)(slash - name));
	full_name(&path, c, folder);
	if (fstatat(c->fd, folder, &st, 0) == 0)
		rc = qf_ctl_check_modes(&st, c->owner, path.s, e);
	else if (errno == ENOENT)
		rc = absent(c, folder, e);
	qf_buf_free(&path);
	free(folder);
	return rc;
}

int qf_ctl_file(const struct qf_ctl *c, const char *name, struct qf_buf *out,
    struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	struct qf_err why;
	struct stat st;
	int rc = 1, fd;

	if (check_folder(c, name, e) < 0)
		return QF_ECONF;
	fd =
	    openat(c->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == ELOOP)
		fd = openat(c->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return absent(c, name, e);
	full_name(&path, c, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = qf_fail_sys(e, QF_ECONF, "%s", path.s);
	else if (!S_ISREG(st.st_mode))
		rc = qf_fail(e, QF_ECONF, "%s: not a regular file", path.s);
	else if (st.st_size > CTL_FILE_MAX)
		rc = qf_fail(e, QF_ECONF, "%s: larger than 64 MiB", path.s);
	else if (qf_ctl_check_modes(&st, c->owner, path.s, e) < 0)
		rc = QF_ECONF;
	else if (qf_read_all(fd, out, &why) < 0)
		rc = qf_fail(e, QF_ECONF, "%s: %s", path.s, why.text);
	qf_close(&fd);
	qf_buf_free(&path);
	return rc;
}

int qf_ctl_value(const struct qf_ctl *c, const char *name, struct qf_buf *out,
    struct qf_err *e)
{
	struct qf_buf file = QF_BUF_INIT;
	struct qf_span rest, line;
	int rc = qf_ctl_file(c, name, &file, e);

	if (rc == 1) {
		rest = qf_buf_span(&file);
		if (!qf_span_cut(&rest, '\n', &line))
			line = rest;
		line = qf_span_trim(line);
		if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
			rc = zero_byte(c, name, 1, e);
		else if (line.n == 0)
			rc = 0;
		else
			qf_buf_addspan(out, line);
	}
	qf_buf_free(&file);
	return rc;
}

bool qf_ctl_is_exposed(const struct qf_ctl *c, const char *name)
{
	struct stat st;

	return fstatat(c->fd, name, &st, 0) == 0 && (st.st_mode & S_IROTH) != 0;
}

int qf_ctl_lines(const struct qf_ctl *c, const char *name, struct qf_lines *out,
    struct qf_err *e)
{
	struct qf_span rest, line;
	unsigned number = 0;
	size_t cap = 0;
	int rc = qf_ctl_file(c, name, &out->bytes, e);

	if (rc < 0)
		qf_lines_free(out);
	if (rc <= 0)
		return rc;
	rest = qf_buf_span(&out->bytes);
	while (rest.n > 0) {
		if (!qf_span_cut(&rest, '\n', &line)) {
			line = rest;
			rest.n = 0;
		}
		number++;
		line = qf_span_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (memchr(line.p, '\0', line.n) != NULL) {
			qf_lines_free(out);
			return zero_byte(c, name, number, e);
		}
		if (out->n == cap) {
			cap = cap == 0 ? 16 : cap * 2;
			out->v = qf_realloc_array(out->v, cap, sizeof *out->v);
		}
		out->v[out->n++] = (struct qf_line){line, number};
	}
	return 1;
}

void qf_lines_free(struct qf_lines *l)
{
	free(l->v);
	l->v = NULL;
	l->n = 0;
	qf_buf_free(&l->bytes);
}

/* Reads one item into *string or *number. */
static int read_item(const struct qf_ctl *c, const struct qf_ctl_item *item,
    char **string, long long *number, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	char *end;
	int rc = qf_ctl_value(c, item->name, &b, e);

	if (rc == 0 && item->fallback != NULL)
		qf_buf_adds(&b, item->fallback);
	if (rc >= 0 && item->type == QF_CTL_STRING) {
		*string = b.len > 0 ? qf_strdup(b.s) : NULL;
	} else if (rc >= 0) {
		errno = 0;
		*number = strtoll(b.s, &end, 10);
		if (errno != 0 || end == b.s || *end != '\0' ||
		    *number < item->min || *number > item->max)
			rc = qf_fail(e, QF_ECONF,
			    "%s/%s:1: \"%s\" is not a number from %lld to "
			    "%lld",
			    c->path, item->name, b.s, item->min, item->max);
	}
	qf_buf_free(&b);
	return rc < 0 ? rc : 0;
}

int qf_ctl_load(const struct qf_ctl *c, const struct qf_ctl_item *table,
    void *cfg, struct qf_err *e)
{
	struct value {
		char *string;
		long long number;
	} * v;
	size_t n = 0;
	int rc = 0;

	while (table[n].name != NULL)
		n++;
	v = qf_alloc((n + 1) * sizeof *v);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = read_item(c, &table[i], &v[i].string, &v[i].number, e);
	if (rc == 0)
		qf_ctl_unload(table, cfg);
	for (size_t i = 0; i < n; i++) {
		char *at = (char *)cfg + table[i].offset;

		if (rc != 0)
			free(v[i].string);
		else if (table[i].type == QF_CTL_STRING)
			*(char **)(void *)at = v[i].string;
		else
			*(long long *)(void *)at = v[i].number;
	}
	free(v);
	return rc;
}

void qf_ctl_unload(const struct qf_ctl_item *table, void *cfg)
{
	for (; table->name != NULL; table++) {
		char *at = (char *)cfg + table->offset;

		if (table->type == QF_CTL_STRING) {
			free(*(char **)(void *)at);
			*(char **)(void *)at = NULL;
		}
	}
}

uint64_t qf_ctl_digest(
    uint64_t h, const struct qf_ctl_item *table, const void *cfg)
{
	for (; table->name != NULL; table++) {
		const char *at = (const char *)cfg + table->offset;
		const char *s;

		if (table->type == QF_CTL_NUMBER) {
			h = qf_digest(h, at, sizeof(long long));
			continue;
		}
		s = *(char *const *)(const void *)at;
		/* One that is not there is no empty one. */
		h = s != NULL ? qf_digest(h, s, strlen(s) + 1)
			      : qf_digest(h, "\xff", 1);
	}
	return h;
}
