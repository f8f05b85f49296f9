/* Conditions of chain lines, against messages from all directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "frontend/condition.h"

/* Where a message comes from. */
struct origin {
	const char *sender, *ip, *relay, *auth;
	uint64_t size;
};

static const struct origin stranger = {
    "a@x.example", "192.0.2.1", NULL, NULL, 5000};
static const struct origin relay = {"a@x.example", "192.0.2.1", "", NULL, 5000};
static const struct origin user = {
    "b@y.example", "192.0.2.1", NULL, "bob", 5000};
static const struct origin local = {"root@x.example", NULL, NULL, NULL, 50};
static const struct origin bounce = {"", "192.0.2.1", NULL, NULL, 2000};
static const struct origin own_bounce = {"", NULL, NULL, NULL, 2000};

static void set(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* Does the message match one of the alternatives (ended by NULL)? */
static bool holds(const struct origin *o, const char *const *alternatives)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_arena arena = {0};
	struct qf_condition *list = NULL;
	struct qf_context context;
	struct qf_subject subject = {
	    &context, &env, o->size, "kid@kids.example"};
	struct qf_err e;
	bool answer;

	set("TCPREMOTEIP", o->ip);
	set("RELAYCLIENT", o->relay);
	set("AUTHINFO", o->auth);
	assert_int_equal(qf_envelope_set_sender(&env, qf_span(o->sender)), 0);
	qf_context_init(&context, &env);
	for (; *alternatives != NULL; alternatives++)
		assert_int_equal(
		    qf_condition_add(&list, &arena, qf_span(*alternatives), &e),
		    0);
	answer = qf_condition_holds(list, &subject);
	qf_envelope_free(&env);
	qf_arena_free(&arena);
	return answer;
}

static void test_terms(void **state)
{
	/* For: stranger, relay, user, local, a bounce from the network, one
	 * of this host. */
	static const struct {
		const char *text;
		const char *expect;
	} table[] = {
	    {"relay", "010000"},
	    {"!relay", "101111"},
	    {"auth", "001000"},
	    {"local", "000101"},
	    {"bounce", "000011"},
	    {"path=smtp", "111010"},
	    {"path=inject", "000100"},
	    {"path=bounce", "000001"},
	    {"sender=a@x.example", "110000"},
	    {"sender=a@X.EXAMPLE", "110000"},
	    {"sender=A@x.example", "000000"},
	    {"sender=@x.example", "110100"},
	    {"!sender=@x.example", "001011"},
	    {"sender=", "000011"},
	    {"rcpt=@Kids.example", "111111"},
	    {"rcpt=adult@kids.example", "000000"},
	    {"size<2k", "000111"},
	    {"size>2000", "111000"},
	    {"relay,size<1", "000000"},
	    {"!relay,!auth,!bounce", "100100"},
	};
	static const struct origin *const origins[] = {
	    &stranger, &relay, &user, &local, &bounce, &own_bounce};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const char *const list[] = {table[i].text, NULL};

		for (size_t k = 0; k < 6; k++) {
			bool expect = table[i].expect[k] == '1';

			if (holds(origins[k], list) != expect)
				fail_msg("%s, origin %zu", table[i].text, k);
		}
	}
}

static void test_alternatives(void **state)
{
	static const char *const list[] = {"relay", "local", NULL};
	static const char *const none[] = {NULL};

	(void)state;
	assert_false(holds(&stranger, list));
	assert_true(holds(&relay, list));
	assert_true(holds(&local, list));
	assert_true(holds(&stranger, none));
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} table[] = {
	    {"0", true, 0},
	    {"1", true, 1},
	    {"10k", true, 10240},
	    {"10K", true, 10240},
	    {"2M", true, 2097152},
	    {"1g", true, 1073741824},
	    {"18446744073709551615", true, UINT64_MAX},
	    {"18446744073709551616", false, 0},
	    {"17179869184G", false, 0},
	    {"", false, 0},
	    {"k", false, 0},
	    {"-1", false, 0},
	    {"1.5M", false, 0},
	    {"1MB", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint64_t n = 0;

		if (qf_size_parse(qf_span(table[i].text), &n) !=
			table[i].good ||
		    (table[i].good && n != table[i].value))
			fail_msg("%s", table[i].text);
	}
}

/* Alternatives of one line are separated by a blank. */
static struct qf_condition *parse(struct qf_arena *arena, const char *text)
{
	struct qf_condition *list = NULL;
	struct qf_span rest = qf_span(text);
	struct qf_err e;

	for (bool more = rest.n > 0; more;) {
		struct qf_span one;

		more = qf_span_cut(&rest, ' ', &one);
		assert_int_equal(
		    qf_condition_add(&list, arena, more ? one : rest, &e), 0);
	}
	return list;
}

static void test_excludes(void **state)
{
	static const struct {
		const char *a, *b;
		bool excludes;
	} table[] = {
	    {"relay", "!relay", true},
	    {"!auth", "auth", true},
	    {"local", "!local", true},
	    {"bounce", "!bounce", true},
	    {"path=smtp", "!path=smtp", true},
	    {"relay", "relay", false},
	    {"!relay", "!relay", false},
	    {"relay", "!auth", false},
	    {"path=smtp", "!path=inject", false},
	    {"", "!relay", false},
	    {"relay", "", false},
	    {"", "", false},
	    /* Perhaps, but more than one term. */
	    {"relay,auth", "!relay", false},
	    {"relay", "!relay auth", false},
	    {"relay auth", "!relay", false},
	    /* A stage in between may change these. */
	    {"sender=@x.example", "!sender=@x.example", false},
	    {"size>1k", "!size>1k", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct qf_arena arena = {0};
		struct qf_condition *a = parse(&arena, table[i].a);
		struct qf_condition *b = parse(&arena, table[i].b);

		if (qf_condition_excludes(a, b) != table[i].excludes)
			fail_msg("\"%s\" and \"%s\"", table[i].a, table[i].b);
		qf_arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_terms),
	    cmocka_unit_test(test_alternatives),
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_excludes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
