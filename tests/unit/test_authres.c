#include "lib/mail/authres.h"

#include "tests/unit/unit.h"

#define PROPS(array) .nprops = UNIT_COUNT(array), .props = (array)

static const struct qf_authprop dkim_props[] = {
    {"header", "d", "example.org"},
    {"header", "i", "@example.org"},
    {"header", "s", "mail"},
    {"header", "b", "a+b/c="},
};
static const struct qf_authprop spf_props[] = {
    {"smtp", "mailfrom", "joe.doe@example.net"},
    {"smtp", "remote-ip", "2001:db8::1"},
};
static const struct qf_authprop odd_props[] = {
    {"smtp", "mailfrom", ""},
    {"smtp", "mailfrom", "a b@example.org"},
    {"smtp", "mailfrom", "prvs=1=a@example.org"},
    {"smtp", "mailfrom", "a@b@c"},
    {"policy", "x", "say \"hi\\\""},
    {"smtp", "mailfrom", "j\xc3\xb6rg@example.org"},
    {"policy", "y", "a;b"},
};
static const struct qf_authres results[] = {
    {.method = "dkim", .result = "pass", PROPS(dkim_props)},
    {.method = "spf",
	.result = "fail",
	.reason = "not allowed",
	PROPS(spf_props)},
    {.method = "arc/1", .result = "none"},
    {.method = "x-odd", .result = "neutral", .reason = "(", PROPS(odd_props)},
};

static const struct {
	const char *id;
	size_t from, n;
	const char *value;
} format_cases[] = {
    {"mx.example.org", 0, 0, " mx.example.org; none"},
    {"mx example", 0, 0, " \"mx example\"; none"},
    {"mx.example.org", 2, 1, " mx.example.org;\n\tarc/1=none"},
    {"mx.example.org", 0, 2,
	" mx.example.org;\n"
	"\tdkim=pass header.d=example.org header.i=@example.org header.s=mail\n"
	"\theader.b=\"a+b/c=\";\n"
	"\tspf=fail reason=\"not allowed\" smtp.mailfrom=joe.doe@example.net\n"
	"\tsmtp.remote-ip=\"2001:db8::1\""},
    {"m", 3, 1,
	" m;\n"
	"\tx-odd=neutral reason=\"(\" smtp.mailfrom=\"\"\n"
	"\tsmtp.mailfrom=\"a b@example.org\" "
	"smtp.mailfrom=\"prvs=1=a@example.org\"\n"
	"\tsmtp.mailfrom=\"a@b@c\" policy.x=\"say \\\"hi\\\\\\\"\"\n"
	"\tsmtp.mailfrom=\"j\xc3\xb6rg@example.org\" policy.y=\"a;b\""},
};

static void test_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(format_cases); i++) {
		struct qf_buf b = QF_BUF_INIT;

		assert_int_equal(0,
		    qf_authres_format(format_cases[i].id,
			results + format_cases[i].from, format_cases[i].n, &b));
		assert_string_equal(format_cases[i].value, b.s);
		qf_buf_free(&b);
	}
}

/* The longest line that may be is used to its end. */
static void test_columns(void **state)
{
	struct qf_authprop p = {"header", "d", NULL};
	struct qf_authres r[2] = {
	    {.method = "dkim", .result = "pass", .nprops = 1, .props = &p},
	    {.method = "spf", .result = "none"}};
	char value[100];

	(void)state;
	for (size_t n = 1; n < 90; n++) {
		struct qf_buf b = QF_BUF_INIT;
		/* tab, `dkim=pass header.d=`, the value */
		size_t width = 8 + 19 + n;

		memset(value, 'x', n);
		value[n] = '\0';
		p.value = value;
		assert_int_equal(0, qf_authres_format("m", r, 1, &b));
		assert_int_equal(width > 78, strstr(b.s, "\n\theader") != NULL);
		qf_buf_reset(&b);
		assert_int_equal(0, qf_authres_format("m", r, 2, &b));
		assert_int_equal(
		    width + 1 > 78, strstr(b.s, "\n\theader") != NULL);
		assert_non_null(strstr(b.s, ";\n\tspf=none"));
		qf_buf_free(&b);
	}
}

static void test_refused(void **state)
{
	static const struct qf_authprop bad_props[] = {
	    {"hea der", "d", "x"},
	    {"header", "", "x"},
	    {"header", "d", NULL},
	    {NULL, "d", "x"},
	    {"header", NULL, "x"},
	    {"header", "d", "a\nb"},
	    {"header", "d", "a\tb"},
	    {"header", "d", "a\xff"},
	    {"header", "d.e", "x"},
	};
	static const struct qf_authres bad[] = {
	    {.method = NULL, .result = "pass"},
	    {.method = "dkim", .result = NULL},
	    {.method = "", .result = "pass"},
	    {.method = "dkim", .result = ""},
	    {.method = "dkim;spf", .result = "pass"},
	    {.method = "dkim-", .result = "pass"},
	    {.method = "dkim/", .result = "pass"},
	    {.method = "dkim/x", .result = "pass"},
	    {.method = "/1", .result = "pass"},
	    {.method = "dkim", .result = "pass (good)"},
	    {.method = "dkim", .result = "pass", .reason = "a\rb"},
	    {.method = "dkim", .result = "pass", .nprops = 1},
	    {.method = "dkim",
		.result = "pass",
		.nprops = 65,
		.props = bad_props},
	};
	struct qf_buf b = QF_BUF_INIT;
	char *id;

	(void)state;
	qf_buf_adds(&b, "before");
	for (size_t i = 0; i < UNIT_COUNT(bad); i++)
		assert_int_equal(QF_EINVAL, qf_authres_check(&bad[i]));
	for (size_t i = 0; i < UNIT_COUNT(bad_props); i++) {
		struct qf_authres r[2] = {
		    results[0], {.method = "dkim",
				    .result = "pass",
				    .nprops = 1,
				    .props = &bad_props[i]}};

		assert_int_equal(QF_EINVAL, qf_authres_check(&r[1]));
		assert_int_equal(QF_EINVAL, qf_authres_format("m", r, 2, &b));
		assert_string_equal("before", b.s);
	}
	for (size_t i = 0; i < UNIT_COUNT(results); i++)
		assert_int_equal(0, qf_authres_check(&results[i]));
	assert_int_equal(QF_EINVAL, qf_authres_format("", NULL, 0, &b));
	assert_int_equal(QF_EINVAL, qf_authres_format("a\n", NULL, 0, &b));
	id = calloc(1, 1001);
	memset(id, 'x', 450);
	assert_true(qf_authres_is_id(id));
	memset(id, 'x', 1000);
	assert_false(qf_authres_is_id(id));
	free(id);
	qf_buf_free(&b);
}

/* No line is longer than the standard allows, whatever must be quoted. */
static void test_long_words(void **state)
{
	char value[1000] = "";
	struct qf_authprop p = {"header", "d", value};
	struct qf_authres r = {
	    .method = "dkim", .result = "pass", .nprops = 1, .props = &p};

	(void)state;
	for (size_t n = 0; n < sizeof value - 1; n++) {
		struct qf_buf b = QF_BUF_INIT;
		int rc;

		value[n] = n % 2 ? '"' : 'x';
		rc = qf_authres_format("m", &r, 1, &b);
		/* `header.d=`, quotes, bytes, backslashes */
		assert_int_equal(
		    11 + (n + 1) + (n + 1) / 2 <= QF_AUTHRES_WORD_MAX
			? 0
			: QF_EINVAL,
		    rc);
		for (char *line = strtok(b.s, "\n"); line != NULL;
		     line = strtok(NULL, "\n"))
			assert_true(strlen(line) <= 998);
		qf_buf_free(&b);
	}
}

static void test_pack(void **state)
{
	struct qf_authres_record record;
	struct qf_buf b = QF_BUF_INIT, again = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(results); i++) {
		qf_buf_reset(&b);
		qf_authres_pack(&results[i], &b);
		assert_int_equal(
		    0, qf_authres_unpack(&record, qf_buf_span(&b)));
		assert_string_equal(results[i].method, record.result.method);
		assert_int_equal(results[i].nprops, record.result.nprops);
		assert_int_equal(
		    results[i].reason != NULL, record.result.reason != NULL);
		qf_buf_reset(&again);
		qf_authres_pack(&record.result, &again);
		assert_true(qf_span_eq(qf_buf_span(&b), qf_buf_span(&again)));
		/* cut off within a string */
		for (size_t n = 0; n < b.len; n++) {
			int rc = qf_authres_unpack(&record, qf_span_n(b.s, n));

			if (n == 0 || b.s[n - 1] != '\0')
				assert_int_equal(QF_EFORMAT, rc);
		}
	}
	qf_buf_reset(&b);
	qf_buf_add(&b, "dkim\0pass\0-\0", 12);
	for (int i = 0; i <= QF_AUTHRES_PROPS_MAX; i++) {
		assert_int_equal(
		    0, qf_authres_unpack(&record, qf_buf_span(&b)));
		qf_buf_add(&b, "a\0b\0c\0", 6);
	}
	assert_int_equal(
	    QF_EFORMAT, qf_authres_unpack(&record, qf_buf_span(&b)));
	assert_int_equal(QF_EFORMAT,
	    qf_authres_unpack(&record, qf_span_n("dkim\0pass\0x\0", 12)));
	assert_int_equal(QF_EFORMAT,
	    qf_authres_unpack(&record, qf_span_n("dkim\0pa ss\0-\0", 13)));
	qf_buf_free(&b);
	qf_buf_free(&again);
}

#define AR QF_AUTHRES_FIELD

static const struct {
	const char *field;
	bool ours;
} ours_cases[] = {
    {AR ": mx.example.org; none\n", true},
    {AR ":mx.example.org; dkim=pass\n", true},
    {"authentication-RESULTS : MX.Example.ORG;\n", true},
    {AR ": mx.example.org\n", true},
    {AR ": mx.example.org 1; dkim=pass\n", true},
    {AR ": mx.example.org (v) 1 (w); dkim=pass\n", true},
    {AR ": mx.example.org.; dkim=pass\n", true},
    {AR ":\n\t(comment (nested)) mx.example.org\n ;\n dkim=pass\n", true},
    {AR ": \"mx.example.org\"; dkim=pass\n", true},
    {AR ": \"mx\\.example.org\"; dkim=pass\n", true},
    {AR ": \"mx.\n example.org\"; dkim=pass\n", false},
    {AR ": mx.example.org; dkim=pass", true},

    /* somebody else's */
    {AR ": other.example.org; dkim=pass\n", false},
    {AR ": mx.example.org.evil.example; dkim=pass\n", false},
    {AR ": xmx.example.org; dkim=pass\n", false},
    {AR ": example.org; dkim=pass header.d=mx.example.org\n", false},
    {AR ": evil (mx.example.org); dkim=pass\n", false},
    {AR ": ; dkim=pass\n", false},
    {AR ":\n", false},
    {"ARC-" AR ": i=1; mx.example.org; dkim=pass\n", false},
    {"X-" AR ": mx.example.org; dkim=pass\n", false},
    {"Subject: " AR ": mx.example.org; none\n", false},
    {"no field mx.example.org\n", false},
    {"", false},

    /* in doubt */
    {AR ": mx.example.org dkim=pass\n", true},
    {AR ": mx.example.org 1x; dkim=pass\n", true},
    {AR ": mx.example.org, x; dkim=pass\n", true},
    {AR ": \"mx.example.org; dkim=pass\n", true},
    {AR ": (mx.example.org; dkim=pass\n", true},
    {AR ": (x) ; mx.example.org; dkim=pass\n", true},
    {AR ": mx.exa(c)mple.org; dkim=pass\n", true},
    {AR ": mx.exa\n mple.org; dkim=pass\n", true},
    {AR ": mx.\"example\".org; dkim=pass\n", true},
    {AR ": =mx.EXAMPLE.org; dkim=pass\n", true},
    {AR ": other example; dkim=pass\n", false},

    /* hidden behind a lone CR, where the next server sees a line */
    {"Subject: x\r" AR ": mx.example.org; dkim=pass\n", true},
    {"Subject: x\r\r\r" AR ": mx.example.org; dkim=pass\r\n", true},
    {"Subject: x\r " AR ": mx.example.org; dkim=pass\n", false},
    {"no field\r" AR ": mx.example.org; dkim=pass\n", true},
    {AR ": other.example\r" AR ": mx.example.org; dkim=pass\n", true},
    {AR ": other.example;\r\n dkim=pass\r\n", false},
};

static void test_ours(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(ours_cases); i++) {
		if (qf_authres_is_ours(qf_span(ours_cases[i].field),
			"mx.example.org") != ours_cases[i].ours)
			fail_msg("%s", ours_cases[i].field);
	}
	/* what is behind a NUL */
	assert_true(qf_authres_is_ours(qf_span_n(AR ":\0mx.example.org;\n",
					   sizeof AR ":\0mx.example.org;"),
	    "mx.example.org"));
}

/* What we write is what we see as ours, whatever the id. */
static void test_round_trip(void **state)
{
	static const char *const ids[] = {
	    "mx.example.org", "MX", "a b", "a;b", "a\"b\\", "j\xc3\xb6rg", "("};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(ids); i++) {
		struct qf_buf b = QF_BUF_INIT;

		qf_buf_adds(&b, AR ":");
		assert_int_equal(0, qf_authres_format(ids[i], results, 4, &b));
		qf_buf_addc(&b, '\n');
		for (size_t k = 0; k < UNIT_COUNT(ids); k++)
			assert_int_equal(i == k,
			    qf_authres_is_ours(qf_buf_span(&b), ids[k]));
		qf_buf_free(&b);
	}
}

static void test_hostile(void **state)
{
	static const char *const pieces[] = {"(", "\\", "\"", " \r", "\n ",
	    "\r" AR ":(", AR, "mx.example.or", "()", ":", ";"};
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(pieces); i++) {
		qf_buf_reset(&b);
		qf_buf_adds(&b, AR ":");
		while (b.len < 200000)
			qf_buf_adds(&b, pieces[i]);
		assert_false(
		    qf_authres_is_ours(qf_buf_span(&b), "mx.example.org"));
		qf_buf_adds(&b, "\r" AR ": mx.example.org;\n");
		assert_true(
		    qf_authres_is_ours(qf_buf_span(&b), "mx.example.org"));
	}
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_long_words),
	    cmocka_unit_test(test_pack),
	    cmocka_unit_test(test_ours),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
