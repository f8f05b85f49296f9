#include "remote/survey.h"

#include "remote/smtp/data.h"
#include "tests/unit/unit.h"

static int file_of(const char *p, size_t n)
{
	FILE *f = tmpfile();
	int fd;

	assert_non_null(f);
	assert_int_equal(n, fwrite(p, 1, n, f));
	assert_int_equal(0, fflush(f));
	fd = dup(fileno(f));
	fclose(f);
	return fd;
}

/* The length on the wire is that of what BDAT sends. */
static void check(const char *p, size_t n, bool eightbit, bool ends)
{
	struct qf_smtp_data data = {.plain = true};
	struct qf_buf wire = QF_BUF_INIT;
	struct qf_survey v;
	int fd = file_of(p, n);

	qf_smtp_data_add(&data, &wire, qf_span_n(p, n));
	qf_smtp_data_end(&data, &wire);
	assert_int_equal(
	    0, qf_survey(&v, &(struct qf_body){.fd = fd, .end = n}, NULL));
	if (n <= QF_SURVEY_MOST) {
		assert_int_equal(wire.len, v.wire);
		assert_int_equal(eightbit, v.eightbit);
	} else {
		assert_in_range(v.wire, n, wire.len);
		assert_true(v.eightbit);
	}
	assert_int_equal(ends, v.ends);
	qf_buf_free(&wire);
	close(fd);
}

static void lines_and_bytes(void **state)
{
	static const struct {
		const char *message;
		bool eightbit, ends;
	} cases[] = {
	    {"", false, true},
	    {"a", false, false},
	    {"a\n", false, true},
	    {"a\r\n", false, true},
	    {"a\r", false, true},
	    {"\n\n\r\n", false, true},
	    {"\r\r\n\ra\n", false, true},
	    {".a\n..\n", false, true},
	    {"caf\xc3\xa9\n", true, true},
	    {"12345678\x80", true, false},
	    {"\x80"
	     "12345678\n",
		true, true},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		check(cases[i].message, strlen(cases[i].message),
		    cases[i].eightbit, cases[i].ends);
	check("a\0b\n", 4, false, true);
}

/* Around the size from which on only the end is looked at. */
static void long_messages(void **state)
{
	enum {
		SIZE = 3 * 65536
	};
	char *message = malloc(SIZE);

	(void)state;
	for (int shift = 0; shift < 5; shift++) {
		for (size_t i = 0; i < SIZE; i++)
			message[i] = "\r\n\na\r"[(i + (size_t)shift) % 5];
		for (size_t n = QF_SURVEY_MOST - 1; n < QF_SURVEY_MOST + 2; n++)
			check(message, n, false, message[n - 1] != 'a');
		check(message, SIZE - 1, false, message[SIZE - 2] != 'a');
	}
	free(message);
}

/* Bytes are counted many at a time: none is left out, and no count is full. */
static void every_place(void **state)
{
	enum {
		SIZE = 3 * 4096 + 40
	};
	static const char bytes[] = "\n\r\x80";
	char *message = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < 3 * 40; i++) {
		memset(message, 'a', 40);
		message[i / 3] = bytes[i % 3];
		check(message, 40, i % 3 == 2, i / 3 == 39 && i % 3 != 2);
	}
	for (size_t i = 0; i < 2; i++) {
		memset(message, bytes[i], SIZE);
		check(message, SIZE, false, true);
	}
	free(message);
}

static void part_of_a_file(void **state)
{
	struct qf_survey v;
	struct qf_err e;
	int fd = file_of("head\n\xff\nbody\n", 12);
	struct qf_body part = {fd, 7, 12};

	(void)state;
	assert_int_equal(0, qf_survey(&v, &part, &e));
	assert_int_equal(6, v.wire);
	assert_false(v.eightbit);
	assert_int_equal(7, part.at);
	part.end++;
	assert_int_equal(QF_EREAD, qf_survey(&v, &part, &e));
	assert_string_equal(
	    "the message became shorter while it was sent", e.text);
	close(fd);
	assert_int_equal(QF_EREAD, qf_survey(&v, &part, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_and_bytes),
	    cmocka_unit_test(long_messages),
	    cmocka_unit_test(every_place),
	    cmocka_unit_test(part_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
