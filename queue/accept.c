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
#include "queue/received.h"

static const struct qf_store_ops *const store = &qf_store_dir;

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

/* The line goes with the first bytes of the message, in one write. */
static int copy_message(const struct qf_accept *a,
    const struct qf_accept_group *g, const struct qf_buf *received,
    struct qf_err *e)
{
	static char chunk[QF_IO_CHUNK];
	size_t have = received->len;
	off_t at = 0;
	ssize_t n;
	int rc = 0;

	memcpy(chunk, received->s, have);
	do {
		n = read_at(
		    a, g->message, chunk + have, sizeof chunk - have, at);
		if (n < 0)
			return qf_fail_sys(
			    e, QF_EREAD, "can not read the message");
		if (have + (size_t)n > 0)
			rc = store->write(g->in, chunk, have + (size_t)n, e);
		at += n;
		have = 0;
	} while (n > 0 && rc == 0);
	return rc;
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

static int take(struct qf_store *st, const struct qf_accept *a,
    struct qf_accept_group *g, struct qf_err *e)
{
	struct qf_buf received = QF_BUF_INIT;
	int rc;

	qf_received_format(
	    &received, a->origin, a->uid, a->pid, qf_clock_wall());
	if ((rc = store->begin(st, &g->in, e)) == 0 &&
	    (rc = copy_message(a, g, &received, e)) == 0)
		rc = read_envelope(a, g, e);
	qf_buf_free(&received);
	return rc;
}

/* All become visible together; their handles go with that. */
static int publish(struct qf_accept *a, struct qf_err *e)
{
	struct qf_intake **in = qf_alloc(a->n * sizeof *in);
	char(*id)[QF_ID_SIZE] = qf_alloc(a->n * sizeof *id);
	int rc;

	for (size_t i = 0; i < a->n; i++) {
		in[i] = a->group[i].in;
		a->group[i].in = NULL;
	}
	rc = store->publish(in, a->n, id, e);
	for (size_t i = 0; i < a->n && rc == 0; i++)
		memcpy(a->group[i].id, id[i], sizeof id[i]);
	free(in);
	free(id);
	return rc;
}

/* Once it has begun it ends. */
static int commit(struct qf_accept *a, struct qf_err *e)
{
	int rc = 0;

	qf_qqguard_commit();
	for (size_t i = 0; i < a->n && rc == 0; i++)
		rc = store->prepare(
		    a->group[i].in, &a->group[i].env, (long)a->uid, a->pid, e);
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

		if (why != NULL)
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
