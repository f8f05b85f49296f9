#include "frontend/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/program.h"
#include "lib/mail/qqcode.h"

enum {
	FD_FIRST = 3, /* qfront-queue --groups: message, envelope, message... */
	ABORT_MS = 60000 /* for a program that was told to give up */
};

static int fail(const struct qf_err *e)
{
	qf_log_err("message not handed over", e);
	return qf_qqcode_of_error(e->rc);
}

static int spool_envelope(const struct qf_delivery *d, bool ours,
    struct qf_spool *out, struct qf_err *e)
{
	if (ours)
		return qf_envelope_spool_attrs(&d->envelope, out, e);
	return qf_envelope_spool(&d->envelope, out, e);
}

static int exec_next(
    const struct qf_delivery *d, const struct qf_next *next, struct qf_err *e)
{
	struct qf_spool spool = QF_SPOOL_INIT;

	if (spool_envelope(d, next->builtin, &spool, e) == 0)
		qf_next_exec(next, d->message, spool.fd, e);
	qf_spool_close(&spool);
	return e->rc;
}

/* The places that descriptors of qfront-queue --groups have. */
static int fd_of(size_t k, bool envelope)
{
	return FD_FIRST + 2 * (int)k + envelope;
}

/* Messages and envelopes of the deliveries that our queue gets, each with an
 * offset of its own, above all places that they will have. */
static int gather(const struct qf_plan *plan, const struct qf_next *next,
    int *fds, size_t *n, struct qf_err *e)
{
	int above = fd_of(plan->n, false);

	for (size_t i = 0; i < plan->n; i++) {
		const struct qf_delivery *d = &plan->v[i];
		struct qf_spool spool = QF_SPOOL_INIT;
		int pair[2];

		if (!d->held && !next->builtin)
			continue;
		if (spool_envelope(d, true, &spool, e) < 0)
			return e->rc;
		pair[0] = qf_reopen_own(d->message);
		pair[1] = qf_reopen_own(spool.fd);
		qf_spool_close(&spool);
		for (int k = 0; k < 2; k++) {
			fds[*n] = fcntl(pair[k], F_DUPFD_CLOEXEC, above);
			qf_close(&pair[k]);
			if (fds[*n] < 0)
				return qf_fail_sys(e, QF_EPIPE, "dup");
			++*n;
		}
	}
	return 0;
}

/* Becomes our queue, for all that is in fds. */
static int exec_groups(const int *fds, size_t n, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	char count[24];

	qf_dir_join(&path, QF_DIR_SBIN, "qfront-queue");
	snprintf(count, sizeof count, "%zu", n / 2);
	for (size_t i = 0; i < n; i++) {
		if (dup2(fds[i], FD_FIRST + (int)i) < 0)
			return qf_fail_sys(e, QF_EPIPE, "dup2");
	}
	qf_next_reset_signals();
	execv(path.s, (char *[]){path.s, (char[]){"--groups"}, count, NULL});
	qf_fail_sys(e, QF_EEXEC, "can not execute %s", path.s);
	qf_buf_free(&path);
	return e->rc;
}

static int queue_groups(
    const struct qf_plan *plan, const struct qf_next *next, struct qf_err *e)
{
	int *fds = qf_alloc((2 * plan->n + 1) * sizeof *fds);
	size_t n = 0;

	/* It was left for the other program. */
	if (!next->builtin)
		unsetenv("QHPSI");
	if (gather(plan, next, fds, &n, e) == 0)
		exec_groups(fds, n, e);
	for (size_t i = 0; i < n; i++)
		qf_close(&fds[i]);
	free(fds);
	return e->rc;
}

/* An outside queue program on its way. */
struct peer {
	struct qf_child child;
	int envelope; /* the end that we write */
	int text;     /* a file: what it would tell the caller */
};

/* All of them. */
struct outside {
	const struct qf_plan *plan;
	const struct qf_next *next;
	enum qf_dialect dialect; /* of the caller, so theirs too */
	struct peer *peers;
	bool any;                 /* one has accepted its message */
	struct qf_judgement said; /* by the one that did not */
};

/* Our descriptor 2, and the file wherever the program may write a text. */
static size_t add_text_fds(
    const struct peer *p, enum qf_dialect d, struct qf_child_fd *fds, size_t n)
{
	int texts[QF_TEXT_FDS];
	size_t count = qf_dialect_text_fds(d, texts);

	if (!qf_dialect_reads_stderr(d))
		fds[n++] = (struct qf_child_fd){STDERR_FILENO, STDERR_FILENO};
	for (size_t i = 0; i < count; i++)
		fds[n++] = (struct qf_child_fd){texts[i], p->text};
	return n;
}

static int start_peer(struct outside *o, size_t i, struct qf_err *e)
{
	struct peer *p = &o->peers[i];
	struct qf_buf path = QF_BUF_INIT;
	int message = qf_reopen_own(o->plan->v[i].message), pipe[2] = {-1, -1};
	struct qf_child_fd fds[3 + QF_TEXT_FDS];
	int rc = qf_pipe(pipe, e);

	p->text = memfd_create("qfront-text", MFD_CLOEXEC);
	if (rc == 0 && p->text < 0)
		rc = qf_fail_sys(e, QF_EPIPE, "a file for its text");
	fds[0] = (struct qf_child_fd){0, message};
	fds[1] = (struct qf_child_fd){1, pipe[0]};
	if (rc == 0 && message < 0)
		rc = qf_fail_sys(e, QF_EPIPE, "the message");
	if (rc == 0)
		rc = qf_program_find(&path, o->next->argv.v[0], e);
	if (rc == 0)
		rc = qf_child_start(&p->child,
		    &(struct qf_child_spec){.path = path.s,
			.argv = o->next->argv.v,
			.fds = fds,
			.nfds = add_text_fds(p, o->dialect, fds, 2),
			.group = true},
		    e);
	qf_close(&message);
	qf_close(&pipe[0]);
	p->envelope = pipe[1];
	qf_buf_free(&path);
	return rc;
}

/* All of the envelope but its end. */
static int feed(struct peer *p, const struct qf_delivery *d)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc;

	qf_envelope_format(&d->envelope, &bytes);
	rc = qf_write_all(p->envelope, bytes.s, bytes.len - 1);
	qf_buf_free(&bytes);
	return rc;
}

/* Its exit code, once it has ended. */
static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : qf_qqcode_of_error(QF_ECRASH);
}

/* Lets one give up that was not finished: its code. */
static int abort_peer(struct peer *p)
{
	int status = 0;

	qf_close(&p->envelope);
	if (p->child.pid == 0)
		return 0;
	qf_child_finish(&p->child, qf_deadline_in(ABORT_MS), &status);
	return code_of(status);
}

static int finish_peer(struct peer *p)
{
	static const char end[1];
	int status = 0, rc;
	struct qf_err e;

	rc = qf_write_all(p->envelope, end, 1);
	qf_close(&p->envelope);
	if (qf_child_wait(&p->child, QF_NEVER, &status, &e) < 0)
		return fail(&e);
	return rc < 0 && status == 0 ? qf_qqcode_of_error(QF_EREAD)
				     : code_of(status);
}

/* Starts and feeds all: the code of the first that does not make it, or 0. */
static int prepare_peers(struct outside *o)
{
	const struct qf_plan *plan = o->plan;
	struct qf_err e;

	for (size_t i = 0; i < plan->n; i++) {
		if (!plan->v[i].held && start_peer(o, i, &e) < 0)
			return fail(&e);
	}
	for (size_t i = 0; i < plan->n; i++) {
		struct peer *p = &o->peers[i];

		if (p->child.pid == 0)
			continue;
		if (feed(p, &plan->v[i]) < 0 || qf_child_has_ended(&p->child)) {
			int code =
			    qf_dialect_hear(abort_peer(p), p->text, &o->said);

			return code != 0 ? code : 81;
		}
	}
	return 0;
}

/* A refusal after others were accepted can not stand: it would be a bounce for
 * what was delivered. Nor can a code that announces a text which is not there:
 * who knows what the caller finds in its place. */
static int later_failure(struct outside *o, int code)
{
	qf_log(QF_LOG_ERROR, "queued in part; a duplicate is possible",
	    QF_KD("code", code));
	if (qf_qqcode_find(code)->letter == 'Z' && code != 82 && code != 88)
		return code;
	o->said = (struct qf_judgement){0};
	return 71;
}

static int finish_peers(struct outside *o)
{
	for (size_t i = 0; i < o->plan->n; i++) {
		struct peer *p = &o->peers[i];
		int code;

		if (p->child.pid == 0)
			continue;
		code = qf_dialect_hear(finish_peer(p), p->text, &o->said);
		if (code != 0)
			return o->any ? later_failure(o, code) : code;
		o->any = true;
	}
	return 0;
}

static int run_peers(struct outside *o)
{
	int code;

	for (size_t i = 0; i < o->plan->n; i++)
		o->peers[i] = (struct peer){
		    .child = QF_CHILD_NONE, .envelope = -1, .text = -1};
	code = prepare_peers(o);
	if (code == 0)
		code = finish_peers(o);
	for (size_t i = 0; i < o->plan->n; i++) {
		abort_peer(&o->peers[i]);
		qf_close(&o->peers[i].text);
	}
	return code;
}

static bool has_held(const struct qf_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->v[i].held)
			return true;
	}
	return false;
}

static int commit_outside(const struct qf_plan *plan,
    const struct qf_next *next, enum qf_dialect dialect)
{
	struct outside o = {.plan = plan, .next = next, .dialect = dialect};
	struct qf_err e = {0};
	int code;

	o.peers = qf_alloc(plan->n * sizeof *o.peers);
	code = run_peers(&o);
	free(o.peers);
	/* What is held comes last: it is ours, and takes all or nothing. */
	if (code == 0 && has_held(plan)) {
		queue_groups(plan, next, &e);
		code = fail(&e);
		if (o.any)
			code = later_failure(&o, code);
	}
	if (o.said.text[0] == '\0')
		return code;
	return qf_dialect_answer(dialect, &o.said, code);
}

int qf_commit(
    struct qf_plan *plan, const struct qf_next *next, enum qf_dialect dialect)
{
	struct qf_err e = {0};
	bool outside = false;

	qf_next_hide(next);
	for (size_t i = 0; i < plan->n; i++)
		outside |= !plan->v[i].held && !next->builtin;
	if (plan->n == 1 && !plan->v[0].held)
		exec_next(&plan->v[0], next, &e);
	else if (!outside)
		queue_groups(plan, next, &e);
	else
		return commit_outside(plan, next, dialect);
	return fail(&e);
}

int qf_commit_all(
    struct qf_plan *plan, const struct qf_next *next, enum qf_dialect dialect)
{
	qf_next_hide(next);
	return commit_outside(plan, next, dialect);
}
