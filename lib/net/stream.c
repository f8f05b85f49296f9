#include "lib/net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

int qf_stream_open(struct qf_stream *st, int fd, struct qf_err *e)
{
	int flags = fcntl(fd, F_GETFL);

	st->fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		qf_fail_sys(e, QF_ENET, "fcntl");
		qf_stream_close(st);
		return QF_ENET;
	}
	return 0;
}

void qf_stream_close(struct qf_stream *st)
{
	qf_close(&st->fd);
}

int qf_stream_wait(
    struct qf_stream *st, int want, int64_t deadline, struct qf_err *e)
{
	struct pollfd p = {.fd = st->fd};
	int n, ready = 0;

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

/* After a call that failed: true to try again, or *rc. */
static bool again(struct qf_stream *st, int want, int64_t deadline, long *rc,
    struct qf_err *e)
{
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK) {
		*rc = qf_fail_sys(
		    e, QF_ENET, want == QF_STREAM_READ ? "read" : "write");
		return false;
	}
	*rc = qf_stream_wait(st, want, deadline, e);
	return *rc > 0;
}

long qf_stream_read(
    struct qf_stream *st, void *p, size_t n, int64_t deadline, struct qf_err *e)
{
	long rc;

	do
		rc = recv(st->fd, p, n, 0);
	while (rc < 0 && again(st, QF_STREAM_READ, deadline, &rc, e));
	return rc;
}

long qf_stream_write(struct qf_stream *st, const void *p, size_t n,
    int64_t deadline, struct qf_err *e)
{
	long rc;

	do
		rc = send(st->fd, p, n, MSG_NOSIGNAL);
	while (rc < 0 && again(st, QF_STREAM_WRITE, deadline, &rc, e));
	return rc;
}
