#include "lib/base/log.h"

#include <errno.h>
#include <paths.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"

static const char *log_program = "qfront";
static enum qf_log_target log_target = QF_LOG_TO_STDERR;
static int log_max = QF_LOG_INFO;
static char log_scope[32];
static int log_socket = -1;

static const char *const level_name[] = {"error", "warn", "info", "debug"};
static const int level_syslog[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

void qf_log_open(const char *program, enum qf_log_target target, int max_level)
{
	log_program = program;
	log_target = target;
	log_max = max_level;
}

static const char *const target_name[] = {[QF_LOG_TO_STDERR] = "stderr",
    [QF_LOG_TO_SYSLOG] = "syslog",
    [QF_LOG_TO_NONE] = "none"};

void qf_log_open_env(const char *program, enum qf_log_target fallback)
{
	const char *name = qf_env("QFRONT_LOG");

	for (size_t i = 0; name != NULL && i <= QF_LOG_TO_NONE; i++) {
		if (strcmp(name, target_name[i]) == 0)
			fallback = (enum qf_log_target)i;
	}
	qf_log_open(program, fallback, QF_LOG_INFO);
}

void qf_log_renew(void)
{
	qf_close(&log_socket);
}

void qf_log_export(void)
{
	setenv("QFRONT_LOG", target_name[log_target], 1);
}

void qf_log_scope(const char *scope)
{
	snprintf(log_scope, sizeof log_scope, "%s", scope != NULL ? scope : "");
}

bool qf_log_is_stderr(void)
{
	return log_target == QF_LOG_TO_STDERR;
}

static bool is_plain(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 127 || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return s.n > 0;
}

static void add_value(struct qf_buf *b, struct qf_span s)
{
	if (is_plain(s)) {
		qf_buf_addspan(b, s);
		return;
	}
	qf_buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			qf_buf_addf(b, "\\%c", c);
		else if (c < ' ' || c >= 127)
			qf_buf_addf(b, "\\x%02x", c);
		else
			qf_buf_addc(b, (char)c);
	}
	qf_buf_addc(b, '"');
}

static void add_field(struct qf_buf *b, const struct qf_kv *kv)
{
	qf_buf_addf(b, " %s=", kv->key);
	switch (kv->kind) {
	case 's':
		add_value(b, qf_span(kv->s.p != NULL ? kv->s.p : ""));
		break;
	case 'n':
		add_value(b, kv->s);
		break;
	case 'd':
		qf_buf_addf(b, "%lld", (long long)kv->d);
		break;
	case 'u':
		qf_buf_addf(b, "%llu", (unsigned long long)kv->u);
		break;
	}
}

/* As syslog(3) does it, but without what a program that writes one line pays
 * for. The daemon at the other end knows the time. */
static void send_to_syslog(int level, const char *line)
{
	static const struct sockaddr_un daemon = {
	    .sun_family = AF_UNIX, .sun_path = _PATH_LOG};
	struct qf_buf b = QF_BUF_INIT;

	if (log_socket < 0)
		log_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	qf_buf_addf(&b, "<%d>%s[%ld]: %s", LOG_MAIL | level_syslog[level],
	    log_program, (long)getpid(), line);
	/* A log that can not be written is no reason to stop mail. */
	(void)sendto(log_socket, b.s, b.len, MSG_NOSIGNAL,
	    (const struct sockaddr *)&daemon, sizeof daemon);
	qf_buf_free(&b);
}

void qf_log_kv(int level, const char *event, const struct qf_kv *kv)
{
	struct qf_buf b = QF_BUF_INIT;
	int saved = errno;

	if (level > log_max || log_target == QF_LOG_TO_NONE)
		return;
	if (level < 0 || level > QF_LOG_DEBUG)
		level = QF_LOG_ERROR;
	if (log_target == QF_LOG_TO_STDERR)
		qf_buf_addf(&b, "%s[%ld]: %s: ", log_program, (long)getpid(),
		    level_name[level]);
	qf_buf_adds(&b, event);
	for (; kv->key != NULL; kv++)
		add_field(&b, kv);
	if (log_scope[0] != '\0')
		qf_buf_addf(&b, " run=%s", log_scope);
	if (log_target == QF_LOG_TO_SYSLOG) {
		send_to_syslog(level, b.s);
	} else {
		qf_buf_addc(&b, '\n');
		/* One write: lines of several processes do not mix. */
		if (write(STDERR_FILENO, b.s, b.len) < 0)
			errno = saved;
	}
	qf_buf_free(&b);
	errno = saved;
}

void qf_log_err(const char *event, const struct qf_err *e)
{
	qf_log(QF_LOG_ERROR, event, QF_KS("error", e->text));
}
