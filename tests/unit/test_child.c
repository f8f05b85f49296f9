#include "lib/base/child.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "lib/base/clock.h"

static struct qf_err e;

/* execve(2) takes them without const and leaves them alone. */
#define WORDS(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

/* A shell with these descriptors. */
static void start(struct qf_child *c, const char *script,
    const struct qf_child_fd *fds, size_t nfds, bool group)
{
	char *const *argv = WORDS("sh", "-c", script);
	struct qf_child_spec spec = {.path = "/bin/sh",
	    .argv = argv,
	    .fds = fds,
	    .nfds = nfds,
	    .group = group};

	if (qf_child_start(c, &spec, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(c->pid > 0);
}

static int status_of(struct qf_child *c)
{
	int status;

	assert_int_equal(0, qf_child_wait(c, QF_NEVER, &status, &e));
	assert_int_equal(0, c->pid);
	assert_int_equal(-1, c->pidfd);
	return status;
}

static void test_status(void **state)
{
	int before = unit_open_fds(), status;
	struct qf_child c;

	(void)state;
	start(&c, "exit 7", NULL, 0, false);
	status = status_of(&c);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	start(&c, "kill -USR1 $$", NULL, 0, false);
	status = status_of(&c);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	assert_int_equal(before, unit_open_fds());
	/* there is nobody to wait for, and nobody else is waited for */
	assert_int_equal(QF_EBUG, qf_child_wait(&c, QF_NEVER, &status, &e));
	qf_child_stop(&c, 0, &status);
}

static void test_not_executable(void **state)
{
	char *const *argv = WORDS("x");
	struct qf_child_spec spec = {.path = "/nonexistent/x", .argv = argv};
	int before = unit_open_fds();
	struct qf_child c;

	(void)state;
	assert_int_equal(QF_EEXEC, qf_child_start(&c, &spec, &e));
	assert_int_equal(ENOENT, e.sys);
	assert_non_null(strstr(e.text, "/nonexistent/x"));
	assert_int_equal(0, c.pid);
	spec.path = "/tmp";
	assert_int_equal(QF_EEXEC, qf_child_start(&c, &spec, &e));
	assert_int_equal(EACCES, e.sys);
	assert_int_equal(before, unit_open_fds());
	assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
}

/* Runs a script whose output is in a file, on the descriptor `out`. */
static void output_of(const char *script, const struct qf_child_fd *fds,
    size_t nfds, int file, struct qf_buf *out)
{
	struct qf_child c;

	start(&c, script, fds, nfds, false);
	assert_int_equal(0, status_of(&c));
	qf_buf_reset(out);
	unit_contents(file, out);
}

static void test_descriptors(void **state)
{
	int a = unit_file("a", 1), b = unit_file("b", 1);
	int out = unit_file("", 0), leak = dup(a);
	struct qf_buf got = QF_BUF_INIT;

	(void)state;
	/* each source is the target of the other, 5 is a hole */
	output_of("cat <&4 >&7; cat <&3 >&7; ls /proc/self/fd >&7",
	    (struct qf_child_fd[]){{3, b}, {4, a}, {7, out}}, 3, out, &got);
	assert_string_equal("ab0\n1\n2\n3\n4\n5\n7\n", got.s);
	(void)leak;
	close(leak);

	/* swapped in place */
	assert_true(dup2(a, 20) == 20 && dup2(b, 21) == 21);
	lseek(a, 0, SEEK_SET);
	lseek(b, 0, SEEK_SET);
	assert_int_equal(0, ftruncate(out, 0));
	lseek(out, 0, SEEK_SET);
	output_of("cat /proc/self/fd/20 /proc/self/fd/21",
	    (struct qf_child_fd[]){{20, 21}, {21, 20}, {1, out}}, 3, out, &got);
	assert_string_equal("ba", got.s);
	close(20);
	close(21);

	/* what is not given is /dev/null, even where we have none */
	assert_int_equal(0, ftruncate(out, 0));
	lseek(out, 0, SEEK_SET);
	output_of("cat; readlink /proc/self/fd/0 /proc/self/fd/2",
	    (struct qf_child_fd[]){{1, out}}, 1, out, &got);
	assert_string_equal("/dev/null\n/dev/null\n", got.s);
	close(a);
	close(b);
	close(out);
	qf_buf_free(&got);
}

/* A parent without standard descriptors. */
static int without_std(void *arg)
{
	int *out = arg, status;
	struct qf_child c;
	char *const *argv =
	    WORDS("sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/2 >&1");
	struct qf_child_spec spec = {.path = "/bin/sh",
	    .argv = argv,
	    .fds = &(struct qf_child_fd){1, *out},
	    .nfds = 1};

	close(0);
	close(1);
	close(2);
	if (qf_child_start(&c, &spec, NULL) < 0 ||
	    qf_child_wait(&c, QF_NEVER, &status, NULL) < 0)
		return 1;
	return status != 0;
}

static void test_no_std(void **state)
{
	int out = unit_file("", 0);
	struct qf_buf got = QF_BUF_INIT;
	struct qf_child c;

	(void)state;
	assert_int_equal(0, qf_child_fork(&c, without_std, &out, &e));
	assert_int_equal(0, status_of(&c));
	unit_contents(out, &got);
	assert_string_equal("/dev/null\n/dev/null\n", got.s);
	close(out);
	qf_buf_free(&got);
}

static void test_environment_and_signals(void **state)
{
	char *const *argv = WORDS("x", "-c", "echo $0 $A $HOME; kill -PIPE $$");
	char *const *envp = WORDS("A=b");
	int out = unit_file("", 0), status;
	struct qf_buf got = QF_BUF_INIT;
	struct qf_child c;
	struct qf_child_spec spec = {.path = "/bin/sh",
	    .argv = argv,
	    .envp = envp,
	    .fds = &(struct qf_child_fd){1, out},
	    .nfds = 1};
	sigset_t pipe, old;

	(void)state;
	/* neither what we ignore nor what we block is inherited */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe, &old);
	assert_int_equal(0, qf_child_start(&c, &spec, &e));
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	status = status_of(&c);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	unit_contents(out, &got);
	assert_string_equal("x b\n", got.s);
	close(out);
	qf_buf_free(&got);
}

/* The caller of our program may have ignored SIGCHLD. */
static void test_sigchld_ignored(void **state)
{
	struct qf_child c;
	int status;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	start(&c, "exit 7", NULL, 0, false);
	status = status_of(&c);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	signal(SIGCHLD, SIG_DFL);
}

static int hold(void *arg)
{
	int *p = arg;
	char c;

	close(p[1]);
	return (int)qf_read(p[0], &c, 1);
}

static void test_deadline(void **state)
{
	struct qf_child c;
	int p[2], status;

	(void)state;
	assert_int_equal(0, qf_pipe(p, &e));
	assert_int_equal(0, qf_child_fork(&c, hold, p, &e));
	assert_int_equal(QF_ETIME, qf_child_wait(&c, 0, &status, &e));
	assert_int_equal(
	    QF_ETIME, qf_child_wait(&c, qf_deadline_in(1), &status, &e));
	assert_true(c.pid > 0);
	assert_false(qf_child_has_ended(&c));
	/* it can be waited for again */
	assert_int_equal(0, qf_write_all(p[1], "x", 1));
	while (!qf_child_has_ended(&c))
		;
	assert_true(c.pid > 0);
	status = status_of(&c);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_true(qf_child_has_ended(&c));
	close(p[0]);
	close(p[1]);
}

/* Starts a script that says when it is ready, then reads from a pipe that
 * nobody writes to. */
static void start_blocked(
    struct qf_child *c, const char *script, int ready[2], int block[2])
{
	char byte;

	assert_int_equal(0, qf_pipe(ready, &e));
	assert_int_equal(0, qf_pipe(block, &e));
	start(c, script, (struct qf_child_fd[]){{0, block[0]}, {1, ready[1]}},
	    2, true);
	qf_close(&ready[1]);
	assert_int_equal(1, qf_read(ready[0], &byte, 1));
}

static void end_blocked(int ready[2], int block[2])
{
	char byte;

	/* the last writer is gone: so are all that the child started */
	while (qf_read(ready[0], &byte, 1) > 0)
		;
	for (int i = 0; i < 2; i++) {
		qf_close(&ready[i]);
		qf_close(&block[i]);
	}
}

static void test_stop(void **state)
{
	int ready[2], block[2], status;
	struct qf_child c;

	(void)state;
	/* TERM is enough */
	start_blocked(&c, "trap \"exit 9\" TERM; echo; read x", ready, block);
	qf_child_stop(&c, QF_NEVER, &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	assert_int_equal(0, c.pid);
	end_blocked(ready, block);
	/* TERM is ignored, and no grace is given */
	start_blocked(&c, "trap \"\" TERM; echo; read x", ready, block);
	qf_child_stop(&c, 0, &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	end_blocked(ready, block);
	/* what it started goes with it, even when it ended by itself */
	start_blocked(&c,
	    "trap \"\" TERM; (echo; cat) <&0 & trap \"exit 9\" TERM; cat",
	    ready, block);
	qf_child_stop(&c, 0, NULL);
	end_blocked(ready, block);
	qf_child_stop(&c, 0, NULL);
}

static void test_finish(void **state)
{
	int ready[2], block[2], status;
	struct qf_child c;

	(void)state;
	/* it ends by itself; what it left behind does not */
	start_blocked(
	    &c, "trap \"\" TERM; (echo; cat) <&0 & exit 9", ready, block);
	qf_child_finish(&c, QF_NEVER, &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	assert_int_equal(0, c.pid);
	assert_int_equal(-1, c.pidfd);
	end_blocked(ready, block);
	/* it is late */
	start_blocked(&c, "trap \"\" TERM; echo; cat", ready, block);
	qf_child_finish(&c, qf_deadline_in(0), &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	end_blocked(ready, block);
	qf_child_finish(&c, QF_NEVER, NULL);
}

/* Says that it is there, and waits for nothing, as does its own child. */
static int brood(void *arg)
{
	if (fork() == 0 || qf_write_all(*(int *)arg, "x", 1) == 0)
		for (;;)
			pause();
	return 1;
}

/* Has a brood, and waits for nothing either. */
static int brood_twice(void *arg)
{
	struct qf_child c;

	if (qf_child_fork(&c, brood, arg, NULL) < 0)
		return 1;
	for (;;)
		pause();
}

static void test_orphans(void **state)
{
	struct qf_child c;
	struct pollfd end = {.events = POLLIN};
	int ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(0, qf_pipe(ready, &e));
	assert_int_equal(0, qf_child_fork(&c, brood_twice, &ready[1], &e));
	qf_close(&ready[1]);
	assert_int_equal(1, qf_read(ready[0], &byte, 1));
	/* the parent alone; its child is in another group */
	kill(c.pid, SIGKILL);
	status = status_of(&c);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* nobody holds the pipe any more */
	end.fd = ready[0];
	assert_int_equal(1, poll(&end, 1, 60000));
	assert_int_equal(0, qf_read(ready[0], &byte, 1));
	qf_close(&ready[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_not_executable),
	    cmocka_unit_test(test_descriptors),
	    cmocka_unit_test(test_no_std),
	    cmocka_unit_test(test_environment_and_signals),
	    cmocka_unit_test(test_sigchld_ignored),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_finish),
	    cmocka_unit_test(test_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
