#include "lib/net/stream.h"

#include <errno.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

static int peer; /* the other end */

static void open_pair(struct qf_stream *st)
{
	int fds[2];

	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	peer = fds[1];
	assert_int_equal(0, qf_stream_open(st, fds[0], NULL));
}

static void close_pair(struct qf_stream *st)
{
	qf_stream_close(st);
	assert_int_equal(-1, st->fd);
	qf_close(&peer);
}

static void reading(void **state)
{
	struct qf_stream st;
	struct qf_err e;
	char b[8];

	(void)state;
	open_pair(&st);
	assert_int_equal(QF_ETIME, qf_stream_read(&st, b, sizeof b, 0, &e));
	assert_int_equal(3, write(peer, "abc", 3));
	assert_int_equal(2, qf_stream_read(&st, b, 2, QF_NEVER, &e));
	assert_memory_equal("ab", b, 2);
	assert_int_equal(1, qf_stream_read(&st, b, sizeof b, 0, &e));
	qf_close(&peer);
	assert_int_equal(0, qf_stream_read(&st, b, sizeof b, QF_NEVER, &e));
	close_pair(&st);
}

static void writing(void **state)
{
	static char block[65536];
	struct qf_stream st;
	struct qf_err e;
	long n, total = 0;

	(void)state;
	open_pair(&st);
	while ((n = qf_stream_write(&st, block, sizeof block, 0, &e)) > 0)
		total += n;
	assert_int_equal(QF_ETIME, n);
	assert_true(total > 0);
	/* SIGPIPE would end this program. */
	qf_close(&peer);
	assert_int_equal(
	    QF_ENET, qf_stream_write(&st, block, sizeof block, QF_NEVER, &e));
	assert_int_equal(EPIPE, e.sys);
	close_pair(&st);
}

static void waiting(void **state)
{
	int both = QF_STREAM_READ | QF_STREAM_WRITE;
	struct qf_stream st;
	struct qf_err e;

	(void)state;
	open_pair(&st);
	assert_int_equal(
	    QF_STREAM_WRITE, qf_stream_wait(&st, both, QF_NEVER, &e));
	assert_int_equal(QF_ETIME, qf_stream_wait(&st, QF_STREAM_READ, 0, &e));
	assert_int_equal(1, write(peer, "a", 1));
	assert_int_equal(both, qf_stream_wait(&st, both, QF_NEVER, &e));
	qf_close(&peer);
	assert_int_equal(
	    QF_STREAM_READ, qf_stream_wait(&st, QF_STREAM_READ, QF_NEVER, &e));
	close_pair(&st);
}

static void not_a_descriptor(void **state)
{
	struct qf_stream st;
	struct qf_err e;
	int fd = dup(0);

	(void)state;
	close(fd);
	assert_int_equal(QF_ENET, qf_stream_open(&st, fd, &e));
	assert_int_equal(-1, st.fd);
	assert_int_equal(EBADF, e.sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reading),
	    cmocka_unit_test(writing),
	    cmocka_unit_test(waiting),
	    cmocka_unit_test(not_a_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
