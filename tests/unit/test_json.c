#include "lib/base/json.h"

#include "tests/unit/unit.h"

static void test_values(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};

	(void)state;
	qf_json_object(&j, NULL);
	qf_json_text(&j, "a", "x");
	qf_json_text(&j, "none", NULL);
	qf_json_number(&j, "low", INT64_MIN);
	qf_json_number(&j, "high", INT64_MAX);
	qf_json_bool(&j, "yes", true);
	qf_json_array(&j, "list");
	qf_json_end(&j);
	qf_json_array(&j, "more");
	qf_json_number(&j, NULL, 1);
	qf_json_object(&j, NULL);
	qf_json_end(&j);
	qf_json_object(&j, NULL);
	qf_json_bool(&j, "no", false);
	qf_json_end(&j);
	qf_json_text(&j, NULL, "");
	qf_json_end(&j);
	qf_json_text(&j, "z", "");
	qf_json_end(&j);
	assert_string_equal(out.s,
	    "{\"a\":\"x\",\"none\":null,\"low\":-9223372036854775808,"
	    "\"high\":9223372036854775807,\"yes\":true,\"list\":[],"
	    "\"more\":[1,{},{\"no\":false},\"\"],\"z\":\"\"}\n");
	qf_buf_free(&out);
}

#define BYTES(s)                                                               \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}
#define BAD "\xef\xbf\xbd"

static void test_strings(void **state)
{
	static const struct {
		struct qf_span bytes;
		const char *want;
	} t[] = {
	    {BYTES("a\"b\\c/d"), "a\\\"b\\\\c/d"},
	    {BYTES("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
	    {BYTES("\0\x1b\x1f\x7f x"), "\\u0000\\u001b\\u001f\\u007f x"},
	    /* the shortest and the longest of each length */
	    {BYTES("\xc2\x80\xdf\xbf"), "\xc2\x80\xdf\xbf"},
	    {BYTES("\xe0\xa0\x80\xef\xbf\xbf"), "\xe0\xa0\x80\xef\xbf\xbf"},
	    {BYTES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
		"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
	    {BYTES("\xed\x9f\xbf\xee\x80\x80"), "\xed\x9f\xbf\xee\x80\x80"},
	    /* a lone continuation, bytes that never occur, Latin-1 */
	    {BYTES("\x80x\xfe\xff"), BAD "x" BAD BAD},
	    {BYTES("gr\xfc\xdf"), "gr" BAD BAD},
	    /* too long, surrogates, above the last character */
	    {BYTES("\xc0\xaf"), BAD BAD},
	    {BYTES("\xe0\x9f\xbf"), BAD BAD BAD},
	    {BYTES("\xed\xa0\x80"), BAD BAD BAD},
	    {BYTES("\xf4\x90\x80\x80"), BAD BAD BAD BAD},
	    /* cut short, at the end and before another character */
	    {BYTES("\xe2\x82"), BAD BAD},
	    {BYTES("\xf0\x9f\x98"), BAD BAD BAD},
	    {BYTES("\xe2\x82\""), BAD BAD "\\\""},
	    {BYTES("\xf0\x9f\xc3\xa4"), BAD BAD "\xc3\xa4"},
	};
	struct qf_buf out = QF_BUF_INIT, want = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_json j = {.out = &out};

		qf_buf_reset(&out);
		qf_buf_reset(&want);
		qf_buf_addf(&want, "\"%s\"", t[i].want);
		qf_json_string(&j, NULL, t[i].bytes);
		assert_string_equal(out.s, want.s);
	}
	qf_buf_free(&out);
	qf_buf_free(&want);
}

static void test_names_are_escaped(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};

	(void)state;
	qf_json_object(&j, NULL);
	qf_json_number(&j, "a\"\xff", 0);
	qf_json_end(&j);
	assert_string_equal(out.s, "{\"a\\\"" BAD "\":0}\n");
	qf_buf_free(&out);
}

static void test_depth(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};

	(void)state;
	for (int i = 0; i < QF_JSON_DEPTH; i++)
		qf_json_array(&j, NULL);
	for (int i = 0; i < QF_JSON_DEPTH; i++)
		qf_json_end(&j);
	assert_string_equal(out.s, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n");
	qf_buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_strings),
	    cmocka_unit_test(test_names_are_escaped),
	    cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
