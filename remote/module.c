#include "remote/module.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/mail/addr.h"

enum {
	OPTIONS_MAX = 65536, /* bytes of all options */
	LINE_MAX_BYTES = 4096
};

static const struct qf_module_option *find(
    const struct qf_module_option *table, struct qf_span name)
{
	for (; table->name != NULL; table++) {
		if (qf_span_is(name, table->name))
			return table;
	}
	return NULL;
}

static const struct qf_module_option *find_letter(
    const struct qf_module_option *table, char letter)
{
	for (; table->name != NULL; table++) {
		if (table->letter != 0 && table->letter == letter)
			return table;
	}
	return NULL;
}

static int set_port(
    unsigned *out, const char *name, const char *value, struct qf_err *e)
{
	unsigned long long port;

	if (!qf_span_u64(qf_span(value), 65535, &port) || port == 0)
		return qf_fail(e, QF_EINVAL,
		    "option %s: %.40s is no port number: use 1 to 65535", name,
		    value);
	*out = (unsigned)port;
	return 0;
}

/* value is NULL when there is none. */
static int set(const struct qf_module_option *o, void *settings,
    const char *value, struct qf_err *e)
{
	void *at = (char *)settings + o->offset;

	if (o->lacks != NULL)
		return qf_fail(e, QF_EINVAL,
		    "option %s is not available in this version, which has no "
		    "%s; nothing was sent: remove the option only if mail may "
		    "go without it",
		    o->name, o->lacks);
	if (o->kind == QF_MODULE_FLAG) {
		if (value != NULL)
			return qf_fail(
			    e, QF_EINVAL, "option %s takes no value", o->name);
		*(bool *)at = true;
		return 0;
	}
	if (value == NULL || value[0] == '\0')
		return qf_fail(e, QF_EINVAL, "option %s needs a value: %s=%s",
		    o->name, o->name, o->arg);
	if (o->kind == QF_MODULE_PORT)
		return set_port(at, o->name, value, e);
	*(const char **)at = value;
	return 0;
}

static int unknown(struct qf_span name, struct qf_err *e)
{
	return qf_fail(e, QF_EINVAL,
	    "unknown option %.*s; --help lists the options",
	    name.n > 80 ? 80 : (int)name.n, name.p);
}

/* NAME or NAME=VALUE, NUL-terminated; next is taken as the value when the
 * option needs one and has none. True in *used when it was. */
static int set_named(const struct qf_module_option *table, void *settings,
    const char *text, const char *next, bool *used, struct qf_err *e)
{
	const char *eq = strchr(text, '=');
	struct qf_span name = qf_span(text);
	const struct qf_module_option *o;
	const char *value = NULL;

	if (eq != NULL) {
		name.n = (size_t)(eq - text);
		value = eq + 1;
	}
	o = find(table, name);
	if (o == NULL)
		return unknown(name, e);
	if (value == NULL && o->kind != QF_MODULE_FLAG && next != NULL) {
		value = next;
		*used = true;
	}
	return set(o, settings, value, e);
}

/* Letters behind one dash: flags, or one with the rest or next as its value. */
static int set_letters(const struct qf_module_option *table, void *settings,
    const char *text, const char *next, bool *used, struct qf_err *e)
{
	for (; *text != '\0'; text++) {
		const struct qf_module_option *o = find_letter(table, *text);
		int rc;

		if (o == NULL)
			return unknown(qf_span_n(text, 1), e);
		if (o->kind != QF_MODULE_FLAG) {
			*used = text[1] == '\0' && next != NULL;
			return set(o, settings, *used ? next : text + 1, e);
		}
		rc = set(o, settings, NULL, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int qf_module_args(const struct qf_module_option *table, void *settings,
    int argc, char **argv, struct qf_err *e)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		bool used = false;
		int rc;

		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "-h") == 0 ||
		    strcmp(argv[i], "--help") == 0)
			return 1;
		if (argv[i][1] == '-')
			rc = set_named(table, settings, argv[i] + 2,
			    argv[i + 1], &used, e);
		else
			rc = set_letters(table, settings, argv[i] + 1,
			    argv[i + 1], &used, e);
		if (rc < 0)
			return rc;
		i += used;
	}
	if (i < argc)
		return qf_fail(e, QF_EINVAL,
		    "%.80s is no option; --help lists the options", argv[i]);
	return 0;
}

/* Appends what comes before the empty line, its lines cut by NUL: 1, 0 when
 * there was nothing at all. */
static int read_options(int fd, struct qf_buf *bytes, struct qf_err *e)
{
	char c, last = '\n';
	ssize_t n;

	/* Byte by byte: what follows the empty line is not ours. */
	while ((n = qf_read(fd, &c, 1)) > 0) {
		if (c == '\n' && last == '\n')
			return 1;
		if (c == '\0' || bytes->len >= OPTIONS_MAX)
			return qf_fail(
			    e, QF_EINVAL, "descriptor 0 does not hold options");
		last = c;
		qf_buf_addc(bytes, c == '\n' ? '\0' : c);
	}
	if (n < 0)
		return qf_fail_sys(
		    e, QF_EREAD, "cannot read options from descriptor 0");
	if (bytes->len == 0)
		return 0;
	return qf_fail(
	    e, QF_EREAD, "options on descriptor 0 end without an empty line");
}

int qf_module_options(const struct qf_module_option *table, void *settings,
    int fd, struct qf_buf *bytes, struct qf_err *e)
{
	int rc = read_options(fd, bytes, e);

	if (rc < 0)
		return rc;
	for (size_t at = 0; at < bytes->len;) {
		const char *line = bytes->s + at;
		bool used;

		at += strlen(line) + 1;
		if (strncmp(line, "--", 2) == 0)
			line += 2;
		rc = set_named(table, settings, line, NULL, &used, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void qf_module_usage(const struct qf_module_option *table, const char *program,
    struct qf_buf *out)
{
	qf_buf_addf(out,
	    "usage: HELOHOST=NAME %s [options] <options-file 3<message-file\n",
	    program);
	for (; table->name != NULL; table++) {
		struct qf_buf name = QF_BUF_INIT;

		if (table->letter != 0)
			qf_buf_addf(&name, "-%c, ", table->letter);
		qf_buf_addf(&name, "--%s", table->name);
		if (table->arg != NULL)
			qf_buf_addf(&name, "=%s", table->arg);
		qf_buf_addf(out, "  %-22s %s%s\n", name.s, table->help,
		    table->lacks != NULL ? " (not available)" : "");
		qf_buf_free(&name);
	}
	qf_buf_adds(out, "  -h, --help             this text\n");
}

/* The part of fd that is looked at, for reading lines. */
struct window {
	int fd;
	uint64_t at; /* of the next line */
	struct qf_buf bytes;
	size_t used;
};

/* The next line without its LF: 1, or QF_EREAD. */
static int next_line(struct window *w, struct qf_span *line, struct qf_err *e)
{
	for (;;) {
		struct qf_span rest =
		    qf_span_n(w->bytes.s + w->used, w->bytes.len - w->used);
		ssize_t n;

		if (qf_span_cut(&rest, '\n', line))
			break;
		if (rest.n > LINE_MAX_BYTES)
			return qf_fail(e, QF_EREAD,
			    "envelope: a line is longer than %d bytes",
			    LINE_MAX_BYTES);
		memmove(w->bytes.s, w->bytes.s + w->used, rest.n);
		w->bytes.len = rest.n;
		w->used = 0;
		qf_buf_reserve(&w->bytes, QF_IO_CHUNK);
		do
			n = pread(w->fd, w->bytes.s + rest.n, QF_IO_CHUNK,
			    (off_t)(w->at + rest.n));
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return qf_fail_sys(e, QF_EREAD, "envelope: read");
		if (n == 0)
			return qf_fail(e, QF_EREAD,
			    "envelope: it ends early; wanted are a sender "
			    "line, recipient lines and an empty line");
		w->bytes.len += (size_t)n;
	}
	w->used += line->n + 1;
	w->at += line->n + 1;
	return 1;
}

static int has_no_nul(struct qf_span line, struct qf_err *e)
{
	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return qf_fail(
		    e, QF_EREAD, "envelope: a line holds a zero byte");
	return 0;
}

static int read_envelope(
    struct qf_module_mail *m, struct window *w, struct qf_err *e)
{
	struct qf_span line;

	if (next_line(w, &line, e) < 0 || has_no_nul(line, e) < 0)
		return QF_EREAD;
	qf_buf_addspan(&m->sender, line);
	for (;;) {
		if (next_line(w, &line, e) < 0 || has_no_nul(line, e) < 0)
			return QF_EREAD;
		if (line.n == 0)
			break;
		qf_strv_add_span(&m->rcpt, line);
	}
	if (m->rcpt.n == 0)
		return qf_fail(e, QF_EREAD, "envelope: no recipients");
	return 0;
}

int qf_module_mail_open(struct qf_module_mail *m, int fd, struct qf_err *e)
{
	struct window w = {.fd = fd, .bytes = QF_BUF_INIT};
	struct stat st;
	int rc;

	m->fd = fd;
	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_ENOENT, "message: descriptor %d", fd);
	if (!S_ISREG(st.st_mode))
		return qf_fail(e, QF_ENOENT,
		    "message: descriptor %d is not a regular file", fd);
	rc = read_envelope(m, &w, e);
	qf_buf_free(&w.bytes);
	m->at = w.at;
	m->end = (uint64_t)st.st_size;
	return rc;
}

void qf_module_mail_free(struct qf_module_mail *m)
{
	qf_buf_free(&m->sender);
	qf_strv_free(&m->rcpt);
}

/* A local part that is quoted already stays as it is. */
static bool is_quoted(struct qf_span addr)
{
	struct qf_span local = qf_addr_local(addr);

	return local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"';
}

static int quote(
    struct qf_buf *out, struct qf_span addr, const char *what, struct qf_err *e)
{
	qf_buf_reset(out);
	if (is_quoted(addr))
		qf_buf_addspan(out, addr);
	else
		qf_addr_quote(out, addr);
	if (addr.n > QF_ADDR_MAX)
		return qf_fail(e, QF_EFORMAT,
		    "%s address is longer than %d bytes: %.80s", what,
		    QF_ADDR_MAX, addr.p);
	if (!qf_addr_is_wire_safe(qf_buf_span(out), false))
		return qf_fail(e, QF_EFORMAT,
		    "%s address can not be sent by SMTP: %.400s", what, addr.p);
	return 0;
}

int qf_module_mail_quote(struct qf_module_mail *m, struct qf_err *e)
{
	struct qf_buf safe = QF_BUF_INIT;
	struct qf_strv rcpt = {0};
	int rc = quote(&safe, qf_buf_span(&m->sender), "sender", e);

	if (rc < 0)
		goto out;
	qf_buf_reset(&m->sender);
	qf_buf_addspan(&m->sender, qf_buf_span(&safe));
	for (size_t i = 0; i < m->rcpt.n; i++) {
		rc = quote(&safe, qf_span(m->rcpt.v[i]), "recipient", e);
		if (rc < 0)
			goto out;
		qf_strv_add_span(&rcpt, qf_buf_span(&safe));
	}
	qf_strv_free(&m->rcpt);
	m->rcpt = rcpt;
	rcpt = (struct qf_strv){0};
out:
	qf_buf_free(&safe);
	qf_strv_free(&rcpt);
	return rc;
}

long qf_module_mail_read(
    struct qf_module_mail *m, char *p, size_t n, struct qf_err *e)
{
	ssize_t got;

	if (m->at >= m->end)
		return 0;
	if (n > m->end - m->at)
		n = (size_t)(m->end - m->at);
	do
		got = pread(m->fd, p, n, (off_t)m->at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return qf_fail_sys(e, QF_EREAD, "cannot read the message");
	if (got == 0)
		return qf_fail(e, QF_EREAD,
		    "the message became shorter while it was sent");
	m->at += (uint64_t)got;
	return got;
}
