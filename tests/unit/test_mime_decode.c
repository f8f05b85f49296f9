#include "lib/mail/mime_decode.h"

#include "tests/unit/unit.h"

static const struct {
	const char *in, *out;
} base64_cases[] = {
    {"", ""},
    {"YWJj", "abc"},
    {"YWJjZA==", "abcd"},
    {"YWJjZGU=", "abcde"},
    {"YW\r\nJj\nZGVm\n", "abcdef"},
    {"Y W*J-j", "abc"},
    {"YWJjZA", "abcd"},
    {"YWJjZGU", "abcde"},
    {"YWJjZ", "abc"},
    {"YWJjZA==YWJj", "abcd"},
    {"=YWJj", ""},
    {"//79+w==", "\xff\xfe\xfd\xfb"},
    {"\xff\x80YWJj", "abc"},
};

static const struct {
	const char *in, *out;
} qp_cases[] = {
    {"", ""},
    {"abc\n", "abc\n"},
    {"a=3Db=3db", "a=b=b"},
    {"soft =\nbreak=\r\nhere", "soft breakhere"},
    {"soft= \t\nbreak", "softbreak"},
    {"end=", "end"},
    {"end=  ", "end"},
    {"a=\n", "a"},
    {"blanks \t\nx \r\ny ", "blanks\nx\r\ny"},
    {"kept=20\nkept =20 \n", "kept \nkept  \n"},
    {"a  b\tc", "a  b\tc"},
    {"=ZZ=4=G1==41", "=ZZ=4=G1=A"},
    {"=4", "=4"},
    {"= x", "= x"},
    {"=C3=A9\xc3\xa9", "\xc3\xa9\xc3\xa9"},
    {"a\rb \rc", "a\rb \rc"},
};

static void test_base64(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(base64_cases); i++) {
		struct qf_buf b = QF_BUF_INIT;

		assert_int_equal(
		    0, qf_base64_decode(qf_span(base64_cases[i].in), &b));
		assert_string_equal(base64_cases[i].out, b.s);
		qf_buf_free(&b);
	}
}

static void test_qp(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(qp_cases); i++) {
		struct qf_buf b = QF_BUF_INIT;

		assert_int_equal(0, qf_qp_decode(qf_span(qp_cases[i].in), &b));
		assert_string_equal(qp_cases[i].out, b.s);
		qf_buf_free(&b);
	}
}

/* Longer than what is decoded in one go, and linear for runs of blanks. */
static void test_long(void **state)
{
	struct qf_buf in = QF_BUF_INIT, out = QF_BUF_INIT;

	(void)state;
	for (int i = 0; i < 300000; i++)
		qf_buf_adds(&in, "AAEC");
	assert_int_equal(0, qf_base64_decode(qf_buf_span(&in), &out));
	assert_int_equal(900000, out.len);
	for (size_t i = 0; i < out.len; i++)
		assert_true(out.s[i] == (char)(i % 3));
	qf_buf_reset(&in);
	qf_buf_reset(&out);
	for (int i = 0; i < 400000; i++)
		qf_buf_adds(&in, "= ");
	for (int i = 0; i < 400000; i++)
		qf_buf_adds(&in, " ");
	qf_buf_adds(&in, "x");
	assert_int_equal(0, qf_qp_decode(qf_buf_span(&in), &out));
	assert_true(qf_span_eq(qf_buf_span(&in), qf_buf_span(&out)));
	qf_buf_free(&in);
	qf_buf_free(&out);
}

static void test_limit(void **state)
{
	struct qf_buf b = QF_BUF_INIT_MAX(5);

	(void)state;
	assert_int_equal(
	    QF_ETOOLONG, qf_base64_decode(qf_span("YWJjYWJj"), &b));
	assert_int_equal(0, qf_base64_decode(qf_span("YWJj"), &b));
	assert_int_equal(QF_ETOOLONG, qf_qp_decode(qf_span("xyz"), &b));
	assert_int_equal(0, qf_qp_decode(qf_span("=3Dy"), &b));
	assert_string_equal("abc=y", b.s);
	qf_buf_free(&b);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(QF_ENCODING_NONE, qf_encoding_find(qf_span("")));
	assert_int_equal(QF_ENCODING_NONE, qf_encoding_find(qf_span("8BIT")));
	assert_int_equal(
	    QF_ENCODING_QP, qf_encoding_find(qf_span("Quoted-Printable")));
	assert_int_equal(
	    QF_ENCODING_BASE64, qf_encoding_find(qf_span("base64")));
	assert_int_equal(
	    QF_ENCODING_OTHER, qf_encoding_find(qf_span("base64 ")));
	assert_int_equal(QF_ENCODING_OTHER, qf_encoding_find(qf_span("gzip")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_qp),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
