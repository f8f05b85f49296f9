#include "lib/base/utf8.h"

#include "tests/unit/unit.h"

static const struct {
	const char *bytes;
	size_t n, length;
	unsigned point;
} cases[] = {
    {"", 1, 1, 0},
    {"a", 1, 1, 'a'},
    {"\x7f", 1, 1, 0x7f},
    {"\x80", 1, 0, 0},
    {"\xc1\xbf", 2, 0, 0},
    {"\xc2\x80", 2, 2, 0x80},
    {"\xc3\xa9x", 3, 2, 0xe9},
    {"\xc3", 1, 0, 0},
    {"\xc3y", 2, 0, 0},
    {"\xdf\xbf", 2, 2, 0x7ff},
    {"\xe0\x9f\xbf", 3, 0, 0},
    {"\xe0\xa0\x80", 3, 3, 0x800},
    {"\xe2\x82\xac", 3, 3, 0x20ac},
    {"\xe2\x82", 2, 0, 0},
    {"\xed\x9f\xbf", 3, 3, 0xd7ff},
    {"\xed\xa0\x80", 3, 0, 0},
    {"\xed\xbf\xbf", 3, 0, 0},
    {"\xee\x80\x80", 3, 3, 0xe000},
    {"\xf0\x8f\xbf\xbf", 4, 0, 0},
    {"\xf0\x90\x80\x80", 4, 4, 0x10000},
    {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
    {"\xf4\x90\x80\x80", 4, 0, 0},
    {"\xf5\x80\x80\x80", 4, 0, 0},
    {"\xff", 1, 0, 0},
};

static void test_char(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		unsigned point = 7;

		assert_int_equal(cases[i].length,
		    qf_utf8_char(cases[i].bytes, cases[i].n, &point));
		assert_int_equal(cases[i].point, point);
	}
}

static void test_valid(void **state)
{
	(void)state;
	assert_true(qf_utf8_is_valid(qf_span("")));
	assert_true(qf_utf8_is_valid(qf_span("a\xc3\xa9\xe2\x82\xac\n")));
	assert_false(qf_utf8_is_valid(qf_span("a\xc3\xa9\xe2\x82")));
	assert_false(qf_utf8_is_valid(qf_span("\xe9t\xe9")));
}

static void test_control(void **state)
{
	(void)state;
	assert_true(qf_utf8_is_control(0));
	assert_true(qf_utf8_is_control('\n'));
	assert_false(qf_utf8_is_control(' '));
	assert_false(qf_utf8_is_control('~'));
	assert_true(qf_utf8_is_control(0x7f));
	assert_true(qf_utf8_is_control(0x9f));
	assert_false(qf_utf8_is_control(0xa0));
	assert_true(qf_utf8_is_control(0x2028));
	assert_false(qf_utf8_is_control(0x20ac));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_char),
	    cmocka_unit_test(test_valid),
	    cmocka_unit_test(test_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
