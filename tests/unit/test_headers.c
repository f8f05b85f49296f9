/*
 * The plugin headers as built: what each rule makes of a header, what stays
 * inside a field, and what it says of wrong rules.
 */
#include "tests/unit/stage.h"

static char *control;
static const char *const one[] = {"b@y.example", NULL};
static const char *const two[] = {"b@y.example", "c@y.example", NULL};

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

static void open_stage(struct qf_conf *c, const char *rules)
{
	stage_list(control, "headers.rules", rules);
	assert_int_equal(0, fakehost_open(c, stage_plugin("headers"), control,
				stage_no_settings));
}

/* Runs the message and compares what is left of it. */
static void expect(struct qf_conf *c, struct qf_span in,
    const char *const *rcpt, const char *want)
{
	struct qf_msg m;
	char *got;

	fakehost_run(&m, c, in, "a@x.example", rcpt);
	assert_int_equal(QF_PASS, m.class_);
	got = stage_message(&m);
	assert_string_equal(want, got);
	free(got);
	fakehost_forget(&m);
}

struct example {
	const char *rules, *in, *out;
};

static void check_examples(const struct example *x, size_t n)
{
	for (; n > 0; n--, x++) {
		struct qf_conf c;

		open_stage(&c, x->rules);
		expect(&c, qf_span(x->in), two, x->out);
		fakehost_close(&c);
	}
}

static void test_actions(void **state)
{
	static const struct example examples[] = {
	    {"add X-A one two", "A: b\n\nhi\n", "X-A: one two\nA: b\n\nhi\n"},
	    {"add X-A 1\nadd X-B 2", "A: b\n\n", "X-B: 2\nX-A: 1\nA: b\n\n"},
	    {"append X-A 1\nappend X-B 2", "A: b\n\nhi\n",
		"A: b\nX-A: 1\nX-B: 2\n\nhi\n"},
	    {"append X-A 1", "A: b", "A: b\nX-A: 1\n"},
	    {"add X-A 1\nappend X-B 2", "", "X-A: 1\nX-B: 2\n"},
	    {"set X-A new", "A: b\nx-a: old\nX-A:\n older\n\n",
		"A: b\nx-a: new\n\n"},
	    {"set X-A new", "A: b\n\n", "X-A: new\nA: b\n\n"},
	    {"remove x-a", "X-A: 1\nA: b\nX-A:2\n more\nX-AB: 3\n\nX-A: 4\n",
		"A: b\nX-AB: 3\n\nX-A: 4\n"},
	    {"remove X-Spam-*", "X-Spam-Flag: 1\nX-Spam-: 2\nX-Spam: 3\n\n",
		"X-Spam: 3\n\n"},
	    {"rename X-A X-B", "x-a: 1\nA: b\nX-A:  2\n\t3\n\n",
		"X-B: 1\nA: b\nX-B:  2\n\t3\n\n"},
	    {"remove X", "X: 1\n", ""},
	    {"# a comment\n\n  add   X-A \t  a  b  \n", "A: b\n",
		"X-A: a  b\nA: b\n"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples));
}

/* Lines that are no fields are nobody's, and stay; one that would continue
 * ours stays in front of it. */
static void test_malformed(void **state)
{
	static const struct example examples[] = {
	    {"remove From\nremove X-A", "From x Mon\nno field\nX-A : 1\nX-A: 2",
		"From x Mon\nno field\n"},
	    {"rename From X-From\nset no N", " folded\nno\n\n",
		" folded\nno: N\nno\n\n"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples));
}

/* Each rule sees what the ones before it left. */
static void test_order(void **state)
{
	static const struct example examples[] = {
	    {"rename X-A X-B\nremove X-B", "X-A: 1\nX-B: 2\nA: b\n", "A: b\n"},
	    {"remove X-B\nrename X-A X-B", "X-A: 1\nX-B: 2\n", "X-B: 1\n"},
	    {"rename X-A X-B\nrename X-B X-A", "X-A: 1\nX-B: 2\n",
		"X-A: 1\nX-A: 2\n"},
	    {"add X-A 1\nremove X-A", "X-A: 0\nA: b\n", "A: b\n"},
	    {"add X-A 1\nset X-A 2", "X-A: 0\nA: b\n", "X-A: 2\nA: b\n"},
	    {"set X-A 1\nset X-A 2\nrename X-A X-B", "A: b\nX-A: 0\n",
		"A: b\nX-B: 2\n"},
	    {"rename X-A X-B\nset X-B 1", "A: b\nX-A: 0\nX-B: 2\n",
		"A: b\nX-B: 1\n"},
	    {"remove A\nadd A 1", "A: b\nC: d\n", "A: 1\nC: d\n"},
	    {"append X-A 1\nrename X-A X-B\nadd X-C 2", "A: b\n",
		"X-C: 2\nA: b\nX-B: 1\n"},
	    {"add X-A 1\nif X-A matches 1 add X-B 2", "A: b\n",
		"X-B: 2\nX-A: 1\nA: b\n"},
	    {"rename A X-A\nadd X-B 2", "A: b\nC: d\n",
		"X-B: 2\nX-A: b\nC: d\n"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples));
}

static void test_guards(void **state)
{
	static const struct example examples[] = {
	    {"if A matches b add X-A 1", "A: b\n", "X-A: 1\nA: b\n"},
	    {"if A matches b add X-A 1", "A: bc\n", "A: bc\n"},
	    {"if A matches b* add X-A 1", "a:BC\n", "X-A: 1\na:BC\n"},
	    {"if A matches b add X-A 1", "A: c\nA:b\n", "X-A: 1\nA: c\nA:b\n"},
	    {"if A matches * add X-A 1", "AB: c\n", "AB: c\n"},
	    {"unless A matches * add X-A 1", "AB: c\n", "X-A: 1\nAB: c\n"},
	    {"unless A matches b add X-A 1", "A: b\n", "A: b\n"},
	    /* unfolded, without white space around it */
	    {"if A matches \"one two\" add X-A 1", "A: \n one\n two \nB: c\n",
		"X-A: 1\nA: \n one\n two \nB: c\n"},
	    {"if A matches \"one two\" add X-A 1", "A: one\r\n two\r\n",
		"X-A: 1\nA: one\r\n two\r\n"},
	    {"if A matches \"\" add X-A 1", "A:\n", "X-A: 1\nA:\n"},
	    {"if A matches \"a \\\"b\\\"\" add X-A \"1\"", "A: a \"b\"\n",
		"X-A: \"1\"\nA: a \"b\"\n"},
	    {"if A matches \\*\\\\ add X-A 1", "A: *\\\n", "X-A: 1\nA: *\\\n"},
	    {"if A matches [a-c]?/* add X-A 1", "A: Bx/.y/z\n",
		"X-A: 1\nA: Bx/.y/z\n"},
	    {"remove A matches *c*", "A: b\nA: c\nA: dCe\n", "A: b\n"},
	    {"remove X-* matches \"c d\"", "X-A: c d\nX-B: c\nX-C:c d\n",
		"X-B: c\n"},
	    {"if B matches * remove A", "A: b\nB:\n", "B:\n"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples));
}

static void test_fill(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "append X-1 [%{client.ip}]\n"
		       "append X-2 %{auth.user}, uid %{uid}=%{submit.uid}\n"
		       "append X-3 <%{sender}> 100%%\n"
		       "append X-4 %{rcpt}\n"
		       "append X-5 %{note:spam.score}%{note:gone}\n"
		       "append X-6 %{?note:gone}-%{?helo}-%{note:spam.score}\n"
		       "append X-7 %{?rcpt}.\n");
	qf_strv_add(&c.context, "client.ip=192.0.2.1");
	qf_strv_add(&c.context, "auth.user=joe");
	qf_strv_add(&c.context, "submit.uid=1000");
	qf_strv_add(&c.notes, "spam.score=4.2");
	expect(&c, qf_span("A: b\n"), one,
	    "A: b\nX-1: [192.0.2.1]\nX-2: joe, uid 1000=1000\n"
	    "X-3: <a@x.example> 100%\nX-4: b@y.example\n"
	    "X-6: --4.2\nX-7: b@y.example.\n");
	/* Of several recipients none is told. */
	expect(&c, qf_span("A: b\n"), two,
	    "A: b\nX-1: [192.0.2.1]\nX-2: joe, uid 1000=1000\n"
	    "X-3: <a@x.example> 100%\nX-6: --4.2\nX-7: .\n");
	fakehost_close(&c);
}

/* `set` without its value leaves no field that a stranger made. */
static void test_set_without_value(void **state)
{
	static const struct example examples[] = {
	    {"set X-Originating-IP [%{client.ip}]",
		"X-Originating-IP: forged\nA: b\nx-originating-ip: too\n",
		"A: b\n"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples));
}

/* Nothing that is filled in leaves its field. */
static void test_injection(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "add X-A <%{note:note}>\nset A %{client.name}");
	qf_strv_add(&c.notes, "note=x\r\nBcc: evil@z\n folded\r\t\x7f\x01.");
	qf_strv_add(&c.context, "client.name=\n\n\nbody %{sender} %%");
	expect(&c, qf_span("A: b\n\nhi\n"), one,
	    "X-A: <x??Bcc: evil@z? folded?\t??.>\n"
	    "A: ???body %{sender} %%\n\nhi\n");
	fakehost_close(&c);
}

/* CR, zero bytes and bad folds of a field that gets another name. */
static void test_rename_cleans(void **state)
{
	static const char in[] = "X-A: a\r\n b\rc\0d\r\nB: c\r\n\r\nhi\n";
	struct qf_conf c;

	(void)state;
	open_stage(&c, "rename X-A X-B");
	expect(&c, qf_span_n(in, sizeof in - 1), one,
	    "X-B: a\n bc d\nB: c\r\n\r\nhi\n");
	fakehost_close(&c);
}

static void test_long_values(void **state)
{
	struct qf_buf note = QF_BUF_INIT;
	struct qf_conf c;
	struct qf_msg m;
	char *got;

	(void)state;
	qf_buf_adds(&note, "n=");
	for (int i = 0; i < 1000; i++)
		qf_buf_adds(&note, "\xc3\xa4"); /* two bytes each */
	open_stage(&c, "add X-A [%{note:n}]");
	qf_strv_add(&c.notes, note.s);
	fakehost_run(&m, &c, qf_span("A: b\n"), "", one);
	assert_int_equal(QF_PASS, m.class_);
	got = stage_message(&m);
	/* As long as a line may be, and no character is cut in two. */
	assert_int_equal(998, strcspn(got, "\n"));
	assert_memory_equal("X-A: [\xc3\xa4", got, 8);
	assert_memory_equal("\xc3\xa4\nA: b\n", got + 996, 8);
	free(got);
	fakehost_forget(&m);
	fakehost_close(&c);
	qf_buf_free(&note);
}

/* What had nothing to do is in the log, by its line. */
static void test_idle_rules(void **state)
{
	struct qf_buf rules = QF_BUF_INIT;
	struct qf_conf c;

	(void)state;
	open_stage(&c, "remove X-A\n# comment\nadd X-B 1\nadd X-C %{rcpt}\n"
		       "if A matches no remove A");
	expect(&c, qf_span("A: b\n"), two, "X-B: 1\nA: b\n");
	assert_int_equal(1, c.log.n);
	assert_string_equal(
	    "debug 3 of 4 rules had nothing to do: line 1, 4, 5", c.log.v[0]);
	expect(
	    &c, qf_span("X-A: b\nA: no\n"), one, "X-C: b@y.example\nX-B: 1\n");
	assert_int_equal(1, c.log.n);
	fakehost_close(&c);

	for (int i = 0; i < 100; i++)
		qf_buf_adds(&rules, "remove X-A\n");
	open_stage(&c, rules.s);
	expect(&c, qf_span("A: b\n"), two, "A: b\n");
	assert_non_null(strstr(c.log.v[0], "100 of 100 rules"));
	assert_string_equal(
	    ", ...", c.log.v[0] + strlen(c.log.v[0]) - strlen(", ..."));
	fakehost_close(&c);
	qf_buf_free(&rules);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *rules, *mistake;
	} cases[] = {
	    {NULL, "rules:0: there is no such file"},
	    {"# nothing\n", "rules:0: holds no rule"},
	    {"\n\nfrob A b", "rules:3: \"frob\": a rule is add"},
	    {"Add A b", "rules:1: \"Add\": a rule is"},
	    {"add", "the name of a field is missing"},
	    {"add A", "the value of the field is missing"},
	    {"add A: b", "write the name without its colon"},
	    {"add A:b c", "\"A:b\" is no name of a field"},
	    {"add \xc3\xa4 b", "is no name of a field"},
	    {"add A* b", "an asterisk may only end the name in \"remove\""},
	    {"add A \xc3\xa4", "a header field holds ASCII only"},
	    {"add A a\x01"
	     "b",
		"holds a control character"},
	    {"add A a\rb", "holds a control character"},
	    {"add A 100%", "a % stands for nothing here"},
	    {"add A %d", "a % stands for nothing here"},
	    {"add A %{client.ip", "%{ without its }"},
	    {"add A %{}", "there is no %{}"},
	    {"add A %{clientip}", "there is no %{clientip}"},
	    {"add A %{note:}", "there is no %{note:}"},
	    {"add A %{note:A b}", "\"A b\" is no key of a note"},
	    {"add A %{?}", "there is no %{}"},
	    {"set A", "the value of the field is missing"},
	    {"append", "the name of a field is missing"},
	    {"remove", "the name of a field is missing"},
	    {"remove *", "an asterisk may only end the name"},
	    {"remove X-*-Spam", "an asterisk may only end the name"},
	    {"remove X-**", "an asterisk may only end the name"},
	    {"remove A B", "\"B\": expected \"matches\" and a pattern"},
	    {"remove A matches", "the pattern is missing"},
	    {"remove A matches b c", "\"c\": there is more than"},
	    {"remove A matches \"b", "without its closing quote"},
	    {"remove A matches \"b\\\"", "without its closing quote"},
	    {"remove A matches \"b\"c", "white space is missing"},
	    {"rename A", "the name of a field is missing"},
	    {"rename A B C", "\"C\": there is more than the rule needs"},
	    {"rename A* B*", "an asterisk may only end the name"},
	    {"if A matches b", "\"\": a rule is add"},
	    {"if A is b add C d", "\"is\": expected \"matches\""},
	    {"if A* matches b add C d", "an asterisk may only end"},
	    {"unless A", "\"\": expected \"matches\""},
	    {"if A matches b if C matches d add E f", "\"if\": a rule is"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		stage_list(control, "headers.rules", cases[i].rules);
		stage_refuses(
		    "headers", control, stage_no_settings, cases[i].mistake);
	}
}

static void test_long_mistakes(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_conf c;

	(void)state;
	qf_buf_addf(&b, "add %0129d b", 0);
	stage_list(control, "headers.rules", b.s);
	stage_refuses("headers", control, stage_no_settings,
	    "no field has a name of more than 128 bytes");
	qf_buf_reset(&b);
	qf_buf_addf(&b, "add X-A %0994d", 0);
	stage_list(control, "headers.rules", b.s);
	stage_refuses(
	    "headers", control, stage_no_settings, "longer than 998 bytes");
	qf_buf_free(&b);
	/* All mistakes are told at once. */
	stage_list(control, "headers.rules", "add\nadd A b\nset\n");
	assert_int_equal(QF_ECONF, fakehost_open(&c, stage_plugin("headers"),
				       control, stage_no_settings));
	assert_int_equal(2, c.mistakes.n);
	assert_non_null(strstr(c.mistakes.v[1], "rules:3: "));
	fakehost_close(&c);
}

static void test_declaration(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "remove X-A");
	assert_int_equal(QF_EFFECT_HEADER, c.plugin->effects);
	assert_int_equal(0, c.plugin->flags);
	assert_false(c.plugin->needs & QF_GROUP_SHARE);
	fakehost_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_actions),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_guards),
	    cmocka_unit_test(test_fill),
	    cmocka_unit_test(test_set_without_value),
	    cmocka_unit_test(test_injection),
	    cmocka_unit_test(test_rename_cleans),
	    cmocka_unit_test(test_long_values),
	    cmocka_unit_test(test_idle_rules),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_long_mistakes),
	    cmocka_unit_test(test_declaration),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
