#include "tests/unit/smtp_world.h"

static long read_text(void *ctx, char *p, size_t n, struct qf_err *e)
{
	struct world_text *t = ctx;

	if (t->fail_at != 0 && t->rest.n <= t->fail_at)
		return qf_fail(e, QF_EREAD, "disk on fire");
	if (n > t->rest.n)
		n = t->rest.n;
	if (n > t->step)
		n = t->step;
	memcpy(p, t->rest.p, n);
	t->rest.p += n;
	t->rest.n -= n;
	return (long)n;
}

void world_prepare(struct world *w, const char *rcpts, const char *message)
{
	struct qf_err e;

	*w = (struct world){.wire = QF_BUF_INIT, .now = 1000};
	assert_int_equal(0, qf_strv_split(&w->rcpt, qf_span(rcpts), &e));
	w->text = (struct world_text){.rest = qf_span(message), .step = 7};
	w->setup = (struct qf_smtp_setup){.helo = "me.example",
	    .once = true,
	    .timeouts = &qf_smtp_timeouts_rfc};
	w->mail = (struct qf_smtp_mail){.sender = "s@x.example",
	    .rcpt = &w->rcpt,
	    .source = read_text,
	    .source_ctx = &w->text,
	    .together = true};
}

void world_open(struct world *w)
{
	w->s = qf_smtp_new(&w->setup, w->now);
	qf_smtp_send(w->s, &w->mail, w->now);
}

void world_start(struct world *w, const char *rcpts, const char *message)
{
	world_prepare(w, rcpts, message);
	world_open(w);
}

void world_next(struct world *w, const char *message)
{
	w->text.rest = qf_span(message);
	qf_smtp_send(w->s, &w->mail, w->now);
}

bool world_is_done(const struct world *w)
{
	return qf_smtp_wants(w->s) == QF_SMTP_WANTS_NOTHING;
}

void world_end(struct world *w)
{
	qf_smtp_free(&w->s);
	qf_strv_free(&w->rcpt);
	qf_buf_free(&w->wire);
}

void world_send_some(struct world *w, size_t most)
{
	while (most > 0 && qf_smtp_wants_write(w->s)) {
		struct qf_span out = qf_smtp_pending(w->s);
		size_t n = out.n < most ? out.n : most;

		if (n == 0)
			break;
		qf_buf_add(&w->wire, out.p, n);
		most -= n;
		qf_smtp_sent(w->s, n, w->now);
	}
}

void world_send(struct world *w)
{
	world_send_some(w, SIZE_MAX);
}

void world_hear(struct world *w, const char *bytes)
{
	qf_smtp_received(w->s, qf_span(bytes), w->now);
}

void world_play(struct world *w, const struct world_turn *turns)
{
	for (; turns->sent != NULL; turns++) {
		qf_buf_reset(&w->wire);
		world_send(w);
		assert_string_equal(turns->sent, w->wire.s);
		if (turns->heard != NULL)
			world_hear(w, turns->heard);
	}
}
