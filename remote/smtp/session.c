#include "remote/smtp/internal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"

enum {
	SLOW_BLOCK_MS = 10 * 1000 /* for QF_SMTP_BLOCK on a slow line */
};

const struct qf_smtp_timeouts qf_smtp_timeouts_rfc = {
    .greeting = 5 * 60 * 1000,
    .command = 5 * 60 * 1000,
    .data = 2 * 60 * 1000,
    .block = 3 * 60 * 1000,
    .end = 10 * 60 * 1000,
    .total = QF_NEVER,
};

bool qf_smtp_helo_is_safe(struct qf_span name)
{
	if (name.n == 0 || name.n > 255)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c <= ' ' || c >= 127 || c == '<' || c == '>')
			return false;
	}
	return true;
}

static int64_t after(int64_t now, int64_t ms)
{
	return ms >= QF_NEVER - now ? QF_NEVER : now + ms;
}

struct qf_smtp_command *qf_smtp_next_command(struct qf_smtp *s)
{
	return s->replies < s->commands
		   ? &s->command[s->replies % QF_SMTP_WINDOW]
		   : NULL;
}

bool qf_smtp_has_left(const struct qf_smtp *s, const struct qf_smtp_command *c)
{
	return s->total_sent >= c->end;
}

/* Has the end of the message left, and no reply to it come? */
static bool end_is_sent(const struct qf_smtp *s)
{
	const struct qf_smtp_command *c;

	if (s->answered != NULL && s->answered->step == QF_SMTP_END)
		return true;
	if (s->replies == s->commands)
		return false;
	c = &s->command[(s->commands - 1) % QF_SMTP_WINDOW];
	return c->step == QF_SMTP_END && qf_smtp_has_left(s, c);
}

/* Does the outcome say that the message was not taken? */
static bool is_answer_to_end(struct qf_smtp *s, enum qf_smtp_outcome outcome)
{
	const struct qf_smtp_command *c = qf_smtp_next_command(s);

	if (outcome != QF_SMTP_REFUSED && outcome != QF_SMTP_DEFERRED)
		return false;
	/* One to a recipient says nothing about others that were accepted. */
	return c == NULL || c->step == QF_SMTP_END || s->rcpt_taken == 0;
}

static int64_t step_timeout(struct qf_smtp *s)
{
	const struct qf_smtp_timeouts *t = s->setup->timeouts;

	switch (qf_smtp_step_now(s)) {
	case QF_SMTP_GREETING:
		return t->greeting;
	case QF_SMTP_DATA:
		return t->data;
	case QF_SMTP_BODY:
		return t->block;
	case QF_SMTP_END:
		return t->end;
	default:
		return t->command;
	}
}

void qf_smtp_restart_timer(struct qf_smtp *s, int64_t now)
{
	s->deadline = after(now, step_timeout(s));
	s->block_start = s->total_sent;
	s->block_since = now;
}

struct qf_smtp_command *qf_smtp_command_written(
    struct qf_smtp *s, enum qf_smtp_step step)
{
	struct qf_smtp_command *c = &s->command[s->commands++ % QF_SMTP_WINDOW];

	*c = (struct qf_smtp_command){
	    .step = step, .end = s->total_sent + (s->out.len - s->out_at)};
	return c;
}

bool qf_smtp_has_room(const struct qf_smtp *s)
{
	bool one = !s->offers.pipelining || s->setup->no_pipelining;

	return s->commands - s->replies < (one ? 1 : QF_SMTP_WINDOW);
}

struct qf_smtp *qf_smtp_new(const struct qf_smtp_setup *setup, int64_t now)
{
	struct qf_smtp *s = qf_alloc(sizeof *s);

	*s = (struct qf_smtp){.setup = setup,
	    .secure = setup->tls == QF_SMTP_TLS_IS_ON,
	    .limit = after(now, setup->timeouts->total),
	    .result = QF_SMTP_RESULT_INIT,
	    .auth = QF_BUF_INIT,
	    .reply = QF_SMTP_REPLY_INIT,
	    .out = QF_BUF_INIT};
	/* The connection itself asks for the greeting. */
	qf_smtp_command_written(s, QF_SMTP_GREETING);
	qf_smtp_restart_timer(s, now);
	return s;
}

void qf_smtp_free(struct qf_smtp **sp)
{
	struct qf_smtp *s = *sp;

	if (s == NULL)
		return;
	qf_smtp_result_free(&s->result);
	qf_smtp_ehlo_free(&s->offers);
	qf_smtp_reply_free(&s->reply);
	qf_buf_free(&s->auth);
	/* It has held the lines of AUTH. */
	if (s->out.cap > 0)
		explicit_bzero(s->out.s, s->out.cap);
	qf_buf_free(&s->out);
	free(s->chunk);
	free(s);
	*sp = NULL;
}

enum qf_smtp_wants qf_smtp_wants(const struct qf_smtp *s)
{
	switch (s->phase) {
	case QF_SMTP_SHAKING:
		return QF_SMTP_WANTS_HANDSHAKE;
	case QF_SMTP_READY:
		return QF_SMTP_WANTS_MAIL;
	case QF_SMTP_OVER:
		return QF_SMTP_WANTS_NOTHING;
	default:
		return QF_SMTP_WANTS_IO;
	}
}

bool qf_smtp_wants_write(const struct qf_smtp *s)
{
	return s->out_at < s->out.len ||
	       (s->phase == QF_SMTP_STREAMING && qf_smtp_has_room(s));
}

int64_t qf_smtp_deadline(const struct qf_smtp *s)
{
	return s->deadline < s->limit ? s->deadline : s->limit;
}

const struct qf_smtp_result *qf_smtp_result(const struct qf_smtp *s)
{
	return &s->result;
}

const struct qf_smtp_ehlo *qf_smtp_offers(const struct qf_smtp *s)
{
	return &s->offers;
}

static void drop_output(struct qf_smtp *s)
{
	/* A line of AUTH is not left behind where the buffer grows. */
	if (s->mechanism != NULL && s->phase == QF_SMTP_OPENING)
		explicit_bzero(s->out.s, s->out.len);
	qf_buf_reset(&s->out);
	s->out_at = 0;
}

void qf_smtp_drop_sent(struct qf_smtp *s)
{
	s->out.len -= s->out_at;
	memmove(s->out.s, s->out.s + s->out_at, s->out.len + 1);
	s->out_at = 0;
}

bool qf_smtp_is_leaving(const struct qf_smtp *s)
{
	return s->phase >= QF_SMTP_LEAVING;
}

/* No reply to any command of the message came, on a connection that has
 * carried others: the server had given it up before. */
static bool is_stale(const struct qf_smtp *s)
{
	return s->mails > 1 && !s->heard;
}

void qf_smtp_give_up(
    struct qf_smtp *s, enum qf_smtp_outcome outcome, int code, const char *what)
{
	struct qf_smtp_result *r = &s->result;

	if (!qf_smtp_is_leaving(s) && r->outcome == QF_SMTP_PENDING) {
		r->stale = is_stale(s);
		r->maybe_taken =
		    end_is_sent(s) && !is_answer_to_end(s, outcome);
		qf_smtp_settle(s, outcome, qf_smtp_step_now(s), code, what);
		if (r->maybe_taken)
			qf_buf_adds(&r->text,
			    " (the server may have taken the message: "
			    "possible duplicate)");
	}
	drop_output(s);
	s->phase = QF_SMTP_OVER;
}

static void leave(struct qf_smtp *s)
{
	qf_smtp_drop_sent(s);
	qf_buf_adds(&s->out, "QUIT\r\n");
	s->phase = QF_SMTP_LEAVING;
}

void qf_smtp_quit(struct qf_smtp *s, int64_t now)
{
	if (qf_smtp_is_leaving(s))
		return;
	leave(s);
	qf_smtp_restart_timer(s, now);
}

void qf_smtp_conclude(struct qf_smtp *s, enum qf_smtp_outcome outcome,
    enum qf_smtp_step step, const char *what)
{
	if (what == NULL)
		qf_smtp_settle_reply(s, outcome, step);
	else
		qf_smtp_settle(s, outcome, step, 0, what);
	leave(s);
}

void qf_smtp_move_on(struct qf_smtp *s)
{
	bool settled = s->result.outcome != QF_SMTP_PENDING;

	if (qf_smtp_is_leaving(s))
		return;
	if (settled && s->setup->once) {
		leave(s);
		return;
	}
	if (settled && s->phase >= QF_SMTP_ENVELOPE &&
	    s->replies == s->commands) {
		s->phase = QF_SMTP_READY;
		s->mail = NULL;
	}
	if (s->phase == QF_SMTP_READY && s->mail != NULL) {
		qf_smtp_carry(s);
		qf_smtp_move_on(s);
	}
}

void qf_smtp_send(
    struct qf_smtp *s, const struct qf_smtp_mail *mail, int64_t now)
{
	s->mail = mail;
	if (s->phase >= QF_SMTP_READY)
		s->limit = after(now, s->setup->timeouts->total);
	qf_smtp_result_reset(&s->result, mail->rcpt->n);
	if (qf_smtp_is_leaving(s)) {
		s->result.stale = true;
		qf_smtp_settle(s, QF_SMTP_CLOSED, QF_SMTP_MAIL, 0,
		    "the connection was closed before");
		return;
	}
	qf_smtp_move_on(s);
	qf_smtp_restart_timer(s, now);
}

struct qf_span qf_smtp_pending(struct qf_smtp *s)
{
	while (s->phase == QF_SMTP_STREAMING && s->out_at == s->out.len &&
	       qf_smtp_has_room(s)) {
		drop_output(s);
		qf_smtp_add_piece(s);
	}
	return qf_span_n(s->out.s + s->out_at, s->out.len - s->out_at);
}

/* A long message on a slow line takes its time, which counts as none; that of a
 * server that hardly reads does. */
static void allow_for_message(struct qf_smtp *s, int64_t now)
{
	int64_t ms = now - s->block_since;

	s->limit = after(s->limit, ms < SLOW_BLOCK_MS ? ms : SLOW_BLOCK_MS);
}

void qf_smtp_sent(struct qf_smtp *s, size_t n, int64_t now)
{
	bool in_message = qf_smtp_step_now(s) == QF_SMTP_BODY;
	bool all;

	s->out_at += n;
	s->total_sent += n;
	all = s->out_at == s->out.len;
	if (!all && s->total_sent - s->block_start < QF_SMTP_BLOCK)
		return;
	if (in_message)
		allow_for_message(s, now);
	qf_smtp_restart_timer(s, now);
	if (!all)
		return;
	drop_output(s);
	if (s->phase == QF_SMTP_LEAVING)
		s->phase = QF_SMTP_OVER;
}

void qf_smtp_secured(struct qf_smtp *s, int64_t now)
{
	qf_smtp_reply_reset(&s->reply);
	qf_smtp_ehlo_free(&s->offers);
	s->secure = true;
	s->phase = QF_SMTP_OPENING;
	qf_smtp_write_hello(s, QF_SMTP_EHLO);
	qf_smtp_restart_timer(s, now);
}

void qf_smtp_not_secured(struct qf_smtp *s, const char *why)
{
	/* With TLS from the first byte there was no greeting either. */
	qf_smtp_settle(s, QF_SMTP_NO_TLS, QF_SMTP_STARTTLS, 0, why);
	qf_smtp_give_up(s, QF_SMTP_NO_TLS, 0, why);
}

void qf_smtp_closed(struct qf_smtp *s, const char *why)
{
	bool writing = qf_smtp_step_now(s) == QF_SMTP_BODY;
	struct qf_buf what = QF_BUF_INIT;

	if (why != NULL)
		qf_buf_addf(&what, "connection broken: %s", why);
	else
		qf_buf_addf(&what, "the server closed the connection%s",
		    qf_smtp_reply_is_empty(&s->reply) ? "" : " inside a reply");
	qf_smtp_give_up(
	    s, writing ? QF_SMTP_UNSENT : QF_SMTP_CLOSED, 0, what.s);
	qf_buf_free(&what);
}

void qf_smtp_expired(struct qf_smtp *s)
{
	qf_smtp_give_up(s, QF_SMTP_TIMED_OUT, 0,
	    s->limit <= s->deadline  ? "timed out: it took too long in all"
	    : qf_smtp_wants_write(s) ? "timed out: the server does not read"
				     : "timed out: no reply");
}
