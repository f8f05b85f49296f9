#include "lib/base/io.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static void test_read_and_write(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char chunk[4];
	struct qf_err e;
	int p[2];

	(void)state;
	assert_int_equal(0, qf_pipe(p, &e));
	assert_true(fcntl(p[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(p[1], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(0, qf_write_all(p[1], "abcdefgh", 8));
	assert_int_equal(4, qf_read(p[0], chunk, 4));
	qf_close(&p[1]);
	assert_int_equal(-1, p[1]);
	qf_close(&p[1]);
	assert_int_equal(0, qf_read_all(p[0], &b, &e));
	assert_string_equal("efgh", b.s);
	assert_int_equal(0, qf_read(p[0], chunk, 4));
	assert_int_equal(-1, qf_write_all(p[0], "x", 1));
	assert_int_equal(EBADF, errno);
	qf_close(&p[0]);
	assert_int_equal(QF_EREAD, qf_read_all(-1, &b, &e));
	assert_int_equal(EBADF, e.sys);
	qf_buf_free(&b);
}

static void test_read_all_limits(void **state)
{
	struct qf_buf b = QF_BUF_INIT_MAX(3);
	int fd = unit_file("abcd", 4);
	struct qf_err e;

	(void)state;
	assert_int_equal(QF_ETOOLONG, qf_read_all(fd, &b, &e));
	assert_non_null(strstr(e.text, "3 bytes"));
	close(fd);
	qf_buf_free(&b);
}

static void ignore(int sig)
{
	(void)sig;
}

/* A child that writes and interrupts by turns, without SA_RESTART. */
static void test_interrupted(void **state)
{
	struct sigaction sa = {.sa_handler = ignore};
	struct qf_buf b = QF_BUF_INIT;
	pid_t parent = getpid(), pid;
	struct qf_err e;
	int p[2];

	(void)state;
	sigaction(SIGUSR1, &sa, NULL);
	assert_int_equal(0, qf_pipe(p, &e));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int i = 0; i < 50; i++) {
			kill(parent, SIGUSR1);
			if (qf_write_all(p[1], "x", 1) < 0)
				_exit(1);
		}
		_exit(0);
	}
	qf_close(&p[1]);
	assert_int_equal(0, qf_read_all(p[0], &b, &e));
	assert_int_equal(50, b.len);
	qf_close(&p[0]);
	assert_int_equal(pid, waitpid(pid, NULL, 0));
	qf_buf_free(&b);
}

static void test_drain(void **state)
{
	static const char bytes[QF_IO_CHUNK + 1];
	int fd = unit_file(bytes, sizeof bytes);
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_drain(fd, &e));
	assert_int_equal(sizeof bytes, lseek(fd, 0, SEEK_CUR));
	close(fd);
	assert_int_equal(QF_EREAD, qf_drain(fd, &e));
}

static void test_reopen(void **state)
{
	int fd = unit_file("abc", 3), again;
	char c;

	(void)state;
	lseek(fd, 2, SEEK_SET);
	again = qf_reopen(fd);
	assert_true(again >= 0);
	assert_true(fcntl(again, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(1, qf_read(again, &c, 1));
	assert_int_equal('a', c);
	/* each has an offset of its own */
	assert_int_equal(2, lseek(fd, 0, SEEK_CUR));
	assert_int_equal(-1, write(again, "x", 1));
	close(again);
	close(fd);
	assert_int_equal(-1, qf_reopen(fd));
}

static void test_map(void **state)
{
	int fd = unit_file("abc", 3), none = unit_file("", 0), p[2];
	struct qf_map m;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_map_fd(&m, fd, &e));
	assert_int_equal(3, m.n);
	assert_memory_equal("abc", m.p, 3);
	qf_map_free(&m);
	assert_non_null(m.p);
	qf_map_free(&m);
	assert_int_equal(0, qf_map_fd(&m, none, &e));
	assert_int_equal(0, m.n);
	assert_non_null(m.p);
	qf_map_free(&m);
	assert_int_equal(0, pipe(p));
	assert_int_equal(QF_EREAD, qf_map_fd(&m, p[0], &e));
	assert_int_equal(QF_EREAD, qf_map_fd(&m, -1, &e));
	close(p[0]);
	close(p[1]);
	close(fd);
	close(none);
}

static void test_sync_dir(void **state)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(0, qf_sync_dir(fd));
	close(fd);
	assert_int_equal(-1, qf_sync_dir(fd));
}

/* In a copy of this process: nothing that is opened becomes 0, 1 or 2. */
static void test_open_std(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		close(0);
		close(2);
		qf_open_std();
		_exit(fcntl(0, F_GETFD) == 0 && fcntl(2, F_GETFD) == 0 &&
			      write(2, "x", 1) == 1 && open("/", O_RDONLY) > 2
			  ? 0
			  : 1);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read_and_write),
	    cmocka_unit_test(test_read_all_limits),
	    cmocka_unit_test(test_interrupted),
	    cmocka_unit_test(test_drain),
	    cmocka_unit_test(test_reopen),
	    cmocka_unit_test(test_map),
	    cmocka_unit_test(test_sync_dir),
	    cmocka_unit_test(test_open_std),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
