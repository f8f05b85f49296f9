/*
 * The plugin archive as built: who gets a copy, who gets none, and what it
 * says of wrong rules.
 */
#include "tests/unit/stage.h"

static char *control;

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

static void open_stage(
    struct qf_conf *c, const char *rules, const char *const *settings)
{
	stage_list(control, "archive.rules", rules);
	assert_int_equal(
	    0, fakehost_open(c, stage_plugin("archive"), control, settings));
}

/* Words to a list that ends with NULL; bytes are changed and pointed into. */
static void split_words(char *bytes, const char *v[16])
{
	size_t n = 0;

	for (char *w = strtok(bytes, " "); w != NULL; w = strtok(NULL, " "))
		v[n++] = w;
	v[n] = NULL;
}

/* The recipients that a message has afterwards, a space between. */
static char *rcpts_after(struct qf_conf *c, const char *from, const char *to)
{
	struct qf_buf out = QF_BUF_INIT;
	char *copy = strdup(to);
	const char *rcpt[16];
	struct qf_msg m;

	split_words(copy, rcpt);
	fakehost_run(&m, c, qf_span("A: b\n\nhi\n"), from, rcpt);
	assert_int_equal(QF_PASS, m.class_);
	assert_int_equal(0, m.message.generation);
	for (size_t i = 0; i < m.envelope.nrcpt; i++)
		qf_buf_addf(&out, "%s%s", i > 0 ? " " : "",
		    qf_envelope_rcpt(&m.envelope, i));
	fakehost_forget(&m);
	free(copy);
	return qf_buf_detach(&out);
}

struct example {
	const char *rules, *from, *to, *want;
};

static void check_examples(
    const struct example *x, size_t n, const char *const *settings)
{
	for (; n > 0; n--, x++) {
		struct qf_conf c;
		char *got;

		open_stage(&c, x->rules, settings);
		got = rcpts_after(&c, x->from, x->to);
		if (strcmp(x->want, got) != 0)
			fail_msg(
			    "%s: %s -> %s: %s", x->rules, x->from, x->to, got);
		free(got);
		fakehost_close(&c);
	}
}

static void test_who(void **state)
{
	static const struct example examples[] = {
	    {"any a@arch", "s@x", "r@y", "r@y a@arch"},
	    {"from s@x a@arch", "s@x", "r@y q@y", "r@y q@y a@arch"},
	    {"from S@X a@arch", "s@x", "r@y", "r@y a@arch"},
	    {"from s@x a@arch", "s@xx", "r@y", "r@y"},
	    {"from @x a@arch", "s@x", "r@y", "r@y a@arch"},
	    {"from @x a@arch", "s@sub.x", "r@y", "r@y"},
	    {"from @*.x a@arch", "s@sub.x", "r@y", "r@y a@arch"},
	    {"from @*.x a@arch", "s@x", "r@y", "r@y"},
	    {"from s*@x a@arch", "sales@x", "r@y", "r@y a@arch"},
	    {"from s*@x a@arch", "sales@xy", "r@y", "r@y"},
	    {"from !@x a@arch", "s@x", "r@y", "r@y"},
	    {"from !@x a@arch", "s@z", "r@y", "r@y a@arch"},
	    {"to r@y a@arch", "s@x", "r@y", "r@y a@arch"},
	    {"to r@y a@arch", "r@y", "s@x", "s@x"},
	    {"to @y a@arch", "s@x", "p@z r@y q@y", "p@z r@y q@y a@arch"},
	    {"to !@y a@arch", "s@x", "r@y q@y", "r@y q@y"},
	    {"to !@y a@arch", "s@x", "r@y q@z", "r@y q@z a@arch"},
	    {"to root a@arch", "s@x", "root", "root a@arch"},
	    {"to r@y a@arch", "s@x", "\"r@y\"@z", "\"r@y\"@z"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples), stage_no_settings);
}

static void test_destinations(void **state)
{
	static const struct example examples[] = {
	    {"to @y %u@arch", "s@x", "r@y q@Y", "r@y q@Y r@arch q@arch"},
	    {"from * %u=%d@arch", "s@x", "r@y q@y", "r@y q@y s=x@arch"},
	    {"to * box@arch.%d", "s@x", "r@y q@z",
		"r@y q@z box@arch.y box@arch.z"},
	    {"to * copy_%e", "s@x", "r@y", "r@y copy_r@y"},
	    {"to * %u%u%%@arch", "s@x", "r@y", "r@y rr%@arch"},
	    {"to * %u@arch", "s@x", "a@b@y", "a@b@y a@b@arch"},
	    {"to * box.%u@arch", "s@x", "root", "root box.root@arch"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples), stage_no_settings);
}

/* Every address once, and none that gets it anyway. */
static void test_once(void **state)
{
	static const struct example examples[] = {
	    {"any a@arch\nany A@ARCH\nfrom * a@arch\nto * a@arch", "s@x",
		"r@y q@y", "r@y q@y a@arch"},
	    {"any a@arch", "s@x", "r@y A@arch", "r@y A@arch"},
	    {"to * %d@arch", "s@x", "r@y q@y p@z", "r@y q@y p@z y@arch z@arch"},
	    {"any b@arch\nto * a@arch", "s@x", "r@y", "r@y a@arch b@arch"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples), stage_no_settings);
}

/* An archive is nobody whose mail is archived. */
static void test_no_loop(void **state)
{
	static const struct example examples[] = {
	    {"any a@arch", "s@x", "a@arch", "a@arch"},
	    {"any a@arch\nany b@arch\nfrom * c@arch", "s@x", "a@arch B@Arch",
		"a@arch B@Arch"},
	    {"any a@arch\nany b@arch", "s@x", "a@arch r@y",
		"a@arch r@y b@arch"},
	    {"to * copy_%e", "s@x", "copy_r@y", "copy_r@y"},
	    {"to * %u=%d@arch", "s@x", "r=y@arch", "r=y@arch"},
	    {"to * %u=%d@arch", "s@x", "r@arch", "r@arch r=arch@arch"},
	    {"to @y %u.%d@arch\nto @arch %u@other", "s@x", "r.y@arch",
		"r.y@arch"},
	    /* No address of @y has led to this one. */
	    {"to @y %u.%d@arch\nto @arch %u@other", "s@x", "r.z@arch",
		"r.z@arch r.z@other"},
	    {"to @y archive@%d\nany a@arch", "s@x", "archive@z",
		"archive@z a@arch"},
	    {"to @y archive@%d\nany a@arch", "s@x", "archive@Y", "archive@Y"},
	    {"to @y %u-%u@arch\nany a@other", "s@x", "r-r@arch", "r-r@arch"},
	    {"to @y %u-%u@arch\nany a@other", "s@x", "r-q@arch",
		"r-q@arch a@other"},
	    {"to @y %u@z\nto @z %u@y", "s@x", "r@z", "r@z"},
	    {"from @y %u@arch\nany a@other", "s@x", "q@arch", "q@arch"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples), stage_no_settings);
}

static void test_bounces(void **state)
{
	static const char *const no[] = {"bounces=no", NULL};
	static const char *const yes[] = {"bounces=yes", NULL};
	static const struct example archived[] = {
	    {"any a@arch", "", "r@y", "r@y a@arch"},
	    {"to @y a@arch", "#@[]", "r@y", "r@y a@arch"},
	    /* There is no sender that a rule could match. */
	    {"from * a@arch", "", "r@y", "r@y"},
	    {"from !@x a@arch", "#@[]", "r@y", "r@y"},
	};
	static const struct example ignored[] = {
	    {"any a@arch", "", "r@y", "r@y"},
	    {"to @y a@arch", "#@[]", "r@y", "r@y"},
	    {"any a@arch", "s@x", "r@y", "r@y a@arch"},
	};

	(void)state;
	check_examples(archived, UNIT_COUNT(archived), stage_no_settings);
	check_examples(archived, UNIT_COUNT(archived), yes);
	check_examples(ignored, UNIT_COUNT(ignored), no);
}

static void test_indimail(void **state)
{
	static const struct example examples[] = {
	    {"F:abc*@x.example:arch_%u@arch.example", "abcd@x.example", "r@y",
		"r@y arch_abcd@arch.example"},
	    {"F:postmaster@*:arch_postmaster@%d", "postmaster@x", "r@y",
		"r@y arch_postmaster@x"},
	    {"F:postmaster@*:arch_%e", "postmaster@x", "r@y",
		"r@y arch_postmaster@x"},
	    {"F:postmaster@*:arch_%e", "other@x", "r@y", "r@y"},
	    {"T:trap@y:learn@y", "s@x", "trap@y", "trap@y learn@y"},
	    {"T:!trap@y:learn@y", "s@x", "trap@y r@y", "trap@y r@y learn@y"},
	    {":r@y:a@arch", "s@x", "r@y", "r@y a@arch"},
	    {"*:r@y:a@arch", "r@y", "s@x", "s@x"},
	    {"T::%u@arch", "s@x", "r@y", "r@y r@arch"},
	    {"F::%u@arch", "s@x", "r@y", "r@y s@arch"},
	};

	(void)state;
	check_examples(examples, UNIT_COUNT(examples), stage_no_settings);
}

/* What can not be archived does not pass. */
static void test_no_address(void **state)
{
	static const char *const rcpt[] = {"r", NULL};
	static const struct {
		const char *rules, *from;
	} cases[] = {
	    {"to * a@%d.arch", "s@x"},
	    {"from * %u@arch", "s\x01@x"},
	    {"from * %u@arch", "<s>@x"},
	    {"from * %u@arch", "@x"},
	    {"from * a@%d.arch", "s@x."},
	    {"from * a@%d.arch", "s@x y"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_conf c;
		struct qf_msg m;

		open_stage(&c, cases[i].rules, stage_no_settings);
		fakehost_run(&m, &c, qf_span("A: b\n"), cases[i].from, rcpt);
		assert_int_equal(QF_BROKEN, m.class_);
		assert_string_equal("the message can not be archived", m.text);
		assert_non_null(strstr(c.log.v[0], "error no archive address"));
		fakehost_forget(&m);
		fakehost_close(&c);
	}
}

static void test_longest_address(void **state)
{
	struct qf_buf long_one = QF_BUF_INIT;
	const char *rcpt[] = {"r@y", NULL};
	struct qf_conf c;
	struct qf_msg m;
	char *got;

	(void)state;
	open_stage(&c, "from * %u@arch", stage_no_settings);
	qf_buf_addf(&long_one, "%0997d@x", 0); /* and @arch: 1002 */
	got = rcpts_after(&c, long_one.s, "r@y");
	assert_int_equal(strlen("r@y ") + 1002, strlen(got));
	free(got);
	qf_buf_reset(&long_one);
	qf_buf_addf(&long_one, "%0998d@x", 0);
	fakehost_run(&m, &c, qf_span("A: b\n"), long_one.s, rcpt);
	assert_int_equal(QF_BROKEN, m.class_);
	fakehost_forget(&m);
	fakehost_close(&c);
	qf_buf_free(&long_one);
}

static void test_many_recipients(void **state)
{
	enum {
		N = 20000
	};
	const char **rcpt = calloc(N + 1, sizeof *rcpt);
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		char *s = malloc(32);

		snprintf(s, 32, "user%zu@y", i / 2);
		rcpt[i] = s;
	}
	open_stage(&c, "to @y %u@arch\nany a@arch", stage_no_settings);
	fakehost_run(&m, &c, qf_span("A: b\n"), "s@x", rcpt);
	assert_int_equal(QF_PASS, m.class_);
	assert_int_equal(N + N / 2 + 1, m.envelope.nrcpt);
	assert_int_equal(1, c.log.n);
	assert_string_equal(
	    "info archived: copies=10001 first=user0@arch", c.log.v[0]);
	fakehost_forget(&m);
	fakehost_close(&c);
	for (size_t i = 0; i < N; i++)
		free((char *)(uintptr_t)rcpt[i]);
	free(rcpt);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *rules, *mistake;
	} cases[] = {
	    {NULL, "rules:0: there is no such file"},
	    {"#any a@b", "rules:0: holds no rule"},
	    {"\nfrob a@b", "rules:2: \"frob\": a rule is from"},
	    {"any", "the archive address is missing"},
	    {"any archive", "\"archive\" is no address"},
	    {"any @arch", "is no address"},
	    {"any a@", "is no address"},
	    {"any a@b..c", "is no address"},
	    {"any <a@b>", "is no address"},
	    {"any %u@arch", "there is no address that %u"},
	    {"any a@arch b", "\"b\": there is more than the rule needs"},
	    {"from @x", "the archive address is missing"},
	    {"from", "the pattern is missing"},
	    {"to ! a@arch", "the pattern is missing"},
	    {"to @ a@arch", "the pattern is missing"},
	    {"to * %x@arch", "a % stands for nothing here"},
	    {"to * a@arch%", "a % stands for nothing here"},
	    {"to * %e", "is the same address again"},
	    {"from * %u@%d", "is the same address again"},
	    {"to * %u@arch more", "there is more than the rule needs"},
	    {"T:r@y", "a second colon is missing: write T:PATTERN"},
	    {"F:r@y a@arch", "a second colon is missing: write F:PATTERN"},
	    {"T:r@y:", "the archive address is missing"},
	    {"T:r@y:a b@arch c", "is no address"},
	    {"T:!:a@arch", "the pattern is missing"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		stage_list(control, "archive.rules", cases[i].rules);
		stage_refuses(
		    "archive", control, stage_no_settings, cases[i].mistake);
	}
}

static void test_settings(void **state)
{
	static const char *const bad[] = {"bounces=maybe", NULL};
	struct qf_conf c;

	(void)state;
	stage_list(control, "archive.rules", "any a@arch");
	stage_refuses("archive", control, bad, "bounces: write yes or no");
	open_stage(&c, "any a@arch", stage_no_settings);
	assert_int_equal(QF_EFFECT_RCPT, c.plugin->effects);
	assert_int_equal(0, c.plugin->flags);
	fakehost_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who),
	    cmocka_unit_test(test_destinations),
	    cmocka_unit_test(test_once),
	    cmocka_unit_test(test_no_loop),
	    cmocka_unit_test(test_bounces),
	    cmocka_unit_test(test_indimail),
	    cmocka_unit_test(test_no_address),
	    cmocka_unit_test(test_longest_address),
	    cmocka_unit_test(test_many_recipients),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
