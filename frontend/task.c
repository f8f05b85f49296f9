#include "frontend/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fdpass.h"
#include "lib/base/io.h"

enum {
	INLINE_MAX = 49152, /* bytes behind the head; more go by descriptor */
	STAGES_MAX = 4096
};

struct head {
	uint32_t size, from, until, nstages;
	uint8_t accepted, core, bounce, by_fd, copy, reserved[3];
	uint32_t environment, words, envelope, share; /* bytes */
	int64_t deadline;
	uint64_t digest, max;
	char uid[24], pid[24], run[20], path[12], log_scope[24];
};

static void fill_head(struct head *h, const struct qf_work *w,
    const struct qf_task_caller *caller, bool core)
{
	const struct qf_context *c = w->context;

	*h = (struct head){.size = sizeof *h,
	    .from = (uint32_t)w->from,
	    .until = (uint32_t)w->until,
	    .nstages = (uint32_t)w->chain->n,
	    .accepted = w->accepted,
	    .core = core,
	    .bounce = c->bounce,
	    .environment = (uint32_t)caller->environment.n,
	    .words = (uint32_t)caller->words.n,
	    .deadline = w->deadline,
	    .digest = w->chain->digest};
	snprintf(h->uid, sizeof h->uid, "%s", c->uid);
	snprintf(h->pid, sizeof h->pid, "%s", c->pid);
	snprintf(h->run, sizeof h->run, "%s", c->run);
	snprintf(h->path, sizeof h->path, "%s", c->path);
	snprintf(h->log_scope, sizeof h->log_scope, "%s", caller->log_scope);
}

static void add_sections(struct qf_buf *out, struct head *h,
    const struct qf_work *w, const struct qf_task_caller *caller)
{
	size_t at;

	qf_buf_add(out, w->preset, w->chain->n * sizeof *w->preset);
	qf_buf_addspan(out, caller->environment);
	qf_buf_addspan(out, caller->words);
	at = out->len;
	qf_envelope_format_attrs(w->envelope, out);
	h->envelope = (uint32_t)(out->len - at);
	at = out->len;
	qf_share_format(w->share, out);
	h->share = (uint32_t)(out->len - at);
}

static int spool(const struct qf_buf *b, struct qf_spool *out, struct qf_err *e)
{
	int rc = qf_spool_open(out, e);

	if (rc == 0)
		rc = qf_spool_write(out, b->s, b->len, e);
	if (rc == 0)
		rc = qf_spool_finish(out, e);
	return rc;
}

int qf_task_send(int sock, const struct qf_work *work,
    const struct qf_task_caller *caller, bool core, struct qf_err *e)
{
	struct qf_spool apart = QF_SPOOL_INIT;
	struct qf_buf sections = QF_BUF_INIT, record = QF_BUF_INIT;
	int fds[2] = {work->message, -1};
	struct head h;
	int rc = 0;

	fill_head(&h, work, caller, core);
	add_sections(&sections, &h, work, caller);
	h.by_fd = sections.len > INLINE_MAX;
	if (h.by_fd)
		rc = spool(&sections, &apart, e);
	qf_buf_add(&record, &h, sizeof h);
	if (!h.by_fd)
		qf_buf_add(&record, sections.s, sections.len);
	fds[1] = apart.fd;
	if (rc == 0)
		rc = qf_fd_send(
		    sock, record.s, record.len, fds, h.by_fd ? 2 : 1, e);
	qf_spool_close(&apart);
	qf_buf_free(&sections);
	qf_buf_free(&record);
	return rc;
}

int qf_task_send_copy(int sock, int message, uint64_t max, struct qf_err *e)
{
	const struct head h = {.size = sizeof h, .copy = 1, .max = max};

	return qf_fd_send(sock, &h, sizeof h, &message, 1, e);
}

static int nonsense(struct qf_err *e)
{
	return qf_fail(e, QF_EPROTO, "the dispatcher sent no task");
}

static struct qf_span cut(struct qf_span *rest, size_t n)
{
	struct qf_span head = qf_span_n(rest->p, n);

	rest->p += n;
	rest->n -= n;
	return head;
}

static int take_sections(
    struct qf_task *t, const struct head *h, struct qf_span s, struct qf_err *e)
{
	struct qf_span words, one;
	size_t presets = h->nstages * sizeof *t->preset;
	int rc;

	if (s.n != presets + h->environment + h->words + h->envelope + h->share)
		return nonsense(e);
	t->preset = qf_alloc(presets + 1);
	memcpy(t->preset, cut(&s, presets).p, presets);
	qf_environ_add(&t->environment, cut(&s, h->environment));
	words = cut(&s, h->words);
	while (qf_span_cut(&words, '\0', &one))
		qf_strv_add_span(&t->words, one);
	rc = qf_envelope_parse(&t->envelope, cut(&s, h->envelope), e);
	return rc < 0 ? rc : qf_share_parse(&t->share, s, e);
}

static int take_head(struct qf_task *t, const struct head *h, struct qf_err *e)
{
	struct qf_context *c = &t->context;

	if (h->size != sizeof *h || h->nstages > STAGES_MAX ||
	    h->from >= h->until || h->until > h->nstages)
		return nonsense(e);
	t->core = h->core != 0;
	t->nstages = h->nstages;
	t->digest = h->digest;
	memcpy(t->log_scope, h->log_scope, sizeof t->log_scope - 1);
	memcpy(c->uid, h->uid, sizeof c->uid - 1);
	memcpy(c->pid, h->pid, sizeof c->pid - 1);
	memcpy(c->run, h->run, sizeof c->run - 1);
	c->bounce = h->bounce != 0;
	c->path = qf_context_path(
	    qf_span_n(h->path, strnlen(h->path, sizeof h->path)));
	if (c->path == NULL)
		return nonsense(e);
	t->work = (struct qf_work){.message = t->message,
	    .envelope = &t->envelope,
	    .share = &t->share,
	    .context = c,
	    .from = h->from,
	    .until = h->until,
	    .deadline = h->deadline,
	    .accepted = h->accepted != 0};
	return 0;
}

static int take(
    struct qf_task *t, struct qf_span record, int apart, struct qf_err *e)
{
	struct qf_map map;
	struct head h;
	int rc;

	if (record.n < sizeof h)
		return nonsense(e);
	memcpy(&h, cut(&record, sizeof h).p, sizeof h);
	t->copy = h.size == sizeof h && h.copy != 0;
	t->max = h.max;
	if (t->copy)
		return 0;
	if (take_head(t, &h, e) < 0 || (h.by_fd != 0) != (apart >= 0))
		return nonsense(e);
	if (apart < 0)
		return take_sections(t, &h, record, e);
	if (qf_map_fd(&map, apart, e) < 0)
		return e->rc;
	rc = take_sections(t, &h, qf_span_n(map.p, map.n), e);
	qf_map_free(&map);
	return rc;
}

int qf_task_recv(int sock, struct qf_task *out, struct qf_err *e)
{
	static char record[sizeof(struct head) + INLINE_MAX];
	int fds[QF_FDPASS_MAX], n, rc;
	size_t nfds;

	*out = (struct qf_task){.message = -1, .envelope = QF_ENVELOPE_INIT};
	n = qf_fd_recv(sock, record, sizeof record, fds, &nfds, e);
	if (n <= 0)
		return n;
	if (nfds > 0)
		out->message = fds[0];
	rc = nfds == 1 || nfds == 2 ? take(out, qf_span_n(record, (size_t)n),
					  nfds == 2 ? fds[1] : -1, e)
				    : nonsense(e);
	for (size_t i = 1; i < nfds; i++)
		qf_close(&fds[i]);
	out->work.preset = out->preset;
	return rc < 0 ? rc : 1;
}

void qf_task_free(struct qf_task *t)
{
	qf_close(&t->message);
	qf_strv_free(&t->words);
	qf_environ_free(&t->environment);
	qf_envelope_free(&t->envelope);
	qf_share_free(&t->share);
	free(t->preset);
}
