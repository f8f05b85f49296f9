#include "lib/mail/submit.h"

#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "tests/unit/exitcodes_expected.inc"

#define READ_ALL "cat >/dev/null; cat <&1 >/dev/null; "

static char *dir;

static int set_up(void **state)
{
	(void)state;
	unsetenv("NULLQUEUE");
	unsetenv("QMAILQUEUE");
	unsetenv("ERROR_FD");
	dir = unit_dir();
	return setenv("DIR", dir, 1);
}

static int tear_down(void **state)
{
	(void)state;
	unit_remove_dir(dir);
	return 0;
}

/* QMAILQUEUE is a shell with this script, which must not hold `'`. */
static struct qf_submit *open_script(const char *script, int64_t deadline)
{
	struct qf_submit_options options = {.deadline = deadline};
	struct qf_buf command = QF_BUF_INIT;
	struct qf_submit *s;
	struct qf_err e;
	int rc;

	qf_buf_addf(&command, "/bin/sh -c '%s'", script);
	setenv("QMAILQUEUE", command.s, 1);
	qf_buf_free(&command);
	rc = qf_submit_open(&s, &options, &e);
	if (rc < 0)
		fail_msg("%s", e.text);
	return s;
}

static void close_with(struct qf_submit *s, struct qf_submit_result *result)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;

	qf_envelope_set_sender(&env, qf_span("a@x.example"));
	qf_envelope_add_rcpt(&env, qf_span("b@y.example"));
	qf_submit_close(&s, &env, result);
	assert_null(s);
	qf_envelope_free(&env);
}

/* One message of n bytes; what goes to our descriptor 2 is appended to log. */
static struct qf_submit_result run(
    const char *script, size_t n, struct qf_buf *log)
{
	struct unit_capture c = unit_capture_begin(STDERR_FILENO);
	char *message = malloc(n + 1);
	struct qf_submit *s = open_script(script, 0);
	struct qf_submit_result result;
	struct qf_buf own = QF_BUF_INIT;

	memset(message, 'x', n);
	for (size_t at = 0; at < n; at += 1000)
		qf_submit_write(s, message + at, n - at < 1000 ? n - at : 1000);
	close_with(s, &result);
	unit_capture_end(&c, log != NULL ? log : &own);
	qf_buf_free(&own);
	free(message);
	return result;
}

static void test_every_code(void **state)
{
	(void)state;
	assert_int_equal(256, UNIT_COUNT(expected));
	for (int code = 0; code < 256; code++) {
		char script[80];
		struct qf_submit_result r;

		snprintf(script, sizeof script, READ_ALL "exit %d", code);
		r = run(script, 10, NULL);
		assert_int_equal(code, r.code);
		assert_int_equal(expected[code].letter, r.letter);
		assert_string_equal(expected[code].text, r.text);
		assert_true(r.pid > 1);
	}
}

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50

static const struct text_case {
	const char *script;
	int code;
	char letter;
	const char *text, *log;
} text_cases[] = {
    {"printf \"Dno thanks (#5.7.1)\\n\" >&2; exit 88", 88, 'D',
	"no thanks (#5.7.1)", ""},
    {"printf \"Zlater\" >&2; exit 88", 88, 'Z', "later", ""},
    {"printf \"Dno thanks\" >&6; exit 82", 82, 'D', "no thanks", ""},
    {"printf \"Zlater\\r\\n\" >&6; exit 82", 82, 'Z', "later", ""},
    /* the letter is forced */
    {"printf \"foo bar\" >&6; exit 82", 82, 'Z', "foo bar", ""},
    {"printf \"Kfine\" >&2; exit 88", 88, 'Z', "Kfine", ""},
    /* only their own codes take a text, and only from their descriptor */
    {"printf \"Dno\" >&6; exit 88", 88, 'Z', "qq temporary problem (#4.3.0)",
	""},
    {"printf \"Dno\" >&2; exit 82", 82, 'Z', "qq unable to exec qq (#4.3.0)",
	"Dno"},
    {"printf \"Dno\" >&6; exit 31", 31, 'D',
	"qq mail server permanently rejected message (#5.3.0)", ""},
    {"printf \"Dno\" >&6; printf \"Dno\" >&2", 0, 'K', "ok", "Dno"},
    /* too short is none */
    {"printf \"D1\\n\\n\" >&2; exit 88", 88, 'Z',
	"qq temporary problem (#4.3.0)", "D1\n\n"},
    {"printf \"D12\" >&2; exit 88", 88, 'D', "12", ""},
    {"exit 88", 88, 'Z', "qq temporary problem (#4.3.0)", ""},
    {"printf \"\\n\\n\" >&6; exit 82", 82, 'Z', "qq unable to exec qq (#4.3.0)",
	""},
    /* one printable line */
    {"printf \"Da\\rb\\tc\\001d\\351e\\000f\" >&6; exit 82", 82, 'D',
	"a?b c?d?e?f", ""},
    {"printf \"Dno\\r\\n250 ok\\r\\n\" >&6; exit 82", 82, 'D', "no", ""},
    {"printf \"D" X250 "yz\" >&6; exit 82", 82, 'D', X250, ""},
    /* on 2 the last line is the text, the others are a log */
    {"printf \"one\\ntwo\\nDthree\\n\\n\" >&2; exit 88", 88, 'D', "three",
	"one\ntwo\n"},
    {"printf \"one\\ntwo\" >&2; exit 71", 71, 'Z',
	"qq mail server temporarily rejected message (#4.3.0)", "one\ntwo"},
    {"printf \"one\\n\\n\" >&2", 0, 'K', "ok", "one\n\n"},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(text_cases); i++) {
		const struct text_case *c = &text_cases[i];
		struct qf_buf script = QF_BUF_INIT, log = QF_BUF_INIT;
		struct qf_submit_result r;

		qf_buf_addf(&script, READ_ALL "%s", c->script);
		r = run(script.s, 10, &log);
		assert_int_equal(c->code, r.code);
		assert_int_equal(c->letter, r.letter);
		assert_string_equal(c->text, r.text);
		assert_string_equal(c->log, log.s);
		qf_buf_free(&script);
		qf_buf_free(&log);
	}
}

static void test_error_fd(void **state)
{
	static const char script[] =
	    READ_ALL "echo \"DERROR_FD=${ERROR_FD-none}\" >&2; exit 88";
	struct qf_buf log = QF_BUF_INIT;

	(void)state;
	/* 7 is a descriptor of ours; the program has 2 */
	setenv("ERROR_FD", "7", 1);
	assert_string_equal("ERROR_FD=none", run(script, 1, &log).text);
	assert_int_equal(0, log.len);
	/* -1: no texts, so the line is a log */
	setenv("ERROR_FD", "-1", 1);
	assert_string_equal(
	    "qq temporary problem (#4.3.0)", run(script, 1, &log).text);
	assert_string_equal("DERROR_FD=-1\n", log.s);
	qf_buf_free(&log);
}

/* What the program gets, byte for byte, and nothing but 0, 1, 2 and 6. */
static void test_descriptors(void **state)
{
	static const char envelope[] = "Fa@x.example\0Tb@y.example\0\0";
	struct qf_buf got = QF_BUF_INIT;
	struct qf_submit_result r;
	char path[64];
	int fd;

	(void)state;
	r = run("ls /proc/self/fd >$DIR/fds; cat >$DIR/m; cat <&1 >$DIR/e",
	    70001, NULL);
	assert_int_equal(0, r.code);
	snprintf(path, sizeof path, "%s/e", dir);
	fd = open(path, O_RDONLY);
	unit_contents(fd, &got);
	close(fd);
	assert_int_equal(sizeof envelope - 1, got.len);
	assert_memory_equal(envelope, got.s, got.len);
	qf_buf_reset(&got);
	snprintf(path, sizeof path, "%s/m", dir);
	fd = open(path, O_RDONLY);
	unit_contents(fd, &got);
	close(fd);
	assert_int_equal(70001, got.len);
	qf_buf_reset(&got);
	snprintf(path, sizeof path, "%s/fds", dir);
	fd = open(path, O_RDONLY);
	unit_contents(fd, &got);
	close(fd);
	/* 3 is the folder that ls reads */
	assert_string_equal("0\n1\n2\n3\n6\n", got.s);
	qf_buf_free(&got);
}

static void test_early_ends(void **state)
{
	struct qf_submit_result r;

	(void)state;
	signal(SIGPIPE, SIG_DFL);
	/* its code says more than our broken pipe */
	r = run("exit 31", 1000000, NULL);
	assert_int_equal(31, r.code);
	assert_int_equal('D', r.letter);
	/* 0 without having read all is no success */
	r = run("exit 0", 1000000, NULL);
	assert_int_equal(54, r.code);
	assert_int_equal('Z', r.letter);
	assert_string_equal("qq read error (#4.3.0)", r.text);
	/* nor does a program that closed its message see an envelope */
	r = run("exec <&-; x=$(tr -d \"\\000\" <&1); test -z \"$x\"", 1000000,
	    NULL);
	assert_int_equal(54, r.code);
}

static void test_crash(void **state)
{
	struct qf_submit_result r;

	(void)state;
	r = run("kill -KILL $$", 10, NULL);
	assert_int_equal(123, r.code);
	assert_int_equal('Z', r.letter);
	assert_string_equal("qq crashed (#4.3.0)", r.text);
}

/* It fills both text pipes before it reads anything: nobody waits for the
 * other, and no byte of the log is lost. */
static void test_no_deadlock(void **state)
{
	struct qf_buf log = QF_BUF_INIT;
	struct qf_submit_result r;
	size_t n = 0;

	(void)state;
	r = run("yes 0123456789 | head -n 30000 >&2; "
		"head -c 300000 /dev/zero >&6; " READ_ALL
		"echo Dlast >&2; exit 88",
	    500000, &log);
	assert_int_equal(88, r.code);
	assert_string_equal("last", r.text);
	for (; n * 11 < log.len; n++)
		assert_memory_equal("0123456789\n", log.s + n * 11, 11);
	assert_int_equal(30000, n);
	qf_buf_free(&log);
}

/* A line without end does not grow without end. */
static void test_long_line(void **state)
{
	struct qf_buf log = QF_BUF_INIT;
	struct qf_submit_result r;

	(void)state;
	r = run(READ_ALL
	    "head -c 300000 /dev/zero | tr \"\\000\" x >&2; exit 71",
	    10, &log);
	assert_int_equal(71, r.code);
	assert_int_equal(300000, log.len);
	qf_buf_free(&log);
}

/* What it left behind holds the pipes, and is not waited for. */
static void test_background(void **state)
{
	struct qf_submit_result r;
	char path[64];
	int fd;

	(void)state;
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(0, mkfifo(path, 0600));
	r = run(READ_ALL "cat $DIR/fifo & echo Dno >&2; exit 88", 10, NULL);
	assert_int_equal('D', r.letter);
	assert_string_equal("no", r.text);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	close(fd);

	/* so too when it holds a full pipe that nobody reads */
	r = run("exec 3<&0; cat $DIR/fifo & exit 31", 1000000, NULL);
	assert_int_equal(31, r.code);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	close(fd);
}

static void test_deadline(void **state)
{
	struct qf_submit_result r;
	char path[64];

	(void)state;
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(0, mkfifo(path, 0600));
	close_with(open_script("cat $DIR/fifo", qf_clock_mono()), &r);
	assert_int_equal(52, r.code);
	assert_int_equal('Z', r.letter);
	assert_string_equal("qq timeout (#4.3.0)", r.text);
}

static void test_abort(void **state)
{
	struct qf_submit *s = open_script("cat >$DIR/m; cat <&1 >$DIR/e", 0);
	struct stat st;
	char path[64];

	(void)state;
	qf_submit_write(s, "x", 1);
	qf_submit_abort(&s);
	assert_null(s);
	snprintf(path, sizeof path, "%s/e", dir);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0, st.st_size);
}

static void write_program(const char *name, const char *script)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, script, strlen(script)));
	close(fd);
}

static int code_of(const struct qf_submit_options *options, struct qf_err *e)
{
	struct qf_submit_result r;
	struct qf_submit *s;
	int rc = qf_submit_open(&s, options, e);

	if (rc < 0) {
		assert_null(s);
		return rc;
	}
	close_with(s, &r);
	return r.code;
}

static void test_choice(void **state)
{
	static const char exit_33[] = "#!/bin/sh\n" READ_ALL "exit 33\n";
	static const char exit_34[] = "#!/bin/sh\n" READ_ALL "exit $1\n";
	char path[128];
	struct qf_err e;

	(void)state;
	write_program("a program", exit_33);
	write_program("program", exit_34);
	/* the whole string is a program */
	snprintf(path, sizeof path, "%s/a program", dir);
	setenv("QMAILQUEUE", path, 1);
	assert_int_equal(33, code_of(NULL, &e));
	/* a command */
	snprintf(path, sizeof path, "\"%s\"/program '34'", dir);
	setenv("QMAILQUEUE", path, 1);
	assert_int_equal(34, code_of(NULL, &e));
	/* a name alone is looked for in PATH */
	setenv("QMAILQUEUE", "program 34", 1);
	assert_int_equal(QF_EEXEC, code_of(NULL, &e));
	assert_non_null(strstr(e.text, "no program \"program\""));
	snprintf(path, sizeof path, "%s:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
	assert_int_equal(34, code_of(NULL, &e));
	/* options beat it */
	snprintf(path, sizeof path, "%s/a program", dir);
	assert_int_equal(
	    33, code_of(&(struct qf_submit_options){.program = path}, &e));
	/* NULLQUEUE beats it: qfront runs, if it is there */
	setenv("NULLQUEUE", "", 1);
	if (code_of(NULL, &e) != 0) {
		assert_int_equal(QF_EEXEC, e.rc);
		assert_non_null(strstr(e.text, "/qfront:"));
	}
}

static void test_not_to_be_started(void **state)
{
	static const char *const bad[] = {
	    "/nonexistent/program", "/tmp", "/bin/sh 'open", "  "};
	int before = unit_open_fds();
	struct qf_err e;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
		setenv("QMAILQUEUE", bad[i], 1);
		assert_int_equal(QF_EEXEC, code_of(NULL, &e));
		assert_int_equal(QF_EEXEC, e.rc);
		assert_true(strlen(e.text) > 10);
	}
	assert_int_equal(before, unit_open_fds());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_every_code, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_texts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_error_fd, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_descriptors, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_early_ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_crash, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_no_deadlock, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_long_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_background, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_deadline, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_abort, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_choice, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_not_to_be_started, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
