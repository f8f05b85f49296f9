#include "lib/base/fdpass.h"

#include "tests/unit/unit.h"

#include <sys/resource.h>
#include <sys/socket.h>

static int sock[2];
static int before;
static struct qf_err e;

static int set_up(void **state)
{
	(void)state;
	before = unit_open_fds();
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock);
}

/* No descriptor is left open. */
static int tear_down(void **state)
{
	(void)state;
	qf_close(&sock[0]);
	qf_close(&sock[1]);
	return unit_open_fds() - before;
}

static void test_record(void **state)
{
	int out[QF_FDPASS_MAX], in[QF_FDPASS_MAX];
	unsigned char c;
	char text[16];
	size_t n = 99;

	(void)state;
	for (int i = 0; i < QF_FDPASS_MAX; i++) {
		c = (unsigned char)i;
		out[i] = unit_file(&c, 1);
	}
	assert_int_equal(
	    0, qf_fd_send(sock[0], "hello", 5, out, QF_FDPASS_MAX, &e));
	assert_int_equal(0, qf_fd_send(sock[0], "x", 1, NULL, 0, &e));
	for (int i = 0; i < QF_FDPASS_MAX; i++)
		close(out[i]);
	assert_int_equal(5, qf_fd_recv(sock[1], text, sizeof text, in, &n, &e));
	assert_memory_equal("hello", text, 5);
	assert_int_equal(QF_FDPASS_MAX, n);
	for (int i = 0; i < QF_FDPASS_MAX; i++) {
		assert_true(fcntl(in[i], F_GETFD) & FD_CLOEXEC);
		assert_int_equal(1, qf_read(in[i], &c, 1));
		assert_int_equal(i, c);
		close(in[i]);
	}
	/* records stay apart */
	assert_int_equal(1, qf_fd_recv(sock[1], text, sizeof text, in, &n, &e));
	assert_int_equal(0, n);
	qf_close(&sock[0]);
	assert_int_equal(0, qf_fd_recv(sock[1], text, sizeof text, in, &n, &e));
	assert_int_equal(0, n);
}

static void test_cut(void **state)
{
	int fd = unit_file("", 0), in[QF_FDPASS_MAX];
	char text[4];
	size_t n;

	(void)state;
	assert_int_equal(0, qf_fd_send(sock[0], "hello", 5, &fd, 1, &e));
	assert_int_equal(
	    QF_EPROTO, qf_fd_recv(sock[1], text, sizeof text, in, &n, &e));
	assert_int_equal(0, n);
	close(fd);
}

/* Sends n descriptors with `bytes` bytes, as no program of ours does. */
static void send_raw(const int *fds, size_t n, size_t bytes)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)"x", .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	assert_int_equal(bytes, sendmsg(sock[0], &msg, MSG_NOSIGNAL));
}

/* Comes with more descriptors than this process may have: none is kept, and it
 * is no mistake of the other side. */
static void test_no_room(void **state)
{
	int many[] = {STDIN_FILENO, STDIN_FILENO, STDIN_FILENO, STDIN_FILENO};
	int in[QF_FDPASS_MAX], next;
	struct rlimit was, few;
	char text[4];
	size_t n;

	(void)state;
	if (unit_is_under_valgrind("it has limits of its own on descriptors"))
		return;
	next = dup(STDIN_FILENO);
	close(next);
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &was));
	few = was;
	few.rlim_cur = (rlim_t)next + 2;
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
	send_raw(many, UNIT_COUNT(many), 1);
	assert_int_equal(
	    QF_EPIPE, qf_fd_recv(sock[1], text, sizeof text, in, &n, &e));
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &was));
	assert_int_equal(0, n);
}

/* A record without bytes is not the end, and leaks nothing. */
static void test_hostile(void **state)
{
	int in[QF_FDPASS_MAX];
	char text[4];
	size_t n;

	(void)state;
	send_raw((int[]){STDIN_FILENO}, 1, 0);
	assert_int_equal(
	    QF_EPROTO, qf_fd_recv(sock[1], text, sizeof text, in, &n, &e));
	assert_int_equal(0, n);
}

static void test_errors(void **state)
{
	int fds[QF_FDPASS_MAX + 1] = {0};
	char text[4];
	size_t n;

	(void)state;
	assert_int_equal(
	    QF_EBUG, qf_fd_send(sock[0], "x", 1, fds, QF_FDPASS_MAX + 1, &e));
	qf_close(&sock[1]);
	/* an error, not SIGPIPE */
	assert_int_equal(QF_EPIPE, qf_fd_send(sock[0], "x", 1, NULL, 0, &e));
	assert_int_equal(
	    QF_EPIPE, qf_fd_recv(-1, text, sizeof text, fds, &n, &e));
	assert_int_equal(0, n);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_record),
	    CASE(test_cut),
	    CASE(test_no_room),
	    CASE(test_hostile),
	    CASE(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
