#include "remote/smtp/reply.h"

#include "remote/smtp/ehlo.h"
#include "tests/unit/unit.h"

enum {
	MORE = 0,
	COMPLETE = 1
};

/* Feeds bytes in two pieces, or whole with split 0. */
static int feed(struct qf_smtp_reply *r, const char *p, size_t n, size_t split,
    size_t *left, struct qf_err *e)
{
	struct qf_span first = qf_span_n(p, split);
	struct qf_span all = qf_span_n(p, n);
	int rc;

	if (split > 0) {
		rc = qf_smtp_reply_feed(r, &first, e);
		if (rc != MORE) {
			*left = n - split + first.n;
			return rc;
		}
		assert_int_equal(0, first.n);
	}
	all.p += split;
	all.n -= split;
	rc = qf_smtp_reply_feed(r, &all, e);
	*left = all.n;
	return rc;
}

struct reply_case {
	const char *bytes;
	int rc;
	const char *text; /* formatted, or part of the error */
	size_t left;      /* bytes that are not taken */
};

static const struct reply_case replies[] = {
    {"250 ok\r\n", COMPLETE, "250 ok", 0},
    {"250 ok\n", COMPLETE, "250 ok", 0},
    {"250\r\n", COMPLETE, "250", 0},
    {"250 \r\n", COMPLETE, "250", 0},
    {"250-a\r\n250 b\r\n", COMPLETE, "250 a b", 0},
    {"250-a\n250-\n250\n", COMPLETE, "250 a", 0},
    {"220 a\r\n250 b\r\n", COMPLETE, "220 a", 7},
    {"599 x\r\n", COMPLETE, "599 x", 0},
    {"250 a\rb\tc\033[1m\x7f\xef\xbb\xbf\r\n", COMPLETE, "250 a?b c?[1m????",
	0},
    {"250 ok", MORE, NULL, 0},
    {"250-ok\r\n", MORE, NULL, 0},
    {"250-ok\r\n250 ok\r", MORE, NULL, 0},
    {"", MORE, NULL, 0},
    {"25\r\n", QF_EPROTO, "no reply code: 25", 0},
    {"\r\n", QF_EPROTO, "no reply code", 0},
    {"600 x\r\n", QF_EPROTO, "no reply code: 600 x", 0},
    {"199 x\r\n", QF_EPROTO, "no reply code: 199 x", 0},
    {"2x0 x\r\n", QF_EPROTO, "no reply code", 0},
    {"2500 x\r\n", QF_EPROTO, "no reply code: 2500 x", 0},
    {"250:x\r\n", QF_EPROTO, "no reply code", 0},
    {" 250 x\r\n", QF_EPROTO, "no reply code", 0},
    {"SSH-2.0-x\r\n", QF_EPROTO, "no reply code: SSH-2.0-x", 0},
    {"250-a\r\n550 b\r\n", QF_EPROTO, "codes of its lines differ: 550 b", 0},
    {"250-a\r\nb\r\n", QF_EPROTO, "no reply code: b", 0},
};

static void check_reply(const struct reply_case *c, size_t split)
{
	struct qf_smtp_reply r = QF_SMTP_REPLY_INIT;
	struct qf_buf text = QF_BUF_INIT;
	struct qf_err e = {0};
	size_t left;
	int rc = feed(&r, c->bytes, strlen(c->bytes), split, &left, &e);

	assert_int_equal(c->rc, rc);
	if (rc != QF_EPROTO)
		assert_int_equal(c->left, left);
	if (rc == QF_EPROTO)
		assert_non_null(strstr(e.text, c->text));
	if (rc == COMPLETE) {
		qf_smtp_reply_format(&r, &text);
		assert_string_equal(c->text, text.s);
		assert_int_equal(atoi(c->text), r.code);
	}
	qf_buf_free(&text);
	qf_smtp_reply_free(&r);
}

static void replies_in_any_two_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(replies); i++) {
		for (size_t k = 0; k <= strlen(replies[i].bytes); k++)
			check_reply(&replies[i], k);
	}
}

static void a_zero_byte_is_text(void **state)
{
	struct qf_smtp_reply r = QF_SMTP_REPLY_INIT;
	struct qf_span in = qf_span_n("250 a\0b\r\n", 9);
	struct qf_buf text = QF_BUF_INIT;

	(void)state;
	assert_int_equal(COMPLETE, qf_smtp_reply_feed(&r, &in, NULL));
	qf_smtp_reply_format(&r, &text);
	assert_string_equal("250 a?b", text.s);
	qf_buf_free(&text);
	qf_smtp_reply_free(&r);
}

/* head, then n times `unit`, then tail; in pieces of so many bytes. */
static int feed_long(struct qf_smtp_reply *r, const char *head,
    const char *unit, size_t n, const char *tail, size_t piece,
    struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc = MORE;

	qf_buf_adds(&b, head);
	for (size_t i = 0; i < n; i++)
		qf_buf_adds(&b, unit);
	qf_buf_adds(&b, tail);
	for (size_t at = 0; at < b.len && rc == MORE; at += piece) {
		size_t left = b.len - at;
		struct qf_span in =
		    qf_span_n(b.s + at, left < piece ? left : piece);

		rc = qf_smtp_reply_feed(r, &in, e);
	}
	qf_buf_free(&b);
	return rc;
}

#define X8       "xxxxxxxx"
#define X20      X8 X8 "xxxx"
#define X40      X20 X20
#define QUOTE_AT strlen("reply not understood: ")

static void limits(void **state)
{
	static const struct {
		const char *head, *unit;
		size_t n;
		const char *tail;
		int rc;
		const char *why;
	} cases[] = {
	    {"250 ", "x", 12284, "\n", COMPLETE, NULL},
	    {"250 ", "x", 12285, "\n", QF_EPROTO,
		"line too long: 250 " X40 X20 X8 X8},
	    {"", "x", 1 << 20, "", QF_EPROTO, "line too long: " X40 X40},
	    {"", "250-x\r\n", 99, "250 y\r\n", COMPLETE, NULL},
	    {"", "250-x\r\n", 100, "250 y\r\n", QF_EPROTO,
		"too many lines: 250 y"},
	    {"", "250-x\r\n", 1000000, "", QF_EPROTO, "too many lines: 250-x"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * UNIT_COUNT(cases); i++) {
		const size_t k = i / 2;
		struct qf_smtp_reply r = QF_SMTP_REPLY_INIT;
		struct qf_buf text = QF_BUF_INIT, lines = QF_BUF_INIT;
		struct qf_err e;

		assert_int_equal(cases[k].rc,
		    feed_long(&r, cases[k].head, cases[k].unit, cases[k].n,
			cases[k].tail, i % 2 == 0 ? SIZE_MAX / 2 : 100, &e));
		/* What is no reply is quoted. */
		qf_smtp_reply_lines(&r, 50, &lines);
		if (cases[k].rc == QF_EPROTO) {
			assert_string_equal(cases[k].why, e.text + QUOTE_AT);
			assert_int_equal(50, lines.len);
		} else {
			qf_smtp_reply_format(&r, &text);
			assert_true(text.len <= QF_REPLY_TEXT_MAX);
		}
		assert_true(r.text.len <= QF_REPLY_TOTAL_MAX);
		qf_buf_free(&text);
		qf_buf_free(&lines);
		qf_smtp_reply_free(&r);
	}
}

static void total_is_limited(void **state)
{
	struct qf_smtp_reply r = QF_SMTP_REPLY_INIT;
	struct qf_buf line = QF_BUF_INIT;
	struct qf_err e;
	int rc = MORE, n = 0;

	(void)state;
	qf_buf_adds(&line, "250-");
	while (line.len < 4000)
		qf_buf_addc(&line, 'x');
	qf_buf_addc(&line, '\n');
	for (; rc == MORE && n < 100; n++) {
		struct qf_span in = qf_buf_span(&line);

		rc = qf_smtp_reply_feed(&r, &in, &e);
	}
	assert_int_equal(QF_EPROTO, rc);
	assert_int_equal(QF_REPLY_TOTAL_MAX / 4001 + 1, n);
	assert_non_null(strstr(e.text, "too long"));
	qf_buf_free(&line);
	qf_smtp_reply_free(&r);
}

static void parse_ehlo(struct qf_smtp_ehlo *caps, const char *bytes)
{
	struct qf_smtp_reply r = QF_SMTP_REPLY_INIT;
	struct qf_span in = qf_span(bytes);

	assert_int_equal(COMPLETE, qf_smtp_reply_feed(&r, &in, NULL));
	qf_smtp_ehlo_parse(caps, &r);
	qf_smtp_reply_free(&r);
}

static void ehlo_keywords(void **state)
{
	struct qf_smtp_ehlo caps = {0};

	(void)state;
	parse_ehlo(&caps, "250-PIPELINING STARTTLS\r\n250-size 1000\r\n"
			  "250-8bitmime\r\n250-SMTPUTF8\r\n"
			  "250-AUTH plain  LOGIN PLAIN\r\n250-AUTH=LOGIN X\r\n"
			  "250-PIPELININGS\r\n250-\r\n250 DSN\r\n");
	assert_false(caps.pipelining); /* the first line is a name */
	assert_false(caps.starttls);
	assert_true(caps.eightbitmime && caps.smtputf8 && caps.size);
	assert_int_equal(1000, caps.size_max);
	assert_int_equal(3, caps.auth.n);
	assert_string_equal("PLAIN", caps.auth.v[0]);
	assert_string_equal("LOGIN", caps.auth.v[1]);
	assert_string_equal("X", caps.auth.v[2]);
	qf_smtp_ehlo_free(&caps);
	assert_false(caps.size);
}

static void ehlo_sizes(void **state)
{
	static const struct {
		const char *line;
		bool offered;
		unsigned long long max;
	} cases[] = {
	    {"250-SIZE", true, 0},
	    {"250-SIZE 0", true, 0},
	    {"250-SIZE abc", true, 0},
	    {"250-SIZE -5", true, 0},
	    {"250-SIZE 99999999999999999999999", true, 0},
	    {"250-SIZE 10\r\n250-SIZE 20\r\n250-SIZE x", true, 10},
	    {"250-SIZE 20\r\n250-SIZE 10", true, 10},
	    {"250-SIZES 20", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_smtp_ehlo caps = {0};
		struct qf_buf b = QF_BUF_INIT;

		qf_buf_addf(
		    &b, "250-x\r\n%s\r\n250 PIPELINING\r\n", cases[i].line);
		parse_ehlo(&caps, b.s);
		assert_true(caps.pipelining);
		assert_int_equal(cases[i].offered, caps.size);
		assert_true(cases[i].max == caps.size_max);
		qf_smtp_ehlo_free(&caps);
		qf_buf_free(&b);
	}
}

static void ehlo_mechanisms_are_bounded(void **state)
{
	struct qf_smtp_ehlo caps = {0};
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	qf_buf_adds(&b, "250-x\r\n250-AUTH ABCDEFGHIJKLMNOPQRSTU\r\n");
	for (int i = 0; i < 90; i++)
		qf_buf_addf(&b, "250-AUTH M%d\r\n", i);
	qf_buf_adds(&b, "250 y\r\n");
	parse_ehlo(&caps, b.s);
	assert_int_equal(QF_EHLO_AUTH_MAX, caps.auth.n);
	assert_string_equal("M0", caps.auth.v[0]);
	qf_smtp_ehlo_free(&caps);
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(replies_in_any_two_pieces),
	    cmocka_unit_test(a_zero_byte_is_text),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(total_is_limited),
	    cmocka_unit_test(ehlo_keywords),
	    cmocka_unit_test(ehlo_sizes),
	    cmocka_unit_test(ehlo_mechanisms_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
