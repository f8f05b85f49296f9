/*
 * The protocol module `smtp`: sends one message to one host by SMTP and tells
 * the result by exit code and one line of text. All files and options are
 * read before the connection is made.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/net/dial.h"
#include "remote/module.h"
#include "remote/smtp.h"
#include "remote/smtp_reply.h"
#include "remote/smtp_run.h"

enum {
	MESSAGE_FD = 3,
	CONNECT_EACH_MS = 60 * 1000,
	CONNECT_ALL_MS = 5 * 60 * 1000
};

struct settings {
	const char *host;
	const char *source;
	unsigned port;
};

#define LACKS_TLS  "TLS"
#define LACKS_AUTH "authentication"
#define AT(field)  offsetof(struct settings, field)

/* clang-format off */
static const struct qf_module_option options[] = {
    {"host", 0, QF_MODULE_TEXT, AT(host), NULL, "HOST",
	"name or address of the server; required"},
    {"port", 'p', QF_MODULE_PORT, AT(port), NULL, "N",
	"TCP port; default 25"},
    {"source", 0, QF_MODULE_TEXT, AT(source), NULL, "ADDR",
	"address or name to connect from"},
    {"user", 0, QF_MODULE_TEXT, 0, LACKS_AUTH, "NAME", "user name"},
    {"pass", 0, QF_MODULE_TEXT, 0, LACKS_AUTH, "WORD", "password"},
    {"auth-login", 0, QF_MODULE_FLAG, 0, LACKS_AUTH, NULL, "use AUTH LOGIN"},
    {"tls", 0, QF_MODULE_FLAG, 0, LACKS_TLS, NULL, "TLS from the first byte"},
    {"ssl", 0, QF_MODULE_FLAG, 0, LACKS_TLS, NULL, "the same as tls"},
    {"starttls", 0, QF_MODULE_FLAG, 0, LACKS_TLS, NULL, "require STARTTLS"},
    {"x509certfile", 0, QF_MODULE_TEXT, 0, LACKS_TLS, "FILE",
	"client certificate"},
    {"x509keyfile", 0, QF_MODULE_TEXT, 0, LACKS_TLS, "FILE", "its key"},
    {"x509cafile", 0, QF_MODULE_TEXT, 0, LACKS_TLS, "FILE",
	"trusted authorities"},
    {"x509crlfile", 0, QF_MODULE_TEXT, 0, LACKS_TLS, "FILE",
	"revocation list"},
    {"x509fmtder", 0, QF_MODULE_FLAG, 0, LACKS_TLS, NULL,
	"these files are DER"},
    {"insecure", 0, QF_MODULE_FLAG, 0, LACKS_TLS, NULL,
	"accept any certificate"},
    {"tls-anon-auth", 0, QF_MODULE_FLAG, 0, LACKS_TLS, NULL,
	"anonymous key exchange"},
    {0},
};
/* clang-format on */

static const int dial_exit[] = {[QF_DIAL_NO_HOST] = QF_MODULE_NO_HOST,
    [QF_DIAL_NO_ADDRESS] = QF_MODULE_NO_ADDRESS,
    [QF_DIAL_RESOLVER] = QF_MODULE_RESOLVER,
    [QF_DIAL_SOCKET] = QF_MODULE_SOCKET,
    [QF_DIAL_BIND] = QF_MODULE_BIND,
    [QF_DIAL_REFUSED] = QF_MODULE_REFUSED,
    [QF_DIAL_TIMEOUT] = QF_MODULE_TIMEOUT,
    [QF_DIAL_UNREACHABLE] = QF_MODULE_UNREACHABLE,
    [QF_DIAL_FAILED] = QF_MODULE_CONNECT};

static const int outcome_exit[] = {[QF_SMTP_SENT] = QF_MODULE_SENT,
    [QF_SMTP_DEFERRED] = QF_MODULE_TEMPORARY,
    [QF_SMTP_SOME_DEFERRED] = QF_MODULE_SOME_LATER,
    [QF_SMTP_REFUSED] = QF_MODULE_PERMANENT,
    [QF_SMTP_CONFUSED] = QF_MODULE_PROTOCOL,
    [QF_SMTP_CLOSED] = QF_MODULE_PROTOCOL,
    [QF_SMTP_TIMED_OUT] = QF_MODULE_TIMEOUT,
    [QF_SMTP_UNSENT] = QF_MODULE_WRITE,
    [QF_SMTP_UNREAD] = QF_MODULE_READ};

/* Descriptor 1 gets the text; the exit code stands even if nobody reads it. */
static int finish(int code, const char *peer, const char *text)
{
	struct qf_buf line = QF_BUF_INIT;

	if (peer != NULL) {
		qf_smtp_add_printable(&line, qf_span(peer));
		qf_buf_adds(&line, ": ");
	}
	qf_smtp_add_printable(&line, qf_span(text));
	qf_buf_addc(&line, '\n');
	(void)qf_write_all(STDOUT_FILENO, line.s, line.len);
	qf_buf_free(&line);
	return code;
}

static void write_usage(int fd, const char *program)
{
	struct qf_buf text = QF_BUF_INIT;

	qf_module_usage(options, program, &text);
	(void)qf_write_all(fd, text.s, text.len);
	qf_buf_free(&text);
}

static long read_message(void *ctx, char *p, size_t n, struct qf_err *e)
{
	return qf_module_mail_read(ctx, p, n, e);
}

static int talk(
    const struct settings *set, struct qf_module_mail *mail, const char *helo)
{
	struct qf_dial_spec where = {.host = set->host,
	    .port = set->port,
	    .source = set->source,
	    .each_ms = CONNECT_EACH_MS,
	    .deadline = qf_deadline_in(CONNECT_ALL_MS)};
	struct qf_smtp_job job = {.helo = helo,
	    .sender = mail->sender.s,
	    .rcpt = &mail->rcpt,
	    .source = read_message,
	    .source_ctx = mail,
	    .timeouts = &qf_smtp_timeouts_rfc};
	struct qf_stream stream = QF_STREAM_NONE;
	const struct qf_smtp_result *result;
	struct qf_dial_peer peer;
	enum qf_dial_fault fault;
	struct qf_smtp *session;
	struct qf_err e;
	int code;

	if (qf_dial(&stream, &peer, &fault, &where, &e) < 0)
		return finish(dial_exit[fault], NULL, e.text);
	session = qf_smtp_new(&job, qf_clock_mono());
	qf_smtp_run(session, &stream);
	result = qf_smtp_result(session);
	code = finish(outcome_exit[result->outcome], peer.text, result->text.s);
	qf_smtp_free(&session);
	qf_stream_close(&stream);
	return code;
}

/* Opens the message and makes its addresses fit to be sent, or ends. */
static int prepare(struct qf_module_mail *mail, struct qf_err *e)
{
	int rc = qf_module_mail_open(mail, MESSAGE_FD, e);

	if (rc == QF_ENOENT)
		return QF_MODULE_NO_MESSAGE;
	if (rc < 0)
		return QF_MODULE_READ;
	return qf_module_mail_quote(mail, e) < 0 ? QF_MODULE_PERMANENT : 0;
}

static int check_settings(
    const struct settings *set, const char *helo, struct qf_err *e)
{
	if (set->host == NULL)
		return qf_fail(e, QF_EINVAL,
		    "no host: give host=NAME as the first option");
	if (helo == NULL)
		return qf_fail(e, QF_EINVAL,
		    "HELOHOST is not set: it is the name sent with EHLO");
	if (!qf_smtp_helo_is_safe(qf_span(helo)))
		return qf_fail(
		    e, QF_EINVAL, "HELOHOST is no host name: %.100s", helo);
	return 0;
}

int main(int argc, char **argv)
{
	struct settings set = {.port = 25};
	struct qf_module_mail mail = QF_MODULE_MAIL_INIT;
	struct qf_buf bytes = QF_BUF_INIT;
	const char *helo = getenv("HELOHOST");
	struct qf_err e;
	int rc;

	qf_alloc_exit_code(QF_MODULE_MEMORY);
	signal(SIGPIPE, SIG_IGN);
	qf_open_std();
	rc = qf_module_args(options, &set, argc, argv, &e);
	if (rc > 0) {
		write_usage(STDOUT_FILENO, argv[0]);
		return 0;
	}
	if (rc < 0) {
		write_usage(STDERR_FILENO, argv[0]);
		return finish(QF_MODULE_USAGE, NULL, e.text);
	}
	rc = qf_module_options(options, &set, STDIN_FILENO, &bytes, &e);
	if (rc == 0)
		rc = check_settings(&set, helo, &e);
	if (rc < 0)
		rc = finish(rc == QF_EREAD ? QF_MODULE_CONFIG : QF_MODULE_USAGE,
		    NULL, e.text);
	else if ((rc = prepare(&mail, &e)) != 0)
		rc = finish(rc, NULL, e.text);
	else
		rc = talk(&set, &mail, helo);
	qf_module_mail_free(&mail);
	qf_buf_free(&bytes);
	return rc;
}
