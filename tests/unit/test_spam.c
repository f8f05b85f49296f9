/*
 * The plugin spam as built: what the exit codes of a program come to, by
 * settings and by the variables of qmail-spamfilter.
 */
#include "tests/unit/stage.h"

#include <sys/stat.h>

static char *control;
static const char *const two[] = {"b@y.example", "c@y.example", NULL};
static const char mail[] = "Subject: x\n\nhello\n";
static const char tagged[] = "X-Spam: maybe\nSubject: x\n\nhello\n";

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

enum {
	WORDS = 8
};

struct sample {
	const char *settings[WORDS]; /* besides engine=command */
	const char *env[WORDS];
	int class_;
	unsigned code; /* of a verdict with one */
	const char *target;
	const char *message; /* afterwards; NULL: as before */
};

static void check(const struct sample *x, size_t at)
{
	const char *settings[WORDS + 1] = {"engine=command"};
	struct qf_conf c;
	struct qf_msg m;
	char *got;

	memcpy(settings + 1, x->settings, sizeof x->settings);
	assert_int_equal(
	    0, fakehost_open(&c, stage_plugin("spam"), control, settings));
	qf_strv_add(&c.env, "PATH=/usr/bin:/bin");
	for (size_t i = 0; x->env[i] != NULL; i++)
		qf_strv_add(&c.env, x->env[i]);
	fakehost_run(&m, &c, qf_span(mail), "a@x.example", two);
	if (m.class_ != x->class_ || m.verdict.code != x->code)
		fail_msg("%zu: class %d code %u: %s", at, m.class_,
		    m.verdict.code, m.text);
	got = stage_message(&m);
	assert_string_equal(x->message != NULL ? x->message : mail, got);
	free(got);
	if (x->target != NULL)
		assert_string_equal(x->target, m.target);
	if (m.class_ == QF_REDIRECT)
		assert_string_equal("", qf_envelope_sender(&m.envelope));
	else
		assert_string_equal(
		    "a@x.example", qf_envelope_sender(&m.envelope));
	if (m.class_ != QF_PASS && m.class_ != QF_BROKEN && x->code == 0)
		assert_int_equal(
		    m.class_ == QF_DEFER ? QF_CAT_NONE : QF_CAT_SPAM,
		    m.verdict.category);
	fakehost_forget(&m);
	fakehost_close(&c);
}

/* Commands that add a field and end with a code. */
#define FILTER(code)     "sh -c 'echo X-Spam: maybe; cat; exit " #code "'"
#define COMMAND(code)    "command=" FILTER(code)
#define SPAMFILTER(code) "SPAMFILTER=" FILTER(code)

static void test_variables(void **state)
{
	static const struct sample samples[] = {
	    /* none */
	    {.class_ = QF_PASS},
	    {.env = {"SPAMFILTER= "}, .class_ = QF_PASS},
	    /* bogofilter's codes */
	    {.env = {SPAMFILTER(0)}, .class_ = QF_PASS, .message = tagged},
	    {.env = {SPAMFILTER(1), "REJECTSPAM=1"}, .message = tagged},
	    {.env = {SPAMFILTER(2), "REJECTSPAM=1"}, .message = tagged},
	    {.env = {SPAMFILTER(3)}, .class_ = QF_BROKEN, .code = 76},
	    {.env = {SPAMFILTER(99)}, .class_ = QF_BROKEN, .code = 76},
	    {.env = {SPAMFILTER(255)}, .class_ = QF_BROKEN, .code = 76},
	    /* what becomes of spam */
	    {.env = {SPAMFILTER(0), "REJECTSPAM=0"}, .message = tagged},
	    {.env = {SPAMFILTER(0), "REJECTSPAM="}, .message = tagged},
	    {.env = {SPAMFILTER(0), "REJECTSPAM=1"}, .class_ = QF_REJECT},
	    {.env = {SPAMFILTER(0), "REJECTSPAM=2"}, .class_ = QF_DISCARD},
	    {.env = {SPAMFILTER(0), "SPAMREDIRECT=s@z"},
		.class_ = QF_REDIRECT,
		.target = "s@z",
		.message = tagged},
	    {.env = {SPAMFILTER(0), "SPAMREDIRECT=s@z", "REJECTSPAM=2"},
		.class_ = QF_REDIRECT,
		.target = "s@z",
		.message = tagged},
	    {.env = {SPAMFILTER(0), "SPAMREDIRECT=s@z", "REJECTSPAM=1"},
		.class_ = QF_REJECT},
	    {.env = {SPAMFILTER(1), "SPAMREDIRECT=s@z"}, .message = tagged},
	    /* other codes */
	    {.env = {SPAMFILTER(1), "SPAMEXITCODE=1", "HAMEXITCODE=0",
		 "REJECTSPAM=1"},
		.class_ = QF_REJECT},
	    {.env = {SPAMFILTER(0), "SPAMEXITCODE=1", "HAMEXITCODE=0",
		 "REJECTSPAM=1"},
		.message = tagged},
	    {.env = {SPAMFILTER(7), "UNSUREEXITCODE=7"}, .message = tagged},
	    {.env = {SPAMFILTER(0), "SPAMEXITCODE=many"},
		.class_ = QF_BROKEN,
		.code = 76},
	    /* refusals of the filter's own */
	    {.env = {SPAMFILTER(71)}, .class_ = QF_DEFER},
	    {.env = {SPAMFILTER(111)}, .class_ = QF_DEFER},
	    /* clients that need none */
	    {.env = {SPAMFILTER(0), "RELAYCLIENT=", "REJECTSPAM=1"},
		.class_ = QF_REJECT},
	    {.env = {SPAMFILTER(0), "RELAYCLIENT=", "REJECTSPAM=1",
		 "RELAYCLIENT_NOSPAMFILTER="}},
	    {.env = {SPAMFILTER(0), "AUTHINFO=me", "REJECTSPAM=1",
		 "RELAYCLIENT_NOSPAMFILTER="}},
	    {.env = {SPAMFILTER(0), "REJECTSPAM=1",
		 "RELAYCLIENT_NOSPAMFILTER="},
		.class_ = QF_REJECT},
	    /* trouble */
	    {.env = {"SPAMFILTER=/nonexistent/filter"},
		.class_ = QF_BROKEN,
		.code = 76},
	    {.env = {"SPAMFILTER=sh 'x"}, .class_ = QF_BROKEN, .code = 76},
	    {.env = {"SPAMFILTER=sh -c 'cat; kill -KILL $$'"},
		.class_ = QF_BROKEN,
		.code = 76},
	    {.env = {"SPAMFILTER=false"}, .class_ = QF_BROKEN, .code = 76},
	    {.env = {"SPAMFILTER=sh -c 'echo From x; exit 1'"},
		.class_ = QF_BROKEN,
		.code = 76},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(samples); i++)
		check(&samples[i], i);
}

static void test_settings(void **state)
{
	static const struct sample samples[] = {
	    {.settings = {COMMAND(0), "action=reject"}, .class_ = QF_REJECT},
	    {.settings = {COMMAND(0), "action=discard"}, .class_ = QF_DISCARD},
	    {.settings = {COMMAND(0), "action=quarantine"},
		.class_ = QF_QUARANTINE},
	    {.settings = {COMMAND(0), "action=tag"}, .message = tagged},
	    {.settings = {COMMAND(0), "action=redirect", "redirect-to=s@z"},
		.class_ = QF_REDIRECT,
		.target = "s@z",
		.message = tagged},
	    /* They come before the variables. */
	    {.settings = {COMMAND(0), "action=tag"},
		.env = {"REJECTSPAM=1", "SPAMREDIRECT=s@z"},
		.message = tagged},
	    {.settings = {COMMAND(0), "redirect-to=s@z"},
		.env = {"SPAMREDIRECT=q@z"},
		.class_ = QF_REDIRECT,
		.target = "s@z",
		.message = tagged},
	    {.settings = {COMMAND(1)},
		.env = {SPAMFILTER(0), "REJECTSPAM=1"},
		.message = tagged},
	    {.settings = {COMMAND(1), "spam-code=1,5", "ham-code=0",
		 "action=reject"},
		.class_ = QF_REJECT},
	    {.settings = {COMMAND(5), "spam-code=1, 5", "ham-code=0",
		 "action=reject"},
		.env = {"SPAMEXITCODE=0"},
		.class_ = QF_REJECT},
	    {.settings = {COMMAND(0), "spam-code=1,5", "ham-code=0",
		 "action=reject"},
		.message = tagged},
	    /* A program that only judges. */
	    {.settings = {"command=false", "output=none"}},
	    {.settings = {"command=true", "output=none", "action=reject"},
		.class_ = QF_REJECT},
	    {.settings = {"command=true", "output=none", "action=tag"}},
	    {.settings = {"command=true", "action=tag"},
		.class_ = QF_BROKEN,
		.code = 76},
	    {.settings = {"command=yes", "max-output=1K"},
		.class_ = QF_BROKEN,
		.code = 76},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(samples); i++)
		check(&samples[i], i);
}

/* What it says of a message by 31, 100 and 88 is not about spam. */
static void test_refusals(void **state)
{
	static const struct {
		const char *command;
		int class_;
		const char *text;
	} cases[] = {
	    {"command=sh -c 'exit 31'", QF_REJECT, ""},
	    {"command=sh -c 'exit 100'", QF_REJECT, ""},
	    {"command=sh -c 'echo Dgo away >&2; exit 88'", QF_REJECT,
		"go away"},
	    {"command=sh -c 'echo Zlater >&2; exit 88'", QF_DEFER, "later"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const char *const settings[] = {
		    "engine=command", cases[i].command, NULL};
		struct qf_conf c;
		struct qf_msg m;

		assert_int_equal(0,
		    fakehost_open(&c, stage_plugin("spam"), control, settings));
		fakehost_run(&m, &c, qf_span(mail), "", two);
		assert_int_equal(cases[i].class_, m.class_);
		assert_int_equal(QF_CAT_NONE, m.verdict.category);
		assert_string_equal(cases[i].text, m.text);
		fakehost_forget(&m);
		fakehost_close(&c);
	}
}

static void test_taken(void **state)
{
	static const char *const settings[] = {"engine=command", NULL};
	static const char *const more[] = {"", "RELAYCLIENT=1"};
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(0,
		    fakehost_open(&c, stage_plugin("spam"), control, settings));
		qf_strv_add(&c.env, SPAMFILTER(1));
		qf_strv_add(&c.env, "RELAYCLIENT_NOSPAMFILTER=1");
		qf_strv_add(&c.env, more[i]);
		fakehost_run(&m, &c, qf_span(mail), "", two);
		assert_int_equal(QF_PASS, m.class_);
		assert_int_equal(1, c.taken.n);
		assert_string_equal("SPAMFILTER", c.taken.v[0]);
		assert_int_equal(1 - i, c.waited.n);
		fakehost_forget(&m);
		fakehost_close(&c);
	}
}

static void write_global(const char *text)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/globalspamredirect", control);
	unlink(path);
	if (text == NULL)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(0, chmod(path, 0644));
}

static void test_global(void **state)
{
	static const struct sample samples[] = {
	    {.env = {SPAMFILTER(0)},
		.class_ = QF_REDIRECT,
		.target = "all@z",
		.message = tagged},
	    {.env = {SPAMFILTER(0), "SPAMREDIRECT=s@z"},
		.class_ = QF_REDIRECT,
		.target = "s@z",
		.message = tagged},
	    {.env = {SPAMFILTER(0), "SPAMREDIRECT="},
		.class_ = QF_REDIRECT,
		.target = "all@z",
		.message = tagged},
	    {.settings = {COMMAND(0), "action=redirect"},
		.class_ = QF_REDIRECT,
		.target = "all@z",
		.message = tagged},
	};
	static const char *const redirect[] = {
	    "engine=command", "action=redirect", NULL};

	(void)state;
	write_global("all@z\n");
	for (size_t i = 0; i < UNIT_COUNT(samples); i++)
		check(&samples[i], i);
	write_global("");
	stage_refuses("spam", control, redirect, "redirect needs an address");
	write_global("a\rb\n");
	stage_refuses("spam", control, redirect, "no address");
	write_global(NULL);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *setting[4], *mistake;
	} cases[] = {
	    {{NULL}, "engine: say who judges"},
	    {{"engine=rspamd"}, "not available in this version"},
	    {{"engine=spamd"}, "not available in this version"},
	    {{"engine=perl"}, "engine: say who judges"},
	    {{"engine=command", "action=burn"}, "action: unknown action"},
	    {{"engine=command", "action=redirect"},
		"action: redirect needs an address"},
	    {{"engine=command", "redirect-to="}, "redirect-to: no address"},
	    {{"engine=command", "command=nosuchprogram"},
		"command: there is no program \"nosuchprogram\""},
	    {{"engine=command", "command="}, "command: names no program"},
	    {{"engine=command", "spam-code=256"}, "spam-code: no exit codes"},
	    {{"engine=command", "ham-code=1,"}, "ham-code: no exit codes"},
	    {{"engine=command", "output=all"}, "output: unknown"},
	    {{"engine=command", "memory=0"}, "memory: not a limit"},
	    {{"engine=command", "command=true", "spam-code=1"},
		"an exit code has two meanings"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		stage_refuses(
		    "spam", control, cases[i].setting, cases[i].mistake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_settings),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_taken),
	    cmocka_unit_test(test_global),
	    cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
