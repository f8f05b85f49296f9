#include "plugins/limit/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "plugins/limit/counter.h"
#include "plugins/limit/key.h"

enum {
	BYTES_MAX = 1 << 18, /* more than FILE_ENTRIES lines have */
	LINGER = 60 /* seconds that an entry stays when it has run out */
};

static const char temporary[] = "new";

/* Reading */

/* A number up to the character c; *at is behind that afterwards. */
static bool cut_number(char **at, char c, int base, uint64_t max, uint64_t *out)
{
	char *end;

	if (strchr(" \t+-", **at) != NULL)
		return false;
	errno = 0;
	*out = strtoull(*at, &end, base);
	if (errno != 0 || end == *at || *end != c || *out > max)
		return false;
	*at = end + (c != '\0');
	return true;
}

static bool parse_seen(char *at, struct file_entry *e)
{
	if (strcmp(at, "-") == 0)
		return true;
	while (e->nseen < FILE_SEEN) {
		bool more = strchr(at, ',') != NULL;

		if (!cut_number(&at, more ? ',' : '\0', 16, UINT64_MAX,
			&e->seen[e->nseen++]))
			return false;
		if (!more)
			return true;
	}
	return false;
}

/* The value is left in the line. */
static bool parse_line(char *line, struct file_entry *e)
{
	char *at = strchr(line, ' ');
	uint64_t per, empty[2];

	*e = (struct file_entry){.value = line};
	if (at == NULL || at == line || at - line > KEY_VALUE_MAX)
		return false;
	*at++ = '\0';
	if (!cut_number(&at, ' ', 10, COUNTER_PER_MAX, &per) || per == 0 ||
	    !cut_number(&at, ' ', 10, INT64_MAX, &empty[0]) ||
	    !cut_number(&at, ' ', 10, INT64_MAX, &empty[1]))
		return false;
	e->per = (uint32_t)per;
	e->empty[0] = (int64_t)empty[0];
	e->empty[1] = (int64_t)empty[1];
	return parse_seen(at, e);
}

static int64_t runs_out(const struct file_entry *e)
{
	return e->empty[0] > e->empty[1] ? e->empty[0] : e->empty[1];
}

/* An error in a time must not last. */
static void bound(struct file *f, struct file_entry *e, int64_t now)
{
	int64_t end = now + e->per * COUNTER_SECOND;

	for (int i = 0; i < 2; i++) {
		if (e->empty[i] > end) {
			e->empty[i] = end;
			f->bounded = true;
		}
	}
}

/* A place for one more: that of the entry that runs out first where there is
 * no room. Only a few are in use. */
static struct file_entry *place(struct file *f)
{
	struct file_entry *first = NULL;

	if (f->n < FILE_ENTRIES)
		return &f->entry[f->n++];
	for (size_t i = 0; i < f->n; i++) {
		struct file_entry *e = &f->entry[i];

		if (!e->in_use &&
		    (first == NULL || runs_out(e) < runs_out(first)))
			first = e;
	}
	if (first == NULL)
		abort();
	free(first->value);
	f->forgotten++;
	return first;
}

/* The value is copied. */
static struct file_entry *put(struct file *f, const struct file_entry *e)
{
	struct file_entry *to = place(f);

	*to = *e;
	to->value = qf_strdup(e->value);
	return to;
}

static void parse(struct file *f, char *bytes, size_t n, int64_t now)
{
	char *end = bytes + n, *next;

	for (char *line = bytes; line < end; line = next) {
		struct file_entry e;
		char *lf = memchr(line, '\n', (size_t)(end - line));

		next = lf != NULL ? lf + 1 : end;
		if (lf != NULL)
			*lf = '\0';
		/* A last line without its end was cut, who knows where. */
		if (lf == NULL || line + strlen(line) != lf ||
		    !parse_line(line, &e)) {
			f->damaged++;
			continue;
		}
		bound(f, &e, now);
		if (runs_out(&e) + LINGER * COUNTER_SECOND > now)
			put(f, &e);
	}
}

/* What the file holds; of one that is too long, what a file may hold. */
static int32_t read_bytes(
    int fd, const char *name, struct qf_buf *out, struct qf_err *e)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "%s", name);
	if (!S_ISREG(st.st_mode))
		return qf_fail(e, QF_EREAD, "%s: not a regular file", name);
	rc = qf_read_all(fd, out, e);
	if (rc == QF_EREAD)
		qf_err_context(e, "%s", name);
	return rc == QF_EREAD ? rc : 0;
}

int32_t file_read(
    struct file *f, int dir, const char *name, int64_t now, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT_MAX(BYTES_MAX);
	int fd = openat(dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int32_t rc = 0;

	*f = (struct file){0};
	if (fd < 0 && errno != ENOENT)
		return qf_fail_sys(e, QF_EREAD, "%s", name);
	if (fd >= 0)
		rc = read_bytes(fd, name, &bytes, e);
	if (rc == 0) {
		f->entry = qf_alloc(FILE_ENTRIES * sizeof *f->entry);
		parse(f, bytes.s, bytes.len, now);
	}
	qf_buf_free(&bytes);
	qf_close(&fd);
	return rc;
}

void file_free(struct file *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->entry[i].value);
	free(f->entry);
	*f = (struct file){0};
}

struct file_entry *file_get(struct file *f, const char *value, uint32_t per)
{
	struct file_entry fresh = {
	    .value = (char *)(uintptr_t)value, .per = per};
	struct file_entry *e = NULL;

	for (size_t i = 0; i < f->n && e == NULL; i++) {
		if (f->entry[i].per == per &&
		    strcmp(f->entry[i].value, value) == 0)
			e = &f->entry[i];
	}
	if (e == NULL)
		e = put(f, &fresh);
	e->in_use = true;
	return e;
}

/* Writing */

static void print_entry(struct qf_buf *to, const struct file_entry *e)
{
	qf_buf_addf(to, "%s %" PRIu32 " %" PRId64 " %" PRId64 " ", e->value,
	    e->per, e->empty[0], e->empty[1]);
	for (unsigned i = 0; i < e->nseen; i++)
		qf_buf_addf(to, "%s%" PRIx64, i > 0 ? "," : "", e->seen[i]);
	qf_buf_adds(to, e->nseen > 0 ? "\n" : "-\n");
}

static int32_t write_temporary(
    const struct file *f, int dir, uid_t owner, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc, fd;

	/* What a process left that was killed; and not where a link leads. */
	unlinkat(dir, temporary, 0);
	fd = openat(
	    dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	rc = fd;
	for (size_t i = 0; i < f->n; i++)
		print_entry(&bytes, &f->entry[i]);
	if (rc >= 0 && owner != geteuid())
		rc = fchown(fd, owner, (gid_t)-1);
	if (rc >= 0)
		rc = qf_write_all(fd, bytes.s, bytes.len);
	if (rc < 0)
		qf_fail_sys(e, QF_EWRITE, "%s", temporary);
	qf_buf_free(&bytes);
	if (fd >= 0 && close(fd) < 0 && rc >= 0)
		rc = qf_fail_sys(e, QF_EWRITE, "%s", temporary);
	return rc < 0 ? QF_EWRITE : 0;
}

int32_t file_write(const struct file *f, int dir, const char *name, uid_t owner,
    struct qf_err *e)
{
	int32_t rc;

	if (f->n == 0) {
		if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
			return 0;
		return qf_fail_sys(e, QF_EWRITE, "%s", name);
	}
	rc = write_temporary(f, dir, owner, e);
	if (rc == 0 && renameat(dir, temporary, dir, name) < 0)
		rc = qf_fail_sys(e, QF_EWRITE, "%s", name);
	if (rc < 0)
		unlinkat(dir, temporary, 0);
	return rc;
}
