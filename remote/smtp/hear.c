#include "remote/smtp/internal.h"

#include "remote/auth/auth.h"

void qf_smtp_confused(struct qf_smtp *s, const char *why)
{
	struct qf_buf what = QF_BUF_INIT;

	qf_smtp_keep_reply(s);
	qf_buf_addf(&what, "%s: ", why);
	qf_smtp_reply_format(&s->reply, &what);
	qf_smtp_give_up(s, QF_SMTP_CONFUSED, s->reply.code, what.s);
	qf_buf_free(&what);
}

bool qf_smtp_is_final(const struct qf_smtp *s)
{
	/* RFC 3207: it wants TLS, which has just failed. */
	if (s->reply.code == 530 && (s->setup->tls_failed || s->tls_refused))
		return false;
	return s->reply.code / 100 == 5;
}

static void give_up_by_reply(struct qf_smtp *s, enum qf_smtp_outcome outcome)
{
	struct qf_buf what = QF_BUF_INIT;

	qf_smtp_keep_reply(s);
	qf_smtp_reply_format(&s->reply, &what);
	qf_smtp_give_up(s, outcome, s->reply.code, what.s);
	qf_buf_free(&what);
}

/* Any other 5xx that comes before its time may be about a command that only
 * the server has seen in the message. */
static bool is_about_the_message(int code)
{
	return code == 550 || code == 552 || code == 554;
}

/*
 * A reply to nothing. A server that shuts down may say 421 at any time (RFC
 * 5321 section 3.8), and one that has seen enough of a message may refuse it
 * before its end; both leave the connection useless, as the message can not
 * be cut short without being taken.
 */
static void take_early(struct qf_smtp *s)
{
	const struct qf_smtp_command *c = qf_smtp_next_command(s);
	bool in_message = s->phase == QF_SMTP_STREAMING ||
			  (c != NULL && c->step == QF_SMTP_END);
	int class = s->reply.code / 100;

	if (in_message && is_about_the_message(s->reply.code))
		give_up_by_reply(s, QF_SMTP_REFUSED);
	else if (s->reply.code == 421 || (in_message && class >= 4))
		give_up_by_reply(s, QF_SMTP_DEFERRED);
	else
		qf_smtp_confused(s, "reply before the command");
}

/* A reply in its place. After 421 nothing more is to be had; a recipient
 * that got it is told so all the same. */
static void take_due(struct qf_smtp *s)
{
	const struct qf_smtp_command c = *qf_smtp_next_command(s);

	if (c.step >= QF_SMTP_MAIL)
		s->heard = s->heard || s->reply.code != 421;
	if (s->reply.code == 421) {
		if (c.step == QF_SMTP_RCPT &&
		    s->result.outcome == QF_SMTP_PENDING)
			qf_smtp_said(s, c.rcpt);
		give_up_by_reply(s, QF_SMTP_DEFERRED);
		return;
	}
	s->replies++;
	s->answered = &c;
	if (c.step < QF_SMTP_RSET)
		qf_smtp_open_answered(s, c.step);
	else
		qf_smtp_carry_answered(s, &c);
	s->answered = NULL;
}

/* Of a challenge the mechanism needs every byte. */
static bool is_challenge(const struct qf_smtp *s)
{
	return s->reply.code == 334 && !s->reply_is_early &&
	       s->command[s->replies % QF_SMTP_WINDOW].step == QF_SMTP_AUTH;
}

static void take_reply(struct qf_smtp *s, int64_t now)
{
	/* Servers have been seen to repeat what they were sent. */
	if (s->mechanism != NULL && !is_challenge(s))
		qf_auth_hide(s->setup->auth, &s->reply.text);
	if (s->reply_is_early)
		take_early(s);
	else
		take_due(s);
	qf_smtp_reply_reset(&s->reply);
	qf_smtp_move_on(s);
	qf_smtp_restart_timer(s, now);
}

static void not_understood(struct qf_smtp *s, const char *why)
{
	/* It may be what we sent to log in. */
	if (s->mechanism != NULL) {
		qf_smtp_give_up(s, QF_SMTP_CONFUSED, 0, "reply not understood");
		return;
	}
	qf_smtp_keep_reply(s);
	qf_smtp_give_up(s, QF_SMTP_CONFUSED, 0, why);
}

void qf_smtp_received(struct qf_smtp *s, struct qf_span in, int64_t now)
{
	/* Behind the reply to STARTTLS nothing may stand, and nothing that
	 * stands there counts. */
	while (
	    in.n > 0 && !qf_smtp_is_leaving(s) && s->phase != QF_SMTP_SHAKING) {
		const struct qf_smtp_command *c = qf_smtp_next_command(s);
		struct qf_err e;
		int rc;

		if (qf_smtp_reply_is_empty(&s->reply))
			s->reply_is_early =
			    c == NULL || !qf_smtp_has_left(s, c);
		rc = qf_smtp_reply_feed(&s->reply, &in, &e);
		if (rc < 0)
			not_understood(s, e.text);
		else if (rc > 0)
			take_reply(s, now);
	}
}
