/*
 * QHPSI: what the variables say, and how the scanner is run; then the plugin as
 * built.
 */
#include "tests/unit/stage.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "lib/mail/qhpsi.h"

static struct qf_err e;

/* Variables as NAME=VALUE, ended by NULL. */
static const char *get(void *arg, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *v = arg; *v != NULL; v++) {
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			return *v + n + 1;
	}
	return NULL;
}

static char warned[200];

static void warn(void *arg, const char *text)
{
	(void)arg;
	snprintf(warned, sizeof warned, "%s", text);
}

static int take(struct qf_qhpsi *q, const char *const *variables)
{
	struct qf_qhpsi_source s = {get, warn, (void *)(uintptr_t)variables};
	int rc;

	*q = (struct qf_qhpsi)QF_QHPSI_INIT;
	warned[0] = '\0';
	rc = qf_qhpsi_take_program(q, &s, &e);
	if (rc == 0)
		rc = qf_qhpsi_take_codes(q, &s, &e);
	if (rc == 0)
		rc = qf_qhpsi_take_sizes(q, &s, &e);
	return rc;
}

static void test_words(void **state)
{
	static const struct {
		const char *variables[6], *words;
	} cases[] = {
	    {{"QHPSI=/bin/echo"}, "/bin/echo|%s|"},
	    {{"QHPSI=echo"}, "echo|%s|"},
	    {{"QHPSI="}, ""},
	    {{NULL}, ""},
	    {{"QHPSIARG1=x"}, ""},
	    {{"QHPSI=echo", "QHPSIARG1=--a b", "QHPSIARG2=c", "QHPSIARG3=d"},
		"echo|%s|--a b|c|d|"},
	    {{"QHPSI=echo", "QHPSIARG1=a", "QHPSIARG3=d"}, "echo|%s|a|"},
	    {{"QHPSI=echo", "QHPSIARG2=a"}, "echo|%s|"},
	    {{"QHPSI=echo", "QHPSIARG1=a", "QHPSIARG2=", "QHPSIARG3=d"},
		"echo|%s|a|"},
	    {{"QHPSI=echo", "QHPSIARG1=1", "QHPSIARG2=2", "QHPSIARG3=3",
		 "QHPSIARG4=4"},
		"echo|%s|1|2|3|4|"},
	    {{"QHPSI=echo --quiet 'a b'"}, "echo|%s|--quiet|a b|"},
	    {{"QHPSI=echo --quiet %s -x"}, "echo|--quiet|%s|-x|"},
	    {{"QHPSI=echo %s %s"}, "echo|%s|%s|"},
	    {{"QHPSI=echo", "QHPSIARG1=-x", "QHPSIARG2=%s"}, "echo|-x|%s|"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_buf got = QF_BUF_INIT;
		struct qf_qhpsi q;

		assert_int_equal(0, take(&q, cases[i].variables));
		for (size_t k = 0; k < q.words.n; k++)
			qf_buf_addf(&got, "%s|", q.words.v[k]);
		assert_string_equal(cases[i].words, got.s);
		assert_int_equal(1, q.infected);
		assert_int_equal(0, q.clean);
		assert_true(qf_qhpsi_applies(&q, 0));
		assert_true(qf_qhpsi_applies(&q, UINT64_MAX));
		qf_buf_free(&got);
		qf_qhpsi_free(&q);
	}
}

static void test_sizes(void **state)
{
	static const struct {
		const char *variables[5];
		uint64_t min, max;
		const char *warned;
	} cases[] = {
	    {{"QHPSIMINSIZE=10", "QHPSIMAXSIZE=20"}, 10, 20, ""},
	    {{"QHPSIMINSIZE=0", "QHPSIMAXSIZE=0"}, 0, 0, ""},
	    {{"QHPSIMISIZE=10"}, 10, 0,
		"QHPSIMISIZE is a slip of the manual page: the name is "
		"QHPSIMINSIZE"},
	    {{"QHPPIMAXSIZE=20"}, 0, 20,
		"QHPPIMAXSIZE is a slip of the manual page: the name is "
		"QHPSIMAXSIZE"},
	    {{"QHPPIMAXSIZE=20", "QHPSIMAXSIZE=30"}, 0, 30, ""},
	};
	struct qf_qhpsi q;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		assert_int_equal(0, take(&q, cases[i].variables));
		assert_int_equal(cases[i].min, q.min);
		assert_int_equal(cases[i].max, q.max);
		assert_string_equal(cases[i].warned, warned);
		qf_qhpsi_free(&q);
	}
	q = (struct qf_qhpsi){.min = 10, .max = 20};
	assert_false(qf_qhpsi_applies(&q, 9));
	assert_true(qf_qhpsi_applies(&q, 10));
	assert_true(qf_qhpsi_applies(&q, 20));
	assert_false(qf_qhpsi_applies(&q, 21));
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *variables[4];
		int rc;
		const char *text;
	} cases[] = {
	    {{"QHPSI=plugin:a.so b.so"}, QF_ECONF, "lists plugins"},
	    {{"QHPSI=echo 'x"}, QF_ECONF, "quote"},
	    {{"QHPSI= "}, QF_ECONF, "names no program"},
	    {{"QHPSI=no-such-scanner"}, QF_EEXEC, "no-such-scanner"},
	    {{"QHPSI=echo", "QHPSIRC=256"}, QF_ECONF, "QHPSIRC=256"},
	    {{"QHPSI=echo", "QHPSIRC=-1"}, QF_ECONF, "QHPSIRC=-1"},
	    {{"QHPSI=echo", "QHPSIRN=no"}, QF_ECONF, "QHPSIRN=no"},
	    {{"QHPSI=echo", "QHPSIRC=0"}, QF_ECONF, "both infected"},
	    {{"QHPSI=echo", "QHPSIRN=1"}, QF_ECONF, "both infected"},
	    {{"QHPSI=echo", "QHPSIMAXSIZE=1M"}, QF_ECONF, "QHPSIMAXSIZE=1M"},
	    {{"QHPSI=echo", "QHPSIMISIZE=-1"}, QF_ECONF, "QHPSIMISIZE=-1"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_qhpsi q;

		assert_int_equal(cases[i].rc, take(&q, cases[i].variables));
		if (strstr(e.text, cases[i].text) == NULL)
			fail_msg("%zu: %s", i, e.text);
		qf_qhpsi_free(&q);
	}
}

static int collect(void *arg, struct qf_span bytes, struct qf_err *err)
{
	(void)err;
	return qf_buf_addspan(arg, bytes);
}

static void test_scan(void **state)
{
	static const struct {
		const char *variables[5];
		int rc, code;
		const char *output;
	} cases[] = {
	    {{"QHPSI=echo", "QHPSIARG1=x"}, QF_QHPSI_CLEAN, 0, "a file x\n"},
	    {{"QHPSI=sh", "QHPSIARG1=-c",
		 "QHPSIARG2=echo 1; echo 2 >&2; exit "
		 "1"},
		QF_QHPSI_ODD, 2, NULL}, /* (the shell gets the file name) */
	    {{"QHPSI=sh -c 'echo 1; echo 2 >&2; exit 1' %s"}, QF_QHPSI_INFECTED,
		1, "1\n2\n"},
	    {{"QHPSI=sh -c 'exit 1' %s", "QHPSIRC=7"}, QF_QHPSI_ODD, 1, ""},
	    {{"QHPSI=sh -c 'exit 7' %s", "QHPSIRC=7"}, QF_QHPSI_INFECTED, 7,
		""},
	    {{"QHPSI=sh -c 'exit 9' %s", "QHPSIRN=9"}, QF_QHPSI_CLEAN, 9, ""},
	    {{"QHPSI=sh -c 'exit 0' %s", "QHPSIRN=9"}, QF_QHPSI_ODD, 0, ""},
	    {{"QHPSI=sh -c 'kill -SEGV $$' %s"}, QF_ECRASH, -1, ""},
	    {{"QHPSI=sh -c 'readlink /proc/self/fd/0' %s"}, QF_QHPSI_CLEAN, 0,
		"/dev/null\n"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_buf got = QF_BUF_INIT;
		const struct qf_run_out out = {.take = collect, .arg = &got};
		const struct qf_run run = {
		    .out = &out, .nout = 1, .deadline = QF_NEVER};
		struct qf_qhpsi q;
		int code = -1;

		assert_int_equal(0, take(&q, cases[i].variables));
		assert_int_equal(
		    cases[i].rc, qf_qhpsi_scan(&q, "a file", &run, &code, &e));
		assert_int_equal(cases[i].code, code);
		if (cases[i].output != NULL)
			assert_string_equal(cases[i].output, got.s);
		qf_buf_free(&got);
		qf_qhpsi_free(&q);
	}
}

/* The plugin. */

static char *control;
static const char *const one[] = {"b@y.example", NULL};
static const char mail[] = "Subject: x\n\nhello\n";

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

static int entries(const char *folder)
{
	DIR *d = opendir(folder);
	int n = -2; /* . and .. */

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

struct sample {
	const char *settings[5], *env[5];
	int class_;
	unsigned code;
	const char *text; /* a part of the log or of the verdict's */
};

static bool said(
    const struct qf_conf *c, const struct qf_msg *m, const char *text)
{
	for (size_t i = 0; i < c->log.n; i++) {
		if (strstr(c->log.v[i], text) != NULL)
			return true;
	}
	return strstr(m->text, text) != NULL;
}

static void check(const struct sample *x, size_t at)
{
	char *tmp = unit_dir();
	struct qf_conf c;
	struct qf_msg m;

	assert_int_equal(0, setenv("TMPDIR", tmp, 1));
	assert_int_equal(
	    0, fakehost_open(&c, stage_plugin("qhpsi"), control, x->settings));
	qf_strv_add(&c.env, "PATH=/usr/bin:/bin");
	for (size_t i = 0; x->env[i] != NULL; i++)
		qf_strv_add(&c.env, x->env[i]);
	fakehost_run(&m, &c, qf_span(mail), "", one);
	if (m.class_ != x->class_ || m.verdict.code != x->code ||
	    (x->text != NULL && !said(&c, &m, x->text)))
		fail_msg("%zu: class %d code %u text %s log %s", at, m.class_,
		    m.verdict.code, m.text, c.log.n > 0 ? c.log.v[0] : "");
	if (m.class_ == QF_REJECT || m.class_ == QF_DISCARD)
		assert_int_equal(QF_CAT_VIRUS, m.verdict.category);
	assert_int_equal(0, m.edits.n);
	/* Nothing is left of the file and its folder. */
	assert_int_equal(0, entries(tmp));
	assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
	fakehost_forget(&m);
	fakehost_close(&c);
	unsetenv("TMPDIR");
	unit_remove_dir(tmp);
}

static void test_plugin(void **state)
{
	static const struct sample samples[] = {
	    {.class_ = QF_PASS},
	    {.env = {"QHPSI=true"}},
	    {.env = {"QHPSI=false"}, .class_ = QF_REJECT},
	    {.env = {"QHPSI=false", "QHPSIRC=2"},
		.class_ = QF_BROKEN,
		.code = 55,
		.text = "false: exit code 1 is neither"},
	    {.env = {"QHPSI=false", "QHPSIMINSIZE=19"}},
	    {.env = {"QHPSI=false", "QHPSIMINSIZE=18"}, .class_ = QF_REJECT},
	    {.env = {"QHPSI=false", "QHPPIMAXSIZE=17"},
		.text = "QHPPIMAXSIZE is a slip"},
	    {.env = {"QHPSI=no-such-scanner"}, .class_ = QF_BROKEN, .code = 77},
	    {.env = {"QHPSI=/nonexistent/scanner"},
		.class_ = QF_BROKEN,
		.code = 77},
	    {.env = {"QHPSI=plugin:clam.so"},
		.class_ = QF_BROKEN,
		.code = 55,
		.text = "this version does not have"},
	    {.env = {"QHPSI=true", "QHPSIRC=many"},
		.class_ = QF_BROKEN,
		.code = 55},
	    {.env = {"QHPSI=sh -c 'kill -ABRT $$' %s"},
		.class_ = QF_BROKEN,
		.code = 77,
		.text = "killed by signal 6"},
	    /* It finds the message, and nobody else could. */
	    {.env = {"QHPSI=cmp", "QHPSIARG1=/proc/self/fd/0"},
		.class_ = QF_REJECT}, /* (/dev/null on 0) */
	    {.env = {"QHPSI=sh -c 'stat -c %a $0 ${0%/*}; tail -n 1 $0' %s"},
		.text = "600"},
	    {.env = {"QHPSI=sh -c 'stat -c %a $0 ${0%/*}; tail -n 1 $0' %s"},
		.text = "700"},
	    {.env = {"QHPSI=sh -c 'stat -c %a $0 ${0%/*}; tail -n 1 $0' %s"},
		.text = "sh: hello"},
	    {.env = {"QHPSI=sh -c 'chmod 0 $0; rm -f $0' %s"}},
	    {.env = {"QHPSI=env", "QHPSIARG1=x"},
		.class_ = QF_BROKEN,
		.code = 55},
	    /* what becomes of it */
	    {.env = {"QHPSI=false", "REJECTVIRUS=0"},
		.text = "let by: REJECTVIRUS"},
	    {.env = {"QHPSI=false", "REJECTVIRUS=1"}, .class_ = QF_REJECT},
	    {.env = {"QHPSI=false", "REJECTVIRUS=2"}, .class_ = QF_DISCARD},
	    {.env = {"QHPSI=false", "REJECTVIRUS=0"},
		.settings = {"action=reject"},
		.class_ = QF_REJECT},
	    {.env = {"QHPSI=false"},
		.settings = {"action=quarantine"},
		.class_ = QF_QUARANTINE},
	    {.env = {"QHPSI=false"},
		.settings = {"action=discard"},
		.class_ = QF_DISCARD},
	    /* settings in place of variables */
	    {.settings = {"command=false"}, .class_ = QF_REJECT},
	    {.settings = {"command=true"}, .env = {"QHPSI=false", "QHPSIRC=0"}},
	    {.settings = {"command=sh -c 'exit 3' %s", "infected-code=3",
		 "clean-code=7"},
		.class_ = QF_REJECT},
	    {.settings = {"command=sh -c 'exit 7' %s", "infected-code=3",
		 "clean-code=7"}},
	    {.settings = {"command=false", "min-size=1K"},
		.text = "not scanned"},
	    {.settings = {"command=false", "max-size=17"},
		.text = "not scanned"},
	    {.settings = {"command=sh -c 'ulimit -v' %s", "memory=1G"},
		.text = "1048576"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(samples); i++)
		check(&samples[i], i);
}

static void test_plugin_late(void **state)
{
	static const char *const settings[] = {
	    "command=sh -c 'tail -f /dev/null' %s", NULL};
	char *tmp = unit_dir();
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	assert_int_equal(0, setenv("TMPDIR", tmp, 1));
	assert_int_equal(
	    0, fakehost_open(&c, stage_plugin("qhpsi"), control, settings));
	c.time_left = 20;
	fakehost_run(&m, &c, qf_span(mail), "", one);
	assert_int_equal(QF_BROKEN, m.class_);
	assert_int_equal(77, m.verdict.code);
	assert_int_equal(QF_CAT_TIMEOUT, m.verdict.category);
	assert_int_equal(0, entries(tmp));
	assert_int_equal(0, c.taken.n);
	fakehost_forget(&m);
	fakehost_close(&c);
	unsetenv("TMPDIR");
	unit_remove_dir(tmp);
}

/* TERM in the middle of a scan: file and scanner go along. */
static void test_plugin_term(void **state)
{
	char *tmp = unit_dir(), *pipe_path = NULL;
	const char *none[] = {NULL};
	char line[4096] = "", *env = NULL;
	int fd, status;
	pid_t pid;

	(void)state;
	assert_int_equal(0, setenv("TMPDIR", tmp, 1));
	assert_true(asprintf(&pipe_path, "%s/pipe", control) > 0);
	assert_int_equal(0, mkfifo(pipe_path, 0600));
	assert_true(asprintf(&env,
			"QHPSI=sh -c 'echo $0 >%s; tail -f /dev/null "
			">/dev/null' %%s",
			pipe_path) > 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct qf_conf c;
		struct qf_msg m;

		if (fakehost_open(&c, stage_plugin("qhpsi"), control, none) ==
		    0) {
			qf_strv_add(&c.env, env);
			fakehost_run(&m, &c, qf_span(mail), "", one);
		}
		_exit(99);
	}
	fd = open(pipe_path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, line, sizeof line - 1) > 0);
	line[strcspn(line, "\n")] = '\0';
	assert_int_equal(0, access(line, R_OK));
	assert_int_equal(1, entries(tmp));
	kill(pid, SIGTERM);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(SIGTERM, WTERMSIG(status));
	assert_int_equal(0, entries(tmp));
	close(fd);
	unsetenv("TMPDIR");
	unit_remove_dir(tmp);
	unlink(pipe_path);
	free(pipe_path);
	free(env);
}

static void test_plugin_mistakes(void **state)
{
	static const struct {
		const char *setting[4], *mistake;
	} cases[] = {
	    {{"command=no-such-scanner"}, "command: there is no"},
	    {{"command=plugin:x.so"}, "command: \"plugin:x.so\" lists"},
	    {{"command=true", "infected-code=300"}, "infected-code: no exit"},
	    {{"command=true", "clean-code=1"}, "infected-code: is the clean"},
	    {{"infected-code=3"}, "infected-code: goes with a command"},
	    {{"max-size=3"}, "max-size: goes with a command"},
	    {{"command=true", "max-size=big"}, "max-size: no size"},
	    {{"action=tag"}, "action: unknown action"},
	    {{"cpu=0"}, "cpu: not a limit"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		stage_refuses(
		    "qhpsi", control, cases[i].setting, cases[i].mistake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_plugin),
	    cmocka_unit_test(test_plugin_late),
	    cmocka_unit_test(test_plugin_term),
	    cmocka_unit_test(test_plugin_mistakes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
