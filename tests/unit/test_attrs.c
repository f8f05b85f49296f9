#include "lib/mail/attrs.h"

#include "tests/unit/unit.h"

/* The list as one text. */
static const char *as_text(const struct qf_attrs *a)
{
	static char text[400];
	size_t bytes = 0;

	text[0] = '\0';
	for (size_t i = 0; i < a->list.n; i++) {
		size_t at = strlen(text);

		snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? "|" : "",
		    a->list.v[i]);
		bytes += strlen(a->list.v[i]);
	}
	assert_int_equal(bytes, a->bytes);
	return text;
}

static void test_add(void **state)
{
	static const struct {
		const char *record;
		int rc;
		const char *part; /* of the complaint */
	} t[] = {
	    {"HOLD=it is spam", 0, NULL},
	    {"HOLD=", 0, NULL},
	    {"NOTIFY=SUCCESS,FAILURE", 0, NULL},
	    {"SMTPUTF8=", 0, NULL},
	    {"CATEGORY=gr\xc3\xbcn = \xff", 0, NULL},
	    {"ROUTE=mx.example:2525", 0, NULL},
	    {"HOLD", QF_EFORMAT, "unknown"},
	    {"HOLDS=x", QF_EFORMAT, "unknown"},
	    {"hold=x", QF_EFORMAT, "unknown"},
	    {"=x", QF_EFORMAT, "unknown"},
	    {"", QF_EFORMAT, "unknown"},
	    {"STAGE=a\nb", QF_EFORMAT, "STAGE holds a control"},
	    {"RET=\x7f", QF_EFORMAT, "RET holds a control"},
	    {"ROUTE=", QF_EFORMAT, "no host"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_attrs a = {0};
		struct qf_err e = {0};

		assert_int_equal(
		    t[i].rc, qf_attrs_add(&a, qf_span(t[i].record), &e));
		assert_string_equal(
		    t[i].rc == 0 ? t[i].record : "", as_text(&a));
		if (t[i].part != NULL)
			assert_non_null(strstr(e.text, t[i].part));
		qf_attrs_free(&a);
	}
}

static void test_set_and_remove(void **state)
{
	struct qf_attrs a = {0}, b = {0};
	struct qf_err e;

	(void)state;
	assert_null(qf_attrs_get(&a, "HOLD"));
	qf_attrs_remove(&a, "HOLD");
	assert_int_equal(0, qf_attrs_add(&a, qf_span("ORCPT=1"), &e));
	assert_int_equal(0, qf_attrs_add(&a, qf_span("HOLD=x"), &e));
	assert_int_equal(0, qf_attrs_add(&a, qf_span("ORCPT=2"), &e));
	assert_int_equal(0, qf_attrs_set(&a, "RET", qf_span("HDRS"), &e));
	assert_string_equal("ORCPT=1|HOLD=x|ORCPT=2|RET=HDRS", as_text(&a));
	assert_string_equal("1", qf_attrs_get(&a, "ORCPT"));
	qf_attrs_copy(&b, &a);
	/* All of a key become one, in the place of the first. */
	assert_int_equal(0, qf_attrs_set(&a, "ORCPT", qf_span("new"), &e));
	assert_string_equal("ORCPT=new|HOLD=x|RET=HDRS", as_text(&a));
	assert_int_equal(
	    QF_EFORMAT, qf_attrs_set(&a, "ORCPT", qf_span("\r"), &e));
	assert_int_equal(QF_EFORMAT, qf_attrs_set(&a, "X", qf_span("y"), &e));
	assert_string_equal("ORCPT=new|HOLD=x|RET=HDRS", as_text(&a));
	qf_attrs_remove(&b, "ORCPT");
	assert_string_equal("HOLD=x|RET=HDRS", as_text(&b));
	qf_attrs_copy(&a, &b);
	assert_string_equal("HOLD=x|RET=HDRS", as_text(&a));
	assert_int_equal(0, qf_attrs_set(&a, "ROUTE", qf_span("h"), &e));
	assert_int_equal(0, qf_attrs_set(&a, "STAGE", qf_span("s"), &e));
	assert_int_equal(0, qf_attrs_set(&a, "CATEGORY", qf_span("c"), &e));
	qf_attrs_remove_ours(&a);
	assert_string_equal("RET=HDRS", as_text(&a));
	qf_attrs_remove(&a, "RET");
	assert_string_equal("", as_text(&a));
	qf_attrs_free(&a);
	qf_attrs_free(&b);
}

/* However much a submitter asks for, there is room to hold the message. */
static void test_limits(void **state)
{
	struct qf_buf big = QF_BUF_INIT;
	struct qf_attrs a = {0};
	struct qf_err e;
	size_t n = 0;

	(void)state;
	while (qf_attrs_add(&a, qf_span("ORCPT="), &e) == 0)
		n++;
	assert_true(n > 1000 && n < QF_ATTRS_MAX);
	assert_int_equal(QF_EFORMAT, qf_attrs_set(&a, "RET", qf_span("x"), &e));
	assert_int_equal(0, qf_attrs_set(&a, "HOLD", qf_span("why"), &e));
	assert_string_equal("why", qf_attrs_get(&a, "HOLD"));
	for (; n < QF_ATTRS_MAX - 1; n++)
		assert_int_equal(0, qf_attrs_add(&a, qf_span("STAGE=x"), &e));
	assert_int_equal(QF_EFORMAT, qf_attrs_add(&a, qf_span("STAGE=x"), &e));
	assert_int_equal(0, qf_attrs_set(&a, "STAGE", qf_span("y"), &e));
	qf_attrs_remove(&a, "ORCPT");
	assert_string_equal("HOLD=why|STAGE=y", as_text(&a));
	qf_attrs_free(&a);
	for (int i = 0; i < QF_ATTRS_BYTES - 5; i++)
		qf_buf_addc(&big, 'x');
	assert_int_equal(
	    QF_EFORMAT, qf_attrs_set(&a, "ENVID", qf_buf_span(&big), &e));
	assert_int_equal(0, qf_attrs_set(&a, "HOLD", qf_buf_span(&big), &e));
	assert_int_equal(0, qf_attrs_set(&a, "HOLD", qf_buf_span(&big), &e));
	assert_int_equal(QF_EFORMAT, qf_attrs_add(&a, qf_span("STAGE="), &e));
	qf_buf_addc(&big, 'x');
	assert_int_equal(
	    QF_EFORMAT, qf_attrs_set(&a, "HOLD", qf_buf_span(&big), &e));
	assert_int_equal(QF_ATTRS_BYTES, a.bytes);
	qf_attrs_free(&a);
	big.len = 40000;
	assert_int_equal(
	    0, qf_attrs_set(&a, "ENVID", qf_span_n(big.s, big.len), &e));
	assert_int_equal(
	    0, qf_attrs_set(&a, "ENVID", qf_span_n(big.s, big.len), &e));
	assert_int_equal(
	    QF_EFORMAT, qf_attrs_set(&a, "ORCPT", qf_span_n(big.s, 10000), &e));
	assert_int_equal(
	    0, qf_attrs_set(&a, "HOLD", qf_span_n(big.s, 16000), &e));
	qf_buf_free(&big);
	qf_attrs_free(&a);
}

static void test_route(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		unsigned port;
	} t[] = {
	    {"mx.example", "mx.example", 25},
	    {"mx.example:1", "mx.example", 1},
	    {"mx.example:65535", "mx.example", 65535},
	    {"192.0.2.1:2525", "192.0.2.1", 2525},
	    {"[2001:db8::1]", "2001:db8::1", 25},
	    {"[2001:db8::1]:26", "2001:db8::1", 26},
	    {"", NULL, 0},
	    {":25", NULL, 0},
	    {"h:", NULL, 0},
	    {"h:0", NULL, 0},
	    {"h:65536", NULL, 0},
	    {"h:25x", NULL, 0},
	    {"h:25:26", NULL, 0},
	    {"2001:db8::1", NULL, 0},
	    {"[]", NULL, 0},
	    {"[::1", NULL, 0},
	    {"[::1]25", NULL, 0},
	    {"a b", NULL, 0},
	    {"a/b", NULL, 0},
	    {"-a", NULL, 0},
	    {"a\"b", NULL, 0},
	    {"a\xff", NULL, 0},
	};
	char big[QF_ROUTE_HOST_SIZE + 1];
	struct qf_route r;
	struct qf_err e;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		int rc = qf_route_parse(&r, qf_span(t[i].text), &e);

		assert_int_equal(t[i].host != NULL ? 0 : QF_EFORMAT, rc);
		if (rc < 0)
			continue;
		assert_string_equal(t[i].host, r.host);
		assert_int_equal(t[i].port, r.port);
	}
	memset(big, 'h', sizeof big);
	assert_int_equal(
	    0, qf_route_parse(&r, qf_span_n(big, QF_ROUTE_HOST_SIZE - 1), &e));
	assert_int_equal(QF_EFORMAT,
	    qf_route_parse(&r, qf_span_n(big, QF_ROUTE_HOST_SIZE), &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_add),
	    cmocka_unit_test(test_set_and_remove),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
