#include "send/bounce.h"

#include "tests/unit/unit.h"

static void parse(
    const char *reason, const char *host, const char *text, const char *status)
{
	struct qf_buf notes = QF_BUF_INIT;
	struct qf_note note = {0};
	struct qf_failure f;

	qf_note_add(&notes, "bob@x.example", reason);
	assert_true(qf_note_next(&notes, &note));
	qf_failure_parse(&f, &note);
	assert_string_equal("bob@x.example", f.address.s);
	assert_string_equal(host, f.host.s);
	assert_string_equal(text, f.text.s);
	assert_string_equal(status, f.status);
	qf_failure_free(&f);
	qf_buf_free(&notes);
}

static void reasons_come_back(void **state)
{
	static const struct {
		bool expired;
		const char *host, *text, *status;
	} t[] = {
	    {false, "mx.example", "550 5.1.1 no", "5.1.1"},
	    {false, "mx.example", "550 no", "5.0.0"},
	    {false, "::1", "554 5.7.1 no: never", "5.7.1"},
	    {false, "127.0.0.1", "a: b: c", "5.0.0"},
	    {true, "mx.example", "451 4.3.0 later", "5.4.7"},
	    {true, "mx.example", "550 5.1.1 no", "5.4.7"},
	    {true, "expired", "timed out", "5.4.7"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_buf b = QF_BUF_INIT;

		qf_reason_format(&b, t[i].expired, t[i].host, t[i].text);
		parse(b.s, t[i].host, t[i].text, t[i].status);
		qf_buf_free(&b);
	}
}

static void reasons_of_others(void **state)
{
	(void)state;
	parse("the address is empty", "", "the address is empty", "5.0.0");
	parse(
	    "no host: in these words", "", "no host: in these words", "5.0.0");
	parse(": x", "", ": x", "5.0.0");
	parse("a:b", "", "a:b", "5.0.0");
	parse("a:", "", "a:", "5.0.0");
	parse("550 5.1.1 no", "", "550 5.1.1 no", "5.1.1");
	parse("not delivered in time; ", "", "not delivered in time;", "5.0.0");
}

static void lines_are_joined(void **state)
{
	struct qf_buf notes = QF_BUF_INIT;
	struct qf_note note = {0};
	struct qf_failure f;

	(void)state;
	qf_buf_adds(&notes, "<a@b>:\nmx: 550 one\ntwo\n\n");
	assert_true(qf_note_next(&notes, &note));
	qf_failure_parse(&f, &note);
	assert_string_equal("550 one/two", f.text.s);
	qf_failure_free(&f);
	qf_buf_free(&notes);
}

static void null_senders(void **state)
{
	(void)state;
	assert_false(qf_bounce_wanted(""));
	assert_false(qf_bounce_wanted("#@[]"));
	assert_true(qf_bounce_wanted("a@b"));
	assert_true(qf_bounce_wanted("a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reasons_come_back),
	    cmocka_unit_test(reasons_of_others),
	    cmocka_unit_test(lines_are_joined),
	    cmocka_unit_test(null_senders),
	};

	return cmocka_run_group_tests_name("bounce", tests, NULL, NULL);
}
