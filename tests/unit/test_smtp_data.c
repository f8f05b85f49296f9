#include "remote/smtp/data.h"

#include "tests/unit/unit.h"

/* A reference that is as slow as it is plain: all line ends to LF first, then
 * line by line. */
static void reference(struct qf_buf *out, const char *p, size_t n)
{
	char lf[64];
	size_t m = 0, start = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			continue;
		lf[m++] = p[i] == '\r' ? '\n' : p[i];
	}
	if (m > 0 && lf[m - 1] != '\n')
		lf[m++] = '\n';
	for (size_t i = 0; i < m; i++) {
		if (lf[i] != '\n')
			continue;
		if (lf[start] == '.')
			qf_buf_addc(out, '.');
		qf_buf_add(out, lf + start, i - start);
		qf_buf_adds(out, "\r\n");
		start = i + 1;
	}
	qf_buf_adds(out, ".\r\n");
}

static void encode(struct qf_buf *out, const char *p, size_t n, size_t split)
{
	struct qf_smtp_data d = {0};

	qf_smtp_data_add(&d, out, qf_span_n(p, split));
	qf_smtp_data_add(&d, out, qf_span_n(p + split, n - split));
	qf_smtp_data_end(&d, out);
}

/* No bare CR or LF, and the end of data only at the end. */
static void is_safe(const struct qf_buf *b)
{
	static const char end[] = "\r\n.\r\n";
	const char *at;

	for (size_t i = 0; i < b->len; i++) {
		if (b->s[i] == '\r')
			assert_int_equal('\n', b->s[i + 1]);
		if (b->s[i] == '\n')
			assert_true(i > 0 && b->s[i - 1] == '\r');
	}
	if (b->len == 3)
		return;
	assert_memory_not_equal(b->s, ".\r\n", 3);
	at = memmem(b->s, b->len, end, 5);
	assert_ptr_equal(b->s + b->len - 5, at);
}

static void every_string_and_split(void **state)
{
	static const char letters[] = {'\r', '\n', '.', 'a', '\0'};
	size_t longest = getenv("QF_VALGRIND") != NULL ? 4 : 7;
	struct qf_buf want = QF_BUF_INIT, got = QF_BUF_INIT;
	char text[8];

	(void)state;
	for (size_t n = 0; n <= longest; n++) {
		size_t count = 1;

		for (size_t i = 0; i < n; i++)
			count *= sizeof letters;
		for (size_t k = 0; k < count; k++) {
			for (size_t i = 0, rest = k; i < n; i++) {
				text[i] = letters[rest % sizeof letters];
				rest /= sizeof letters;
			}
			qf_buf_reset(&want);
			reference(&want, text, n);
			is_safe(&want);
			for (size_t split = 0; split <= n; split++) {
				qf_buf_reset(&got);
				encode(&got, text, n, split);
				assert_int_equal(want.len, got.len);
				assert_memory_equal(want.s, got.s, want.len);
			}
		}
	}
	qf_buf_free(&want);
	qf_buf_free(&got);
}

/* The same for two letters anywhere in longer lines, of which many bytes are
 * looked at together. */
static void every_pair_of_places(void **state)
{
	static const char letters[] = {'\r', '\n', '.'};
	enum {
		SIZE = 40,
		PAIRS = sizeof letters * sizeof letters
	};
	size_t step = getenv("QF_VALGRIND") != NULL ? 7 : 1;
	struct qf_buf want = QF_BUF_INIT, got = QF_BUF_INIT;
	char text[SIZE];

	(void)state;
	for (size_t k = 0; k < (size_t)SIZE * SIZE * PAIRS; k += step) {
		size_t pair = k % PAIRS, place = k / PAIRS;

		memset(text, 'a', SIZE);
		text[place % SIZE] = letters[pair % sizeof letters];
		text[place / SIZE] = letters[pair / sizeof letters];
		qf_buf_reset(&want);
		reference(&want, text, SIZE);
		is_safe(&want);
		for (size_t split = 0; split <= SIZE; split += 13) {
			qf_buf_reset(&got);
			encode(&got, text, SIZE, split);
			assert_int_equal(want.len, got.len);
			assert_memory_equal(want.s, got.s, want.len);
		}
	}
	qf_buf_free(&want);
	qf_buf_free(&got);
}

static void known_bytes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"", ".\r\n"},
	    {"a", "a\r\n.\r\n"},
	    {"a\n", "a\r\n.\r\n"},
	    {"a\r\n", "a\r\n.\r\n"},
	    {"a\r", "a\r\n.\r\n"},
	    {"a\rb\n", "a\r\nb\r\n.\r\n"},
	    {"a\r\r\n", "a\r\n\r\n.\r\n"},
	    {"a\r.b\n", "a\r\n..b\r\n.\r\n"},
	    {".", "..\r\n.\r\n"},
	    {"..\n", "...\r\n.\r\n"},
	    {"a\n.\nMAIL FROM:<x@y>\n", "a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"},
	    {"a\r.\r\nMAIL FROM:<x@y>\r\n",
		"a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"},
	};
	struct qf_buf got = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		qf_buf_reset(&got);
		encode(&got, cases[i].in, strlen(cases[i].in), 0);
		assert_string_equal(cases[i].out, got.s);
	}
	qf_buf_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_bytes),
	    cmocka_unit_test(every_string_and_split),
	    cmocka_unit_test(every_pair_of_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
