#include "frontend/dispatch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/outcome.h"
#include "frontend/worker.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqcode.h"

enum {
	FAREWELL_MS = 5000, /* for a worker to end after its result */
	GRACE_MS = 100      /* between TERM and KILL for one that is late */
};

struct run {
	const struct qf_chain *chain;
	struct qf_work work;
	int *preset;
	int64_t deadline;
	unsigned failures; /* stages that crashed or hung */
	struct qf_outcome *out;
};

/* A worker that runs, as the dispatcher sees it. */
struct job {
	struct qf_child child;
	int sock;
	long stage;       /* that it is in, or -1 */
	int64_t deadline; /* of that stage */
};

static void refuse(struct run *r, int code)
{
	r->out->action = QF_ACTION_REFUSE;
	r->out->code = code;
}

struct start {
	const struct qf_work *work;
	int sock[2];
};

static int run_worker(void *arg)
{
	struct start *s = arg;

	close(s->sock[0]);
	return qf_worker_run(s->work, s->sock[1]);
}

static int start_job(struct run *r, struct job *job, struct qf_err *e)
{
	struct start s = {.work = &r->work};

	*job = (struct job){.child = QF_CHILD_NONE, .sock = -1, .stage = -1};
	job->deadline = r->deadline;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s.sock) < 0)
		return qf_fail_sys(e, QF_EPIPE, "socketpair");
	if (qf_child_fork(&job->child, run_worker, &s, e) < 0) {
		close(s.sock[0]);
		close(s.sock[1]);
		return e->rc;
	}
	close(s.sock[1]);
	job->sock = s.sock[0];
	return 0;
}

/* The next record: 1 and the report, 0 when the worker is gone, QF_ETIME. */
static int next_report(struct job *job, struct qf_report *report, int *fds,
    size_t *nfds, struct qf_err *e)
{
	struct pollfd p = {.fd = job->sock, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, qf_deadline_poll(job->deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return qf_fail(e, QF_ETIME, "timed out");
	n = qf_fd_recv(job->sock, report, sizeof *report, fds, nfds, e);
	if (n != 0 && n != (int)sizeof *report) {
		for (size_t i = 0; i < *nfds; i++)
			close(fds[i]);
		return qf_fail(e, QF_EPROTO, "a worker sent nonsense");
	}
	return n > 0;
}

/* The worker is in this stage now: it has the stage's time, and never more
 * than the chain's. */
static void enter_stage(struct run *r, struct job *job, size_t stage)
{
	int64_t ms = r->chain->stage[stage].timeout_ms;

	job->stage = (long)stage;
	job->deadline = r->deadline;
	if (ms > 0 && qf_deadline_in(ms) < r->deadline)
		job->deadline = qf_deadline_in(ms);
}

/* Reads reports until the result: 1, or as next_report(). */
static int await_result(struct run *r, struct job *job,
    struct qf_report *report, int *fds, size_t *nfds, struct qf_err *e)
{
	for (;;) {
		int rc = next_report(job, report, fds, nfds, e);

		if (rc <= 0)
			return rc;
		if (report->kind == QF_REPORT_RESULT)
			return 1;
		if (*nfds > 0 || report->kind != QF_REPORT_BEGIN ||
		    report->stage >= r->chain->n)
			return qf_fail(e, QF_EPROTO, "a worker sent nonsense");
		enter_stage(r, job, report->stage);
	}
}

/* A worker did not come to a result. Presets the stage it was in, so that the
 * next worker goes round it: true when another try makes sense. */
static bool preset_stage(
    struct run *r, const struct job *job, bool late, int status)
{
	const char *name =
	    job->stage >= 0 ? r->chain->stage[job->stage].name : "";

	if (late)
		qf_log(QF_LOG_ERROR, "stage timed out", QF_KS("name", name));
	else if (status == 0)
		qf_log(QF_LOG_ERROR, "stage spoiled its worker",
		    QF_KS("name", name));
	else if (WIFSIGNALED(status))
		qf_log(QF_LOG_ERROR, "stage crashed", QF_KS("name", name),
		    QF_KD("signal", WTERMSIG(status)));
	else
		qf_log(QF_LOG_ERROR, "stage ended its worker",
		    QF_KS("name", name), QF_KD("exit", WEXITSTATUS(status)));
	r->failures++;
	if (job->stage < 0 || r->failures > 1 ||
	    qf_deadline_poll(r->deadline) == 0) {
		refuse(r, late ? 52 : 81);
		return false;
	}
	r->preset[job->stage] = late ? QF_CAT_TIMEOUT : QF_CAT_NONE;
	return true;
}

/* Takes over what the stages edited. */
static int take_edits(struct run *r, const struct qf_report *report,
    const int *fds, size_t nfds, struct qf_err *e)
{
	size_t i = 0;

	if (nfds != (size_t)report->message_edited + report->envelope_edited)
		return qf_fail(
		    e, QF_EPROTO, "a worker sent %zu descriptors", nfds);
	if (report->message_edited) {
		qf_close(&r->out->message);
		r->out->message = fds[i++];
		r->work.message = r->out->message;
	}
	if (report->envelope_edited) {
		struct qf_envelope env = QF_ENVELOPE_INIT;
		int rc = qf_envelope_read(&env, fds[i], e);

		close(fds[i]);
		if (rc < 0) {
			qf_envelope_free(&env);
			return rc;
		}
		qf_envelope_free(&r->out->envelope);
		r->out->envelope = env;
		r->out->envelope_edited = true;
		r->work.envelope = &r->out->envelope;
	}
	return 0;
}

/* A verdict that ends the chain. */
static void conclude(struct run *r, const struct qf_report *report)
{
	const struct qf_judgement *j = &report->judgement;

	if (j->class_ == QF_DISCARD) {
		r->out->action = QF_ACTION_DROP;
		return;
	}
	if (j->class_ != QF_REJECT && j->class_ != QF_DEFER)
		qf_log(QF_LOG_ERROR, "verdict not available, deferring",
		    QF_KS("stage", report->by),
		    QF_KS("verdict", qf_class_name(j->class_)));
	refuse(r, qf_outcome_code(j));
}

/* One worker from start to end: true when the chain goes on after it. */
static bool run_part(struct run *r)
{
	struct qf_report report;
	struct job job;
	struct qf_err e = {0};
	int fds[QF_FDPASS_MAX], status = 0, rc;
	size_t nfds = 0;

	if (start_job(r, &job, &e) < 0) {
		qf_log_err("worker not started", &e);
		refuse(r, qf_qqcode_of_error(e.rc));
		return false;
	}
	rc = await_result(r, &job, &report, fds, &nfds, &e);
	qf_close(&job.sock);
	/* After its result a worker only tidies up. */
	if (rc == 0 || rc == 1)
		qf_child_wait(
		    &job.child, qf_deadline_in(FAREWELL_MS), &status, NULL);
	qf_child_stop(&job.child, rc == 1 ? 0 : GRACE_MS, &status);
	if (rc == 0 || rc == QF_ETIME || rc == QF_EPROTO)
		return preset_stage(r, &job, rc == QF_ETIME, status);
	if (rc == 1 && report.error.rc != 0) {
		e = report.error;
		rc = e.rc;
	}
	if (rc == 1)
		rc = take_edits(r, &report, fds, nfds, &e);
	if (rc < 0) {
		qf_log_err("message not filtered", &e);
		refuse(r, qf_qqcode_of_error(rc));
		return false;
	}
	r->work.from = report.stage;
	r->work.accepted = report.accepted;
	if (qf_class_goes_on(report.judgement.class_))
		return true;
	conclude(r, &report);
	return false;
}

void qf_dispatch(const struct qf_ctl *ctl, const struct qf_chain *chain,
    int message, const struct qf_envelope *envelope, int64_t deadline,
    struct qf_outcome *out)
{
	struct run r = {.chain = chain, .deadline = deadline, .out = out};

	r.preset = qf_alloc((chain->n + 1) * sizeof *r.preset);
	for (size_t i = 0; i < chain->n; i++)
		r.preset[i] = QF_WORK_RUN;
	r.work = (struct qf_work){.ctl = ctl,
	    .chain = chain,
	    .message = message,
	    .envelope = envelope,
	    .preset = r.preset};
	while (r.work.from < chain->n && run_part(&r))
		;
	free(r.preset);
}

void qf_outcome_free(struct qf_outcome *out)
{
	qf_close(&out->message);
	qf_envelope_free(&out->envelope);
}
