#include "remote/body.h"

#include <errno.h>
#include <unistd.h>

long qf_body_read(void *body, char *p, size_t n, struct qf_err *e)
{
	struct qf_body *b = body;
	ssize_t got;

	if (b->at >= b->end)
		return 0;
	if (n > b->end - b->at)
		n = (size_t)(b->end - b->at);
	do
		got = pread(b->fd, p, n, (off_t)b->at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return qf_fail_sys(e, QF_EREAD, "cannot read the message");
	if (got == 0)
		return qf_fail(e, QF_EREAD,
		    "the message became shorter while it was sent");
	b->at += (uint64_t)got;
	return got;
}
