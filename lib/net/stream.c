#include "lib/net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

/* What a call on the socket comes to that failed. */
static long failed(const char *call, struct qf_err *e)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return qf_fail(e, QF_ETIME, "timed out");
	return qf_fail_sys(e, QF_ENET, "%s", call);
}

static long plain_read(
    struct qf_stream *st, void *p, size_t n, struct qf_err *e)
{
	long rc;

	do
		rc = recv(st->fd, p, n, 0);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? failed("read", e) : rc;
}

static long plain_write(
    struct qf_stream *st, const void *p, size_t n, struct qf_err *e)
{
	long rc;

	do
		rc = send(st->fd, p, n, MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? failed("write", e) : rc;
}

static bool plain_no(struct qf_stream *st)
{
	(void)st;
	return false;
}

static void plain_close(struct qf_stream *st)
{
	(void)st;
}

static const struct qf_stream_ops plain = {
    plain_read, plain_write, plain_no, plain_no, plain_close};

static const struct qf_stream_ops *ops(const struct qf_stream *st)
{
	return st->ops != NULL ? st->ops : &plain;
}

int qf_stream_open(struct qf_stream *st, int fd, struct qf_err *e)
{
	int flags = fcntl(fd, F_GETFL);

	*st = (struct qf_stream){.fd = fd};
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		qf_fail_sys(e, QF_ENET, "fcntl");
		qf_stream_close(st);
		return QF_ENET;
	}
	return 0;
}

void qf_stream_close(struct qf_stream *st)
{
	ops(st)->close(st);
	st->ops = NULL;
	qf_close(&st->fd);
}

/* qf_stream_wait() for the socket alone. */
static int wait_socket(int fd, int want, int64_t deadline, struct qf_err *e)
{
	struct pollfd p = {.fd = fd};
	int n, ready = 0;

	if (fd < 0)
		return qf_fail(e, QF_ENET, "the connection is closed");
	if (want & QF_STREAM_READ)
		p.events |= POLLIN;
	if (want & QF_STREAM_WRITE)
		p.events |= POLLOUT;
	do
		n = poll(&p, 1, qf_deadline_poll(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return qf_fail_sys(e, QF_ENET, "poll");
	if (n == 0)
		return qf_fail(e, QF_ETIME, "timed out");
	if (p.revents & ~(POLLIN | POLLOUT))
		return want;
	if (p.revents & POLLIN)
		ready |= QF_STREAM_READ;
	if (p.revents & POLLOUT)
		ready |= QF_STREAM_WRITE;
	return ready;
}

int qf_stream_wait(
    struct qf_stream *st, int want, int64_t deadline, struct qf_err *e)
{
	for (;;) {
		bool held = ops(st)->is_held(st);
		bool input = want & QF_STREAM_READ && ops(st)->has_input(st);
		int rc =
		    wait_socket(st->fd, held ? want | QF_STREAM_WRITE : want,
			input ? 0 : deadline, e);

		if (input)
			return QF_STREAM_READ |
			       (rc > 0 && !held ? rc & want : 0);
		if (rc < 0 || !held || rc & want & QF_STREAM_READ)
			return rc < 0 ? rc : rc & want;
	}
}

/* After an attempt: true to try again, or *rc. */
static bool again(struct qf_stream *st, int want, int64_t deadline, long *rc,
    struct qf_err *e)
{
	if (*rc != QF_ETIME || qf_deadline_poll(deadline) == 0)
		return false;
	*rc = qf_stream_wait(st, want, deadline, e);
	return *rc > 0;
}

long qf_stream_read(
    struct qf_stream *st, void *p, size_t n, int64_t deadline, struct qf_err *e)
{
	long rc;

	do
		rc = ops(st)->read(st, p, n, e);
	while (again(st, QF_STREAM_READ, deadline, &rc, e));
	return rc;
}

long qf_stream_write(struct qf_stream *st, const void *p, size_t n,
    int64_t deadline, struct qf_err *e)
{
	long rc;

	do
		rc = ops(st)->write(st, p, n, e);
	while (again(st, QF_STREAM_WRITE, deadline, &rc, e));
	return rc;
}

const char *qf_stream_reason(const struct qf_err *e)
{
	return e->sys != 0 ? strerror(e->sys) : e->text;
}
