#include "lib/mail/addr.h"

#include "tests/unit/unit.h"

static const struct part_case {
	const char *addr, *local, *domain;
} part_cases[] = {
    {"a@b", "a", "b"},
    {"a@b@c", "a@b", "c"},
    {"a@", "a", ""},
    {"@b", "", "b"},
    {"@", "", ""},
    {"a", "a", ""},
    {"", "", ""},
    {"#@[]", "#", "[]"},
};

static void test_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(part_cases); i++) {
		const struct part_case *c = &part_cases[i];

		assert_true(
		    qf_span_is(qf_addr_local(qf_span(c->addr)), c->local));
		assert_true(
		    qf_span_is(qf_addr_domain(qf_span(c->addr)), c->domain));
	}
	assert_int_equal(0, qf_addr_domain((struct qf_span){0}).n);
}

static const struct quote_case {
	const char *addr, *sent;
	bool safe; /* in its sent form, without SMTPUTF8 */
} quote_cases[] = {
    {"", "", true},
    {"a@b", "a@b", true},
    {"a.b-c_d+e=f@x.example", "a.b-c_d+e=f@x.example", true},
    {"!#$%&'*+-/=?^_`{|}~@b", "!#$%&'*+-/=?^_`{|}~@b", true},
    {"#@[]", "#@[]", true},
    {"postmaster", "postmaster", true},
    /* as it is without a domain */
    {"joe blow", "joe blow", false},
    {"joe blow@b", "\"joe blow\"@b", true},
    {"a@b@c", "\"a@b\"@c", true},
    {"@b", "\"\"@b", true},
    {".a@b", "\".a\"@b", true},
    {"a.@b", "\"a.\"@b", true},
    {"a..b@c", "\"a..b\"@c", true},
    {".@c", "\".\"@c", true},
    {"a\"b@c", "\"a\\\"b\"@c", true},
    {"a\\@c", "\"a\\\\\"@c", true},
    {"a(b),c;d:e@f", "\"a(b),c;d:e\"@f", true},
    {"\"a b\"@c", "\"\\\"a b\\\"\"@c", true},
    {"a<b@c", "\"a<b\"@c", false},
    {"a@b>c", "a@b>c", false},
    {"a@b c", "a@b c", false},
    {"a\rb@c", "\"a\\\rb\"@c", false},
    {"a\nb@c", "\"a\\\nb\"@c", false},
    {"a\tb@c", "\"a\tb\"@c", false},
    {"a@b\r\nRCPT TO:<x>", "a@b\r\nRCPT TO:<x>", false},
    {"a\x7f@b", "\"a\x7f\"@b", false},
    {"\xc3\xa4@b", "\xc3\xa4@b", false},
    {"\xc3 b@b", "\"\xc3 b\"@b", false},
};

static void test_quote(void **state)
{
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(quote_cases); i++) {
		const struct quote_case *c = &quote_cases[i];

		qf_buf_reset(&b);
		qf_addr_quote(&b, qf_span(c->addr));
		assert_string_equal(c->sent, b.s);
		assert_int_equal(
		    c->safe, qf_addr_is_wire_safe(qf_buf_span(&b), false));
	}
	/* a zero byte */
	qf_buf_reset(&b);
	qf_addr_quote(&b, qf_span_n("a\0b@c", 5));
	assert_int_equal(7, b.len);
	assert_memory_equal("\"a\0b\"@c", b.s, b.len);
	assert_false(qf_addr_is_wire_safe(qf_buf_span(&b), true));
	qf_buf_free(&b);
}

static void test_wire_safe(void **state)
{
	(void)state;
	assert_true(qf_addr_is_wire_safe(qf_span("\xc3\xa4@b"), true));
	assert_false(qf_addr_is_wire_safe(qf_span("\xc3\xa4@b"), false));
	assert_false(qf_addr_is_wire_safe(qf_span("\"a\n\"@b"), true));
	assert_false(qf_addr_is_wire_safe(qf_span("\"a@b"), true));
	assert_false(qf_addr_is_wire_safe(qf_span("\"a\\\"@b"), true));
	assert_false(qf_addr_is_wire_safe(qf_span("\"a\" b@c"), true));
	assert_true(qf_addr_is_ascii(qf_span("a@b")));
	assert_true(qf_addr_is_ascii(qf_span("")));
	assert_false(qf_addr_is_ascii(qf_span("a@\xc3\xa4.example")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_quote),
	    cmocka_unit_test(test_wire_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
