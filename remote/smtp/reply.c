#include "remote/smtp/reply.h"

#include <string.h>

void qf_smtp_reply_reset(struct qf_smtp_reply *r)
{
	r->code = 0;
	r->complete = r->bare = false;
	r->lines = r->bytes = 0;
	qf_buf_reset(&r->text);
	qf_buf_reset(&r->line);
}

void qf_smtp_reply_free(struct qf_smtp_reply *r)
{
	qf_buf_free(&r->text);
	qf_buf_free(&r->line);
}

bool qf_smtp_reply_is_empty(const struct qf_smtp_reply *r)
{
	return r->bytes == 0;
}

void qf_smtp_add_printable(struct qf_buf *out, struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] == '\t' ? ' ' : s.p[i];

		qf_buf_addc(out, c >= ' ' && c < 127 ? c : '?');
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The code that a line starts with, or -1. */
static int line_code(struct qf_span s)
{
	if (s.n < 3 || s.p[0] < '2' || s.p[0] > '5' || !is_digit(s.p[1]) ||
	    !is_digit(s.p[2]))
		return -1;
	if (s.n > 3 && s.p[3] != ' ' && s.p[3] != '-')
		return -1;
	return (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0');
}

static int not_a_reply(struct qf_span line, const char *why, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;

	if (line.n > 80)
		line.n = 80;
	qf_smtp_add_printable(&b, line);
	qf_fail(e, QF_EPROTO, "reply not understood: %s: %s", why, b.s);
	qf_buf_free(&b);
	return QF_EPROTO;
}

static void keep_text(struct qf_smtp_reply *r, struct qf_span line)
{
	struct qf_span text = qf_span_n(line.p + line.n, 0);

	if (line.n > 4)
		text = qf_span_n(line.p + 4, line.n - 4);
	qf_smtp_add_printable(&r->text, text);
	qf_buf_addc(&r->text, '\n');
}

static int take_line(struct qf_smtp_reply *r, struct qf_err *e)
{
	struct qf_span line = qf_buf_span(&r->line);
	int code;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	code = line_code(line);
	if (code < 0)
		return not_a_reply(line, "no reply code", e);
	if (r->code != 0 && code != r->code)
		return not_a_reply(line, "codes of its lines differ", e);
	if (++r->lines > QF_REPLY_LINES_MAX)
		return not_a_reply(line, "too many lines", e);
	r->code = code;
	keep_text(r, line);
	r->bare = line.n == 3;
	r->complete = r->bare || line.p[3] == ' ';
	qf_buf_reset(&r->line);
	return r->complete;
}

/* What exceeds a limit; it is quoted as far as it goes, the same whatever the
 * pieces are. */
static int too_long(struct qf_smtp_reply *r, const char *p, size_t line_room,
    size_t room, struct qf_err *e)
{
	bool is_line = line_room <= room;

	qf_buf_add(&r->line, p, is_line ? line_room : room);
	return not_a_reply(
	    qf_buf_span(&r->line), is_line ? "line too long" : "too long", e);
}

int qf_smtp_reply_feed(
    struct qf_smtp_reply *r, struct qf_span *in, struct qf_err *e)
{
	while (in->n > 0) {
		const char *lf = memchr(in->p, '\n', in->n);
		size_t n = lf != NULL ? (size_t)(lf - in->p) : in->n;
		size_t line_room = QF_REPLY_LINE_MAX - r->line.len;
		size_t room = QF_REPLY_TOTAL_MAX - r->bytes;
		int rc;

		/* Most of what never ends is left unread. */
		if (n > line_room || n + (lf != NULL) > room)
			return too_long(r, in->p, line_room, room, e);
		qf_buf_add(&r->line, in->p, n);
		n += lf != NULL;
		in->p += n;
		in->n -= n;
		r->bytes += n;
		if (lf == NULL)
			break;
		rc = take_line(r, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

bool qf_smtp_reply_next(
    const struct qf_smtp_reply *r, size_t *at, struct qf_span *line)
{
	struct qf_span rest = qf_span_n(r->text.s + *at, r->text.len - *at);

	if (!qf_span_cut(&rest, '\n', line))
		return false;
	*at = r->text.len - rest.n;
	return true;
}

/* Appends a line's text behind what stands there. */
static void flatten_line(struct qf_buf *out, struct qf_span text)
{
	text = qf_span_trim(text);
	if (text.n == 0)
		return;
	qf_buf_addc(out, ' ');
	qf_buf_addspan(out, text);
}

static void cut_at(struct qf_buf *out, size_t len)
{
	if (out->len <= len)
		return;
	out->len = len;
	out->s[len] = '\0';
}

void qf_smtp_reply_format(const struct qf_smtp_reply *r, struct qf_buf *out)
{
	struct qf_span line;
	size_t at = 0, start = out->len;

	qf_buf_addf(out, "%d", r->code);
	while (qf_smtp_reply_next(r, &at, &line))
		flatten_line(out, line);
	cut_at(out, start + QF_REPLY_TEXT_MAX);
}

void qf_smtp_reply_flatten(struct qf_span lines, struct qf_buf *out)
{
	size_t start = out->len;
	struct qf_span line;

	qf_buf_add(out, lines.p, lines.n < 3 ? lines.n : 3);
	while (qf_span_cut(&lines, '\n', &line)) {
		if (line.n > 4)
			flatten_line(out, qf_span_n(line.p + 4, line.n - 4));
	}
	cut_at(out, start + QF_REPLY_TEXT_MAX);
}

/* The line that was not understood. */
static void add_odd_line(const struct qf_smtp_reply *r, struct qf_buf *out)
{
	struct qf_span line = qf_buf_span(&r->line);

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	qf_smtp_add_printable(out, line);
	qf_buf_addc(out, '\n');
}

void qf_smtp_reply_lines(
    const struct qf_smtp_reply *r, size_t max, struct qf_buf *out)
{
	size_t at = 0, start = out->len, left = r->lines;
	struct qf_span line;

	while (out->len - start < max && qf_smtp_reply_next(r, &at, &line)) {
		bool last = --left == 0 && r->complete;

		qf_buf_addf(out, "%d", r->code);
		if (!last || !r->bare)
			qf_buf_addc(out, last ? ' ' : '-');
		qf_buf_addspan(out, line);
		qf_buf_addc(out, '\n');
	}
	if (!r->complete)
		add_odd_line(r, out);
	cut_at(out, start + max);
}
