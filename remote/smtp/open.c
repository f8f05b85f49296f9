#include "remote/smtp/internal.h"

#include <string.h>

#include "remote/auth/auth.h"

void qf_smtp_write_hello(struct qf_smtp *s, enum qf_smtp_step step)
{
	const char *verb = step == QF_SMTP_HELO ? "HELO"
			   : s->setup->lmtp     ? "LHLO"
						: "EHLO";

	qf_buf_addf(&s->out, "%s %s\r\n", verb, s->setup->helo);
	qf_smtp_command_written(s, step);
}

/* AUTH with its first line, or the next one, in base64. */
static void write_auth(
    struct qf_smtp *s, const char *command, struct qf_buf *line)
{
	qf_buf_addf(&s->out, "%s%s\r\n", command, line->s);
	qf_smtp_command_written(s, QF_SMTP_AUTH);
	if (line->cap > 0)
		explicit_bzero(line->s, line->cap);
	qf_buf_free(line);
}

static void begin_auth(struct qf_smtp *s)
{
	struct qf_buf command = QF_BUF_INIT, line = QF_BUF_INIT;
	struct qf_err e;
	int rc;

	rc = qf_auth_choose(
	    s->setup->auth, &s->offers.auth, s->secure, &s->mechanism, &e);
	if (rc == 0)
		rc = qf_auth_first(s->setup->auth, &line, &e);
	if (rc < 0) {
		qf_smtp_conclude(s, QF_SMTP_NO_AUTH, QF_SMTP_AUTH, e.text);
	} else {
		qf_buf_addf(&command, "AUTH %s%s", s->mechanism,
		    line.len > 0 ? " " : "");
		write_auth(s, command.s, &line);
	}
	qf_buf_free(&command);
	qf_buf_free(&line);
}

/* The server asks for more. A mechanism that has nothing to say to this
 * cancels, and the reply to that is waited for. */
static void continue_auth(struct qf_smtp *s)
{
	struct qf_buf line = QF_BUF_INIT;
	struct qf_span challenge = qf_span_n(NULL, 0);
	struct qf_err e;
	size_t at = 0;

	(void)qf_smtp_reply_next(&s->reply, &at, &challenge);
	if (s->auth.len > 0) {
		qf_auth_hide(s->setup->auth, &s->reply.text);
		qf_smtp_confused(s, "unexpected reply");
		return;
	}
	if (qf_auth_next(s->setup->auth, challenge, &line, &e) < 0) {
		qf_buf_adds(&s->auth, e.text);
		qf_buf_reset(&line);
		qf_buf_addc(&line, '*');
	}
	write_auth(s, "", &line);
}

/* What a mechanism was told beside the reply stands behind it. */
static void auth_refused(struct qf_smtp *s)
{
	const char *said = qf_auth_said(s->setup->auth);

	qf_smtp_conclude(s, QF_SMTP_NO_AUTH, QF_SMTP_AUTH, NULL);
	if (said != NULL)
		qf_buf_addf(&s->result.text, " (%s)", said);
}

static void go_on(struct qf_smtp *s)
{
	enum qf_smtp_tls tls = s->setup->tls;
	bool offered = s->offers.starttls;

	if (!s->secure && !s->tls_refused &&
	    (tls == QF_SMTP_TLS_MUST || (tls == QF_SMTP_TLS_MAY && offered))) {
		if (!offered) {
			qf_smtp_conclude(s, QF_SMTP_NO_TLS, QF_SMTP_STARTTLS,
			    "the server does not offer STARTTLS");
			return;
		}
		qf_buf_adds(&s->out, "STARTTLS\r\n");
		qf_smtp_command_written(s, QF_SMTP_STARTTLS);
	} else if (s->setup->auth != NULL && !s->auth_done) {
		begin_auth(s);
	} else {
		s->phase = QF_SMTP_READY;
	}
}

static void starttls_answered(struct qf_smtp *s)
{
	if (s->reply.code / 100 == 2) {
		s->phase = QF_SMTP_SHAKING;
	} else if (s->setup->tls == QF_SMTP_TLS_MUST) {
		qf_smtp_conclude(s, QF_SMTP_NO_TLS, QF_SMTP_STARTTLS, NULL);
	} else {
		s->tls_refused = true;
		go_on(s);
	}
}

static void auth_answered(struct qf_smtp *s)
{
	struct qf_err e;

	if (s->reply.code == 334) {
		continue_auth(s);
	} else if (s->auth.len > 0) {
		qf_smtp_conclude(s, QF_SMTP_NO_AUTH, QF_SMTP_AUTH, s->auth.s);
	} else if (s->reply.code / 100 == 4) {
		qf_smtp_conclude(s, QF_SMTP_DEFERRED, QF_SMTP_AUTH, NULL);
	} else if (s->reply.code / 100 == 5) {
		auth_refused(s);
	} else if (qf_auth_done(s->setup->auth, &e) < 0) {
		qf_smtp_conclude(s, QF_SMTP_NO_AUTH, QF_SMTP_AUTH, e.text);
	} else {
		s->auth_done = true;
		go_on(s);
	}
}

/* May HELO do where EHLO is refused? Not where it offers too little. */
static bool helo_will_do(const struct qf_smtp *s)
{
	return !s->setup->lmtp && s->setup->auth == NULL &&
	       (s->secure || s->setup->tls != QF_SMTP_TLS_MUST);
}

static void use_helo(struct qf_smtp *s)
{
	s->ehlo_failed = s->reply.code != 500 && s->reply.code != 502;
	qf_smtp_write_hello(s, QF_SMTP_HELO);
}

static void accepted(struct qf_smtp *s, enum qf_smtp_step step)
{
	if (step == QF_SMTP_GREETING) {
		qf_smtp_write_hello(s, QF_SMTP_EHLO);
		return;
	}
	if (step == QF_SMTP_EHLO)
		qf_smtp_ehlo_parse(&s->offers, &s->reply);
	go_on(s);
}

void qf_smtp_open_answered(struct qf_smtp *s, enum qf_smtp_step step)
{
	int class = s->reply.code / 100;

	if (step == QF_SMTP_AUTH && (class != 3 || s->reply.code == 334))
		auth_answered(s);
	else if (class == 3)
		qf_smtp_confused(s, "unexpected reply");
	else if (step == QF_SMTP_STARTTLS)
		starttls_answered(s);
	else if (class == 2)
		accepted(s, step);
	else if (class == 5 && step == QF_SMTP_EHLO && helo_will_do(s))
		use_helo(s);
	else
		qf_smtp_conclude(s, QF_SMTP_DEFERRED, step, NULL);
}
