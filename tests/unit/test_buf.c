#include "lib/base/buf.h"

#include "tests/unit/unit.h"

static void test_append(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char *taken;

	(void)state;
	assert_string_equal("", b.s);
	assert_int_equal(0, qf_buf_add(&b, NULL, 0));
	assert_int_equal(0, qf_buf_adds(&b, "ab"));
	assert_int_equal(0, qf_buf_addc(&b, 'c'));
	assert_int_equal(0, qf_buf_add(&b, "d\0e", 3));
	assert_int_equal(0, qf_buf_addf(&b, "%d%s", 12, ""));
	assert_int_equal(0, qf_buf_addspan(&b, qf_span("x")));
	assert_int_equal(9, b.len);
	assert_memory_equal("abcd\0e12x", b.s, 10);
	qf_buf_reset(&b);
	assert_string_equal("", b.s);
	assert_int_equal(0, b.len);
	qf_buf_adds(&b, "kept");
	taken = qf_buf_detach(&b);
	assert_string_equal("kept", taken);
	assert_string_equal("", b.s);
	free(taken);
	taken = qf_buf_detach(&b);
	assert_string_equal("", taken);
	free(taken);
	qf_buf_free(&b);
	qf_buf_free(&b);
}

static void test_growth(void **state)
{
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		assert_int_equal(0, qf_buf_addc(&b, (char)('a' + i % 26)));
		assert_int_equal(i + 1, b.len);
		assert_true(b.cap > b.len);
		assert_int_equal('\0', b.s[b.len]);
	}
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal('a' + i % 26, b.s[i]);
	/* room for reading into */
	qf_buf_reserve(&b, 100000);
	assert_true(b.cap - b.len > 100000);
	memset(b.s + b.len, 'x', 100000);
	qf_buf_free(&b);
}

static void test_limit(void **state)
{
	struct qf_buf b = QF_BUF_INIT_MAX(5);

	(void)state;
	assert_int_equal(0, qf_buf_adds(&b, "abc"));
	assert_int_equal(QF_ETOOLONG, qf_buf_adds(&b, "def"));
	assert_int_equal(QF_ETOOLONG, qf_buf_addf(&b, "%s", "def"));
	assert_int_equal(QF_ETOOLONG, qf_buf_add(&b, "x", SIZE_MAX));
	assert_string_equal("abc", b.s);
	assert_int_equal(0, qf_buf_addf(&b, "%d", 12));
	assert_int_equal(QF_ETOOLONG, qf_buf_addc(&b, 'x'));
	assert_string_equal("abc12", b.s);
	qf_buf_free(&b);
	assert_int_equal(5, b.max);
}

static void test_compare(void **state)
{
	struct qf_span none = {0};

	(void)state;
	assert_true(qf_span_eq(none, qf_span("")));
	assert_true(qf_span_ieq(none, qf_span("")));
	assert_true(qf_span_is(qf_span("ab"), "ab"));
	assert_false(qf_span_is(qf_span("ab"), "aB"));
	assert_false(qf_span_is(qf_span("ab"), "abc"));
	assert_true(qf_span_iis(qf_span("aZ[@`{"), "Az[@`{"));
	/* only letters of ASCII have a case */
	assert_false(qf_span_iis(qf_span("["), "{"));
	assert_false(qf_span_iis(qf_span("@"), "`"));
	assert_false(qf_span_iis(qf_span("\xc4"), "\xe4"));
	/* what stands behind a zero byte counts */
	assert_false(qf_span_ieq(qf_span_n("a\0b", 3), qf_span_n("a\0c", 3)));
	assert_false(qf_span_eq(qf_span_n("a\0b", 3), qf_span_n("a\0c", 3)));
}

static void test_trim_and_cut(void **state)
{
	struct qf_span rest = qf_span("a:b::"), head;

	(void)state;
	assert_true(qf_span_is(qf_span_trim(qf_span(" \t\r\na b\n ")), "a b"));
	assert_true(qf_span_is(qf_span_trim(qf_span(" \n ")), ""));
	assert_true(qf_span_is(qf_span_trim((struct qf_span){0}), ""));
	assert_true(qf_span_cut(&rest, ':', &head));
	assert_true(qf_span_is(head, "a"));
	assert_true(qf_span_cut(&rest, ':', &head));
	assert_true(qf_span_is(head, "b"));
	assert_true(qf_span_cut(&rest, ':', &head));
	assert_true(qf_span_is(head, ""));
	assert_int_equal(0, rest.n);
	assert_false(qf_span_cut(&rest, ':', &head));
	rest = qf_span("none");
	assert_false(qf_span_cut(&rest, ':', &head));
	assert_true(qf_span_is(rest, "none"));
}

static void test_numbers(void **state)
{
	static const struct {
		const char *s;
		unsigned long long max, value;
		bool good;
	} c[] = {
	    {"0", 0, 0, true},
	    {"007", 7, 7, true},
	    {"8", 7, 0, false},
	    {"9", 5, 0, false},
	    {"9", 0, 0, false},
	    {"10", 9, 0, false},
	    {"65535", 65535, 65535, true},
	    {"65536", 65535, 0, false},
	    {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
	    {"18446744073709551616", UINT64_MAX, 0, false},
	    {"99999999999999999999", UINT64_MAX, 0, false},
	    {"", 9, 0, false},
	    {"-1", 9, 0, false},
	    {"+1", 9, 0, false},
	    {" 1", 9, 0, false},
	    {"1x", 9, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(c); i++) {
		unsigned long long v = 4711;

		assert_int_equal(
		    c[i].good, qf_span_u64(qf_span(c[i].s), c[i].max, &v));
		assert_int_equal(c[i].good ? c[i].value : 4711, v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_append),
	    cmocka_unit_test(test_growth),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_compare),
	    cmocka_unit_test(test_trim_and_cut),
	    cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
