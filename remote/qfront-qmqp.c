/*
 * The protocol module `qmqp`: hands one message to one host by QMQP, as
 * qmail-qmqpc(8) does, and tells the result by exit code and one line of text.
 * All options and the message are looked at before the connection is made.
 */
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "remote/face.h"
#include "remote/module_mail.h"
#include "remote/qmqp.h"
#include "remote/qmqp_run.h"
#include "remote/smtp_options.h"

enum {
	MESSAGE_FD = 3,
	CONNECT_EACH_MS = 60 * 1000,
	CONNECT_ALL_MS = 5 * 60 * 1000,
	TOTAL_MS = 60 * 60 * 1000
};

enum {
	DEFAULT_PORT = 628
};

#define LACKS_AUTH "authentication"
#define AT(field)  offsetof(struct qf_smtp_options, field)

/* clang-format off */
static const struct qf_module_option options[] = {
    {"host", 0, QF_MODULE_TEXT, AT(host), NULL, "HOST",
	"name or address of the server; required"},
    {"port", 'p', QF_MODULE_PORT, AT(port), NULL, "N",
	"TCP port; default 628, none with tls"},
    {"source", 0, QF_MODULE_TEXT, AT(source), NULL, "ADDR",
	"address or name to connect from"},
    {"user", 0, QF_MODULE_TEXT, 0, LACKS_AUTH, "NAME", "user name"},
    {"pass", 0, QF_MODULE_TEXT, 0, LACKS_AUTH, "WORD", "password"},
    {"auth-login", 0, QF_MODULE_FLAG, 0, LACKS_AUTH, NULL, "use AUTH LOGIN"},
    {"starttls", 0, QF_MODULE_FLAG, AT(starttls), NULL, NULL,
	"refused: QMQP has no STARTTLS"},
    {"tls", 0, QF_MODULE_FLAG, AT(tls), NULL, NULL,
	"TLS from the first byte; needs port"},
    {"ssl", 0, QF_MODULE_FLAG, AT(ssl), NULL, NULL, "the same as tls"},
    {"x509certfile", 0, QF_MODULE_TEXT, AT(certfile), NULL, "FILE",
	"client certificate"},
    {"x509keyfile", 0, QF_MODULE_TEXT, AT(keyfile), NULL, "FILE", "its key"},
    {"x509cafile", 0, QF_MODULE_TEXT, AT(cafile), NULL, "FILE",
	"trusted authorities"},
    {"x509crlfile", 0, QF_MODULE_TEXT, AT(crlfile), NULL, "FILE",
	"revocation list"},
    {"x509fmtder", 0, QF_MODULE_FLAG, AT(der), NULL, NULL,
	"these files are DER"},
    {"insecure", 0, QF_MODULE_FLAG, AT(insecure), NULL, NULL,
	"accept any certificate"},
    {"tls-anon-auth", 0, QF_MODULE_FLAG, AT(anonymous), NULL, NULL,
	"anonymous key exchange; with insecure"},
    {"tls-min", 0, QF_MODULE_TEXT, AT(tls_min), NULL, "VERSION",
	"oldest version: 1.0, 1.1, 1.2 (default) or 1.3"},
    {"tls-fingerprint", 0, QF_MODULE_TEXT, AT(fingerprint), NULL, "HEX",
	"SHA-256 of the certificate, or spki:HEX of its key"},
    {0},
};
/* clang-format on */

static const int outcome_exit[] = {[QF_QMQP_SENT] = QF_MODULE_SENT,
    [QF_QMQP_DEFERRED] = QF_MODULE_TEMPORARY,
    [QF_QMQP_REFUSED] = QF_MODULE_PERMANENT,
    [QF_QMQP_CONFUSED] = QF_MODULE_PROTOCOL,
    [QF_QMQP_CLOSED] = QF_MODULE_PROTOCOL,
    [QF_QMQP_TIMED_OUT] = QF_MODULE_TIMEOUT,
    [QF_QMQP_UNSENT] = QF_MODULE_WRITE,
    [QF_QMQP_UNREAD] = QF_MODULE_READ};

/* TLS where it is wanted: 0, or the exit code. */
static int secure(const struct qf_smtp_options *set, struct qf_tls *tls,
    struct qf_stream *st, struct qf_tls_info *info, struct qf_err *e)
{
	struct qf_tls_peer peer = {
	    .mode = QF_TLS_VERIFY, .name = set->host, .port = set->port};

	if (tls == NULL)
		return 0;
	return qf_tls_connect(st, tls, &peer,
		   qf_deadline_in(qf_qmqp_timeouts_default.block), info, e) < 0
		   ? QF_MODULE_TEMPORARY
		   : 0;
}

static int talk(const struct qf_smtp_options *set, struct qf_module_mail *mail,
    struct qf_tls *tls)
{
	struct qf_dial_spec where = {.host = set->host,
	    .port = set->port,
	    .source = set->source,
	    .each_ms = CONNECT_EACH_MS,
	    .deadline = qf_deadline_in(CONNECT_ALL_MS)};
	struct qf_qmqp_job job = {.sender = mail->sender.s,
	    .rcpt = &mail->rcpt,
	    .size = mail->body.end - mail->body.at,
	    .source = qf_body_read,
	    .source_ctx = &mail->body,
	    .timeouts = &qf_qmqp_timeouts_default,
	    .end = qf_deadline_in(TOTAL_MS)};
	struct qf_stream stream = QF_STREAM_NONE;
	struct qf_tls_info info = {0};
	struct qf_dial_peer peer;
	enum qf_dial_fault fault;
	struct qf_qmqp *q;
	struct qf_err e;
	int code;

	if (qf_dial(&stream, &peer, &fault, &where, &e) < 0)
		return qf_face_finish(qf_face_dial_exit(fault), NULL, e.text);
	code = secure(set, tls, &stream, &info, &e);
	if (code != 0)
		return qf_face_finish(code, peer.text, e.text);
	q = qf_qmqp_new(&job, qf_clock_mono());
	qf_qmqp_run(q, &stream);
	code = qf_face_report(outcome_exit[qf_qmqp_result(q)->outcome],
	    peer.text, &qf_qmqp_result(q)->text, &info);
	qf_qmqp_free(&q);
	qf_stream_close(&stream);
	return code;
}

static int check_settings(struct qf_smtp_options *set, struct qf_err *e)
{
	if (set->starttls)
		return qf_fail(e, QF_EINVAL,
		    "option starttls: QMQP has no STARTTLS; nothing was sent: "
		    "remove the option only if mail may go without it");
	if ((set->tls || set->ssl) && set->port == 0)
		return qf_fail(e, QF_EINVAL,
		    "option tls needs port: QMQP over TLS has none of its "
		    "own");
	if (set->port == 0)
		set->port = DEFAULT_PORT;
	return qf_smtp_options_check(set, e);
}

/* 0, or the exit code. */
static int open_tls(
    const struct qf_smtp_options *set, struct qf_tls **tls, struct qf_err *e)
{
	struct qf_tls_conf conf;

	if (!set->tls && !set->ssl)
		return 0;
	if (qf_smtp_options_tls_conf(set, &conf, e) < 0)
		return QF_MODULE_USAGE;
	return qf_face_settings_exit(qf_tls_new(tls, &conf, e));
}

/* The message; or the exit code. */
static int open_mail(struct qf_module_mail *mail, struct qf_err *e)
{
	int rc = qf_module_mail_open(mail, MESSAGE_FD, e);

	if (rc == QF_ENOENT)
		return QF_MODULE_NO_MESSAGE;
	if (rc == 0 && mail->body.end < mail->body.at)
		rc = qf_fail(e, QF_EREAD, "the message became shorter");
	return rc < 0 ? QF_MODULE_READ : 0;
}

int main(int argc, char **argv)
{
	struct qf_smtp_options set = {0};
	struct qf_tls *tls = NULL;
	struct qf_module_mail mail = QF_MODULE_MAIL_INIT;
	struct qf_buf bytes = QF_BUF_INIT;
	struct qf_err e;
	int rc;

	qf_alloc_exit_code(QF_MODULE_MEMORY);
	signal(SIGPIPE, SIG_IGN);
	qf_open_std();
	qf_log_open("qfront-qmqp", QF_LOG_TO_STDERR, QF_LOG_INFO);
	rc = qf_module_args(options, &set, argc, argv, &e);
	if (rc > 0) {
		qf_face_usage(STDOUT_FILENO, options, "qmqp");
		return 0;
	}
	if (rc < 0) {
		qf_face_usage(STDERR_FILENO, options, "qmqp");
		return qf_face_finish(QF_MODULE_USAGE, NULL, e.text);
	}
	rc = qf_module_options(options, &set, STDIN_FILENO, &bytes, &e);
	if (rc == 0)
		rc = check_settings(&set, &e);
	if (rc < 0)
		rc = qf_face_finish(
		    rc == QF_EREAD ? QF_MODULE_CONFIG : QF_MODULE_USAGE, NULL,
		    e.text);
	else if ((rc = open_tls(&set, &tls, &e)) != 0 ||
		 (rc = open_mail(&mail, &e)) != 0)
		rc = qf_face_finish(rc, NULL, e.text);
	else
		rc = talk(&set, &mail, tls);
	qf_tls_free(&tls);
	qf_module_mail_free(&mail);
	qf_buf_free(&bytes);
	return rc;
}
