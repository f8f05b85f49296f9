/*
 * The plugin filter as built: what its engines promise the programs that they
 * run, and what they make of what those do.
 */
#include "tests/unit/stage.h"

#include <sys/wait.h>

static char *control;
static const char *const two[] = {"b@y.example", "c@y.example", NULL};
static const char mail[] = "Subject: x\nFrom: a@x.example\n\nhello\n";

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

static void open_stage(struct qf_conf *c, const char *const *settings)
{
	assert_int_equal(
	    0, fakehost_open(c, stage_plugin("filter"), control, settings));
	qf_strv_add(&c->env, "PATH=/usr/bin:/bin");
	qf_strv_add(&c->env, "ERROR_FD=7");
}

/* A stage of one engine with one command, and one message through it. */
struct shot {
	struct qf_conf c;
	struct qf_msg m;
	char *got; /* the message afterwards */
};

static void fire_with(struct shot *s, const char *const *settings,
    const char *const *env, const char *const *rcpt)
{
	int fds = unit_open_fds();

	open_stage(&s->c, settings);
	for (; env != NULL && *env != NULL; env++)
		qf_strv_add(&s->c.env, *env);
	fakehost_run(&s->m, &s->c, qf_span(mail), "a@x.example", rcpt);
	s->got = stage_message(&s->m);
	/* Nothing is left: no descriptor but those of the message (as it came
	 * and in one piece) and of the control directory, no child. */
	assert_true(unit_open_fds() <= fds + 3);
	assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
}

static void end(struct shot *s)
{
	free(s->got);
	fakehost_forget(&s->m);
	fakehost_close(&s->c);
}

static void fire(struct shot *s, const char *engine, const char *command)
{
	char first[32], second[4096];
	const char *settings[] = {first, second, NULL};

	snprintf(first, sizeof first, "engine=%s", engine);
	snprintf(second, sizeof second, "command=%s", command);
	fire_with(s, settings, NULL, two);
}

static bool logged(const struct shot *s, const char *text)
{
	for (size_t i = 0; i < s->c.log.n; i++) {
		if (strstr(s->c.log.v[i], text) != NULL)
			return true;
	}
	return false;
}

static const char changed[] =
    "X-Filter: yes\nSubject: x\nFrom: a@x.example\n\nHELLO\n";

static void test_shell_output(void **state)
{
	struct shot s;

	(void)state;
	fire(&s, "shell", "echo 'X-Filter: yes'; sed s/hello/HELLO/ | cat");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(changed, s.got);
	assert_string_equal("exec echo", s.c.waited.v[0]);
	end(&s);
	fire(&s, "shell", "cat");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(mail, s.got);
	end(&s);
	/* What goes on writing after the shell's end belongs to it. */
	fire(&s, "shell",
	    "exec 3<&0; { until read -r _ _ s _ </proc/$$/stat && [ $s = Z ]; "
	    "do :; done; cat <&3; } & exit 0");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(mail, s.got);
	end(&s);
}

static void test_shell_environment(void **state)
{
	static const char *const settings[] = {NULL};
	static const char *const env[] = {
	    "FILTERARGS=cat; env >&2; ls /proc/$$/fd | paste -s >&2",
	    "SPAMFILTER=never", "TCPREMOTEIP=192.0.2.1", NULL};
	struct shot s;

	(void)state;
	/* Without a command it is the variable, which then is done with. */
	fire_with(&s, settings, env, two);
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(mail, s.got);
	assert_int_equal(1, s.c.taken.n);
	assert_string_equal("FILTERARGS", s.c.taken.v[0]);
	assert_true(logged(&s, "cat: TCPREMOTEIP=192.0.2.1"));
	assert_true(logged(&s, "cat: ERROR_FD=2"));
	assert_true(logged(&s, "cat: 0\t1\t2"));
	assert_false(logged(&s, "FILTERARGS="));
	assert_false(logged(&s, "SPAMFILTER="));
	assert_false(logged(&s, "ERROR_FD=7"));
	end(&s);
	/* Nothing to do. */
	fire_with(&s, settings, NULL, two);
	assert_int_equal(QF_PASS, s.m.class_);
	assert_int_equal(0, s.c.waited.n);
	end(&s);
}

static void test_shell_seeks(void **state)
{
	struct shot s;

	(void)state;
	/* Descriptor 0 is a file of its own: read twice from its start. */
	fire(&s, "shell",
	    "test -f /dev/stdin && head -n 1 </proc/self/fd/0 >&2; "
	    "cat </proc/self/fd/0");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(mail, s.got);
	assert_true(logged(&s, "Subject: x"));
	end(&s);
}

struct answer {
	const char *command;
	int class_;
	unsigned code;
	const char *text; /* NULL: none */
};

static void check_answers(const char *engine, const struct answer *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct shot s;

		fire(&s, engine, a[i].command);
		if (s.m.class_ != a[i].class_ ||
		    s.m.verdict.code != a[i].code ||
		    (a[i].text == NULL ? s.m.text[0] != '\0'
				       : strcmp(a[i].text, s.m.text) != 0))
			fail_msg("%s: class %d code %u text \"%s\"",
			    a[i].command, s.m.class_, s.m.verdict.code,
			    s.m.text);
		assert_string_equal(mail, s.got);
		end(&s);
	}
}

static void test_shell_answers(void **state)
{
	static const struct answer answers[] = {
	    {"cat; exit 2", QF_DISCARD, 0, NULL},
	    {"cat; exit 99", QF_DISCARD, 0, NULL},
	    {"cat; exit 31", QF_REJECT, 0, NULL},
	    {"cat; exit 100", QF_REJECT, 0, NULL},
	    {"cat; exit 71", QF_DEFER, 0, NULL},
	    {"cat; exit 111", QF_DEFER, 0, NULL},
	    {"cat; exit 1", QF_DEFER, 0, NULL},
	    {"cat; exit 32", QF_DEFER, 0, NULL},
	    {"cat; exit 255", QF_DEFER, 0, NULL},
	    {"no-such-program", QF_DEFER, 0, NULL},
	    {"cat; grep x /nonexistent/file; exit 2", QF_DISCARD, 0, NULL},
	    /* texts of its own */
	    {"echo 'Dno junk here (#5.7.1)' >&2; exit 88", QF_REJECT, 0,
		"no junk here (#5.7.1)"},
	    {"echo talk >&2; echo Zlater >&$ERROR_FD; exit 88", QF_DEFER, 0,
		"later"},
	    {"printf 'Dno line end' >&2; exit 88", QF_REJECT, 0, "no line end"},
	    {"echo D1 >&2; exit 88", QF_DEFER, 0, NULL},
	    {"echo whatever >&2; exit 88", QF_DEFER, 0, NULL},
	    {"exit 88", QF_DEFER, 0, NULL},
	    /* broken */
	    {"cat; kill -SEGV $$", QF_BROKEN, 123,
		"cat: it was killed by signal 11 (Segmentation fault)"},
	    {"syntax (", QF_BROKEN, 0,
		"syntax: the shell could not run it; the log has its "
		"complaint"},
	    {"cat; cat </nonexistent/file", QF_BROKEN, 0,
		"cat: the shell could not run it; the log has its complaint"},
	    {"cat >/dev/null", QF_BROKEN, 0,
		"cat: it ended with 0 and wrote no message; one that changes "
		"nothing must copy its input"},
	    {"echo From a; cat", QF_BROKEN, 0,
		"echo: its header has a line that can not be made: "
		"\"From a\" (a field is NAME: VALUE, with a space, and has no "
		"CR)"},
	};

	(void)state;
	check_answers("shell", answers, UNIT_COUNT(answers));
}

static void test_limits(void **state)
{
	static const char *const output[] = {
	    "command=yes", "max-output=5000", NULL};
	static const char *const memory[] = {
	    "command=ulimit -v >&2; ulimit -c >&2; cat", "memory=256M", NULL};
	static const char *const cpu[] = {
	    "command=while :; do :; done", "cpu=1", NULL};
	struct shot s;

	(void)state;
	fire_with(&s, output, NULL, two);
	assert_int_equal(QF_BROKEN, s.m.class_);
	assert_string_equal(
	    "yes: it wrote more than 5000 bytes (max-output)", s.m.text);
	end(&s);
	fire(&s, "shell", "yes");
	assert_string_equal(
	    "yes: it wrote more than 16777288 bytes (max-output)", s.m.text);
	end(&s);
	fire_with(&s, memory, NULL, two);
	assert_int_equal(QF_PASS, s.m.class_);
	assert_true(logged(&s, "ulimit: 262144"));
	assert_true(logged(&s, "ulimit: 0"));
	end(&s);
	fire_with(&s, cpu, NULL, two);
	assert_int_equal(QF_BROKEN, s.m.class_);
	assert_non_null(strstr(s.m.text, "killed by signal"));
	end(&s);
}

static void test_late(void **state)
{
	static const char *const settings[] = {
	    "command=cat; tail -f /dev/null", NULL};
	struct qf_conf c;
	struct qf_msg m;

	(void)state;
	open_stage(&c, settings);
	c.time_left = 20;
	fakehost_run(&m, &c, qf_span(mail), "", two);
	assert_int_equal(QF_BROKEN, m.class_);
	assert_int_equal(QF_CAT_TIMEOUT, m.verdict.category);
	assert_string_equal("cat: it did not end in time", m.text);
	fakehost_forget(&m);
	fakehost_close(&c);
}

static void test_much_log(void **state)
{
	struct shot s;

	(void)state;
	fire(&s, "shell",
	    "for i in 1 2 3 4 5; do seq 100 >&2; done; echo >&2; "
	    "head -c 100000 /dev/zero | tr '\\0' x >&2; cat");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_int_equal(21, s.c.log.n);
	assert_string_equal("info for: 20", s.c.log.v[19]);
	assert_string_equal("info for: 481 lines more", s.c.log.v[20]);
	end(&s);
}

/* qfilter */

static void test_qfilter_unchanged(void **state)
{
	struct shot s;

	(void)state;
	fire(&s, "qfilter", "true");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(mail, s.got);
	assert_int_equal(2, s.m.envelope.nrcpt);
	assert_string_equal("exec true", s.c.waited.v[0]);
	end(&s);
	fire(&s, "qfilter", "sed -e 's/hello/HELLO/' -e \"1iX-Filter: yes\"");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_string_equal(changed, s.got);
	end(&s);
	/* It ends, and what it leaves behind does not hold the mail up. */
	fire(&s, "qfilter", "sh -c 'sed s/hello/x/; tail -f /dev/null & :'");
	assert_int_equal(QF_PASS, s.m.class_);
	assert_non_null(strstr(s.got, "\n\nx\n"));
	end(&s);
}

static void test_qfilter_environment(void **state)
{
	static const char *const settings[] = {"engine=qfilter",
	    "command=sh -c 'env >&2; "
	    "ls /proc/$$/fd | paste -s >&2; tr \"\\0\" . <&3 >&2'",
	    NULL};
	static const char *const env[] = {
	    "QMAILNAME=Bob", "QMAILUSER=old", "QMAILRCPTS=old", NULL};
	struct shot s;

	(void)state;
	fire_with(&s, settings, env, two);
	assert_int_equal(QF_PASS, s.m.class_);
	assert_true(logged(&s, "QMAILUSER=a"));
	assert_true(logged(&s, "QMAILHOST=x.example"));
	assert_true(logged(&s, "QMAILRCPTS=b@y.example"));
	assert_true(logged(&s, "sh: c@y.example"));
	assert_true(logged(&s, "NUMRCPTS=2"));
	assert_true(logged(&s, "MSGSIZE=36"));
	assert_true(logged(&s, "ENVSIZE=40"));
	assert_true(logged(&s, "sh: 0\t1\t2\t3\t4\t5"));
	assert_true(logged(&s, "Fa@x.example.Tb@y.example.Tc@y.example.."));
	assert_false(logged(&s, "QMAILNAME"));
	assert_false(logged(&s, "old"));
	end(&s);
}

static void test_qfilter_envelope(void **state)
{
	static const struct {
		const char *written; /* for printf(1) */
		const char *sender, *rcpt[4];
		size_t edits;
	} cases[] = {
	    {"Fa@x.example\\0Tb@y.example\\0Tc@y.example\\0\\0", "a@x.example",
		{"b@y.example", "c@y.example"}, 0},
	    {"F\\0Tb@y.example\\0Tc@y.example\\0\\0", "",
		{"b@y.example", "c@y.example"}, 1},
	    {"Fn@x.example\\0Td@z\\0Tc@y.example\\0Td@z\\0\\0", "n@x.example",
		{"c@y.example", "d@z", "d@z"}, 4},
	    {"Fa@x.example\\0Tc@y.example\\0\\0", "a@x.example",
		{"c@y.example"}, 1},
	    {"Fa@x.example\\0Tb@y.example\\0Tb@y.example\\0\\0", "a@x.example",
		{"b@y.example", "b@y.example"}, 2},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const char *const *want = cases[i].rcpt;
		char command[300];
		struct shot s;
		size_t n = 0;

		snprintf(command, sizeof command, "sh -c 'printf \"%s\" >&4'",
		    cases[i].written);
		fire(&s, "qfilter", command);
		assert_int_equal(QF_PASS, s.m.class_);
		assert_string_equal(
		    cases[i].sender, qf_envelope_sender(&s.m.envelope));
		for (; n < 4 && want[n] != NULL; n++)
			assert_string_equal(
			    want[n], qf_envelope_rcpt(&s.m.envelope, n));
		assert_int_equal(n, s.m.envelope.nrcpt);
		end(&s);
	}
}

static void test_qfilter_answers(void **state)
{
	static const struct answer answers[] = {
	    {"sh -c 'exit 2'", QF_DISCARD, 0, NULL},
	    {"sh -c 'exit 99'", QF_DISCARD, 0, NULL},
	    {"sh -c 'exit 31'", QF_REJECT, 0, NULL},
	    {"sh -c 'exit 100'", QF_REJECT, 0, NULL},
	    {"sh -c 'exit 71'", QF_DEFER, 0, NULL},
	    {"sh -c 'exit 111'", QF_DEFER, 0, NULL},
	    {"sh -c 'echo Dno >&2; exit 88'", QF_REJECT, 0, "no"},
	    {"sh -c 'exit 33'", QF_REJECT, 33, NULL},
	    {"sh -c 'exit 34'", QF_REJECT, 34, NULL},
	    {"sh -c 'exit 76'", QF_DEFER, 76, NULL},
	    {"sh -c 'exit 20'", QF_REJECT, 0, NULL},
	    {"sh -c 'exit 1'", QF_DEFER, 0, NULL},
	    {"sh -c 'exit 200'", QF_DEFER, 0, NULL},
	    /* An envelope for nobody: the mail is for nobody. */
	    {"sh -c 'printf \"Fa@x\\0\\0\" >&4'", QF_DISCARD, 0, NULL},
	    {"sh -c 'kill -KILL $$'", QF_BROKEN, 81,
		"sh: it was killed by signal 9 (Killed)"},
	    {"sh -c 'echo From x'", QF_BROKEN, 0,
		"sh: its header has a line that can not be made: \"From x\" "
		"(a field is NAME: VALUE, with a space, and has no CR)"},
	    {"sh -c 'echo F >&4'", QF_BROKEN, 91,
		"sh: envelope: ends before the end of the sender"},
	    {"sh -c 'printf \"X\" >&4'", QF_BROKEN, 91,
		"sh: envelope: byte 0x58 where the sender (F) must start"},
	    {"sh -c 'printf \"Fa\\0Tb\\nc\\0\\0\" >&4'", QF_BROKEN, 91,
		"sh: an address of its envelope is none: too long, or with a "
		"line end"},
	    {"sh -c 'yes >&4'", QF_BROKEN, 0,
		"sh: it wrote more than 16777296 bytes (max-output)"},
	    {"sh -c 'echo prog >&5'", QF_DEFER, 0, NULL},
	};

	(void)state;
	check_answers("qfilter", answers, UNIT_COUNT(answers));
}

static void test_qfilter_program_gone(void **state)
{
	char *path = NULL, *command = NULL;
	const char *settings[] = {"engine=qfilter", NULL, NULL};
	struct qf_conf c;
	struct qf_msg m;
	FILE *f;

	(void)state;
	assert_true(asprintf(&path, "%s/my filter", control) > 0);
	assert_true(asprintf(&command, "command=%s", path) > 0);
	f = fopen(path, "w");
	fputs("#!/bin/sh\n", f);
	assert_int_equal(0, fchmod(fileno(f), 0755));
	fclose(f);
	settings[1] = command; /* a path with a space, no words */
	open_stage(&c, settings);
	assert_int_equal(0, unlink(path));
	fakehost_run(&m, &c, qf_span(mail), "", two);
	assert_int_equal(QF_BROKEN, m.class_);
	assert_int_equal(81, m.verdict.code);
	assert_non_null(strstr(m.text, "can not execute"));
	fakehost_forget(&m);
	fakehost_close(&c);
	free(path);
	free(command);
}

/* As many recipients as a list for announcements has. */
static void test_qfilter_many(void **state)
{
	enum {
		N = 100000
	};
	static const char *const settings[] = {"engine=qfilter",
	    "command=sh -c 'echo $NUMRCPTS $ENVSIZE ${QMAILRCPTS-none} >&2; "
	    "sed -z -e s/^Tuser99999@.*/Tlast@z.example/ -e 50000d <&3 >&4'",
	    NULL};
	const char **rcpt = calloc(N + 1, sizeof *rcpt);
	struct shot s;

	(void)state;
	for (int i = 0; i < N; i++)
		assert_true(asprintf((char **)(uintptr_t)&rcpt[i],
				"user%d@y.example", i) > 0);
	fire_with(&s, settings, NULL, rcpt);
	assert_int_equal(QF_PASS, s.m.class_);
	assert_true(logged(&s, "sh: 100000 2088904 none"));
	assert_int_equal(N - 1, s.m.envelope.nrcpt);
	assert_string_equal(
	    "user49999@y.example", qf_envelope_rcpt(&s.m.envelope, 49998));
	assert_string_equal(
	    "last@z.example", qf_envelope_rcpt(&s.m.envelope, N - 2));
	end(&s);
	for (int i = 0; i < N; i++)
		free((char *)(uintptr_t)rcpt[i]);
	free(rcpt);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *setting[3], *mistake;
	} cases[] = {
	    {{"engine=perl"}, "engine: unknown engine"},
	    {{"command= "}, "command: is empty"},
	    {{"engine=qfilter"}, "command: engine=qfilter needs a program"},
	    {{"engine=qfilter", "command=no-such-program x"},
		"command: there is no program \"no-such-program\""},
	    {{"engine=qfilter", "command=sh 'x"}, "command: a ' quote"},
	    {{"memory=0"}, "memory: not a limit"},
	    {{"memory=64X"}, "memory: not a limit"},
	    {{"max-output=all"}, "max-output: not a limit"},
	    {{"cpu=1M"}, "cpu: not a limit"},
	    {{"cpu=100000"}, "cpu: not a limit"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		stage_refuses(
		    "filter", control, cases[i].setting, cases[i].mistake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shell_output),
	    cmocka_unit_test(test_shell_environment),
	    cmocka_unit_test(test_shell_seeks),
	    cmocka_unit_test(test_shell_answers),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_much_log),
	    cmocka_unit_test(test_qfilter_unchanged),
	    cmocka_unit_test(test_qfilter_environment),
	    cmocka_unit_test(test_qfilter_envelope),
	    cmocka_unit_test(test_qfilter_answers),
	    cmocka_unit_test(test_qfilter_program_gone),
	    cmocka_unit_test(test_qfilter_many),
	    cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
