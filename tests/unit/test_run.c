/*
 * Programs run to their end: all that they write arrives, and nothing that
 * they do or leave behind holds us up or survives.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/run.h"

static struct qf_err e;

/* What came out of one descriptor, counted and kept up to a limit. */
struct sink {
	struct qf_buf b;
	size_t n, most; /* most: QF_ETOOLONG above it; 0: none */
};

static int take(void *arg, struct qf_span bytes, struct qf_err *err)
{
	struct sink *s = arg;

	s->n += bytes.n;
	if (s->most > 0 && s->n > s->most)
		return qf_fail(err, QF_ETOOLONG, "too much");
	if (s->b.len < 1 << 20)
		qf_buf_addspan(&s->b, bytes);
	return 0;
}

struct shot {
	struct sink out, log; /* descriptors 1 and 2 */
	bool to_eof;
	int also;         /* of the log, or 0 */
	int64_t deadline; /* 0: never */
	struct qf_child_limit limit;
	int status, rc;
};

/* clang-format off */
#define SHOT(...) {.out.b = QF_BUF_INIT, .log.b = QF_BUF_INIT, __VA_ARGS__}
/* clang-format on */

static void fire(struct shot *s, const char *script)
{
	char *argv[] = {
	    (char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};
	const struct qf_run_out out[] = {
	    {.to = 1, .take = take, .arg = &s->out, .to_eof = s->to_eof},
	    {.to = 2, .take = take, .arg = &s->log, .also = s->also},
	};
	const struct qf_run run = {
	    .child = {.path = "/bin/sh",
		.argv = argv,
		.limits = &s->limit,
		.nlimits = s->limit.most > 0},
	    .out = out,
	    .nout = 2,
	    .deadline = s->deadline > 0 ? s->deadline : QF_NEVER,
	};
	int fds = unit_open_fds();

	s->rc = qf_run(&run, &s->status, &e);
	assert_int_equal(fds, unit_open_fds());
	assert_true(signal(SIGTERM, SIG_DFL) == SIG_DFL);
	/* No child is left to be waited for. */
	assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
	assert_int_equal(ECHILD, errno);
}

static void clear(struct shot *s)
{
	qf_buf_free(&s->out.b);
	qf_buf_free(&s->log.b);
}

static void test_output(void **state)
{
	struct shot s = SHOT();

	(void)state;
	fire(&s, "cat; echo out; echo log >&2; exit 3");
	assert_int_equal(0, s.rc);
	assert_int_equal(3, WEXITSTATUS(s.status));
	assert_string_equal("out\n", s.out.b.s);
	assert_string_equal("log\n", s.log.b.s);
	clear(&s);
	s = (struct shot)SHOT(.also = 7);
	fire(&s, "echo 2 >&2; echo 7 >&7; echo 2 >&2");
	assert_string_equal("2\n7\n2\n", s.log.b.s);
	clear(&s);
}

static void test_much_output(void **state)
{
	struct shot s = SHOT(.to_eof = true);

	(void)state;
	/* Several pipes full on both at once. */
	fire(&s, "head -c 3000000 /dev/zero >&2 & "
		 "head -c 5000000 /dev/zero; wait");
	assert_int_equal(0, s.rc);
	assert_int_equal(0, s.status);
	assert_int_equal(5000000, s.out.n);
	assert_int_equal(3000000, s.log.n);
	clear(&s);
}

static void test_last_words(void **state)
{
	(void)state;
	/* What it wrote just before its end is all there, each time. */
	for (int i = 0; i < 50; i++) {
		struct shot s = SHOT();

		fire(&s, "head -c 60000 /dev/zero; head -c 60000 /dev/zero "
			 ">&2; kill -KILL $$");
		assert_int_equal(0, s.rc);
		assert_int_equal(SIGKILL, WTERMSIG(s.status));
		assert_int_equal(60000, s.out.n);
		assert_int_equal(60000, s.log.n);
		clear(&s);
	}
}

static void test_too_much(void **state)
{
	struct shot s = SHOT(.to_eof = true);

	(void)state;
	s.out.most = 100000;
	fire(&s, "yes");
	assert_int_equal(QF_ETOOLONG, s.rc);
	assert_string_equal("too much", e.text);
	clear(&s);
}

static void test_late(void **state)
{
	static const char *const scripts[] = {
	    "while :; do :; done",
	    "trap '' TERM; while :; do :; done",
	    "yes >&2",
	    "exec >&- 2>&-; while :; do :; done",
	    "sleep 1000 | cat",
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(scripts); i++) {
		struct shot s = SHOT(.deadline = qf_deadline_in(30));

		fire(&s, scripts[i]);
		assert_int_equal(QF_ETIME, s.rc);
		assert_string_equal("it did not end in time", e.text);
		clear(&s);
	}
}

/* Does a process of this number run? One that was killed may wait for somebody
 * who takes its status. */
static bool lives(pid_t pid)
{
	char name[64], state = 'X';
	FILE *f;

	assert_true(pid > 0);
	snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
	f = fopen(name, "r");
	if (f == NULL)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state != 'Z' && state != 'X';
}

static void await_death(pid_t pid)
{
	while (lives(pid))
		sched_yield();
}

/* Time stands still until this process has ended. */
static const char *watched;

static int64_t clock_of_watched(int which)
{
	(void)which;
	return *watched != '\0' && !lives(atoi(watched)) ? INT64_MAX / 2 : 0;
}

static void test_left_behind(void **state)
{
	struct shot s = SHOT();

	(void)state;
	/* One that holds the output and never ends does not hold us up, */
	fire(&s, "tail -f /dev/null & echo $!");
	assert_int_equal(0, s.rc);
	assert_int_equal(0, s.status);
	await_death(atoi(s.out.b.s));
	clear(&s);

	/* but where its output counts it is waited for, */
	s = (struct shot)SHOT(.to_eof = true);
	fire(&s, "{ until read -r _ _ s _ </proc/$$/stat && [ $s = Z ]; do :; "
		 "done; echo late; } & exit 0");
	assert_int_equal(0, s.rc);
	assert_string_equal("late\n", s.out.b.s);
	clear(&s);

	/* until the time is up. */
	s = (struct shot)SHOT(.to_eof = true, .deadline = 10);
	qf_buf_reserve(&s.log.b, 1 << 20);
	watched = s.log.b.s;
	qf_clock_source(clock_of_watched);
	fire(&s, "echo $$ >&2; tail -f /dev/null & echo $!");
	qf_clock_source(NULL);
	assert_int_equal(QF_ETIME, s.rc);
	assert_non_null(strstr(e.text, "left behind"));
	await_death(atoi(s.out.b.s));
	clear(&s);
}

static void test_limits(void **state)
{
	struct shot s = SHOT(.limit = {RLIMIT_FSIZE, 100 * 512});
	struct rlimit less = {200 * 512, 200 * 512};
	int status;
	pid_t pid;

	(void)state;
	fire(&s, "ulimit -Sf; ulimit -Hf");
	assert_int_equal(0, s.rc);
	assert_string_equal("100\n100\n", s.out.b.s);
	clear(&s);

	/* It never rises. */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		s = (struct shot)SHOT(.limit = {RLIMIT_FSIZE, 300 * 512});
		setrlimit(RLIMIT_FSIZE, &less);
		fire(&s, "ulimit -Hf");
		_exit(s.rc != 0 || strcmp(s.out.b.s, "200\n") != 0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);

	s = (struct shot)SHOT(.limit = {RLIMIT_CPU, 1});
	fire(&s, "while :; do :; done");
	assert_int_equal(0, s.rc);
	assert_true(WIFSIGNALED(s.status));
	clear(&s);
}

/* A process that runs a script is ended by a signal; numbers that the script
 * writes to the descriptor REPORT name others that must end then. */
static void end_runner(int sig, const char *script, int numbers)
{
	char line[300], digits[64] = "", *at = digits;
	int p[2];
	pid_t pid;

	assert_int_equal(0, pipe(p));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct shot s = SHOT();

		snprintf(line, sizeof line, "REPORT=/proc/%d/fd/%d; %s",
		    (int)getpid(), p[1], script);
		fire(&s, line);
		_exit(0);
	}
	assert_true(read(p[0], digits, sizeof digits - 1) > 0);
	kill(pid, sig);
	for (int status; waitpid(pid, &status, 0) == pid;)
		assert_int_equal(sig, WTERMSIG(status));
	while (numbers-- > 0)
		await_death((pid_t)strtol(at, &at, 10));
	close(p[0]);
	close(p[1]);
}

static void test_dies_with_us(void **state)
{
	(void)state;
	end_runner(SIGKILL, "echo $$ >$REPORT; exec tail -f /dev/null", 1);
	end_runner(SIGTERM,
	    "tail -f /dev/null >/dev/null 2>&1 & echo $$ $! >$REPORT; trap '' "
	    "TERM; "
	    "while :; do wait; done",
	    2);
}

static void test_no_program(void **state)
{
	char *argv[] = {(char[]){"x"}, NULL};
	struct qf_run run = {.child = {.path = "/nonexistent", .argv = argv},
	    .deadline = QF_NEVER};
	int status;

	(void)state;
	assert_int_equal(QF_EEXEC, qf_run(&run, &status, &e));
	assert_int_equal(ENOENT, e.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_output),
	    cmocka_unit_test(test_much_output),
	    cmocka_unit_test(test_last_words),
	    cmocka_unit_test(test_too_much),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_left_behind),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_dies_with_us),
	    cmocka_unit_test(test_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
