/* What is known of where a message comes from. */
#include "tests/unit/unit.h"

#include "frontend/context.h"

static void init(struct qf_context *c, const char *sender)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;

	assert_int_equal(0, qf_envelope_set_sender(&env, qf_span(sender)));
	qf_context_init(c, &env);
	qf_envelope_free(&env);
}

static void test_path(void **state)
{
	struct qf_context c;

	(void)state;
	unsetenv("TCPREMOTEIP");
	unsetenv("TCP6REMOTEIP");
	init(&c, "a@x");
	assert_string_equal("inject", qf_context_get(&c, "path"));
	assert_null(qf_context_get(&c, "client.ip"));
	setenv("TCP6REMOTEIP", "2001:db8::1", 1);
	init(&c, "a@x");
	assert_string_equal("smtp", qf_context_get(&c, "path"));
	assert_string_equal("2001:db8::1", qf_context_get(&c, "client.ip"));
	/* Strangers send mail without a sender too. */
	init(&c, "#@[]");
	assert_string_equal("smtp", qf_context_get(&c, "path"));
	unsetenv("TCP6REMOTEIP");
	init(&c, "#@[]");
	assert_string_equal("bounce", qf_context_get(&c, "path"));
}

static void test_caller(void **state)
{
	struct qf_context c;

	(void)state;
	init(&c, "");
	qf_context_set_caller(&c, 4711, true);
	assert_string_equal("4711", qf_context_get(&c, "submit.uid"));
	assert_string_equal("bounce", qf_context_get(&c, "path"));
	qf_context_set_caller(&c, 815, false);
	assert_string_equal("815", qf_context_get(&c, "submit.uid"));
	assert_string_equal("local", qf_context_get(&c, "path"));
	assert_false(qf_context_is_own_bounce(&c));
}

/* Each run has a number, however often it is asked for. */
static void test_run(void **state)
{
	struct qf_context a, b;
	char first[20];

	(void)state;
	init(&a, "a@x");
	init(&b, "a@x");
	snprintf(first, sizeof first, "%s", qf_context_get(&a, "run.id"));
	assert_int_equal(16, strspn(first, "0123456789abcdef"));
	assert_int_equal(16, strlen(first));
	assert_string_equal(first, qf_context_get(&a, "run.id"));
	assert_string_not_equal(first, qf_context_get(&b, "run.id"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_path),
	    cmocka_unit_test(test_caller),
	    cmocka_unit_test(test_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
