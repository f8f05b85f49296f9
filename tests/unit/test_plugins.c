/*
 * The plugins size, null and example as built, and dkim where it signs
 * nothing; its signatures are checked by another implementation (dkim.bats).
 */
#include "tests/unit/unit.h"

#include "tests/lib/fakehost.h"

static char *control;
static const char *const none[] = {NULL};
static const char *const two[] = {"b@y.example", "c@y.example", NULL};

static const char *plugin(const char *name)
{
	static char path[4096];
	const char *build = getenv("QF_BUILDDIR");

	snprintf(path, sizeof path, "%s/plugins/.libs/%s.so",
	    build != NULL ? build : ".", name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	control = unit_dir();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unit_remove_dir(control);
	return 0;
}

static void test_size_limits(void **state)
{
	static const struct {
		const char *setting[3];
		size_t bytes;
		const char *text; /* NULL: passes */
		const char *status;
	} cases[] = {
	    {{"max-message=1000"}, 1000, NULL, NULL},
	    {{"max-message=1000"}, 1001,
		"message of 1001 bytes is larger than the limit of 1000 bytes",
		"5.3.4"},
	    {{"max-message=2K"}, 2048, NULL, NULL},
	    {{"max-message=2k"}, 2049,
		"message of 2049 bytes is larger than the limit of 2048 bytes",
		"5.3.4"},
	    {{"max-message=1M"}, 1 << 20, NULL, NULL},
	    {{"max-message=1m"}, (1 << 20) + 1,
		"message of 1048577 bytes is larger than the limit of 1048576 "
		"bytes",
		"5.3.4"},
	    {{"max-message=17179869183G"}, 100, NULL, NULL},
	    {{"max-message=18446744073709551615"}, 100, NULL, NULL},
	    {{"max-recipients=2"}, 100, NULL, NULL},
	    {{"max-recipients=1"}, 100,
		"message has 2 recipients, the limit is 1", "5.5.3"},
	    {{"max-message=1G", "max-recipients=1"}, 100,
		"message has 2 recipients, the limit is 1", "5.5.3"},
	};
	char *bytes = calloc(1, 2 << 20);

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_conf c;
		struct qf_msg m;

		assert_int_equal(0, fakehost_open(&c, plugin("size"), control,
					cases[i].setting));
		fakehost_run(&m, &c, qf_span_n(bytes, cases[i].bytes), "", two);
		if (cases[i].text == NULL) {
			assert_int_equal(QF_PASS, m.class_);
		} else {
			assert_int_equal(QF_REJECT, m.class_);
			assert_int_equal(QF_CAT_SIZE, m.verdict.category);
			assert_string_equal(cases[i].text, m.text);
			assert_string_equal(cases[i].status, m.status);
		}
		assert_int_equal(0, m.edits.n);
		fakehost_forget(&m);
		fakehost_close(&c);
	}
	free(bytes);
}

static void test_size_mistakes(void **state)
{
	static const struct {
		const char *setting[2], *mistake;
	} cases[] = {
	    {{NULL}, "stage: no limit is set"},
	    {{"max-message="}, "max-message: not a size"},
	    {{"max-message=0"}, "max-message: not a size"},
	    {{"max-message=0K"}, "max-message: not a size"},
	    {{"max-message=K"}, "max-message: not a size"},
	    {{"max-message=5T"}, "max-message: not a size"},
	    {{"max-message=5KB"}, "max-message: not a size"},
	    {{"max-message=-5"}, "max-message: not a size"},
	    {{"max-message= 5"}, "max-message: not a size"},
	    {{"max-message=1.5M"}, "max-message: not a size"},
	    {{"max-message=17179869184G"}, "max-message: not a size"},
	    {{"max-message=18446744073709551616"}, "max-message: not a size"},
	    {{"max-recipients=many"}, "max-recipients: not a number"},
	    {{"max-recipients=5K"}, "max-recipients: not a number"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_conf c;

		assert_int_equal(QF_ECONF, fakehost_open(&c, plugin("size"),
					       control, cases[i].setting));
		assert_int_equal(QF_ECONF, c.plugin->checkconf(&fakehost, &c));
		assert_int_equal(2, c.mistakes.n);
		assert_string_equal(c.mistakes.v[0], c.mistakes.v[1]);
		if (strstr(c.mistakes.v[0], cases[i].mistake) == NULL)
			fail_msg("%zu: %s", i, c.mistakes.v[0]);
		fakehost_close(&c);
	}
}

static void test_null(void **state)
{
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	assert_int_equal(0, fakehost_open(&c, plugin("null"), control, none));
	assert_int_equal(QF_EFFECT_DROP, c.plugin->effects);
	fakehost_run(&m, &c, qf_span("Subject: x\n\nhi\n"), "a@x", two);
	assert_int_equal(QF_DISCARD, m.class_);
	fakehost_forget(&m);
	fakehost_close(&c);
}

static void assert_message(const struct qf_msg *m, const char *want)
{
	struct qf_buf got = QF_BUF_INIT;
	struct qf_span run;

	for (size_t at = 0; qf_message_next(&m->message, &at, &run);)
		qf_buf_addspan(&got, run);
	assert_string_equal(want, got.s);
	qf_buf_free(&got);
}

static void test_example(void **state)
{
	static const char *const settings[] = {
	    "text=hello world", "refuse=lottery", NULL};
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	assert_int_equal(
	    0, fakehost_open(&c, plugin("example"), control, settings));
	fakehost_run(&m, &c, qf_span("Subject: x\n\nhi\n"), "", two);
	assert_int_equal(QF_PASS, m.class_);
	assert_message(&m, "X-Qfront-Example: hello world\nSubject: x\n\nhi\n");
	fakehost_forget(&m);
	fakehost_run(&m, &c, qf_span("To: x\nsubject: a\n lottery\n"), "", two);
	assert_int_equal(QF_REJECT, m.class_);
	assert_int_equal(QF_CAT_POLICY, m.verdict.category);
	assert_message(&m, "To: x\nsubject: a\n lottery\n");
	fakehost_forget(&m);
	assert_int_equal(0, c.plugin->checkconf(&fakehost, &c));
	fakehost_close(&c);
}

/* Without settings it has nothing to say; with a text that can not stand in
 * a header the stage breaks. */
static void test_example_edges(void **state)
{
	static const char *const bad[] = {"text=a\rb", NULL};
	static const char *const empty[] = {"refuse=", NULL};
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	assert_int_equal(
	    0, fakehost_open(&c, plugin("example"), control, none));
	fakehost_run(&m, &c, qf_span("Subject: x\n"), "", two);
	assert_int_equal(QF_PASS, m.class_);
	assert_message(&m, "Subject: x\n");
	fakehost_forget(&m);
	fakehost_close(&c);

	assert_int_equal(0, fakehost_open(&c, plugin("example"), control, bad));
	fakehost_run(&m, &c, qf_span("Subject: x\n"), "", two);
	assert_int_equal(QF_EINVAL, m.class_);
	assert_message(&m, "Subject: x\n");
	fakehost_forget(&m);
	fakehost_close(&c);

	assert_int_equal(
	    QF_ECONF, fakehost_open(&c, plugin("example"), control, empty));
	assert_string_equal("refuse: is empty: write a text", c.mistakes.v[0]);
	fakehost_close(&c);
}

static void test_dkim_mistakes(void **state)
{
	static const char *const verify[] = {"mode=verify", "key=k",
	    "refuse=A-Z", "max-signatures=0", "status-header=maybe",
	    "nameserver=localhost", NULL};
	static const char *const sign[] = {
	    "mode=signs", "refuse=S", "expire=soon", NULL};
	struct qf_conf c;

	(void)state;
	assert_int_equal(
	    QF_ECONF, fakehost_open(&c, plugin("dkim"), control, verify));
	assert_string_equal("key: this is for mode=sign", c.mistakes.v[0]);
	/* A check tells of all mistakes. */
	qf_strv_free(&c.mistakes);
	assert_int_equal(QF_ECONF, c.plugin->checkconf(&fakehost, &c));
	assert_int_equal(5, c.mistakes.n);
	assert_non_null(strstr(c.mistakes.v[1], "refuse: use letters"));
	assert_string_equal("max-signatures: \"0\" is no number from 1 to 100",
	    c.mistakes.v[2]);
	assert_string_equal(
	    "status-header: \"maybe\" is not one of: no, yes, asked",
	    c.mistakes.v[3]);
	assert_non_null(strstr(c.mistakes.v[4], "nameserver: write an IPv4"));
	fakehost_close(&c);

	assert_int_equal(
	    QF_ECONF, fakehost_open(&c, plugin("dkim"), control, sign));
	assert_string_equal(
	    "mode: \"signs\" is not one of: sign, verify", c.mistakes.v[0]);
	qf_strv_free(&c.mistakes);
	assert_int_equal(QF_ECONF, c.plugin->checkconf(&fakehost, &c));
	assert_int_equal(3, c.mistakes.n);
	assert_non_null(strstr(c.mistakes.v[1], "expire: \"soon\""));
	assert_non_null(strstr(c.mistakes.v[2], "keys:0: there is no such"));
	fakehost_close(&c);
	assert_true(c.plugin->flags & QF_FLAG_SECRET);
	assert_int_equal(QF_EFFECT_HEADER | QF_EFFECT_SEAL, c.plugin->effects);
}

/* Verifying holds no key and does not end the edits. */
static void test_dkim_kinds(void **state)
{
	static const char *const verify[] = {"mode=verify", NULL};
	const struct qf_kind *k;
	struct qf_conf c;

	(void)state;
	assert_int_equal(0, fakehost_open(&c, plugin("dkim"), control, verify));
	k = c.plugin->kinds;
	assert_string_equal("mode", k->key);
	assert_string_equal("verify", k->value);
	assert_int_equal(QF_EFFECT_HEADER, k->effects);
	assert_int_equal(QF_FLAG_PARSER | QF_FLAG_NETWORK, k->flags);
	assert_null(k[1].key);
	fakehost_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_size_limits),
	    cmocka_unit_test(test_size_mistakes),
	    cmocka_unit_test(test_null),
	    cmocka_unit_test(test_example),
	    cmocka_unit_test(test_example_edges),
	    cmocka_unit_test(test_dkim_mistakes),
	    cmocka_unit_test(test_dkim_kinds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
