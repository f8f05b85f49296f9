#include "remote/module.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/io.h"

enum {
	OPTIONS_MAX = 65536 /* bytes of all options */
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

/* NAME or NAME=VALUE, NUL-terminated. On the command line, where used is not
 * NULL, next is taken as the value when the option needs one and has none:
 * true in *used when it was. */
static int set_named(const struct qf_module_option *table, void *settings,
    const char *text, const char *next, bool *used, struct qf_err *e)
{
	bool on_command_line = used != NULL;
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
	if (on_command_line && o->kind == QF_MODULE_SECRET)
		return qf_fail(e, QF_EINVAL,
		    "option %s is not taken from the command line, where "
		    "everybody could read it: give it on descriptor 0, or "
		    "%s-file",
		    o->name, o->name);
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

static const char *without_dashes(const char *word)
{
	return strncmp(word, "--", 2) == 0 ? word + 2 : word;
}

bool qf_module_knows(const struct qf_module_option *table, const char *word)
{
	word = without_dashes(word);
	return find(table, qf_span_n(word, strcspn(word, "="))) != NULL;
}

int qf_module_word(const struct qf_module_option *table, void *settings,
    const char *word, struct qf_err *e)
{
	return set_named(table, settings, without_dashes(word), NULL, NULL, e);
}

int qf_module_options(const struct qf_module_option *table, void *settings,
    int fd, struct qf_buf *bytes, struct qf_err *e)
{
	int rc = read_options(fd, bytes, e);

	if (rc < 0)
		return rc;
	for (size_t at = 0; at < bytes->len;) {
		const char *line = bytes->s + at;

		at += strlen(line) + 1;
		rc = qf_module_word(table, settings, line, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void qf_module_usage(const struct qf_module_option *table, const char *program,
    struct qf_buf *out)
{
	qf_buf_addf(
	    out, "usage: %s [options] <options-file 3<message-file\n", program);
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
