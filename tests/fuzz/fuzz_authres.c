/*
 * Authentication-Results. As a field that came in: what has our id where it
 * belongs is ours, whatever surrounds it. As strings of a plugin, a line each:
 * what is taken can be written, and a reader of RFC 8601 gets it back.
 */
#include <string.h>

#include "lib/mail/authres.h"
#include "lib/mail/edit.h"
#include "lib/mail/lex.h"
#include "tests/fuzz/fuzz.h"

#define ID "mx.example.org"

static void check_field(struct qf_span in)
{
	static const char *const ours[] = {
	    QF_AUTHRES_FIELD ":" ID ";", QF_AUTHRES_FIELD ": (x) " ID " 1 ;"};
	struct qf_buf b = QF_BUF_INIT;

	qf_authres_is_ours(in, ID);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		/* before any bytes, and behind them and a lone CR */
		qf_buf_reset(&b);
		qf_buf_adds(&b, ours[i]);
		qf_buf_addspan(&b, in);
		FUZZ_CHECK(qf_authres_is_ours(qf_buf_span(&b), ID));
		qf_buf_reset(&b);
		qf_buf_addspan(&b, in);
		qf_buf_addc(&b, '\r');
		qf_buf_adds(&b, ours[i]);
		FUZZ_CHECK(qf_authres_is_ours(qf_buf_span(&b), ID));
	}
	/* without our letters it is not ours, but for quotes and comments */
	qf_buf_reset(&b);
	qf_buf_addspan(&b, in);
	for (size_t i = 0; i < b.len; i++) {
		if ((b.s[i] | 0x20) == 'x')
			b.s[i] = 'z';
	}
	FUZZ_CHECK(!qf_authres_is_ours(qf_buf_span(&b), ID));
	qf_buf_free(&b);
}

/* writing */

enum {
	LINES = 16,
	PROPS = (LINES - 4) / 3
};

/* The lines of the input as NUL-terminated strings: id, method, result,
 * reason, then three for each property. A line that is missing is NULL. */
struct strings {
	char *line[LINES];
	size_t n;
};

static void split(struct strings *s, struct qf_span in)
{
	struct qf_span head;

	while (s->n < LINES && qf_span_cut(&in, '\n', &head))
		s->line[s->n++] = strndup(head.p, head.n);
	if (s->n < LINES && in.n > 0)
		s->line[s->n++] = strndup(in.p, in.n);
}

static void expect(struct qf_span *s, char c)
{
	qf_lex_blank(s);
	FUZZ_CHECK(s->n > 0 && s->p[0] == c);
	s->p++;
	s->n--;
	qf_lex_blank(s);
}

static void expect_word(struct qf_span *s, const char *word)
{
	struct qf_span got = *s;

	got.n = strlen(word);
	FUZZ_CHECK(got.n <= s->n && qf_span_is(got, word));
	s->p += got.n;
	s->n -= got.n;
}

/* A quoted string, or bytes up to a blank or semicolon. */
static void expect_value(struct qf_span *s, const char *value)
{
	struct qf_buf b = QF_BUF_INIT;

	if (s->n > 0 && s->p[0] == '"') {
		FUZZ_CHECK(qf_lex_quoted(s, &b));
	} else {
		while (s->n > 0 && strchr("; \t\n", s->p[0]) == NULL) {
			qf_buf_addc(&b, s->p[0]);
			s->p++;
			s->n--;
		}
	}
	FUZZ_CHECK(strcmp(b.s, value) == 0);
	qf_buf_free(&b);
}

static void read_result(struct qf_span *s, const struct qf_authres *r)
{
	expect(s, ';');
	expect_word(s, r->method);
	expect(s, '=');
	expect_word(s, r->result);
	if (r->reason != NULL) {
		qf_lex_blank(s);
		expect_word(s, "reason=");
		expect_value(s, r->reason);
	}
	for (uint32_t i = 0; i < r->nprops; i++) {
		qf_lex_blank(s);
		expect_word(s, r->props[i].type);
		expect_word(s, ".");
		expect_word(s, r->props[i].property);
		expect_word(s, "=");
		expect_value(s, r->props[i].value);
	}
}

/* Lines fit, and none ends the field. */
static void check_lines(const char *value)
{
	struct qf_span rest = qf_span(value), line;

	while (qf_span_cut(&rest, '\n', &line)) {
		FUZZ_CHECK(line.n <= 998 - sizeof QF_AUTHRES_FIELD);
		FUZZ_CHECK(rest.n > 0 && rest.p[0] == '\t');
	}
	FUZZ_CHECK(rest.n <= 998 - sizeof QF_AUTHRES_FIELD);
	FUZZ_CHECK(strpbrk(value, "\r") == NULL);
}

static void check_written(const char *id, const struct qf_authres *r)
{
	struct qf_authres two[2] = {*r, *r};
	struct qf_buf b = QF_BUF_INIT, field = QF_BUF_INIT;
	struct qf_span s;

	FUZZ_CHECK(qf_authres_format(id, two, 2, &b) == 0);
	check_lines(b.s);
	qf_buf_addf(&field, "%s:%s\n", QF_AUTHRES_FIELD, b.s);
	FUZZ_CHECK(qf_authres_is_ours(qf_buf_span(&field), id));
	s = qf_buf_span(&b);
	qf_lex_blank(&s);
	expect_value(&s, id);
	read_result(&s, r);
	read_result(&s, r);
	FUZZ_CHECK(s.n == 0);
	qf_buf_free(&field);
	qf_buf_free(&b);
}

static void check_strings(struct qf_span in)
{
	struct strings s = {.n = 0};
	struct qf_authprop props[PROPS];
	struct qf_authres r = {.size = sizeof r, .props = props};
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	split(&s, in);
	r.method = s.line[1];
	r.result = s.line[2];
	r.reason = s.line[3];
	for (size_t i = 4; i + 2 < s.n; i += 3)
		props[r.nprops++] = (struct qf_authprop){
		    s.line[i], s.line[i + 1], s.line[i + 2]};
	rc = qf_authres_check(&r);
	FUZZ_CHECK(rc == 0 || rc == QF_EINVAL);
	if (s.n > 0 && qf_authres_is_id(s.line[0])) {
		FUZZ_CHECK(qf_authres_format(s.line[0], &r, 1, &b) == rc);
		if (rc == 0)
			check_written(s.line[0], &r);
	} else if (s.n > 0) {
		FUZZ_CHECK(qf_authres_format(s.line[0], &r, 1, &b) < 0);
	}
	for (size_t i = 0; i < s.n; i++)
		free(s.line[i]);
	qf_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span in = qf_span_n((const char *)data, size);

	check_field(in);
	check_strings(in);
	return 0;
}
