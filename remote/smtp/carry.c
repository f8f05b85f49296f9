#include "remote/smtp/internal.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/mail/addr.h"

enum {
	READ_CHUNK = QF_SMTP_CHUNK, /* bytes of the message read at once */
	LENGTH_ROOM = 40            /* for a command BDAT */
};

static bool is_settled(const struct qf_smtp *s)
{
	return s->result.outcome != QF_SMTP_PENDING;
}

static bool may_pipeline(const struct qf_smtp *s)
{
	return s->offers.pipelining && !s->setup->no_pipelining;
}

static bool uses_bdat(const struct qf_smtp *s)
{
	return s->offers.chunking && !s->setup->no_chunking;
}

/* Recipients that only SMTPUTF8 could reach have their reply at once, where
 * others can do without: are there such? */
static bool leave_out_utf8(struct qf_smtp *s)
{
	const struct qf_smtp_mail *m = s->mail;
	size_t n = 0;

	for (size_t i = 0; i < m->rcpt->n; i++)
		n += !qf_addr_is_ascii(qf_span(m->rcpt->v[i]));
	if (m->together || n == 0 || n == m->rcpt->n ||
	    !qf_addr_is_ascii(qf_span(m->sender)))
		return false;
	for (size_t i = 0; i < m->rcpt->n; i++) {
		struct qf_smtp_said *said = &s->result.rcpt[i];

		if (qf_addr_is_ascii(qf_span(m->rcpt->v[i])))
			continue;
		said->outcome = QF_SMTP_REFUSED;
		said->reply = qf_strdup("the address needs SMTPUTF8, which the "
					"server does not offer (#5.6.7)\n");
		s->rcpt_answered++;
	}
	return true;
}

/* What keeps this server from carrying the message, or nothing. */
static void find_obstacle(struct qf_smtp *s, struct qf_buf *what)
{
	const struct qf_smtp_ehlo *o = &s->offers;
	const struct qf_smtp_mail *m = s->mail;

	if (m->utf8 && !o->smtputf8 && !leave_out_utf8(s)) {
		qf_buf_adds(what,
		    "the message needs SMTPUTF8, which the server does not "
		    "offer");
	} else if (o->size_max > 0 && m->size > o->size_max) {
		s->result.too_big = true;
		qf_buf_addf(what,
		    "the message has %llu bytes; the server takes at most %llu",
		    (unsigned long long)m->size, o->size_max);
	}
}

/* Can this server carry the message at all? One whose offers could not be seen
 * may do so later. */
static bool fits(struct qf_smtp *s)
{
	struct qf_buf what = QF_BUF_INIT;

	find_obstacle(s, &what);
	if (what.len > 0)
		qf_smtp_settle(s,
		    s->ehlo_failed ? QF_SMTP_DEFERRED : QF_SMTP_UNFIT,
		    QF_SMTP_MAIL, 0, what.s);
	qf_buf_free(&what);
	return !is_settled(s);
}

/* The end of the message, which was appended to out. */
static void end_written(struct qf_smtp *s)
{
	qf_smtp_command_written(s, QF_SMTP_END);
	s->phase = QF_SMTP_SETTLING;
}

static long read_source(struct qf_smtp *s)
{
	struct qf_err e;
	long n;

	if (s->chunk == NULL)
		s->chunk = qf_alloc(READ_CHUNK);
	n = s->mail->source(s->mail->source_ctx, s->chunk, READ_CHUNK, &e);
	if (n < 0)
		qf_smtp_give_up(s, QF_SMTP_UNREAD, 0, e.text);
	else if (n > 0)
		qf_smtp_data_add(
		    &s->data, &s->out, qf_span_n(s->chunk, (size_t)n));
	return n;
}

/* Appends a piece of the message, and its end when that is reached: 1 then,
 * 0, or negative after giving up. */
static int read_piece(struct qf_smtp *s)
{
	size_t start = s->out.len;
	long n;

	do
		n = read_source(s);
	while (n > 0 && s->out.len - start < QF_SMTP_CHUNK);
	if (n == 0)
		qf_smtp_data_end(&s->data, &s->out);
	return n < 0 ? -1 : n == 0;
}

/* RFC 3030: the length of the piece that begins at start goes before it, into
 * the room that was left there. What stands before that room moves up to it:
 * it is short, and the piece is not. */
static void put_length(struct qf_smtp *s, size_t start, bool last)
{
	char head[LENGTH_ROOM];
	size_t before = start - LENGTH_ROOM - s->out_at, room;
	int n;

	n = snprintf(head, sizeof head, "BDAT %zu%s\r\n", s->out.len - start,
	    last ? " LAST" : "");
	memcpy(s->out.s + start - n, head, (size_t)n);
	room = LENGTH_ROOM - (size_t)n;
	memmove(s->out.s + s->out_at + room, s->out.s + s->out_at, before);
	s->out_at += room;
}

static void leave_room(struct qf_smtp *s)
{
	qf_buf_reserve(&s->out, LENGTH_ROOM);
	memset(s->out.s + s->out.len, ' ', LENGTH_ROOM);
	s->out.len += LENGTH_ROOM;
}

void qf_smtp_add_piece(struct qf_smtp *s)
{
	size_t start;
	int rc;

	if (s->data.plain)
		leave_room(s);
	start = s->out.len;
	rc = read_piece(s);
	if (rc < 0)
		return;
	if (s->data.plain)
		put_length(s, start, rc > 0);
	if (rc > 0)
		end_written(s);
	else if (s->data.plain)
		qf_smtp_command_written(s, QF_SMTP_BODY);
}

static void write_mail(struct qf_smtp *s)
{
	const struct qf_smtp_mail *m = s->mail;
	const struct qf_smtp_ehlo *o = &s->offers;

	if (s->dirty) {
		qf_buf_adds(&s->out, "RSET\r\n");
		qf_smtp_command_written(s, QF_SMTP_RSET);
		s->dirty = false;
		return;
	}
	qf_buf_addf(&s->out, "MAIL FROM:<%s>", m->sender);
	if (o->size && m->size > 0)
		qf_buf_addf(&s->out, " SIZE=%llu", (unsigned long long)m->size);
	if (o->eightbitmime && m->eightbit)
		qf_buf_adds(&s->out, " BODY=8BITMIME");
	if (o->smtputf8 && m->utf8)
		qf_buf_adds(&s->out, " SMTPUTF8");
	if (o->dsn && m->ret != NULL)
		qf_buf_addf(&s->out, " RET=%s", m->ret);
	if (o->dsn && m->envid != NULL)
		qf_buf_addf(&s->out, " ENVID=%s", m->envid);
	qf_buf_adds(&s->out, "\r\n");
	qf_smtp_command_written(s, QF_SMTP_MAIL);
	s->mail_written = true;
}

static void write_rcpt(struct qf_smtp *s)
{
	const struct qf_smtp_mail *m = s->mail;
	size_t i = s->rcpt_written++;

	if (s->result.rcpt[i].outcome != QF_SMTP_PENDING)
		return; /* it was left out */
	qf_buf_addf(&s->out, "RCPT TO:<%s>", m->rcpt->v[i]);
	if (s->offers.dsn && m->notify != NULL) {
		if (m->notify[i].notify != NULL)
			qf_buf_addf(&s->out, " NOTIFY=%s", m->notify[i].notify);
		if (m->notify[i].orcpt != NULL)
			qf_buf_addf(&s->out, " ORCPT=%s", m->notify[i].orcpt);
	}
	qf_buf_adds(&s->out, "\r\n");
	qf_smtp_command_written(s, QF_SMTP_RCPT)->rcpt = i;
}

/*
 * May the message begin? When the recipients are known, yes. Before that DATA
 * may go along with them, as it can still be taken back: where all are
 * refused nothing has been sent, and an end without a message harms nobody.
 * It can not be taken back where one refusal keeps the message from the
 * others, so a message for all or none waits; and a long one is not sent in
 * vain.
 */
static bool may_begin_message(const struct qf_smtp *s)
{
	const struct qf_smtp_mail *m = s->mail;

	if (s->rcpt_answered == m->rcpt->n)
		return true;
	if (!may_pipeline(s) || (m->together && m->rcpt->n > 1))
		return false;
	return !uses_bdat(s) || (m->size > 0 && m->size <= QF_SMTP_CHUNK);
}

static void begin_message(struct qf_smtp *s)
{
	s->data_written = true;
	if (s->data.plain) {
		s->phase = QF_SMTP_STREAMING;
		qf_smtp_add_piece(s);
		return;
	}
	qf_buf_adds(&s->out, "DATA\r\n");
	qf_smtp_command_written(s, QF_SMTP_DATA);
}

/* As many commands as may wait for their replies. */
static void fill(struct qf_smtp *s)
{
	qf_smtp_drop_sent(s);
	while (s->phase == QF_SMTP_ENVELOPE && qf_smtp_has_room(s)) {
		if (!s->mail_written)
			write_mail(s);
		else if (s->rcpt_written < s->mail->rcpt->n)
			write_rcpt(s);
		else if (!s->data_written && may_begin_message(s))
			begin_message(s);
		else
			break;
	}
}

void qf_smtp_carry(struct qf_smtp *s)
{
	s->heard = false;
	s->mail_written = s->data_written = false;
	s->rcpt_written = s->rcpt_answered = s->rcpt_taken = 0;
	s->data = (struct qf_smtp_data){.plain = uses_bdat(s)};
	s->phase = QF_SMTP_ENVELOPE;
	qf_smtp_result_reset(&s->result, s->mail->rcpt->n);
	if (!fits(s))
		return;
	s->mails++;
	fill(s);
}

/* The message goes to nobody; what was asked is still answered. */
static void abandon(struct qf_smtp *s)
{
	s->phase = QF_SMTP_SETTLING;
	s->dirty = true;
}

/* A 4xx or 5xx reply that decides about the whole message. */
static void refused(struct qf_smtp *s, enum qf_smtp_step step)
{
	qf_smtp_settle_reply(
	    s, qf_smtp_is_final(s) ? QF_SMTP_REFUSED : QF_SMTP_DEFERRED, step);
	abandon(s);
}

static void rcpt_answered(struct qf_smtp *s, size_t rcpt)
{
	const struct qf_smtp_result *r = &s->result;
	bool hard = qf_smtp_is_final(s);
	bool all;

	s->rcpt_taken += s->reply.code / 100 == 2;
	all = ++s->rcpt_answered == s->mail->rcpt->n;
	if (is_settled(s))
		return;
	qf_smtp_said(s, rcpt);
	if ((hard && s->mail->together) ||
	    (all && (r->accepted == 0 ||
			(s->mail->together && r->accepted < r->nrcpt)))) {
		qf_smtp_settle_rcpts(s);
		abandon(s);
	} else {
		fill(s);
	}
}

/* The server waits for a message that was decided about before: the end of
 * none, where it goes to nobody, else the connection must go. */
static void data_in_vain(struct qf_smtp *s)
{
	if (s->rcpt_taken > 0) {
		qf_smtp_give_up(s, QF_SMTP_CONFUSED, s->reply.code, "");
		return;
	}
	qf_smtp_drop_sent(s);
	qf_buf_adds(&s->out, ".\r\n");
	end_written(s);
}

/* The next recipient that LMTP answers for, from i on; n when there is none. */
static size_t next_accepted(const struct qf_smtp_result *r, size_t i)
{
	while (i < r->nrcpt && r->rcpt[i].outcome != QF_SMTP_SENT)
		i++;
	return i;
}

/* RFC 2033 section 4.2: a reply for each recipient that was accepted. */
static void lmtp_answered(struct qf_smtp *s, size_t rcpt)
{
	struct qf_smtp_result *r = &s->result;
	size_t next;

	rcpt = next_accepted(r, rcpt);
	qf_smtp_said(s, rcpt);
	r->rcpt[rcpt].delivered = s->reply.code / 100 == 2;
	next = next_accepted(r, rcpt + 1);
	if (next < r->nrcpt)
		qf_smtp_command_written(s, QF_SMTP_END)->rcpt = next;
	else if (r->accepted > 0)
		qf_smtp_settle_reply(s, QF_SMTP_SENT, QF_SMTP_END);
	else
		qf_smtp_settle_reply(s,
		    s->reply.code / 100 == 5 ? QF_SMTP_REFUSED
					     : QF_SMTP_DEFERRED,
		    QF_SMTP_END);
}

static void all_delivered(struct qf_smtp_result *r)
{
	for (size_t i = 0; i < r->nrcpt; i++)
		r->rcpt[i].delivered = r->rcpt[i].outcome == QF_SMTP_SENT;
}

static void end_answered(struct qf_smtp *s, size_t rcpt)
{
	s->dirty = s->reply.code / 100 != 2;
	if (is_settled(s))
		return;
	if (s->setup->lmtp) {
		lmtp_answered(s, rcpt);
	} else if (s->reply.code / 100 != 2) {
		refused(s, QF_SMTP_END);
	} else {
		all_delivered(&s->result);
		qf_smtp_settle_reply(s, QF_SMTP_SENT, QF_SMTP_END);
	}
}

static void accepted(struct qf_smtp *s, enum qf_smtp_step step)
{
	if (step == QF_SMTP_DATA && is_settled(s))
		data_in_vain(s);
	else if (step == QF_SMTP_DATA)
		s->phase = QF_SMTP_STREAMING;
	else if (step <= QF_SMTP_MAIL && !is_settled(s))
		fill(s);
}

/* Is this what the command is answered with when all is well? */
static bool is_good(const struct qf_smtp *s, enum qf_smtp_step step)
{
	return step == QF_SMTP_DATA ? s->reply.code == 354
				    : s->reply.code / 100 == 2;
}

static bool is_refusal(const struct qf_smtp *s)
{
	return s->reply.code / 100 == 4 || s->reply.code / 100 == 5;
}

void qf_smtp_carry_answered(struct qf_smtp *s, const struct qf_smtp_command *c)
{
	if (c->step == QF_SMTP_RSET && !is_good(s, c->step))
		qf_smtp_confused(s, "a session that can not be used again");
	else if (!is_good(s, c->step) && !is_refusal(s))
		qf_smtp_confused(s, "unexpected reply");
	else if (c->step == QF_SMTP_RCPT)
		rcpt_answered(s, c->rcpt);
	else if (c->step == QF_SMTP_END)
		end_answered(s, c->rcpt);
	else if (is_good(s, c->step))
		accepted(s, c->step);
	else if (!is_settled(s))
		refused(s, c->step);
}
