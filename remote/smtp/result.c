#include "remote/smtp/internal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

enum {
	REPLY_MAX = 5000, /* bytes of the reply that decided, as kept */
	SAID_MAX = 1000   /* of the reply to one recipient */
};

enum qf_smtp_step qf_smtp_step_now(struct qf_smtp *s)
{
	const struct qf_smtp_command *c = qf_smtp_next_command(s);

	if (s->answered != NULL)
		return s->answered->step;
	/* An end that has not left in full belongs to the message. */
	if (c != NULL && c->step == QF_SMTP_END && c->end > s->total_sent)
		return QF_SMTP_BODY;
	if (c != NULL)
		return c->step;
	return s->phase == QF_SMTP_SHAKING     ? QF_SMTP_STARTTLS
	       : s->phase == QF_SMTP_STREAMING ? QF_SMTP_BODY
					       : QF_SMTP_MAIL;
}

/* Letters that are not ASCII are for SMTPUTF8 only, not for texts. */
static void add_command(struct qf_buf *out, const char *name, const char *addr)
{
	qf_buf_addf(out, "%s:<", name);
	qf_smtp_add_printable(out, qf_span(addr));
	qf_buf_addc(out, '>');
}

static void add_step(const struct qf_smtp *s, enum qf_smtp_step step,
    size_t rcpt, struct qf_buf *out)
{
	static const char *const names[QF_SMTP_STEPS] = {
	    [QF_SMTP_GREETING] = "greeting",
	    [QF_SMTP_EHLO] = "EHLO",
	    [QF_SMTP_HELO] = "HELO",
	    [QF_SMTP_STARTTLS] = "STARTTLS",
	    [QF_SMTP_AUTH] = "AUTH",
	    [QF_SMTP_RSET] = "RSET",
	    [QF_SMTP_MAIL] = "MAIL",
	    [QF_SMTP_DATA] = "DATA",
	    [QF_SMTP_BODY] = "message",
	    [QF_SMTP_END] = "end of message"};

	if (step == QF_SMTP_EHLO && s->setup->lmtp)
		qf_buf_adds(out, "LHLO");
	else if (step == QF_SMTP_STARTTLS && s->setup->tls == QF_SMTP_TLS_IS_ON)
		qf_buf_adds(out, "handshake");
	else if (step == QF_SMTP_AUTH && s->mechanism != NULL)
		qf_buf_addf(out, "AUTH %s", s->mechanism);
	else if (step == QF_SMTP_MAIL && s->mail != NULL)
		add_command(out, "MAIL FROM", s->mail->sender);
	else if (step == QF_SMTP_RCPT && s->mail != NULL)
		add_command(out, "RCPT TO", s->mail->rcpt->v[rcpt]);
	else
		qf_buf_adds(out, names[step]);
}

/* The recipient that a RCPT in question is about. */
static size_t rcpt_now(struct qf_smtp *s)
{
	const struct qf_smtp_command *c =
	    s->answered != NULL ? s->answered : qf_smtp_next_command(s);

	return c != NULL && c->step == QF_SMTP_RCPT ? c->rcpt
						    : s->rcpt_answered;
}

void qf_smtp_settle(struct qf_smtp *s, enum qf_smtp_outcome outcome,
    enum qf_smtp_step step, int code, const char *what)
{
	struct qf_smtp_result *r = &s->result;

	if (r->outcome != QF_SMTP_PENDING)
		return;
	r->outcome = outcome;
	r->step = step;
	r->code = code;
	add_step(s, step, step == QF_SMTP_RCPT ? rcpt_now(s) : 0, &r->text);
	qf_buf_addf(&r->text, ": %s", what);
}

void qf_smtp_keep_reply(struct qf_smtp *s)
{
	if (s->result.outcome == QF_SMTP_PENDING)
		qf_smtp_reply_lines(&s->reply, REPLY_MAX, &s->result.reply);
}

void qf_smtp_settle_reply(
    struct qf_smtp *s, enum qf_smtp_outcome outcome, enum qf_smtp_step step)
{
	struct qf_buf what = QF_BUF_INIT;

	qf_smtp_keep_reply(s);
	qf_smtp_reply_format(&s->reply, &what);
	qf_smtp_settle(s, outcome, step, s->reply.code, what.s);
	qf_buf_free(&what);
}

void qf_smtp_said(struct qf_smtp *s, size_t rcpt)
{
	struct qf_smtp_said *said = &s->result.rcpt[rcpt];
	struct qf_buf lines = QF_BUF_INIT;
	bool was_accepted = said->outcome == QF_SMTP_SENT;
	int class = s->reply.code / 100;

	said->code = s->reply.code;
	said->outcome = class == 2            ? QF_SMTP_SENT
			: qf_smtp_is_final(s) ? QF_SMTP_REFUSED
					      : QF_SMTP_DEFERRED;
	if (class == 2) {
		s->result.accepted += !was_accepted;
		return;
	}
	s->result.accepted -= was_accepted;
	qf_smtp_reply_lines(&s->reply, SAID_MAX, &lines);
	free(said->reply);
	said->reply = qf_buf_detach(&lines);
}

/* How many recipients have this outcome, and the first of them. */
static size_t count(
    const struct qf_smtp_result *r, enum qf_smtp_outcome outcome, size_t *first)
{
	size_t n = 0;

	for (size_t i = 0; i < r->nrcpt; i++) {
		if (r->rcpt[i].outcome == outcome && n++ == 0)
			*first = i;
	}
	return n;
}

void qf_smtp_settle_rcpts(struct qf_smtp *s)
{
	struct qf_smtp_result *r = &s->result;
	size_t first = 0, hard, soft;

	if (r->outcome != QF_SMTP_PENDING)
		return;
	soft = count(r, QF_SMTP_DEFERRED, &first);
	hard = count(r, QF_SMTP_REFUSED, &first);
	r->step = QF_SMTP_RCPT;
	r->code = r->rcpt[first].code;
	if (hard > 0 && (s->mail->together || soft == 0))
		r->outcome = QF_SMTP_REFUSED;
	else if (soft < r->nrcpt)
		r->outcome = QF_SMTP_SOME_DEFERRED;
	else
		r->outcome = QF_SMTP_DEFERRED;
	add_step(s, QF_SMTP_RCPT, first, &r->text);
	qf_buf_adds(&r->text, ": ");
	qf_smtp_reply_flatten(qf_span(r->rcpt[first].reply), &r->text);
	qf_buf_adds(&r->reply, r->rcpt[first].reply);
	if (r->nrcpt > 1)
		qf_buf_addf(&r->text,
		    " (not sent to any of its %zu recipients)", r->nrcpt);
}

static void free_rcpts(struct qf_smtp_result *r)
{
	for (size_t i = 0; i < r->nrcpt; i++)
		free(r->rcpt[i].reply);
	free(r->rcpt);
}

void qf_smtp_result_reset(struct qf_smtp_result *r, size_t nrcpt)
{
	struct qf_buf text = r->text, reply = r->reply;

	free_rcpts(r);
	qf_buf_reset(&text);
	qf_buf_reset(&reply);
	*r = (struct qf_smtp_result){.text = text,
	    .reply = reply,
	    .rcpt = qf_realloc_array(NULL, nrcpt, sizeof *r->rcpt),
	    .nrcpt = nrcpt};
	memset(r->rcpt, 0, nrcpt * sizeof *r->rcpt);
}

void qf_smtp_result_free(struct qf_smtp_result *r)
{
	free_rcpts(r);
	qf_buf_free(&r->text);
	qf_buf_free(&r->reply);
}
