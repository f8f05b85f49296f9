#include "send/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/spool.h"

extern char **environ;

enum {
	MODULE_MESSAGE_FD = 3,
	EXIT_SOME_NOT_NOW = 17,
	EXIT_FAILED_FIRST = 32,
	EXIT_FAILED_LAST = 63,
	FLUSH_READS = 64 /* after the end of the module: a full pipe */
};

/* A module that runs. */
struct talk {
	struct qf_child child;
	struct qf_wake *wake;
	int in, out;            /* our ends of its 0 and 1; -1 when closed */
	struct qf_span options; /* still to be written */
	struct qf_buf said;
	int64_t deadline;
	bool stopping; /* the deadline is that of a stop */
};

const char *qf_deliver_refuses(const char *addr, bool is_rcpt)
{
	if (strchr(addr, '\n') != NULL)
		return is_rcpt ? "the address holds a line end"
			       : "the address of the sender holds a line end";
	if (is_rcpt && addr[0] == '\0')
		return "the address is empty";
	return NULL;
}

enum qf_result qf_deliver_result(int status)
{
	if (!WIFEXITED(status))
		return QF_NOT_NOW;
	if (WEXITSTATUS(status) == 0)
		return QF_DELIVERED;
	if (WEXITSTATUS(status) == EXIT_SOME_NOT_NOW)
		return QF_SOME_NOT_NOW;
	if (WEXITSTATUS(status) >= EXIT_FAILED_FIRST &&
	    WEXITSTATUS(status) <= EXIT_FAILED_LAST)
		return QF_FAILED;
	return QF_NOT_NOW;
}

static int spool_message(
    const struct qf_delivery *d, struct qf_spool *spool, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	qf_buf_addf(&b, "%s\n", d->sender);
	for (size_t i = 0; i < d->nrcpt; i++)
		qf_buf_addf(&b, "%s\n", d->rcpt[i]);
	qf_buf_addc(&b, '\n');
	if (lseek(d->message, 0, SEEK_SET) < 0)
		rc = qf_fail_sys(e, QF_EREAD, "reading the message");
	else if ((rc = qf_spool_open(spool, e)) == 0 &&
		 (rc = qf_spool_write(spool, b.s, b.len, e)) == 0 &&
		 (rc = qf_spool_fill(spool, d->message, e)) == 0)
		rc = qf_spool_finish(spool, e);
	qf_buf_free(&b);
	return rc;
}

static void add_options(const struct qf_remote *r, struct qf_buf *out)
{
	qf_buf_addf(out, "host=%s\n", r->host);
	for (size_t i = 0; i < r->options.n; i++)
		qf_buf_addf(out, "%s\n", r->options.v[i]);
	qf_buf_addc(out, '\n');
}

/* Our environment with HELOHOST; the strings but the first are borrowed. */
static char **make_environment(const char *helohost)
{
	static const char name[] = "HELOHOST=";
	struct qf_buf b = QF_BUF_INIT;
	size_t n = 0, k = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = qf_alloc((n + 2) * sizeof *env);
	qf_buf_addf(&b, "%s%s", name, helohost);
	env[k++] = qf_buf_detach(&b);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], name, strlen(name)) != 0)
			env[k++] = environ[i];
	}
	return env;
}

static int start_module(
    const struct qf_delivery *d, int message, struct talk *t, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	char **env = make_environment(d->helohost);
	char *argv[2] = {NULL, NULL};
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	int rc;

	qf_buf_addf(&path, "%s/%s", d->protocols, d->remote->protocol);
	argv[0] = path.s;
	if ((rc = qf_pipe(in, e)) == 0 && (rc = qf_pipe(out, e)) == 0) {
		const struct qf_child_fd fds[] = {{STDIN_FILENO, in[0]},
		    {STDOUT_FILENO, out[1]}, {STDERR_FILENO, STDERR_FILENO},
		    {MODULE_MESSAGE_FD, message}};
		const struct qf_child_spec spec = {.path = path.s,
		    .argv = argv,
		    .envp = env,
		    .fds = fds,
		    .nfds = sizeof fds / sizeof *fds,
		    .group = true};

		rc = qf_child_start(&t->child, &spec, e);
	}
	qf_close(&in[0]);
	qf_close(&out[1]);
	t->in = in[1];
	t->out = out[0];
	if (rc == 0 && (fcntl(t->in, F_SETFL, O_NONBLOCK) < 0 ||
			   fcntl(t->out, F_SETFL, O_NONBLOCK) < 0))
		rc = qf_fail_sys(e, QF_EPIPE, "fcntl");
	free(env[0]);
	free(env);
	qf_buf_free(&path);
	return rc;
}

/* Writes what it takes of the options; closes its input after the last. */
static void feed(struct talk *t)
{
	ssize_t w = 0;

	while (t->options.n > 0) {
		w = write(t->in, t->options.p, t->options.n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			break;
		t->options.p += w;
		t->options.n -= (size_t)w;
	}
	/* It may end without reading: that is for its exit code to judge. */
	if (t->options.n == 0 || (w < 0 && errno != EAGAIN))
		qf_close(&t->in);
}

/* Reads what it says: the first part is kept, the rest read and dropped. */
static void hear(struct talk *t, int reads)
{
	char chunk[4096];
	ssize_t r = 1;

	while (t->out >= 0 && reads-- > 0) {
		size_t room = QF_ANSWER_READ - t->said.len;

		r = qf_read(t->out, chunk, sizeof chunk);
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0) {
			qf_close(&t->out);
			return;
		}
		qf_buf_add(
		    &t->said, chunk, (size_t)r < room ? (size_t)r : room);
	}
}

static void heed_signals(struct talk *t)
{
	int64_t last = qf_deadline_in(QF_STOP_GRACE_MS);

	qf_wake_read(t->wake);
	if (!t->wake->stop || t->stopping)
		return;
	t->stopping = true;
	if (last < t->deadline)
		t->deadline = last;
}

static void wait_for_something(struct talk *t)
{
	enum {
		IN,
		OUT,
		CHILD,
		WAKE,
		N
	};
	struct pollfd p[N] = {
	    [IN] = {.fd = t->in, .events = POLLOUT},
	    [OUT] = {.fd = t->out, .events = POLLIN},
	    [CHILD] = {.fd = t->child.pidfd, .events = POLLIN},
	    [WAKE] = {.fd = t->wake != NULL ? t->wake->fd : -1,
		.events = POLLIN},
	};

	if (poll(p, N, qf_child_poll(&t->child, t->deadline)) < 0)
		return;
	if (p[IN].revents != 0)
		feed(t);
	if (p[OUT].revents != 0)
		hear(t, FLUSH_READS);
	if (p[WAKE].revents != 0)
		heed_signals(t);
}

/* Until the module ends: true and its status; or false, it had to be killed. */
static bool converse(struct talk *t, int *status)
{
	while (qf_child_wait(&t->child, 0, status, NULL) < 0) {
		if (qf_deadline_poll(t->deadline) == 0) {
			qf_child_stop(&t->child, QF_KILL_GRACE_MS, NULL);
			return false;
		}
		wait_for_something(t);
	}
	return true;
}

/* As one line: the lines of a reply of several lines are joined by `/`. */
static void set_text(struct qf_answer *a, struct qf_span said)
{
	size_t n = 0;

	said = qf_span_trim(said);
	for (size_t i = 0; i < said.n && n < sizeof a->text - 4; i++) {
		char c = said.p[i];

		if (c == '\r' && i + 1 < said.n && said.p[i + 1] == '\n')
			continue;
		if (c == '\n')
			c = '/';
		else if ((unsigned char)c < ' ' || c == 127)
			c = ' ';
		a->text[n++] = c;
		if (n == sizeof a->text - 4) {
			memcpy(a->text + n, "...", 3);
			n += 3;
		}
	}
	a->text[n] = '\0';
	a->given = n > 0;
}

static void judge(struct qf_answer *a, const struct talk *t, int status)
{
	a->result = qf_deliver_result(status);
	set_text(a, qf_buf_span(&t->said));
	if (a->given)
		return;
	if (a->result == QF_DELIVERED)
		snprintf(a->text, sizeof a->text,
		    "the protocol module gave no text");
	else if (WIFSIGNALED(status))
		snprintf(a->text, sizeof a->text,
		    "the protocol module was killed by signal %d",
		    WTERMSIG(status));
	else
		snprintf(a->text, sizeof a->text,
		    "the protocol module gave exit code %d and no text",
		    WEXITSTATUS(status));
}

void qf_deliver(const struct qf_delivery *d, struct qf_answer *answer)
{
	struct talk t = {.child = QF_CHILD_NONE,
	    .wake = d->wake,
	    .in = -1,
	    .out = -1,
	    .said = QF_BUF_INIT};
	struct qf_spool spool = QF_SPOOL_INIT;
	struct qf_buf options = QF_BUF_INIT;
	struct qf_err e;
	int rc, status = 0;

	*answer = (struct qf_answer){.result = QF_NOT_NOW};
	rc = spool_message(d, &spool, &e);
	if (rc == 0)
		rc = start_module(d, spool.fd, &t, &e);
	if (rc < 0) {
		snprintf(answer->text, sizeof answer->text, "%s", e.text);
		goto out;
	}
	add_options(d->remote, &options);
	t.options = qf_buf_span(&options);
	t.deadline = qf_deadline_in(d->limit);
	if (converse(&t, &status)) {
		hear(&t, FLUSH_READS);
		judge(answer, &t, status);
	} else {
		snprintf(answer->text, sizeof answer->text, "%s",
		    t.stopping ? "stopped before the protocol module ended"
			       : "timed out (sendtimeout)");
	}
out:
	qf_child_stop(&t.child, 0, NULL);
	qf_close(&t.in);
	qf_close(&t.out);
	qf_spool_close(&spool);
	qf_buf_free(&options);
	qf_buf_free(&t.said);
}
