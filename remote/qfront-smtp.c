/*
 * The protocol module `smtp`: sends one message to one host by SMTP and tells
 * the result by exit code and one line of text. All files and options are
 * read before the connection is made.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/net/dial.h"
#include "lib/net/proxy.h"
#include "lib/net/tls.h"
#include "remote/auth/auth.h"
#include "remote/face.h"
#include "remote/module.h"
#include "remote/module_mail.h"
#include "remote/auth/secret.h"
#include "remote/smtp/session.h"
#include "remote/smtp_options.h"
#include "remote/smtp/run.h"
#include "remote/survey.h"

static const char synopsis[] = "HELOHOST=NAME smtp";

enum {
	MESSAGE_FD = 3,
	CONNECT_EACH_MS = 60 * 1000,
	CONNECT_ALL_MS = 5 * 60 * 1000
};

/* All that one run holds. */
struct run {
	struct qf_smtp_options options;
	struct qf_buf bytes; /* of the options */
	struct qf_secret secret;
	struct qf_module_mail mail;
	struct qf_survey survey;
	const char *helo;
	struct qf_auth *auth;
	struct qf_tls *tls;
	struct qf_proxy proxy;       /* host empty: none */
	struct qf_tls_info tls_info; /* version empty: no TLS */
	struct qf_stream stream;
	struct qf_dial_peer peer;
};

/* clang-format off */
#define RUN_INIT { \
	.bytes = QF_BUF_INIT, \
	.secret = QF_SECRET_INIT, \
	.mail = QF_MODULE_MAIL_INIT, \
	.stream = QF_STREAM_NONE}
/* clang-format on */

static const int outcome_exit[] = {[QF_SMTP_PENDING] = QF_MODULE_PROTOCOL,
    [QF_SMTP_SENT] = QF_MODULE_SENT,
    [QF_SMTP_DEFERRED] = QF_MODULE_TEMPORARY,
    [QF_SMTP_SOME_DEFERRED] = QF_MODULE_SOME_LATER,
    [QF_SMTP_REFUSED] = QF_MODULE_PERMANENT,
    [QF_SMTP_UNFIT] = QF_MODULE_PERMANENT,
    [QF_SMTP_NO_TLS] = QF_MODULE_TEMPORARY,
    [QF_SMTP_NO_AUTH] = QF_MODULE_AUTH,
    [QF_SMTP_CONFUSED] = QF_MODULE_PROTOCOL,
    [QF_SMTP_CLOSED] = QF_MODULE_PROTOCOL,
    [QF_SMTP_TIMED_OUT] = QF_MODULE_TIMEOUT,
    [QF_SMTP_UNSENT] = QF_MODULE_WRITE,
    [QF_SMTP_UNREAD] = QF_MODULE_READ};

static int shake(
    void *ctx, struct qf_stream *st, int64_t deadline, struct qf_err *e)
{
	struct run *r = ctx;
	struct qf_tls_peer peer = {.mode = QF_TLS_VERIFY,
	    .name = r->options.host,
	    .port = r->options.port};

	return qf_tls_connect(st, r->tls, &peer, deadline, &r->tls_info, e);
}

static int talk(struct run *r)
{
	struct qf_smtp_setup setup = {.helo = r->helo,
	    .once = true,
	    .tls = qf_smtp_options_tls(&r->options),
	    .auth = r->auth,
	    .no_pipelining = r->options.no_pipelining,
	    .no_chunking = r->options.no_chunking,
	    .timeouts = &qf_smtp_timeouts_rfc};
	struct qf_smtp_mail mail = {.sender = r->mail.sender.s,
	    .rcpt = &r->mail.rcpt,
	    .source = qf_body_read,
	    .source_ctx = &r->mail.body,
	    .together = true,
	    .size = r->survey.wire,
	    .eightbit = r->survey.eightbit,
	    .utf8 = r->mail.utf8};
	struct qf_smtp *session;
	int code;

	session = qf_smtp_new(&setup, qf_clock_mono());
	qf_smtp_send(session, &mail, qf_clock_mono());
	qf_smtp_run(session, &r->stream, shake, r);
	code = qf_face_report(outcome_exit[qf_smtp_result(session)->outcome],
	    r->peer.text, &qf_smtp_result(session)->text, &r->tls_info);
	qf_smtp_free(&session);
	return code;
}

static int connect_and_talk(struct run *r)
{
	struct qf_dial_spec where = {.host = r->options.host,
	    .port = r->options.port,
	    .source = r->options.source,
	    .each_ms = CONNECT_EACH_MS,
	    .deadline = qf_deadline_in(CONNECT_ALL_MS)};
	enum qf_dial_fault fault;
	struct qf_err e;
	int rc;

	if (r->proxy.host[0] != '\0')
		rc = qf_proxy_dial(
		    &r->stream, &r->peer, &fault, &where, &r->proxy, &e);
	else
		rc = qf_dial(&r->stream, &r->peer, &fault, &where, &e);
	if (rc < 0)
		return qf_face_finish(qf_face_dial_exit(fault), NULL, e.text);
	if (qf_smtp_options_tls(&r->options) == QF_SMTP_TLS_IS_ON &&
	    shake(r, &r->stream, qf_deadline_in(qf_smtp_timeouts_rfc.greeting),
		&e) < 0)
		return qf_face_finish(
		    QF_MODULE_TEMPORARY, r->peer.text, e.text);
	rc = talk(r);
	qf_stream_close(&r->stream);
	return rc;
}

/* Opens the message and makes its addresses fit to be sent, or ends. */
static int prepare_mail(struct run *r, struct qf_err *e)
{
	struct qf_module_mail *m = &r->mail;
	int rc = qf_module_mail_open(m, MESSAGE_FD, e);

	if (rc == QF_ENOENT)
		return QF_MODULE_NO_MESSAGE;
	if (rc < 0)
		return QF_MODULE_READ;
	if (qf_module_mail_quote(m, e) < 0)
		return QF_MODULE_PERMANENT;
	return qf_survey(&r->survey, &m->body, e) < 0 ? QF_MODULE_READ : 0;
}

static int prepare_tls(struct run *r, struct qf_err *e)
{
	struct qf_tls_conf conf;

	if (qf_smtp_options_tls(&r->options) == QF_SMTP_TLS_NEVER)
		return 0;
	if (qf_smtp_options_tls_conf(&r->options, &conf, e) < 0)
		return QF_MODULE_USAGE;
	return qf_face_settings_exit(qf_tls_new(&r->tls, &conf, e));
}

static int prepare_proxy(struct run *r, struct qf_err *e)
{
	const struct qf_smtp_options *o = &r->options;

	if (o->proxy == NULL)
		return 0;
	if (qf_proxy_parse(&r->proxy, o->proxy, e) < 0)
		return QF_MODULE_USAGE;
	if (o->proxy_pass_file != NULL &&
	    qf_proxy_read_pass(&r->proxy, o->proxy_pass_file, e) < 0)
		return QF_MODULE_CONFIG;
	return 0;
}

static int prepare_auth(struct run *r, struct qf_err *e)
{
	struct qf_auth_spec spec;

	if (qf_smtp_options_login(&r->options, &spec, &r->secret, e) < 0)
		return QF_MODULE_CONFIG;
	if (!qf_auth_is_wanted(&spec))
		return 0;
	if (qf_auth_check(&spec, e) < 0)
		return QF_MODULE_USAGE;
	r->auth = qf_auth_new(&spec);
	return 0;
}

static int check_helo(const char *helo, struct qf_err *e)
{
	if (helo == NULL)
		return qf_fail(e, QF_EINVAL,
		    "HELOHOST is not set: it is the name sent with EHLO");
	if (!qf_smtp_helo_is_safe(qf_span(helo)))
		return qf_fail(
		    e, QF_EINVAL, "HELOHOST is no host name: %.100s", helo);
	return 0;
}

/* Everything that is read from files is read before the connection is made:
 * 0, or the exit code. */
static int prepare(struct run *r, struct qf_err *e)
{
	int rc;

	rc = qf_module_options(
	    qf_smtp_options, &r->options, STDIN_FILENO, &r->bytes, e);
	if (rc < 0)
		return rc == QF_EREAD ? QF_MODULE_CONFIG : QF_MODULE_USAGE;
	r->helo = getenv("HELOHOST");
	if (qf_smtp_options_check(&r->options, e) < 0 ||
	    check_helo(r->helo, e) < 0)
		return QF_MODULE_USAGE;
	rc = prepare_tls(r, e);
	if (rc == 0)
		rc = prepare_proxy(r, e);
	if (rc == 0)
		rc = prepare_auth(r, e);
	return rc == 0 ? prepare_mail(r, e) : rc;
}

static void free_run(struct run *r)
{
	qf_auth_free(&r->auth);
	qf_tls_free(&r->tls);
	qf_module_mail_free(&r->mail);
	qf_secret_free(&r->secret);
	qf_secret_wipe(&r->bytes);
	explicit_bzero(r->proxy.pass, sizeof r->proxy.pass);
}

int main(int argc, char **argv)
{
	struct run run = RUN_INIT;
	struct qf_err e;
	int rc;

	qf_alloc_exit_code(QF_MODULE_MEMORY);
	signal(SIGPIPE, SIG_IGN);
	qf_open_std();
	qf_log_open("qfront-smtp", QF_LOG_TO_STDERR, QF_LOG_INFO);
	rc = qf_module_args(qf_smtp_options, &run.options, argc, argv, &e);
	if (rc > 0) {
		qf_face_usage(STDOUT_FILENO, qf_smtp_options, synopsis);
		return 0;
	}
	if (rc < 0) {
		qf_face_usage(STDERR_FILENO, qf_smtp_options, synopsis);
		return qf_face_finish(QF_MODULE_USAGE, NULL, e.text);
	}
	rc = prepare(&run, &e);
	rc =
	    rc != 0 ? qf_face_finish(rc, NULL, e.text) : connect_and_talk(&run);
	free_run(&run);
	return rc;
}
