#include "lib/mail/message.h"

#include <stdlib.h>
#include <string.h>

/* A line with its end, cut off *rest, which is not empty. */
static struct qf_span cut_line(struct qf_span *rest)
{
	const char *lf = memchr(rest->p, '\n', rest->n);
	struct qf_span line = *rest;

	if (lf != NULL)
		line.n = (size_t)(lf - rest->p) + 1;
	rest->p += line.n;
	rest->n -= line.n;
	return line;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_empty_line(struct qf_span line)
{
	return qf_span_is(line, "\n") || qf_span_is(line, "\r\n") ||
	       qf_span_is(line, "\r");
}

/* The name of the field that starts here, empty when none does. White space
 * before the colon is obsolete but legal (RFC 5322 section 4.5). */
static struct qf_span field_name(struct qf_span raw, size_t *colon)
{
	size_t n = 0;

	while (n < raw.n && raw.p[n] > ' ' && raw.p[n] < 127 && raw.p[n] != ':')
		n++;
	*colon = n;
	while (*colon < raw.n && is_blank(raw.p[*colon]))
		++*colon;
	if (*colon == raw.n || raw.p[*colon] != ':')
		n = 0;
	return qf_span_n(raw.p, n);
}

void qf_header_field_set(struct qf_header_field *f, struct qf_span raw)
{
	size_t colon;

	f->raw = raw;
	f->name = field_name(raw, &colon);
	f->malformed = f->name.n == 0;
	f->value = raw;
	if (!f->malformed) {
		f->value.p += colon + 1;
		f->value.n -= colon + 1;
	}
	if (f->value.n > 0 && f->value.p[f->value.n - 1] == '\n')
		f->value.n--;
}

static struct qf_header_field *add_field(struct qf_message *m, size_t *cap)
{
	if (m->nfields == *cap) {
		*cap = *cap == 0 ? 64 : *cap * 2;
		m->field = qf_realloc_array(m->field, *cap, sizeof *m->field);
	}
	return &m->field[m->nfields++];
}

static int index_header(
    struct qf_message *m, struct qf_span *rest, struct qf_err *e)
{
	struct qf_span raw = {0};
	size_t cap = 0;

	while (rest->n > 0) {
		struct qf_span line = cut_line(rest);

		if (is_empty_line(line)) {
			m->separator = line;
			break;
		}
		if (raw.n > 0 && is_blank(line.p[0])) {
			raw.n += line.n;
			continue;
		}
		if (raw.n > 0)
			qf_header_field_set(add_field(m, &cap), raw);
		if (m->nfields == QF_HEADER_MAX)
			return qf_fail(e, QF_ENOMEM,
			    "the header has more than %d fields",
			    QF_HEADER_MAX);
		raw = line;
	}
	if (raw.n > 0)
		qf_header_field_set(add_field(m, &cap), raw);
	return 0;
}

int qf_message_open(struct qf_message *m, int fd, struct qf_err *e)
{
	struct qf_span rest;
	int rc;

	*m = (struct qf_message){.fd = fd};
	rc = qf_map_fd(&m->map, fd, e);
	if (rc < 0) {
		qf_err_context(e, "message");
		return rc;
	}
	rest = qf_span_n(m->map.p, m->map.n);
	rc = index_header(m, &rest, e);
	if (rc < 0) {
		qf_message_close(m);
		return rc;
	}
	m->size = m->map.n;
	m->body = qf_alloc(sizeof *m->body);
	m->body[0] = rest;
	m->nbody = rest.n > 0;
	return 0;
}

void qf_message_close(struct qf_message *m)
{
	free(m->field);
	free(m->body);
	qf_arena_free(&m->arena);
	qf_map_free(&m->map);
	*m = (struct qf_message){.fd = -1, .map = m->map};
}

static struct qf_span piece(const struct qf_message *m, size_t at)
{
	if (at < m->nfields)
		return m->field[at].raw;
	if (at == m->nfields)
		return m->separator;
	return m->body[at - m->nfields - 1];
}

bool qf_message_next(
    const struct qf_message *m, size_t *at, struct qf_span *out)
{
	size_t n = m->nfields + 1 + m->nbody;

	*out = (struct qf_span){0};
	for (; *at < n; ++*at) {
		struct qf_span s = piece(m, *at);

		if (s.n == 0)
			continue;
		if (out->n == 0)
			*out = s;
		else if (out->p + out->n == s.p)
			out->n += s.n;
		else
			break;
	}
	return out->n > 0;
}

int qf_message_write(const struct qf_message *m, int fd, struct qf_err *e)
{
	struct qf_span run;
	size_t at = 0;

	while (qf_message_next(m, &at, &run)) {
		if (qf_write_all(fd, run.p, run.n) < 0)
			return qf_fail_sys(e, QF_EWRITE, "writing the message");
	}
	return 0;
}

int qf_message_spool(
    const struct qf_message *m, struct qf_spool *out, struct qf_err *e)
{
	struct qf_span s;
	size_t at = 0;
	int rc = qf_spool_open(out, e);

	while (rc == 0 && qf_message_next(m, &at, &s))
		rc = qf_spool_write(out, s.p, s.n, e);
	if (rc == 0)
		rc = qf_spool_finish(out, e);
	if (rc < 0)
		qf_spool_close(out);
	return rc;
}

long qf_message_find(
    const struct qf_message *m, struct qf_span name, size_t from)
{
	for (size_t i = from; i < m->nfields; i++) {
		if (!m->field[i].malformed &&
		    qf_span_ieq(m->field[i].name, name))
			return (long)i;
	}
	return -1;
}

/* Does a word hold a byte that is 0? The highest bits of such bytes are set,
 * and perhaps bits above the first one. */
static uint64_t zero_bytes(uint64_t w)
{
	return (w - UINT64_C(0x0101010101010101)) & ~w &
	       UINT64_C(0x8080808080808080);
}

/* Eight bytes at a time. Two calls of memchr() would read long stretches again
 * for each line when only one of the two bytes occurs. */
size_t qf_line_end(struct qf_span s, size_t from)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t i = from;
	uint64_t w;

	for (; s.n - i >= sizeof w; i += sizeof w) {
		memcpy(&w, s.p + i, sizeof w);
		if ((zero_bytes(w ^ (ones * '\n')) |
			zero_bytes(w ^ (ones * '\r'))) != 0)
			break;
	}
	while (i < s.n && s.p[i] != '\n' && s.p[i] != '\r')
		i++;
	return i;
}

/* How much of s can go out as it is: up to the first line end that is not
 * CR LF. A CR that ends s is left: what follows it is not known yet. */
static size_t clean_run(struct qf_span s)
{
	size_t i = qf_line_end(s, 0);

	while (s.n - i >= 2 && s.p[i] == '\r' && s.p[i + 1] == '\n')
		i = qf_line_end(s, i + 2);
	return i;
}

static struct qf_span skip(struct qf_span *s, size_t n)
{
	struct qf_span head = qf_span_n(s->p, n);

	s->p += n;
	s->n -= n;
	return head;
}

bool qf_message_crlf_next(
    const struct qf_message *m, struct qf_crlf *it, struct qf_span *out)
{
	size_t n = 0;

	/* A CR gave its CR LF at once; an LF right after it belongs to it. */
	do {
		if (it->rest.n == 0 &&
		    !qf_message_next(m, &it->piece, &it->rest))
			break;
		if (it->after_cr && it->rest.p[0] == '\n')
			skip(&it->rest, 1);
		it->after_cr = false;
	} while (it->rest.n == 0);

	if (it->rest.n > 0)
		n = clean_run(it->rest);
	if (n > 0) {
		*out = skip(&it->rest, n);
		it->mid_line = out->p[n - 1] != '\n';
		return true;
	}
	if (it->rest.n == 0 && !it->mid_line)
		return false;
	if (it->rest.n > 0)
		it->after_cr = skip(&it->rest, 1).p[0] == '\r';
	it->mid_line = false;
	*out = qf_span("\r\n");
	return true;
}
