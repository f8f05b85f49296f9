#include "lib/base/json.h"

#include <assert.h>

/* Every other byte in front of an escape that has a letter. */
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

/* The well-formed sequences (Unicode, table 3-7): first byte, the limits of
 * the second one, length. */
static const struct {
	unsigned char from, to, low, high;
	unsigned n;
} utf8[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* How many bytes of s are the character at its start: 0 when they are none,
 * and then *bad of them are to be replaced by one mark. */
static size_t sequence(struct qf_span s, size_t *bad)
{
	const unsigned char *p = (const unsigned char *)s.p;

	*bad = 1;
	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++) {
		if (p[0] < utf8[i].from || p[0] > utf8[i].to)
			continue;
		for (size_t k = 1; k < utf8[i].n; k++) {
			unsigned char low = k == 1 ? utf8[i].low : 0x80;
			unsigned char high = k == 1 ? utf8[i].high : 0xbf;

			*bad = k;
			if (k == s.n || p[k] < low || p[k] > high)
				return 0;
		}
		return utf8[i].n;
	}
	return 0;
}

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
		size_t bad, n = sequence(s, &bad);

		if (n == 0)
			qf_buf_adds(out, "\xef\xbf\xbd");
		else if (n > 1 || !add_escape(out, *s.p))
			qf_buf_add(out, s.p, n);
		n = n == 0 ? bad : n;
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
