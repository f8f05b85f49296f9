#include "frontend/dispatch.h"

#include <errno.h>
#include <poll.h>
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
#include "lib/base/spool.h"
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
	bool accepted;    /* a stage said ACCEPT */
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
	job->accepted = r->work.accepted;
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

/* A report, and the descriptors that came with it. */
struct reply {
	struct qf_report report;
	int fds[QF_FDPASS_MAX];
	size_t nfds;
};

static void drop_fds(struct reply *in)
{
	for (size_t i = 0; i < in->nfds; i++)
		qf_close(&in->fds[i]);
	in->nfds = 0;
}

static int nonsense(struct reply *in, struct qf_err *e)
{
	drop_fds(in);
	return qf_fail(e, QF_EPROTO, "a worker sent nonsense");
}

/* Is there a record, or the end of the socket, to be read? */
static bool has_record(const struct job *job)
{
	struct pollfd p = {.fd = job->sock, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Waits for a record: 1, 0 when the worker is gone without one, QF_ETIME. A
 * process that a plugin left behind may hold the far end of the socket, so
 * that the worker's own end counts too. */
static int await_record(const struct job *job, struct qf_err *e)
{
	struct pollfd p[] = {{.fd = job->sock, .events = POLLIN},
	    {.fd = job->child.pidfd, .events = POLLIN}};

	while (!qf_child_has_ended(&job->child)) {
		int n;

		if (qf_deadline_poll(job->deadline) == 0)
			return qf_fail(e, QF_ETIME, "timed out");
		n = poll(p, 2, qf_child_poll(&job->child, job->deadline));
		if (n < 0 && errno != EINTR)
			return qf_fail_sys(e, QF_ENOMEM, "poll");
		if (n > 0 && p[0].revents != 0)
			return 1;
	}
	/* It may have sent its last record before it ended. */
	return has_record(job);
}

/* The next record: 1, 0 when the worker is gone, QF_ETIME, QF_EPROTO. */
static int next_report(
    const struct job *job, struct reply *in, struct qf_err *e)
{
	struct qf_report *report = &in->report;
	int rc = await_record(job, e);
	int n;

	if (rc <= 0)
		return rc;
	n = qf_fd_recv(
	    job->sock, report, sizeof *report, in->fds, &in->nfds, e);
	if (n == 0)
		return 0;
	if (n != (int)sizeof *report)
		return nonsense(in, e);
	report->error.text[sizeof report->error.text - 1] = '\0';
	return 1;
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

/* May a worker go on to this stage? Those that it did not begin must be such
 * that may be skipped: a stage is never left out by mistake. */
static bool may_reach(const struct run *r, const struct job *job, size_t stage)
{
	size_t i = job->stage >= 0 ? (size_t)job->stage + 1 : r->work.from;

	if (stage < i || stage > r->chain->n)
		return false;
	for (; i < stage; i++) {
		const struct qf_stage *s = &r->chain->stage[i];

		if (r->preset[i] == QF_WORK_RUN && s->conditions == NULL &&
		    s->max == 0 && (!job->accepted || s->always))
			return false;
	}
	return true;
}

/* Is this a result that a worker of ours could send? Plugins run in its
 * process, so nothing that it says is taken on trust. */
static bool is_sound(
    const struct run *r, const struct job *job, const struct reply *in)
{
	const struct qf_report *p = &in->report;

	if (p->message_edited > 1 || p->envelope_edited > 1 ||
	    in->nfds != (size_t)p->message_edited + p->envelope_edited)
		return false;
	for (size_t i = 0; i < in->nfds; i++) {
		if (!qf_spool_is_private(in->fds[i]))
			return false;
	}
	if (p->error.rc != 0)
		return p->error.rc < 0;
	if (!qf_class_goes_on(p->judgement.class_))
		return p->stage < r->chain->n &&
		       (job->stage == (long)p->stage ||
			   (may_reach(r, job, p->stage) &&
			       r->preset[p->stage] != QF_WORK_RUN));
	/* The next stage may have begun: its plugin belongs to a worker of the
	 * other kind. */
	return p->stage > r->work.from &&
	       (job->stage == (long)p->stage || may_reach(r, job, p->stage));
}

/* Reads reports until the result: 1, or as next_report(). */
static int await_result(
    struct run *r, struct job *job, struct reply *in, struct qf_err *e)
{
	const struct qf_report *report = &in->report;
	int rc;

	while ((rc = next_report(job, in, e)) == 1) {
		job->accepted |= report->accepted != 0;
		if (report->kind == QF_REPORT_RESULT)
			return is_sound(r, job, in) ? 1 : nonsense(in, e);
		if (in->nfds > 0 || report->kind != QF_REPORT_BEGIN ||
		    report->stage >= r->chain->n ||
		    !may_reach(r, job, report->stage))
			return nonsense(in, e);
		enter_stage(r, job, report->stage);
	}
	return rc;
}

static void log_failure(
    const struct run *r, const struct job *job, int rc, int status)
{
	const char *name =
	    job->stage >= 0 ? r->chain->stage[job->stage].name : "";

	if (rc == QF_ETIME)
		qf_log(QF_LOG_ERROR, "stage timed out", QF_KS("name", name));
	else if (rc == QF_EPROTO || status == 0)
		qf_log(QF_LOG_ERROR, "stage spoiled its worker",
		    QF_KS("name", name));
	else if (WIFSIGNALED(status))
		qf_log(QF_LOG_ERROR, "stage crashed", QF_KS("name", name),
		    QF_KD("signal", WTERMSIG(status)));
	else
		qf_log(QF_LOG_ERROR, "stage ended its worker",
		    QF_KS("name", name), QF_KD("exit", WEXITSTATUS(status)));
}

/* A worker did not come to a result. Presets the stage it was in, so that the
 * next worker goes round it: true when another try makes sense. */
static bool preset_stage(struct run *r, const struct job *job, bool late)
{
	r->failures++;
	if (job->stage < 0 || r->failures > 1 ||
	    qf_deadline_poll(r->deadline) == 0) {
		refuse(r, late ? 52 : 81);
		return false;
	}
	r->preset[job->stage] = late ? QF_CAT_TIMEOUT : QF_CAT_NONE;
	return true;
}

/* Trouble is not about the mail: whatever a worker or a plugin calls it, the
 * answer is temporary. */
static bool fail(struct run *r, const char *event, const struct qf_err *e)
{
	int code = qf_qqcode_of_error(e->rc);

	qf_log_err(event, e);
	refuse(r, qf_qqcode_find(code)->letter == 'Z' ? code : 81);
	return false;
}

static int take_envelope(struct run *r, int fd, struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	int rc = qf_envelope_read(&env, fd, e);

	if (rc < 0) {
		qf_envelope_free(&env);
		return rc;
	}
	qf_envelope_free(&r->out->envelope);
	r->out->envelope = env;
	r->out->envelope_edited = true;
	r->work.envelope = &r->out->envelope;
	return 0;
}

/* Takes over what the stages edited. */
static int take_edits(struct run *r, struct reply *in, struct qf_err *e)
{
	if (in->report.message_edited) {
		qf_close(&r->out->message);
		r->out->message = in->fds[0];
		r->work.message = in->fds[0];
		in->fds[0] = -1;
	}
	if (in->report.envelope_edited)
		return take_envelope(r, in->fds[in->nfds - 1], e);
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
		    QF_KS("stage", r->chain->stage[report->stage].name),
		    QF_KS("verdict", qf_class_name(j->class_)));
	r->out->judgement = *j;
	refuse(r, qf_outcome_code(j));
}

/* What a worker found: true when the chain goes on after it. */
static bool take_result(struct run *r, struct reply *in)
{
	struct qf_err e = in->report.error;

	if (e.rc < 0 || take_edits(r, in, &e) < 0)
		return fail(r, "message not filtered", &e);
	r->work.from = in->report.stage;
	r->work.accepted = in->report.accepted != 0;
	if (qf_class_goes_on(in->report.judgement.class_))
		return true;
	conclude(r, &in->report);
	return false;
}

/* One worker from start to end: true when the chain goes on after it. */
static bool run_part(struct run *r)
{
	struct reply in = {0};
	struct job job;
	struct qf_err e = {0};
	int status = 0, rc;
	bool more;

	if (start_job(r, &job, &e) < 0)
		return fail(r, "worker not started", &e);
	rc = await_result(r, &job, &in, &e);
	qf_close(&job.sock);
	/* After its result a worker only tidies up. */
	if (rc >= 0)
		qf_child_finish(
		    &job.child, qf_deadline_in(FAREWELL_MS), &status);
	else
		qf_child_stop(&job.child, GRACE_MS, &status);
	if (rc == 1) {
		more = take_result(r, &in);
		drop_fds(&in);
		return more;
	}
	if (rc != 0 && rc != QF_ETIME && rc != QF_EPROTO)
		return fail(r, "worker not heard", &e);
	log_failure(r, &job, rc, status);
	return preset_stage(r, &job, rc == QF_ETIME);
}

void qf_dispatch(const struct qf_ctl *ctl, const struct qf_chain *chain,
    int message, const struct qf_envelope *envelope, int64_t deadline,
    struct qf_outcome *out)
{
	struct run r = {.chain = chain, .deadline = deadline, .out = out};
	struct qf_context context;
	bool more = true;

	qf_context_init(&context, envelope);
	r.preset = qf_alloc((chain->n + 1) * sizeof *r.preset);
	for (size_t i = 0; i < chain->n; i++)
		r.preset[i] = QF_WORK_RUN;
	r.work = (struct qf_work){.ctl = ctl,
	    .chain = chain,
	    .message = message,
	    .envelope = envelope,
	    .context = &context,
	    .preset = r.preset};
	/* Nothing but the end of the chain lets the message through. */
	refuse(&r, 81);
	while (more && r.work.from < chain->n)
		more = run_part(&r);
	if (more)
		out->action = QF_ACTION_QUEUE;
	free(r.preset);
}

void qf_outcome_free(struct qf_outcome *out)
{
	qf_close(&out->message);
	qf_envelope_free(&out->envelope);
}
