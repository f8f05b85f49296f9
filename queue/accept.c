#include "queue/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqguard.h"
#include "lib/mail/scanfile.h"
#include "queue/received.h"

static const struct qf_store_ops *const store = &qf_store_dir;

enum {
	NO_FILE = 68 /* exit code: no place for the scanner's file */
};

void qf_accept_init(struct qf_accept *a, size_t n)
{
	*a = (struct qf_accept){.n = n};
	a->group = qf_realloc_array(NULL, n, sizeof *a->group);
	for (size_t i = 0; i < n; i++)
		a->group[i] = (struct qf_accept_group){
		    .message = -1, .envelope = -1, .env = QF_ENVELOPE_INIT};
}

void qf_accept_free(struct qf_accept *a)
{
	for (size_t i = 0; i < a->n; i++)
		qf_envelope_free(&a->group[i].env);
	free(a->group);
	*a = (struct qf_accept){0};
}

static ssize_t read_at(
    const struct qf_accept *a, int fd, void *p, size_t n, off_t at)
{
	ssize_t r;

	if (!a->shared)
		return qf_read(fd, p, n);
	do
		r = pread(fd, p, n, at);
	while (r < 0 && errno == EINTR);
	return r;
}

static bool has_scanner(const struct qf_accept *a)
{
	return a->scan != NULL && a->scan->scanner.words.n > 0;
}

static int no_scanfile(struct qf_accept *a)
{
	a->code = NO_FILE;
	return QF_EWRITE;
}

/* The scanner gets no more of a message than it looks at. */
static int feed_scanner(struct qf_accept *a, const struct qf_accept_group *g,
    struct qf_scanfile *file, const char *p, size_t n, struct qf_err *e)
{
	if (!has_scanner(a) ||
	    (a->scan->scanner.max > 0 && g->size > a->scan->scanner.max))
		return 0;
	return qf_scanfile_write(file, p, n, e) < 0 ? no_scanfile(a) : 0;
}

/* The line goes with the first bytes of the message, in one write. */
static int copy_message(struct qf_accept *a, struct qf_accept_group *g,
    const struct qf_buf *received, struct qf_scanfile *file, struct qf_err *e)
{
	static char chunk[QF_IO_CHUNK];
	size_t have = received->len;
	ssize_t n;
	int rc = 0;

	if (has_scanner(a) && qf_scanfile_open(file, e) < 0)
		return no_scanfile(a);
	memcpy(chunk, received->s, have);
	do {
		n = read_at(a, g->message, chunk + have, sizeof chunk - have,
		    (off_t)g->size);
		if (n < 0)
			return qf_fail_sys(
			    e, QF_EREAD, "can not read the message");
		g->size += (uint64_t)n;
		if (have + (size_t)n > 0)
			rc = store->write(g->in, chunk, have + (size_t)n, e);
		if (rc == 0 && n > 0)
			rc = feed_scanner(
			    a, g, file, chunk + have, (size_t)n, e);
		have = 0;
	} while (n > 0 && rc == 0);
	return rc;
}

/* Before anybody sees it. */
static int scan(struct qf_accept *a, struct qf_accept_group *g,
    struct qf_scanfile *file, struct qf_err *e)
{
	if (!has_scanner(a))
		return 0;
	if (!qf_qhpsi_applies(&a->scan->scanner, g->size)) {
		qf_log(QF_LOG_INFO, "not scanned: its size is not one that is",
		    QF_KU("bytes", g->size));
		return 0;
	}
	if (qf_scanfile_finish(file, e) < 0)
		return no_scanfile(a);
	switch (qf_scan_file(a->scan, file->path, &a->code, e)) {
	case QF_SCAN_FAIL:
		return e->rc;
	case QF_SCAN_DROP:
		g->dropped = true;
		store->abort(&g->in);
		break;
	}
	return 0;
}

static int read_envelope(
    const struct qf_accept *a, struct qf_accept_group *g, struct qf_err *e)
{
	struct qf_map map;
	int rc;

	if (!a->shared)
		return qf_envelope_read(&g->env, g->envelope, e);
	rc = qf_map_fd(&map, g->envelope, e);
	if (rc < 0)
		return rc;
	rc = qf_envelope_parse(&g->env, qf_span_n(map.p, map.n), e);
	qf_map_free(&map);
	return rc;
}

static int take(struct qf_store *st, struct qf_accept *a,
    struct qf_accept_group *g, struct qf_err *e)
{
	struct qf_buf received = QF_BUF_INIT;
	struct qf_scanfile file = {.fd = -1};
	int rc;

	qf_received_format(
	    &received, a->origin, a->uid, a->pid, qf_clock_wall());
	if ((rc = store->begin(st, &g->in, e)) == 0 &&
	    (rc = copy_message(a, g, &received, &file, e)) == 0 &&
	    (rc = read_envelope(a, g, e)) == 0)
		rc = scan(a, g, &file, e);
	qf_scanfile_remove(&file);
	qf_buf_free(&received);
	return rc;
}

/* All become visible together; their handles go with that. */
static int publish(struct qf_accept *a, struct qf_err *e)
{
	struct qf_intake **in = qf_alloc(a->n * sizeof *in);
	char(*id)[QF_ID_SIZE] = qf_alloc(a->n * sizeof *id);
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (a->group[i].dropped)
			continue;
		in[n++] = a->group[i].in;
		a->group[i].in = NULL;
	}
	if (n > 0)
		rc = store->publish(in, n, id, e);
	n = 0;
	for (size_t i = 0; i < a->n && rc == 0; i++) {
		if (!a->group[i].dropped)
			memcpy(a->group[i].id, id[n++], sizeof id[0]);
	}
	free(in);
	free(id);
	return rc;
}

/* Once it has begun it ends. */
static int commit(struct qf_accept *a, struct qf_err *e)
{
	int rc = 0;

	qf_qqguard_commit();
	for (size_t i = 0; i < a->n && rc == 0; i++) {
		if (!a->group[i].dropped)
			rc = store->prepare(a->group[i].in, &a->group[i].env,
			    (long)a->uid, a->pid, e);
	}
	if (rc == 0 && a->wanted != NULL && !a->wanted(a->arg))
		rc = qf_fail(e, QF_ENOENT, "the caller has gone");
	return rc == 0 ? publish(a, e) : rc;
}

int qf_accept_all(struct qf_store *st, struct qf_accept *a, struct qf_err *e)
{
	int rc = 0;

	for (size_t i = 0; i < a->n && rc == 0; i++)
		rc = take(st, a, &a->group[i], e);
	if (rc == 0)
		rc = commit(a, e);
	for (size_t i = 0; i < a->n; i++)
		store->abort(&a->group[i].in);
	return rc;
}

void qf_accept_log(const struct qf_accept *a)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct qf_accept_group *g = &a->group[i];
		const char *why = qf_attrs_get(&g->env.attrs, "HOLD");

		if (g->dropped)
			qf_log(QF_LOG_WARN, "dropped: infected",
			    QF_KS("from", qf_envelope_sender(&g->env)),
			    QF_KU("rcpts", g->env.nrcpt), QF_KD("qp", a->pid));
		else if (why != NULL)
			qf_log(QF_LOG_INFO, "held", QF_KS("id", g->id),
			    QF_KS("from", qf_envelope_sender(&g->env)),
			    QF_KU("rcpts", g->env.nrcpt), QF_KD("qp", a->pid),
			    QF_KS("reason", why));
		else
			qf_log(QF_LOG_INFO, "queued", QF_KS("id", g->id),
			    QF_KS("from", qf_envelope_sender(&g->env)),
			    QF_KU("rcpts", g->env.nrcpt), QF_KD("qp", a->pid));
	}
}
