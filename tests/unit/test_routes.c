#include "remote/routes.h"

#include "tests/unit/unit.h"

/* Lines as qf_ctl_lines() gives them; text is borrowed. */
static void lines_of(struct qf_lines *l, struct qf_line *v, const char *text)
{
	struct qf_span rest = qf_span(text), line;

	*l = (struct qf_lines){.v = v};
	while (qf_span_cut(&rest, '\n', &line)) {
		v[l->n].s = line;
		v[l->n].number = (unsigned)l->n + 1;
		l->n++;
	}
}

static const char routes[] = "x.y.t:exact.example\n"
			     ".y.t:below.example:26\n"
			     "exception.y.t:\n"
			     "twice:first\n"
			     "twice:last\n"
			     "six:[2001:db8::1]:27\n"
			     "bare6:2001:db8::1\n"
			     "semi:r.example;28\n"
			     "semi6:2001:db8::1;29\n"
			     "four:[192.0.2.1]\n"
			     "tls:r.example:587 starttls user=u "
			     "pass-file=/secret\n"
			     "tls465:r.example tls\n"
			     ":default.example\n";

static void wildcards(void **state)
{
	static const struct {
		const char *host, *relay; /* NULL: the host's exchangers */
		unsigned port;
	} cases[] = {
	    {"x.y.t", "exact.example", 25},
	    {"X.Y.T", "exact.example", 25},
	    {"a.x.y.t", "below.example", 26},
	    {"a.y.t", "below.example", 26},
	    {"y.t", "default.example", 25},
	    {"exception.y.t", NULL, 25},
	    {"twice", "last", 25},
	    {"six", "[2001:db8::1]", 27},
	    {"bare6", "2001:db8::1", 25},
	    {"semi", "r.example", 28},
	    {"semi6", "2001:db8::1", 29},
	    {"x.y.t.", "exact.example", 25},
	    {"a.y.t.", "below.example", 26},
	    {".", "default.example", 25},
	    {"four", "[192.0.2.1]", 25},
	    {"tls", "r.example", 587},
	    {"tls465", "r.example", 465},
	    {"", "default.example", 25},
	};
	struct qf_line v[20];
	struct qf_lines lines;

	(void)state;
	lines_of(&lines, v, routes);
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_route_to r;

		assert_int_equal(
		    0, qf_route_find(&r, &lines, cases[i].host, NULL));
		assert_int_equal(cases[i].relay != NULL, r.is_relay);
		assert_string_equal(
		    cases[i].relay != NULL ? cases[i].relay : cases[i].host,
		    r.options.host);
		assert_int_equal(cases[i].port, r.options.port);
		qf_route_free(&r);
	}
}

static void options_behind_a_relay(void **state)
{
	struct qf_line v[20];
	struct qf_lines lines;
	struct qf_route_to r;

	(void)state;
	lines_of(&lines, v, routes);
	assert_int_equal(0, qf_route_find(&r, &lines, "tls", NULL));
	assert_true(r.options.starttls);
	assert_string_equal("u", r.options.user);
	assert_string_equal("/secret", r.options.pass_file);
	qf_route_free(&r);

	lines_of(&lines, v, "x: starttls\n");
	assert_int_equal(0, qf_route_find(&r, &lines, "x", NULL));
	assert_false(r.is_relay);
	assert_true(r.options.starttls);
	assert_string_equal("x", r.options.host);
	qf_route_free(&r);
}

static void no_routes(void **state)
{
	struct qf_lines none = QF_LINES_INIT;
	struct qf_route_to r;

	(void)state;
	assert_int_equal(0, qf_route_find(&r, &none, "x.y", NULL));
	assert_false(r.is_relay);
	assert_int_equal(25, r.options.port);
	qf_route_free(&r);
}

static void mistakes(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
	    {"x:r:0\n", "smtproutes:1: the port of a relay is no number: use 1 "
			"to 65535"},
	    {"x:r:\n", NULL},
	    {"x:r:smtp\n", NULL},
	    {"x:r:587|me|word\n",
		"smtproutes:1: a relay with |: user and password are options, "
		"as user=NAME pass-file=FILE"},
	    {"x::26\n", "smtproutes:1: a port without a relay"},
	    {"x:r 'y\n", NULL},
	    {"x:r tls secret=word\n",
		"smtproutes:1: word 3 behind the colon is no option: "
		"qfront-smtp(8) has them all"},
	    {"x:r host=y\n",
		"smtproutes:1: option host: the relay stands right behind "
		"the colon"},
	    {"x: host=y\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_line v[2];
		struct qf_lines lines;
		struct qf_route_to r;
		struct qf_err e;

		lines_of(&lines, v, cases[i].line);
		assert_int_equal(QF_ECONF, qf_route_find(&r, &lines, "x", &e));
		assert_non_null(strstr(e.text,
		    cases[i].text != NULL ? cases[i].text : "smtproutes:1: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wildcards),
	    cmocka_unit_test(options_behind_a_relay),
	    cmocka_unit_test(no_routes),
	    cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
