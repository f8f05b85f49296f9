#include "remote/address.h"

#include "tests/unit/unit.h"

static void forms_on_the_wire(void **state)
{
	static const struct {
		const char *addr, *wire; /* NULL: none */
		bool utf8;
	} cases[] = {
	    {"", "", false},
	    {"a@b.example", "a@b.example", false},
	    {"a b@b.example", "\"a b\"@b.example", false},
	    {"\"a b\"@b.example", "\"a b\"@b.example", false},
	    {"a@b\xc3\xbc.example", "a@xn--b-eha.example", false},
	    {"\"a b\"@b\xc3\xbc.example", "\"a b\"@xn--b-eha.example", false},
	    {"\xc3\xa4@b.example", "\xc3\xa4@b.example", true},
	    {"\xc3\xa4@b\xc3\xbc.example", "\xc3\xa4@b\xc3\xbc.example", true},
	    /* No name of a host: a server with SMTPUTF8 may know better. */
	    {"a@\xc3\xbc..example", "a@\xc3\xbc..example", true},
	    {"a@b\xff.example", NULL, false},
	    {"a<b@c", NULL, false},
	    {"a@b c", NULL, false},
	    {"a@b\r\nDATA", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_buf out = QF_BUF_INIT;
		struct qf_err e;
		bool utf8 = false;
		int rc = qf_address_add(
		    &out, qf_span(cases[i].addr), "recipient", &utf8, &e);

		if (cases[i].wire == NULL) {
			assert_int_equal(QF_EFORMAT, rc);
		} else {
			assert_int_equal(0, rc);
			assert_string_equal(
			    cases[i].wire, out.len > 0 ? out.s : "");
			assert_int_equal(cases[i].utf8, utf8);
		}
		qf_buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forms_on_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
