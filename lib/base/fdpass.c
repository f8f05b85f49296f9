#include "lib/base/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(QF_FDPASS_MAX * sizeof(int))];
};

int qf_fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds,
    struct qf_err *e)
{
	union control control = {0};
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (nfds > QF_FDPASS_MAX)
		return qf_fail(e, QF_EBUG, "%zu descriptors to send", nfds);
	if (nfds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		r = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r != (ssize_t)n)
		return qf_fail_sys(e, QF_EPIPE, "sendmsg");
	return 0;
}

static void take_fds(struct msghdr *msg, int *fds, size_t *nfds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + *nfds, CMSG_DATA(c), n * sizeof(int));
		*nfds += n;
	}
}

int qf_fd_recv(
    int sock, void *p, size_t n, int *fds, size_t *nfds, struct qf_err *e)
{
	union control control = {0};
	struct iovec iov = {.iov_base = p, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	ssize_t r;

	*nfds = 0;
	do
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return qf_fail_sys(e, QF_EPIPE, "recvmsg");
	take_fds(&msg, fds, nfds);
	/* A record has bytes; descriptors with none look like the end. */
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    (r > 0 || *nfds == 0))
		return (int)r;
	for (size_t i = 0; i < *nfds; i++)
		close(fds[i]);
	*nfds = 0;
	if (msg.msg_flags & MSG_CTRUNC) {
		errno = EMFILE;
		return qf_fail_sys(e, QF_EPIPE, "a descriptor was lost");
	}
	return qf_fail(e, QF_EPROTO, "a record was cut");
}
