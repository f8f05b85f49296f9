#include "lib/mail/message.h"

#include "tests/unit/unit.h"

#define BYTES(s)                                                               \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}

static void open_message(struct qf_message *m, struct qf_span bytes)
{
	int fd = unit_file(bytes.p, bytes.n);
	struct qf_err e;

	if (qf_message_open(m, fd, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(bytes.n, m->size);
	assert_int_equal(0, m->generation);
}

static void close_message(struct qf_message *m)
{
	close(m->fd);
	qf_message_close(m);
}

/*
 * The index, written out: a line a piece. `name|value|` for a field, with the
 * value's line ends as `/`; `?` for a malformed line; `=` for the separator;
 * `>` for the body.
 */
static const struct index_case {
	struct qf_span bytes;
	const char *index;
} index_cases[] = {
    {BYTES(""), ""},
    {BYTES("\n"), "=\n"},
    {BYTES("\r\n"), "=\n"},
    {BYTES("\r"), "=\n"},
    {BYTES("A: b\n\nbody\n"), "A| b|\n=\n>body/\n"},
    {BYTES("A: b\n\n"), "A| b|\n=\n"},
    {BYTES("A: b\n"), "A| b|\n"},
    {BYTES("A: b"), "A| b|\n"},
    {BYTES("A:\nB:"), "A||\nB||\n"},
    {BYTES("\nA: b\n"), "=\n>A: b/\n"},
    {BYTES("\n\n\n"), "=\n>//\n"},
    /* folding */
    {BYTES("A: b\n c\n\td\nE: f\n\n"), "A| b/ c/\td|\nE| f|\n=\n"},
    {BYTES("A:\n \n\nx"), "A|/ |\n=\n>x\n"},
    /* CR LF: the CR belongs to the line */
    {BYTES("A: b\r\n c\r\n\r\nx\r\n"), "A| b\r/ c\r|\n=\n>x\r/\n"},
    {BYTES("A: b\r\rC: d\n"), "A| b\r\rC: d|\n"},
    {BYTES("A: b\n\r\r\nx\n\ny"), "A| b|\n?\r\r\n?x\n=\n>y\n"},
    /* obsolete white space before the colon */
    {BYTES("A \t: b\n"), "A| b|\n"},
    /* malformed */
    {BYTES("hello\n\nx"), "?hello\n=\n>x\n"},
    {BYTES("hello\nworld"), "?hello\n?world\n"},
    {BYTES("From a@b Thu Jan  1 00:00:00 1970\nA: b\n"),
	"?From a@b Thu Jan  1 00:00:00 1970\nA| b|\n"},
    {BYTES(" first\nA: b\n"), "? first\nA| b|\n"},
    {BYTES(" first\n second\n"), "? first/ second\n"},
    {BYTES("x\n y\nA: b\n"), "?x/ y\nA| b|\n"},
    {BYTES(": x\nA b: c\nA\xe4: b\n"), "?: x\n?A b: c\n?A\xe4: b\n"},
    {BYTES(">From x: y\n"), "?>From x: y\n"},
    {BYTES("A\x7f: b\nA\x01: b\n"), "?A\x7f: b\n?A\x01: b\n"},
};

static void add_shown(struct qf_buf *out, struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++)
		qf_buf_addc(out, s.p[i] == '\n' ? '/' : s.p[i]);
}

static void show(const struct qf_message *m, struct qf_buf *out)
{
	qf_buf_reset(out);
	for (size_t i = 0; i < m->nfields; i++) {
		const struct qf_header_field *f = &m->field[i];

		assert_int_equal(f->malformed, f->name.n == 0);
		qf_buf_adds(out, f->malformed ? "?" : "");
		qf_buf_addspan(out, f->name);
		qf_buf_adds(out, f->malformed ? "" : "|");
		add_shown(out, f->value);
		qf_buf_adds(out, f->malformed ? "\n" : "|\n");
	}
	if (m->separator.n > 0)
		qf_buf_adds(out, "=\n");
	for (size_t i = 0; i < m->nbody; i++) {
		qf_buf_addc(out, '>');
		add_shown(out, m->body[i]);
		qf_buf_addc(out, '\n');
	}
}

/* The pieces one by one. */
static void add_pieces(const struct qf_message *m, struct qf_buf *out)
{
	for (size_t i = 0; i < m->nfields; i++)
		qf_buf_addspan(out, m->field[i].raw);
	qf_buf_addspan(out, m->separator);
	for (size_t i = 0; i < m->nbody; i++)
		qf_buf_addspan(out, m->body[i]);
}

static void test_index(void **state)
{
	struct qf_buf got = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(index_cases); i++) {
		const struct index_case *c = &index_cases[i];
		struct qf_message m;

		open_message(&m, c->bytes);
		show(&m, &got);
		assert_string_equal(c->index, got.s);
		qf_buf_reset(&got);
		add_pieces(&m, &got);
		assert_true(qf_span_eq(c->bytes, qf_buf_span(&got)));
		close_message(&m);
	}
	qf_buf_free(&got);
}

static void test_zero_bytes(void **state)
{
	static const char bytes[] = "A: b\0c\nD\0: e\n\nx\0y";
	struct qf_message m;

	(void)state;
	open_message(&m, qf_span_n(bytes, sizeof bytes - 1));
	assert_int_equal(2, m.nfields);
	assert_int_equal(4, m.field[0].value.n);
	assert_true(m.field[1].malformed);
	assert_int_equal(3, m.body[0].n);
	close_message(&m);
}

/* Without edits all bytes come as one run, and are written as they were. */
static void test_next_and_write(void **state)
{
	static const char bytes[] = "A: b\nC: d\n\nbody\n\nmore\n";
	struct qf_span run, all = qf_span(bytes);
	struct qf_buf got = QF_BUF_INIT;
	struct qf_message m;
	struct qf_err e;
	size_t at = 0;
	int fd = unit_file("", 0), full = open("/dev/full", O_WRONLY);

	(void)state;
	open_message(&m, all);
	assert_true(qf_message_next(&m, &at, &run));
	assert_true(qf_span_eq(all, run));
	assert_false(qf_message_next(&m, &at, &run));
	assert_false(qf_message_next(&m, &at, &run));
	assert_int_equal(0, qf_message_write(&m, fd, &e));
	unit_contents(fd, &got);
	assert_string_equal(bytes, got.s);
	assert_int_equal(QF_EWRITE, qf_message_write(&m, full, &e));
	close(full);
	close(fd);
	close_message(&m);
	qf_buf_free(&got);
}

static void test_find(void **state)
{
	struct qf_message m;

	(void)state;
	open_message(
	    &m, qf_span("To: a\nno field\nSubject: x\nsubject : y\n\nTo: b\n"));
	assert_int_equal(2, qf_message_find(&m, qf_span("subject"), 0));
	assert_int_equal(3, qf_message_find(&m, qf_span("SUBJECT"), 3));
	assert_int_equal(-1, qf_message_find(&m, qf_span("subject"), 4));
	assert_int_equal(-1, qf_message_find(&m, qf_span("to"), 1));
	assert_int_equal(-1, qf_message_find(&m, qf_span("subj"), 0));
	assert_int_equal(-1, qf_message_find(&m, qf_span(""), 0));
	assert_int_equal(-1, qf_message_find(&m, qf_span("to"), 9));
	close_message(&m);
}

static void test_unreadable(void **state)
{
	struct qf_message m;
	struct qf_err e;
	int p[2];

	(void)state;
	assert_int_equal(0, pipe(p));
	assert_int_equal(QF_EREAD, qf_message_open(&m, p[0], &e));
	assert_int_equal(QF_EREAD, qf_message_open(&m, -1, NULL));
	close(p[0]);
	close(p[1]);
}

static void test_big_headers(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_message m;
	struct qf_err e;
	int fd;

	(void)state;
	for (int i = 0; i < 100000; i++)
		qf_buf_addf(&b, "X-%d: value\n more\n", i);
	qf_buf_adds(&b, "\nbody");
	open_message(&m, qf_buf_span(&b));
	assert_int_equal(100000, m.nfields);
	assert_int_equal(99999, qf_message_find(&m, qf_span("x-99999"), 0));
	close_message(&m);

	qf_buf_reset(&b);
	for (int i = 0; i < 1000000; i++)
		qf_buf_addc(&b, 'x');
	open_message(&m, qf_buf_span(&b));
	assert_int_equal(1, m.nfields);
	assert_true(m.field[0].malformed);
	close_message(&m);

	qf_buf_reset(&b);
	for (int i = 0; i <= QF_HEADER_MAX; i++)
		qf_buf_adds(&b, "a:\n");
	fd = unit_file(b.s, b.len);
	assert_int_equal(QF_ENOMEM, qf_message_open(&m, fd, &e));
	close(fd);
	fd = unit_file(b.s, b.len - 3);
	assert_int_equal(0, qf_message_open(&m, fd, &e));
	close(fd);
	qf_message_close(&m);
	qf_buf_free(&b);
}

static const struct crlf_case {
	struct qf_span bytes;
	const char *sent;
} crlf_cases[] = {
    {BYTES(""), ""},
    {BYTES("a"), "a\r\n"},
    {BYTES("a\n"), "a\r\n"},
    {BYTES("a\r"), "a\r\n"},
    {BYTES("a\r\n"), "a\r\n"},
    {BYTES("\n"), "\r\n"},
    {BYTES("\r\r\n\n"), "\r\n\r\n\r\n"},
    {BYTES("a\r.\rb\n.\r\n"), "a\r\n.\r\nb\r\n.\r\n"},
    {BYTES("\n\r\n\r"), "\r\n\r\n\r\n"},
    {BYTES("0123456789abcdef\n0123456\r01234567\r\n012345678"),
	"0123456789abcdef\r\n0123456\r\n01234567\r\n012345678\r\n"},
};

static void test_crlf(void **state)
{
	struct qf_buf got = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(crlf_cases); i++) {
		struct qf_crlf it = {0};
		struct qf_message m;
		struct qf_span s;

		qf_buf_reset(&got);
		open_message(&m, crlf_cases[i].bytes);
		while (qf_message_crlf_next(&m, &it, &s)) {
			assert_true(s.n > 0);
			qf_buf_addspan(&got, s);
		}
		assert_false(qf_message_crlf_next(&m, &it, &s));
		assert_string_equal(crlf_cases[i].sent, got.s);
		close_message(&m);
	}
	qf_buf_free(&got);
}

/* A message that is clean goes out as one run; one with only CR is not read
 * twice. */
static void test_crlf_runs(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_crlf it = {0}, again = {0};
	struct qf_message m;
	struct qf_span s;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 10000; i++)
		qf_buf_adds(&b, "some text\r\n");
	open_message(&m, qf_buf_span(&b));
	assert_true(qf_message_crlf_next(&m, &it, &s));
	assert_int_equal(b.len, s.n);
	assert_false(qf_message_crlf_next(&m, &it, &s));
	close_message(&m);
	qf_buf_reset(&b);
	for (int i = 0; i < 3000000; i++)
		qf_buf_addc(&b, '\r');
	open_message(&m, qf_buf_span(&b));
	while (qf_message_crlf_next(&m, &again, &s))
		n += s.n;
	assert_int_equal(6000000, n);
	close_message(&m);
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_index),
	    cmocka_unit_test(test_zero_bytes),
	    cmocka_unit_test(test_next_and_write),
	    cmocka_unit_test(test_find),
	    cmocka_unit_test(test_unreadable),
	    cmocka_unit_test(test_big_headers),
	    cmocka_unit_test(test_crlf),
	    cmocka_unit_test(test_crlf_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
