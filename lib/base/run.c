#include "lib/base/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/undo.h"

enum {
	GRACE_MS = 200, /* between TERM and KILL for one that is late */
	FDS_MAX = 12,
	/* Chunks that are read of a pipe before anything else is looked at:
	 * as much as a pipe can hold. */
	TURN = 16
};

struct state {
	const struct qf_run *run;
	struct qf_child child;
	int fd[QF_RUN_OUTS]; /* read ends, -1 at their end */
};

/* TERM came: the group goes along. */
static void end_group(void *arg)
{
	const volatile struct state *s = arg;

	if (s->child.pid > 0)
		kill(-s->child.pid, SIGKILL);
}

static void close_all(struct state *s)
{
	for (size_t i = 0; i < s->run->nout; i++)
		qf_close(&s->fd[i]);
}

static int start(struct state *s, struct qf_err *e)
{
	const struct qf_run *r = s->run;
	struct qf_child_spec spec = r->child;
	struct qf_child_fd fds[FDS_MAX];
	int far[QF_RUN_OUTS] = {-1, -1, -1, -1}, rc = 0;

	if (r->nout > QF_RUN_OUTS || spec.nfds + 2 * r->nout > FDS_MAX)
		return qf_fail(e, QF_EBUG, "too many descriptors");
	if (spec.nfds > 0)
		memcpy(fds, spec.fds, spec.nfds * sizeof *fds);
	for (size_t i = 0; rc == 0 && i < r->nout; i++) {
		int p[2];

		rc = qf_pipe(p, e);
		s->fd[i] = p[0];
		far[i] = p[1];
		fds[spec.nfds++] = (struct qf_child_fd){r->out[i].to, p[1]};
		if (r->out[i].also > 0)
			fds[spec.nfds++] =
			    (struct qf_child_fd){r->out[i].also, p[1]};
		if (rc == 0 && fcntl(p[0], F_SETFL, O_NONBLOCK) < 0)
			rc = qf_fail_sys(e, QF_EPIPE, "pipe");
	}
	spec.fds = fds;
	spec.group = true;
	spec.bound = true;
	if (rc == 0)
		rc = qf_child_start(&s->child, &spec, e);
	for (size_t i = 0; i < r->nout; i++)
		qf_close(&far[i]);
	return rc;
}

/* Takes what a pipe has, for one turn. */
static int drain(struct state *s, size_t i, struct qf_err *e)
{
	const struct qf_run_out *out = &s->run->out[i];
	char chunk[QF_IO_CHUNK];
	int rc = 0;

	for (int turn = 0; rc == 0 && turn < TURN; turn++) {
		ssize_t r = qf_read(s->fd[i], chunk, sizeof chunk);

		if (r < 0 && errno == EAGAIN)
			return 0;
		if (r < 0)
			return qf_fail_sys(e, QF_EREAD, "read");
		if (r == 0) {
			qf_close(&s->fd[i]);
			return 0;
		}
		rc = out->take(out->arg, qf_span_n(chunk, (size_t)r), e);
	}
	return rc;
}

static int drain_all(struct state *s, struct qf_err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->run->nout; i++) {
		if (s->fd[i] >= 0)
			rc = drain(s, i, e);
	}
	return rc;
}

/* Is there a pipe that must be read to its end? */
static bool is_owed(const struct state *s)
{
	for (size_t i = 0; i < s->run->nout; i++) {
		if (s->fd[i] >= 0 && s->run->out[i].to_eof)
			return true;
	}
	return false;
}

static int too_late(bool ended, struct qf_err *e)
{
	return qf_fail(e, QF_ETIME,
	    ended ? "it ended, but a process that it left behind kept its "
		    "output open until the time was up"
		  : "it did not end in time");
}

/* Waits for something to happen. */
static int await(struct state *s, bool ended, struct qf_err *e)
{
	int64_t deadline = s->run->deadline;
	struct pollfd p[QF_RUN_OUTS + 1];
	nfds_t n = 0;
	int ms = ended ? qf_deadline_poll(deadline)
		       : qf_child_poll(&s->child, deadline);

	for (size_t i = 0; i < s->run->nout; i++) {
		if (s->fd[i] >= 0)
			p[n++] = (struct pollfd){s->fd[i], POLLIN, 0};
	}
	/* Of a child that has ended it would always be ready. */
	if (!ended && s->child.pidfd >= 0)
		p[n++] = (struct pollfd){s->child.pidfd, POLLIN, 0};
	if (poll(p, n, ms) < 0 && errno != EINTR)
		return qf_fail_sys(e, QF_ENOMEM, "poll");
	return 0;
}

int qf_run(const struct qf_run *run, int *status, struct qf_err *e)
{
	struct state s = {
	    .run = run, .child = QF_CHILD_NONE, .fd = {-1, -1, -1, -1}};
	struct qf_undo undo = {.undo = end_group, .arg = &s};
	int rc;

	qf_undo_push(&undo);
	rc = start(&s, e);
	while (rc == 0) {
		/* Asked in this order: what ended in time is not late, and
		 * what it wrote is in the pipes. */
		bool late = qf_deadline_poll(run->deadline) == 0;
		bool ended = qf_child_has_ended(&s.child);

		rc = drain_all(&s, e);
		if (rc == 0 && ended && !is_owed(&s))
			break;
		if (rc == 0)
			rc = late ? too_late(ended, e) : await(&s, ended, e);
	}
	if (rc == 0)
		qf_child_finish(&s.child, QF_NEVER, status);
	else
		qf_child_stop(&s.child, rc == QF_ETIME ? GRACE_MS : 0, status);
	qf_undo_pop(&undo);
	close_all(&s);
	return rc;
}
