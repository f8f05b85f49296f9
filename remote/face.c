#include "remote/face.h"

#include <unistd.h>

#include "lib/base/io.h"
#include "remote/smtp/reply.h"

static const int dial_exit[] = {[QF_DIAL_NO_HOST] = QF_MODULE_NO_HOST,
    [QF_DIAL_NO_ADDRESS] = QF_MODULE_NO_ADDRESS,
    [QF_DIAL_RESOLVER] = QF_MODULE_RESOLVER,
    [QF_DIAL_SOCKET] = QF_MODULE_SOCKET,
    [QF_DIAL_BIND] = QF_MODULE_BIND,
    [QF_DIAL_REFUSED] = QF_MODULE_REFUSED,
    [QF_DIAL_TIMEOUT] = QF_MODULE_TIMEOUT,
    [QF_DIAL_UNREACHABLE] = QF_MODULE_UNREACHABLE,
    [QF_DIAL_FAILED] = QF_MODULE_CONNECT};

int qf_face_settings_exit(int rc)
{
	if (rc == 0)
		return 0;
	return rc == QF_EINVAL ? QF_MODULE_USAGE : QF_MODULE_CONFIG;
}

int qf_face_dial_exit(enum qf_dial_fault fault)
{
	return dial_exit[fault];
}

int qf_face_finish(int code, const char *peer, const char *text)
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

int qf_face_report(int code, const char *peer, const struct qf_buf *text,
    const struct qf_tls_info *tls)
{
	struct qf_buf line = QF_BUF_INIT;

	qf_buf_addspan(&line, qf_buf_span(text));
	if (tls->version[0] != '\0') {
		qf_buf_adds(&line, " (");
		qf_tls_describe(tls, &line);
		qf_buf_addc(&line, ')');
	}
	code = qf_face_finish(code, peer, line.s);
	qf_buf_free(&line);
	return code;
}

void qf_face_usage(
    int fd, const struct qf_module_option *table, const char *program)
{
	struct qf_buf text = QF_BUF_INIT;

	qf_module_usage(table, program, &text);
	(void)qf_write_all(fd, text.s, text.len);
	qf_buf_free(&text);
}
