#include "lib/base/json.h"

#include <assert.h>

#include "lib/base/utf8.h"

/* Escapes that have a letter. */
static const struct {
	char byte, letter;
} escapes[] = {
    {'"', '"'},
    {'\\', '\\'},
    {'\b', 'b'},
    {'\f', 'f'},
    {'\n', 'n'},
    {'\r', 'r'},
    {'\t', 't'},
};

static bool add_escape(struct qf_buf *out, char c)
{
	for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
		if (escapes[i].byte != c)
			continue;
		qf_buf_addc(out, '\\');
		qf_buf_addc(out, escapes[i].letter);
		return true;
	}
	if ((unsigned char)c >= ' ' && c != 127)
		return false;
	qf_buf_addf(out, "\\u%04x", (unsigned)(unsigned char)c);
	return true;
}

static void add_string(struct qf_buf *out, struct qf_span s)
{
	qf_buf_addc(out, '"');
	while (s.n > 0) {
		unsigned point;
		size_t n = qf_utf8_char(s.p, s.n, &point);

		if (n == 0)
			qf_buf_adds(out, "\xef\xbf\xbd");
		else if (n > 1 || !add_escape(out, *s.p))
			qf_buf_add(out, s.p, n);
		n += n == 0;
		s = qf_span_n(s.p + n, s.n - n);
	}
	qf_buf_addc(out, '"');
}

/* What stands in front of a value. */
static void begin(struct qf_json *j, const char *name)
{
	if (j->depth == 0) {
		assert(name == NULL);
		return;
	}
	assert((name != NULL) == (j->close[j->depth - 1] == '}'));
	if (j->more[j->depth - 1])
		qf_buf_addc(j->out, ',');
	j->more[j->depth - 1] = true;
	if (name == NULL)
		return;
	add_string(j->out, qf_span(name));
	qf_buf_addc(j->out, ':');
}

static void open_level(
    struct qf_json *j, const char *name, char open, char close)
{
	begin(j, name);
	assert(j->depth < QF_JSON_DEPTH);
	qf_buf_addc(j->out, open);
	j->close[j->depth] = close;
	j->more[j->depth] = false;
	j->depth++;
}

void qf_json_object(struct qf_json *j, const char *name)
{
	open_level(j, name, '{', '}');
}

void qf_json_array(struct qf_json *j, const char *name)
{
	open_level(j, name, '[', ']');
}

void qf_json_end(struct qf_json *j)
{
	assert(j->depth > 0);
	qf_buf_addc(j->out, j->close[--j->depth]);
	if (j->depth == 0)
		qf_buf_addc(j->out, '\n');
}

void qf_json_string(struct qf_json *j, const char *name, struct qf_span value)
{
	begin(j, name);
	add_string(j->out, value);
}

void qf_json_text(struct qf_json *j, const char *name, const char *value)
{
	begin(j, name);
	if (value != NULL)
		add_string(j->out, qf_span(value));
	else
		qf_buf_adds(j->out, "null");
}

void qf_json_number(struct qf_json *j, const char *name, int64_t value)
{
	begin(j, name);
	qf_buf_addf(j->out, "%lld", (long long)value);
}

void qf_json_bool(struct qf_json *j, const char *name, bool value)
{
	begin(j, name);
	qf_buf_adds(j->out, value ? "true" : "false");
}
