#include "remote/auth/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"

enum {
	/* With CR and LF behind it, and one byte that shows that it goes on. */
	LINE_BYTES = QF_SECRET_MAX + 3
};

void qf_secret_wipe(struct qf_buf *b)
{
	if (b->cap != 0)
		explicit_bzero(b->s, b->cap);
	qf_buf_free(b);
}

void qf_secret_wipe_words(struct qf_strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		explicit_bzero(v->v[i], strlen(v->v[i]));
	qf_strv_free(v);
}

void qf_secret_free(struct qf_secret *s)
{
	qf_secret_wipe(&s->bytes);
	s->exposed = false;
}

void qf_secret_warn(const char *path)
{
	qf_log(QF_LOG_WARN, "everybody can read a secret: chmod o-r",
	    QF_KS("file", path));
}

void qf_secret_hide(struct qf_buf *text, struct qf_span secret)
{
	struct qf_buf out = QF_BUF_INIT_MAX(text->max);
	struct qf_span rest = qf_buf_span(text);
	const char *at;

	if (secret.n < QF_SECRET_HIDE_MIN || rest.n < secret.n ||
	    memmem(rest.p, rest.n, secret.p, secret.n) == NULL)
		return;
	while ((at = memmem(rest.p, rest.n, secret.p, secret.n)) != NULL) {
		size_t before = (size_t)(at - rest.p);

		qf_buf_add(&out, rest.p, before);
		qf_buf_adds(&out, "***");
		rest = qf_span_n(at + secret.n, rest.n - before - secret.n);
	}
	qf_buf_addspan(&out, rest);
	qf_secret_wipe(text);
	*text = out;
}

/* Is it a file that may hold a secret? *is_pipe when its bytes may be late. */
static int check_file(struct qf_secret *s, int fd, const char *option,
    const char *path, bool *is_pipe, struct qf_err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_ECONF, "%s: %.300s", option, path);
	*is_pipe = S_ISFIFO(st.st_mode);
	if (*is_pipe)
		return 0;
	if (!S_ISREG(st.st_mode))
		return qf_fail(e, QF_ECONF,
		    "%s: %.300s: neither a file nor a pipe", option, path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return qf_fail(e, QF_ECONF,
		    "%s: %.300s: others can write it (mode %03o); chmod go-w "
		    "it",
		    option, path, (unsigned)st.st_mode & 0777);
	s->exposed = (st.st_mode & S_IROTH) != 0;
	return 0;
}

/* Until there is something to read, or the writer is done. */
static int wait_for_writer(int fd, int64_t deadline, const char *option,
    const char *path, struct qf_err *e)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, qf_deadline_poll(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return qf_fail_sys(e, QF_EREAD, "%s: %.300s", option, path);
	if (n == 0)
		return qf_fail(e, QF_ETIME,
		    "%s: %.300s: nobody writes into this pipe", option, path);
	return 0;
}

/* Reads up to the end of the first line: bytes of it, or of all there is. */
static long read_line(int fd, bool is_pipe, char *p, size_t size,
    const char *option, const char *path, struct qf_err *e)
{
	int64_t deadline = qf_deadline_in(QF_SECRET_WAIT_MS);
	size_t n = 0;

	while (n < size && memchr(p, '\n', n) == NULL) {
		ssize_t got;

		if (is_pipe &&
		    wait_for_writer(fd, deadline, option, path, e) < 0)
			return e != NULL ? e->rc : QF_EREAD;
		got = qf_read(fd, p + n, size - n);
		if (got < 0)
			return qf_fail_sys(
			    e, QF_EREAD, "%s: %.300s", option, path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (long)n;
}

static int take_line(struct qf_secret *s, struct qf_span in, const char *option,
    const char *path, struct qf_err *e)
{
	struct qf_span line = in;

	qf_span_cut(&in, '\n', &line);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0)
		return qf_fail(e, QF_ECONF,
		    "%s: %.300s: its first line is empty, it should be the "
		    "secret",
		    option, path);
	if (memchr(line.p, '\0', line.n) != NULL)
		return qf_fail(e, QF_ECONF,
		    "%s: %.300s: its first line holds a zero byte", option,
		    path);
	if (line.n > QF_SECRET_MAX)
		return qf_fail(e, QF_ECONF,
		    "%s: %.300s: its first line is longer than %d bytes",
		    option, path, QF_SECRET_MAX);
	/* At once: a buffer that grows leaves copies behind. */
	qf_buf_reserve(&s->bytes, line.n);
	qf_buf_addspan(&s->bytes, line);
	return 0;
}

int qf_secret_read(
    struct qf_secret *s, const char *option, const char *path, struct qf_err *e)
{
	char line[LINE_BYTES];
	bool is_pipe = false;
	long n;
	int rc;
	/* A pipe without a writer must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	qf_secret_free(s);
	if (fd < 0)
		return qf_fail_sys(e, QF_ECONF, "%s: %.300s", option, path);
	rc = check_file(s, fd, option, path, &is_pipe, e);
	if (rc == 0) {
		n = read_line(fd, is_pipe, line, sizeof line, option, path, e);
		rc = n < 0 ? (int)n
			   : take_line(s, qf_span_n(line, (size_t)n), option,
				 path, e);
	}
	explicit_bzero(line, sizeof line);
	qf_close(&fd);
	return rc;
}

int qf_secret_take(const char **value, const char *name, const char *path,
    struct qf_secret *s, struct qf_err *e)
{
	struct qf_buf option = QF_BUF_INIT;
	int rc;

	if (path == NULL)
		return 0;
	if (*value != NULL)
		return qf_fail(e, QF_EINVAL,
		    "options %s and %s-file are both given: keep one", name,
		    name);
	qf_buf_addf(&option, "%s-file", name);
	rc = qf_secret_read(s, option.s, path, e);
	qf_buf_free(&option);
	if (rc == 0)
		*value = s->bytes.s;
	return rc;
}
