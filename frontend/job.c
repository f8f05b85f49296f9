#include "frontend/job.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/metrics.h"
#include "frontend/outcome.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/spool.h"

enum {
	REPORTS_MAX = 40, /* for each stage: more than a worker of ours sends */
	FAREWELL_MS = 5000, /* for a worker to end after its result */
	GRACE_MS = 100      /* between TERM and KILL for one that is late */
};

/* A worker of our own. */
struct own {
	struct qf_job job;
	struct qf_child child;
	int sock;
};

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

static int start_own(struct own *o, struct qf_err *e)
{
	struct start s = {.work = o->job.work};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s.sock) < 0)
		return qf_fail_sys(e, QF_EPIPE, "socketpair");
	if (qf_child_fork(&o->child, run_worker, &s, e) < 0) {
		close(s.sock[0]);
		close(s.sock[1]);
		return e->rc;
	}
	close(s.sock[1]);
	o->sock = s.sock[0];
	return 0;
}

void qf_job_close(struct qf_job_result *result)
{
	for (size_t i = 0; i < result->nfds; i++)
		qf_close(&result->fds[i]);
	result->nfds = 0;
}

static int nonsense(struct qf_job_result *in, struct qf_err *e)
{
	qf_job_close(in);
	return qf_fail(e, QF_EPROTO, "a worker sent nonsense");
}

/* It has the stage's time, and never more than the chain's. */
void qf_job_enter(struct qf_job *job)
{
	int64_t ms = job->work->chain->stage[job->stage].timeout_ms;

	job->deadline = job->work->deadline;
	if (ms > 0 && qf_deadline_in(ms) < job->deadline)
		job->deadline = qf_deadline_in(ms);
}

/* May a worker go on to this stage? Those that it did not begin must be such
 * that may be skipped: a stage is never left out by mistake. */
static bool may_reach(const struct qf_job *job, size_t stage)
{
	const struct qf_work *w = job->work;
	bool bounce = qf_context_is_own_bounce(w->context);
	size_t i = job->stage >= 0 ? (size_t)job->stage + 1 : w->from;

	if (stage < i || stage > w->until)
		return false;
	for (; i < stage; i++) {
		const struct qf_stage *s = &w->chain->stage[i];

		if (w->preset[i] == QF_WORK_RUN && s->conditions == NULL &&
		    s->rcpts == NULL && s->max == 0 &&
		    (!(job->accepted || bounce) || s->always))
			return false;
	}
	return true;
}

static size_t flags(const struct qf_report *p)
{
	return (size_t)p->message_edited + p->envelope_edited +
	       p->share_edited + p->has_fates;
}

/* A file that takes for ever to read would outlast every deadline. */
static bool is_of_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size <= QF_ENVELOPE_MAX;
}

static bool are_sound_fds(
    const struct qf_job *job, const struct qf_job_result *in)
{
	const struct qf_report *p = &in->report;

	if ((p->message_edited | p->envelope_edited | p->share_edited |
		p->has_fates) > 1 ||
	    in->nfds != flags(p))
		return false;
	for (size_t i = 0; i < in->nfds; i++) {
		bool message = i == 0 && p->message_edited;

		if (!qf_spool_is_private(in->fds[i], job->owner) ||
		    (!message && !is_of_size(in->fds[i])))
			return false;
	}
	return true;
}

/* May this stage end the chain so? What its plugin declares is known from its
 * note; where there is none, its worker is all that holds it to that. */
static bool may_end(const struct qf_stage *s, const struct qf_judgement *j)
{
	if (s->shadow)
		return false;
	if (j->class_ != QF_DISCARD)
		return true;
	return s->cap == QF_CAP_NONE &&
	       (!s->noted || (s->effects & QF_EFFECT_DROP) != 0);
}

/* Has a worker found out that its first stage is for the other kind? Only one
 * that must not open such stages, and only what no note told. */
static bool is_for_others(const struct qf_job *job, const struct qf_report *p)
{
	const struct qf_work *w = job->work;

	return p->stage == w->from && !w->chain->stage[w->from].noted &&
	       w->chain->warm && !w->secret;
}

/* Is this a result that a worker of ours could send? */
static bool is_sound(const struct qf_job *job, const struct qf_job_result *in)
{
	const struct qf_report *p = &in->report;
	const struct qf_work *w = job->work;

	if (!are_sound_fds(job, in))
		return false;
	if (p->error.rc != 0)
		return p->error.rc < 0;
	if (!qf_class_goes_on(p->judgement.class_))
		return p->stage < w->until &&
		       may_end(&w->chain->stage[p->stage], &p->judgement) &&
		       (job->stage == (long)p->stage ||
			   (may_reach(job, p->stage) &&
			       w->preset[p->stage] != QF_WORK_RUN));
	/* Verdicts of recipients come from the stage that it was in. */
	if (p->has_fates && job->stage + 1 != (long)p->stage)
		return false;
	/* The next stage may have begun: its plugin belongs to a worker of the
	 * other kind. */
	return (p->stage > w->from || is_for_others(job, p)) &&
	       (job->stage == (long)p->stage || may_reach(job, p->stage));
}

/* Passes on what a report tells of a stage: for the log and for people, so
 * nothing hangs on its truth. */
static void observe(const struct qf_job *job, const struct qf_report *p)
{
	const struct qf_stage *s = &job->work->chain->stage[p->stage];
	const struct qf_observer *o = job->observer;

	if (p->kind == QF_REPORT_STAGE) {
		qf_count_stage(s, &p->trace);
		qf_trace_log(s, &p->trace, &p->judgement);
		if (o != NULL && o->stage != NULL)
			o->stage(o->arg, s, &p->trace, &p->judgement);
	} else {
		qf_log(QF_LOG_DEBUG, "waited", QF_KS("stage", s->name),
		    QF_KS("for", p->judgement.text), QF_KD("us", p->trace.us));
		if (o != NULL && o->waited != NULL)
			o->waited(o->arg, s, p->judgement.text, p->trace.us);
	}
}

/* Takes a report that is no result: false when it is none of ours. */
static bool take_report(struct qf_job *job, const struct qf_job_result *in)
{
	const struct qf_report *p = &in->report;

	if (in->nfds > 0 || p->stage < job->work->from ||
	    p->stage >= job->work->until)
		return false;
	if (p->kind == QF_REPORT_STAGE || p->kind == QF_REPORT_WAITED) {
		observe(job, p);
		return true;
	}
	if (p->kind != QF_REPORT_BEGIN || !may_reach(job, p->stage))
		return false;
	job->stage = (long)p->stage;
	job->waits = qf_stage_waits(&job->work->chain->stage[p->stage]);
	qf_job_enter(job);
	return true;
}

void qf_job_start(struct qf_job *job, const struct qf_work *work,
    const struct qf_observer *observer, uid_t owner)
{
	*job = (struct qf_job){.work = work,
	    .observer = observer,
	    .owner = owner,
	    .stage = -1,
	    .deadline = work->deadline,
	    .accepted = work->accepted};
}

int qf_job_take(
    struct qf_job *job, struct qf_job_result *in, int n, struct qf_err *e)
{
	size_t most =
	    (size_t)REPORTS_MAX * (job->work->until - job->work->from);
	struct qf_report *p = &in->report;

	if (n != (int)sizeof *p)
		return nonsense(in, e);
	p->error.text[sizeof p->error.text - 1] = '\0';
	qf_judgement_close(&p->judgement);
	job->accepted |= p->accepted != 0;
	in->stage = job->stage;
	if (p->kind == QF_REPORT_RESULT)
		return is_sound(job, in) ? 1 : nonsense(in, e);
	if (job->reports++ > most || !take_report(job, in))
		return nonsense(in, e);
	in->stage = job->stage;
	return 0;
}

void qf_job_log_failure(const struct qf_job *job, int rc, int status)
{
	const char *name =
	    job->stage >= 0 ? job->work->chain->stage[job->stage].name : "";

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

/* Is there a record, or the end of the socket, to be read? */
static bool has_record(const struct own *o)
{
	struct pollfd p = {.fd = o->sock, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* Waits for a record: 1, 0 when the worker is gone without one, QF_ETIME. A
 * process that a plugin left behind may hold the far end of the socket, so
 * that the worker's own end counts too. */
static int await_record(const struct own *o, struct qf_err *e)
{
	struct pollfd p[] = {{.fd = o->sock, .events = POLLIN},
	    {.fd = o->child.pidfd, .events = POLLIN}};

	while (!qf_child_has_ended(&o->child)) {
		int n;

		if (qf_deadline_poll(o->job.deadline) == 0)
			return qf_fail(e, QF_ETIME, "timed out");
		n = poll(p, 2, qf_child_poll(&o->child, o->job.deadline));
		if (n < 0 && errno != EINTR)
			return qf_fail_sys(e, QF_ENOMEM, "poll");
		if (n > 0 && p[0].revents != 0)
			return 1;
	}
	/* It may have sent its last record before it ended; what it left
	 * behind may go on to send. */
	if (qf_deadline_poll(o->job.deadline) == 0)
		return qf_fail(e, QF_ETIME, "timed out");
	return has_record(o);
}

/* Reads reports until the result: 1; 0 when the worker is gone, QF_ETIME,
 * QF_EPROTO. */
static int await_result(
    struct own *o, struct qf_job_result *in, struct qf_err *e)
{
	for (;;) {
		int rc = await_record(o, e), n;

		if (rc <= 0)
			return rc;
		n = qf_fd_recv(o->sock, &in->report, sizeof in->report, in->fds,
		    &in->nfds, e);
		if (n <= 0)
			return n;
		rc = qf_job_take(&o->job, in, n, e);
		if (rc != 0)
			return rc;
	}
}

int qf_job_run(const struct qf_work *work, const struct qf_observer *observer,
    struct qf_job_result *result, struct qf_err *e)
{
	struct own o = {.child = QF_CHILD_NONE, .sock = -1};
	int status = 0, rc;

	*result = (struct qf_job_result){.stage = -1};
	qf_job_start(&o.job, work, observer, geteuid());
	if (start_own(&o, e) < 0)
		return e->rc;
	rc = await_result(&o, result, e);
	qf_close(&o.sock);
	/* After its result a worker only tidies up. */
	if (rc >= 0)
		qf_child_finish(&o.child, qf_deadline_in(FAREWELL_MS), &status);
	else
		qf_child_stop(&o.child, GRACE_MS, &status);
	result->stage = o.job.stage;
	if (rc == 0 || rc == QF_ETIME || rc == QF_EPROTO)
		qf_job_log_failure(&o.job, rc, status);
	return rc == QF_EPROTO ? 0 : rc;
}
