#include "remote/smtp.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "remote/smtp_data.h"
#include "remote/smtp_reply.h"

enum {
	WINDOW = 64,       /* commands that wait for a reply at most */
	READ_CHUNK = 65536 /* bytes of the message read at once */
};

/* What the next reply answers. */
enum state {
	GREETING,
	EHLO,
	HELO,
	MAIL,
	RCPT,
	DATA,
	BODY, /* nothing: the message is on its way */
	END,  /* the final dot, which may still be on its way */
	QUIT, /* nothing: the outcome stands */
	DONE
};

struct qf_smtp {
	const struct qf_smtp_job *job;
	enum state state;
	int64_t deadline;
	struct qf_smtp_result result;
	struct qf_smtp_ehlo offers;

	struct qf_smtp_reply reply;
	bool reply_is_early; /* it began before its command was sent */

	struct qf_buf out;
	size_t out_at;        /* bytes of out that are sent */
	uint64_t total_sent;  /* of the session */
	uint64_t block_start; /* total_sent when the block's time began */

	/* Commands are counted; the greeting is the first, sent from birth. */
	uint64_t commands, replies;
	uint64_t
	    ends[WINDOW]; /* total_sent when command i is sent: i % WINDOW */

	size_t rcpt_written, rcpt_answered;
	size_t rcpt_soft; /* recipients refused with 4xx */
	int soft_code;    /* of the first of them */
	struct qf_buf soft_text;

	struct qf_smtp_data data;
	char *chunk;
};

const struct qf_smtp_timeouts qf_smtp_timeouts_rfc = {
    .greeting = 5 * 60 * 1000,
    .command = 5 * 60 * 1000,
    .data = 2 * 60 * 1000,
    .block = 3 * 60 * 1000,
    .end = 10 * 60 * 1000,
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

static int64_t step_timeout(const struct qf_smtp *s)
{
	const struct qf_smtp_timeouts *t = s->job->timeouts;

	switch (s->state) {
	case GREETING:
		return t->greeting;
	case DATA:
		return t->data;
	case BODY:
		return t->block;
	case END:
		return s->out_at < s->out.len ? t->block : t->end;
	default:
		return t->command;
	}
}

static void restart_timer(struct qf_smtp *s, int64_t now)
{
	s->deadline = after(now, step_timeout(s));
	s->block_start = s->total_sent;
}

struct qf_smtp *qf_smtp_new(const struct qf_smtp_job *job, int64_t now)
{
	struct qf_smtp *s = qf_alloc(sizeof *s);

	*s = (struct qf_smtp){.job = job,
	    .result = {.text = QF_BUF_INIT},
	    .reply = QF_SMTP_REPLY_INIT,
	    .out = QF_BUF_INIT,
	    .soft_text = QF_BUF_INIT,
	    .commands = 1};
	restart_timer(s, now);
	return s;
}

void qf_smtp_free(struct qf_smtp **sp)
{
	struct qf_smtp *s = *sp;

	if (s == NULL)
		return;
	qf_buf_free(&s->result.text);
	qf_smtp_ehlo_free(&s->offers);
	qf_smtp_reply_free(&s->reply);
	qf_buf_free(&s->out);
	qf_buf_free(&s->soft_text);
	free(s->chunk);
	free(s);
	*sp = NULL;
}

bool qf_smtp_is_done(const struct qf_smtp *s)
{
	return s->state == DONE;
}

bool qf_smtp_wants_write(const struct qf_smtp *s)
{
	return s->state == BODY || s->out_at < s->out.len;
}

int64_t qf_smtp_deadline(const struct qf_smtp *s)
{
	return s->deadline;
}

const struct qf_smtp_result *qf_smtp_result(const struct qf_smtp *s)
{
	return &s->result;
}

const struct qf_smtp_ehlo *qf_smtp_offers(const struct qf_smtp *s)
{
	return &s->offers;
}

/* Appends what the current state is about, for texts. */
static void add_phase(const struct qf_smtp *s, struct qf_buf *out)
{
	static const char *const names[] = {[GREETING] = "greeting",
	    [EHLO] = "EHLO",
	    [HELO] = "HELO",
	    [DATA] = "DATA",
	    [BODY] = "message",
	    [END] = "end of message",
	    [QUIT] = "QUIT"};

	if (s->state == MAIL)
		qf_buf_addf(out, "MAIL FROM:<%s>", s->job->sender);
	else if (s->state == RCPT)
		qf_buf_addf(
		    out, "RCPT TO:<%s>", s->job->rcpt->v[s->rcpt_answered]);
	else
		qf_buf_adds(out, names[s->state]);
}

static bool dot_is_sent(const struct qf_smtp *s)
{
	return s->state == END && s->out_at == s->out.len;
}

/* The outcome, with the text `phase: what`. */
static void settle(
    struct qf_smtp *s, enum qf_smtp_outcome outcome, int code, const char *what)
{
	struct qf_smtp_result *r = &s->result;

	r->outcome = outcome;
	r->code = code;
	add_phase(s, &r->text);
	qf_buf_addf(&r->text, ": %s", what);
}

static void drop_output(struct qf_smtp *s)
{
	qf_buf_reset(&s->out);
	s->out_at = 0;
}

/* Room for what is written behind bytes that still wait. */
static void drop_sent(struct qf_smtp *s)
{
	s->out.len -= s->out_at;
	memmove(s->out.s, s->out.s + s->out_at, s->out.len + 1);
	s->out_at = 0;
}

/* The connection is of no more use. */
static void give_up(
    struct qf_smtp *s, enum qf_smtp_outcome outcome, int code, const char *what)
{
	if (s->state == DONE)
		return;
	if (s->state != QUIT) {
		s->result.maybe_taken = dot_is_sent(s) &&
					outcome != QF_SMTP_REFUSED &&
					outcome != QF_SMTP_DEFERRED;
		settle(s, outcome, code, what);
		if (s->result.maybe_taken)
			qf_buf_adds(&s->result.text,
			    " (the server may have taken the message: "
			    "possible duplicate)");
	}
	drop_output(s);
	s->state = DONE;
}

static void command_written(struct qf_smtp *s)
{
	s->ends[s->commands++ % WINDOW] =
	    s->total_sent + (s->out.len - s->out_at);
}

static void quit(struct qf_smtp *s)
{
	s->state = QUIT;
	qf_buf_adds(&s->out, "QUIT\r\n");
}

/* A recipient was refused: the others learn that they got nothing. */
static void add_not_sent(struct qf_smtp *s)
{
	if (s->job->rcpt->n > 1)
		qf_buf_addf(&s->result.text,
		    " (not sent to any of its %zu recipients)",
		    s->job->rcpt->n);
}

/* A regular end: the server said what it thinks, we say goodbye. */
static void conclude(
    struct qf_smtp *s, enum qf_smtp_outcome outcome, struct qf_buf *reply)
{
	settle(s, outcome, s->reply.code, reply->s);
	if (s->state == RCPT)
		add_not_sent(s);
	quit(s);
}

static void write_hello(struct qf_smtp *s, enum state verb)
{
	s->state = verb;
	qf_buf_addf(
	    &s->out, "%s %s\r\n", verb == EHLO ? "EHLO" : "HELO", s->job->helo);
	command_written(s);
}

/* As many RCPT commands as may wait for their replies. */
static void write_rcpts(struct qf_smtp *s)
{
	uint64_t window = s->offers.pipelining ? WINDOW : 1;

	drop_sent(s);
	while (s->rcpt_written < s->job->rcpt->n &&
	       s->commands - s->replies < window) {
		qf_buf_addf(&s->out, "RCPT TO:<%s>\r\n",
		    s->job->rcpt->v[s->rcpt_written++]);
		command_written(s);
	}
}

static void write_mail(struct qf_smtp *s)
{
	s->state = MAIL;
	qf_buf_addf(&s->out, "MAIL FROM:<%s>\r\n", s->job->sender);
	command_written(s);
	write_rcpts(s);
}

/* Reads on from the message; at its end the final dot follows. */
static void refill(struct qf_smtp *s, int64_t now)
{
	struct qf_err e;
	long n;

	if (s->chunk == NULL)
		s->chunk = qf_alloc(READ_CHUNK);
	drop_output(s);
	n = s->job->source(s->job->source_ctx, s->chunk, READ_CHUNK, &e);
	if (n < 0) {
		give_up(s, QF_SMTP_UNREAD, 0, e.text);
		return;
	}
	if (n > 0) {
		qf_smtp_data_add(
		    &s->data, &s->out, qf_span_n(s->chunk, (size_t)n));
		return;
	}
	qf_smtp_data_end(&s->data, &s->out);
	command_written(s);
	s->state = END;
	restart_timer(s, now);
}

struct qf_span qf_smtp_pending(struct qf_smtp *s, int64_t now)
{
	while (s->state == BODY && s->out_at == s->out.len)
		refill(s, now);
	return qf_span_n(s->out.s + s->out_at, s->out.len - s->out_at);
}

void qf_smtp_sent(struct qf_smtp *s, size_t n, int64_t now)
{
	s->out_at += n;
	s->total_sent += n;
	if (s->out_at == s->out.len) {
		drop_output(s);
		restart_timer(s, now);
		if (s->state == QUIT)
			s->state = DONE;
	} else if (s->total_sent - s->block_start >= QF_SMTP_BLOCK) {
		restart_timer(s, now);
	}
}

/* Has the command that the next reply answers left in full? */
static bool reply_is_due(const struct qf_smtp *s)
{
	return s->replies < s->commands &&
	       s->total_sent >= s->ends[s->replies % WINDOW];
}

/* After the last recipient was answered. */
static void end_of_rcpts(struct qf_smtp *s)
{
	if (s->rcpt_soft > 0) {
		s->result.outcome = s->rcpt_soft < s->job->rcpt->n
					? QF_SMTP_SOME_DEFERRED
					: QF_SMTP_DEFERRED;
		s->result.code = s->soft_code;
		qf_buf_addspan(&s->result.text, qf_buf_span(&s->soft_text));
		add_not_sent(s);
		quit(s);
		return;
	}
	s->state = DATA;
	qf_buf_adds(&s->out, "DATA\r\n");
	command_written(s);
}

static void rcpt_answered(struct qf_smtp *s, struct qf_buf *text)
{
	if (s->reply.code >= 400 && s->rcpt_soft++ == 0) {
		s->soft_code = s->reply.code;
		add_phase(s, &s->soft_text);
		qf_buf_addf(&s->soft_text, ": %s", text->s);
	}
	if (++s->rcpt_answered == s->job->rcpt->n)
		end_of_rcpts(s);
	else
		write_rcpts(s);
}

/* The command was accepted: on to the next. */
static void advance(struct qf_smtp *s, struct qf_buf *text)
{
	switch (s->state) {
	case GREETING:
		write_hello(s, EHLO);
		break;
	case EHLO:
		qf_smtp_ehlo_parse(&s->offers, &s->reply);
		write_mail(s);
		break;
	case HELO:
		write_mail(s);
		break;
	case MAIL:
		s->state = RCPT;
		write_rcpts(s);
		break;
	case RCPT:
		rcpt_answered(s, text);
		break;
	case DATA:
		s->state = BODY;
		break;
	case END:
		conclude(s, QF_SMTP_SENT, text);
		break;
	default:
		break;
	}
}

static void confused(
    struct qf_smtp *s, const char *why, const struct qf_buf *text)
{
	struct qf_buf what = QF_BUF_INIT;

	qf_buf_addf(&what, "%s: %s", why, text->s);
	give_up(s, QF_SMTP_CONFUSED, s->reply.code, what.s);
	qf_buf_free(&what);
}

/* A reply in its place. */
static void take_due(struct qf_smtp *s, struct qf_buf *text)
{
	int code = s->reply.code;
	bool ok = s->state == DATA ? code == 354 : code / 100 == 2;

	s->replies++;
	if (ok)
		advance(s, text);
	else if (code == 421)
		give_up(s, QF_SMTP_DEFERRED, code, text->s);
	else if (code / 100 == 5 && s->state == EHLO)
		write_hello(s, HELO);
	else if (code / 100 == 4 && s->state == RCPT)
		rcpt_answered(s, text);
	else if (code / 100 == 4 || (code / 100 == 5 && s->state < MAIL))
		conclude(s, QF_SMTP_DEFERRED, text);
	else if (code / 100 == 5)
		conclude(s, QF_SMTP_REFUSED, text);
	else
		confused(s, "unexpected reply", text);
}

/*
 * A reply to nothing. A server that shuts down may say 421 at any time (RFC
 * 5321 section 3.8), and one that has seen enough of a message may refuse it
 * before its end; both leave the connection useless, as the message can not
 * be cut short without being taken.
 */
static void take_early(struct qf_smtp *s, struct qf_buf *text)
{
	bool in_message = s->state == BODY || s->state == END;
	int class = s->reply.code / 100;

	if (s->reply.code == 421 || (in_message && class == 4))
		give_up(s, QF_SMTP_DEFERRED, s->reply.code, text->s);
	else if (in_message && class == 5)
		give_up(s, QF_SMTP_REFUSED, s->reply.code, text->s);
	else
		confused(s, "reply before the command", text);
}

static void take_reply(struct qf_smtp *s, int64_t now)
{
	struct qf_buf text = QF_BUF_INIT;

	qf_smtp_reply_format(&s->reply, &text);
	if (s->reply_is_early)
		take_early(s, &text);
	else
		take_due(s, &text);
	qf_buf_free(&text);
	qf_smtp_reply_reset(&s->reply);
	restart_timer(s, now);
}

void qf_smtp_received(struct qf_smtp *s, struct qf_span in, int64_t now)
{
	while (in.n > 0 && s->state < QUIT) {
		struct qf_err e;
		int rc;

		if (qf_smtp_reply_is_empty(&s->reply))
			s->reply_is_early = !reply_is_due(s);
		rc = qf_smtp_reply_feed(&s->reply, &in, &e);
		if (rc < 0)
			give_up(s, QF_SMTP_CONFUSED, 0, e.text);
		else if (rc > 0)
			take_reply(s, now);
	}
}

void qf_smtp_closed(struct qf_smtp *s, const char *why)
{
	bool writing = s->state == BODY || (s->state == END && !dot_is_sent(s));
	struct qf_buf what = QF_BUF_INIT;

	if (why != NULL)
		qf_buf_addf(&what, "connection broken: %s", why);
	else
		qf_buf_addf(&what, "the server closed the connection%s",
		    qf_smtp_reply_is_empty(&s->reply) ? "" : " inside a reply");
	give_up(s, writing ? QF_SMTP_UNSENT : QF_SMTP_CLOSED, 0, what.s);
	qf_buf_free(&what);
}

void qf_smtp_expired(struct qf_smtp *s)
{
	give_up(s, QF_SMTP_TIMED_OUT, 0,
	    s->out_at < s->out.len || s->state == BODY
		? "timed out: the server does not read"
		: "timed out: no reply");
}
