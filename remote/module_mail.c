#include "remote/module_mail.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "remote/address.h"

enum {
	LINE_MAX_BYTES = 4096
};

/* The part of fd that is looked at, for reading lines. */
struct window {
	int fd;
	uint64_t at; /* of the next line */
	struct qf_buf bytes;
	size_t used;
};

/* The next line without its LF: 1, or QF_EREAD. */
static int next_line(struct window *w, struct qf_span *line, struct qf_err *e)
{
	for (;;) {
		struct qf_span rest =
		    qf_span_n(w->bytes.s + w->used, w->bytes.len - w->used);
		ssize_t n;

		if (qf_span_cut(&rest, '\n', line))
			break;
		if (rest.n > LINE_MAX_BYTES)
			return qf_fail(e, QF_EREAD,
			    "envelope: a line is longer than %d bytes",
			    LINE_MAX_BYTES);
		memmove(w->bytes.s, w->bytes.s + w->used, rest.n);
		w->bytes.len = rest.n;
		w->used = 0;
		qf_buf_reserve(&w->bytes, QF_IO_CHUNK);
		do
			n = pread(w->fd, w->bytes.s + rest.n, QF_IO_CHUNK,
			    (off_t)(w->at + rest.n));
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return qf_fail_sys(e, QF_EREAD, "envelope: read");
		if (n == 0)
			return qf_fail(e, QF_EREAD,
			    "envelope: it ends early; wanted are a sender "
			    "line, recipient lines and an empty line");
		w->bytes.len += (size_t)n;
	}
	w->used += line->n + 1;
	w->at += line->n + 1;
	return 1;
}

static int has_no_nul(struct qf_span line, struct qf_err *e)
{
	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return qf_fail(
		    e, QF_EREAD, "envelope: a line holds a zero byte");
	return 0;
}

static int read_envelope(
    struct qf_module_mail *m, struct window *w, struct qf_err *e)
{
	struct qf_span line;

	if (next_line(w, &line, e) < 0 || has_no_nul(line, e) < 0)
		return QF_EREAD;
	qf_buf_addspan(&m->sender, line);
	for (;;) {
		if (next_line(w, &line, e) < 0 || has_no_nul(line, e) < 0)
			return QF_EREAD;
		if (line.n == 0)
			break;
		qf_strv_add_span(&m->rcpt, line);
	}
	if (m->rcpt.n == 0)
		return qf_fail(e, QF_EREAD, "envelope: no recipients");
	return 0;
}

int qf_module_mail_open(struct qf_module_mail *m, int fd, struct qf_err *e)
{
	struct window w = {.fd = fd, .bytes = QF_BUF_INIT};
	struct stat st;
	int rc;

	m->body.fd = fd;
	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_ENOENT, "message: descriptor %d", fd);
	if (!S_ISREG(st.st_mode))
		return qf_fail(e, QF_ENOENT,
		    "message: descriptor %d is not a regular file", fd);
	rc = read_envelope(m, &w, e);
	qf_buf_free(&w.bytes);
	m->body.at = w.at;
	m->body.end = (uint64_t)st.st_size;
	return rc;
}

void qf_module_mail_free(struct qf_module_mail *m)
{
	qf_buf_free(&m->sender);
	qf_strv_free(&m->rcpt);
}

int qf_module_mail_quote(struct qf_module_mail *m, struct qf_err *e)
{
	struct qf_buf safe = QF_BUF_INIT;
	struct qf_strv rcpt = {0};
	int rc;

	rc = qf_address_add(
	    &safe, qf_buf_span(&m->sender), "sender", &m->utf8, e);
	if (rc < 0)
		goto out;
	qf_buf_reset(&m->sender);
	qf_buf_addspan(&m->sender, qf_buf_span(&safe));
	for (size_t i = 0; i < m->rcpt.n; i++) {
		qf_buf_reset(&safe);
		rc = qf_address_add(
		    &safe, qf_span(m->rcpt.v[i]), "recipient", &m->utf8, e);
		if (rc < 0)
			goto out;
		qf_strv_add_span(&rcpt, qf_buf_span(&safe));
	}
	qf_strv_free(&m->rcpt);
	m->rcpt = rcpt;
	rcpt = (struct qf_strv){0};
out:
	qf_buf_free(&safe);
	qf_strv_free(&rcpt);
	return rc;
}
