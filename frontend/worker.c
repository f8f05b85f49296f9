#include "frontend/worker_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/metrics.h"
#include "frontend/outcome.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqguard.h"

enum {
	WAITS_MAX = 32 /* reports of waiting, per stage */
};

int qf_worker_trouble(struct qf_worker *w, const struct qf_err *e)
{
	struct qf_err *to = &w->report.error;

	/* Not all of *e: what follows its text is nobody else's to see. */
	*to = (struct qf_err){.rc = e->rc, .sys = e->sys};
	snprintf(to->text, sizeof to->text, "%s", e->text);
	return e->rc;
}

/* Waits for its turn to compute. */
static int await_core(struct qf_worker *w)
{
	struct qf_err e;
	char turn;

	if (qf_read(w->sock, &turn, 1) != 1) {
		qf_fail(&e, QF_EPIPE, "the dispatcher is gone");
		return qf_worker_trouble(w, &e);
	}
	return 0;
}

static int begin(struct qf_worker *w, size_t stage)
{
	struct qf_report r = {.kind = QF_REPORT_BEGIN,
	    .stage = (uint32_t)stage,
	    .accepted = w->report.accepted};
	bool had = w->core;
	struct qf_err e;

	if (qf_fd_send(w->sock, &r, sizeof r, NULL, 0, &e) < 0)
		return qf_worker_trouble(w, &e);
	w->core = !qf_stage_waits(&w->work->chain->stage[stage]);
	return w->warm != NULL && w->core && !had ? await_core(w) : 0;
}

static enum qf_skip reason_to_skip(
    const struct qf_worker *w, const struct qf_stage *s)
{
	const struct qf_envelope *env = &w->txn.envelope;
	const struct qf_subject subject = {.context = &w->txn.context,
	    .envelope = env,
	    .size = w->txn.message.size,
	    .rcpt = env->nrcpt > 0 ? qf_envelope_rcpt(env, 0) : NULL};

	return qf_stage_skip(s, &subject, w->report.accepted);
}

static int report_stage(struct qf_worker *w, size_t stage,
    const struct qf_trace *t, const struct qf_judgement *j)
{
	struct qf_report r = {.kind = QF_REPORT_STAGE,
	    .stage = (uint32_t)stage,
	    .accepted = w->report.accepted,
	    .judgement = *j,
	    .trace = *t};
	struct qf_err e;

	if (qf_fd_send(w->sock, &r, sizeof r, NULL, 0, &e) < 0)
		return qf_worker_trouble(w, &e);
	return 0;
}

/* The host tells what a plugin waited for; a plugin that can not stop telling
 * is not heard any more. */
static void report_wait(void *arg, const char *what, int64_t us)
{
	struct qf_worker *w = arg;
	struct qf_report r = {.kind = QF_REPORT_WAITED,
	    .stage = w->report.stage,
	    .accepted = w->report.accepted,
	    .trace = {.us = us}};

	if (w->waits == WAITS_MAX)
		return;
	w->waits++;
	snprintf(r.judgement.text, sizeof r.judgement.text, "%s", what);
	qf_fd_send(w->sock, &r, sizeof r, NULL, 0, NULL);
}

static void start_clocks(
    struct qf_worker *w, const struct qf_stage *s, struct qf_trace *t)
{
	t->pid = (int32_t)getpid();
	t->us = qf_clock_mono_us();
	t->cpu_us = qf_clock_cpu_us();
	w->waits = 0;
	w->stage_deadline = w->work->deadline;
	if (s->timeout_ms > 0 &&
	    qf_deadline_in(s->timeout_ms) < w->stage_deadline)
		w->stage_deadline = qf_deadline_in(s->timeout_ms);
}

static void stop_clocks(struct qf_trace *t)
{
	t->us = qf_clock_mono_us() - t->us;
	t->cpu_us = qf_clock_cpu_us() - t->cpu_us;
}

/* As qf_worker_perform(), for whatever is known of the stage before. */
static int judge_stage(
    struct qf_worker *w, size_t i, struct qf_judgement *j, struct qf_trace *t)
{
	const struct qf_stage *s = &w->work->chain->stage[i];
	int rc;

	if (t->skip != QF_SKIP_NONE)
		return 1;
	if (w->work->preset[i] != QF_WORK_RUN) {
		qf_worker_judge_preset(w, s, w->work->preset[i], j, t);
		return 1;
	}
	rc = begin(w, i);
	if (rc < 0)
		return rc;
	start_clocks(w, s, t);
	return qf_worker_perform(w, s, j, t);
}

/* Runs stage i: 1 to go on, 0 when the worker's part ends with it (a final
 * verdict, recipients that go their own way, a stage of the other kind), or a
 * code. */
static int run_stage(struct qf_worker *w, size_t i)
{
	const struct qf_stage *s = &w->work->chain->stage[i];
	struct qf_judgement j = {.class_ = QF_PASS};
	struct qf_trace t = {.skip = reason_to_skip(w, s)};
	int rc;

	w->report.stage = (uint32_t)i;
	start_clocks(w, s, &t);
	rc = judge_stage(w, i, &j, &t);
	if (rc <= 0)
		return rc;
	stop_clocks(&t);
	t.class_ = j.class_;
	if (j.class_ == QF_ACCEPT || j.class_ == QF_REDIRECT)
		w->report.accepted = true;
	rc = report_stage(w, i, &t, &j);
	if (rc < 0)
		return rc;
	if (!qf_class_goes_on(j.class_) && j.class_ != QF_REDIRECT) {
		w->report.judgement = j;
		/* Why a stage broke is for the log. */
		if (t.broken)
			w->report.judgement.text[0] = '\0';
		return 0;
	}
	w->report.stage = (uint32_t)i + 1;
	return w->fates.len == 0;
}

static int spool_bytes(
    const struct qf_buf *b, struct qf_spool *out, struct qf_err *e)
{
	int rc = qf_spool_open(out, e);

	if (rc == 0)
		rc = qf_spool_write(out, b->s, b->len, e);
	if (rc == 0)
		rc = qf_spool_finish(out, e);
	if (rc < 0)
		qf_spool_close(out);
	return rc;
}

static int spool_share(
    const struct qf_share *s, struct qf_spool *out, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc;

	qf_share_format(s, &bytes);
	rc = spool_bytes(&bytes, out, e);
	qf_buf_free(&bytes);
	return rc;
}

/* Spools what the stages left, in the order of the report's flags. */
static int spool_all(struct qf_worker *w, struct qf_spool *out, size_t *n)
{
	struct qf_report *r = &w->report;
	struct qf_txn *t = &w->txn;
	struct qf_err e;
	int rc = 0;

	r->message_edited = t->message.generation > 0;
	r->envelope_edited = t->envelope_edited;
	r->share_edited = t->share_edited;
	r->has_fates = w->fates.len > 0;
	if (r->message_edited)
		rc = qf_message_spool(&t->message, &out[(*n)++], &e);
	if (rc == 0 && r->envelope_edited)
		rc = qf_envelope_spool(&t->envelope, &out[(*n)++], &e);
	if (rc == 0 && r->share_edited)
		rc = spool_share(&t->share, &out[(*n)++], &e);
	if (rc == 0 && r->has_fates)
		rc = spool_bytes(&w->fates, &out[(*n)++], &e);
	return rc < 0 ? qf_worker_trouble(w, &e) : 0;
}

enum {
	RESULTS_MAX = 4
};

/* Sends the result with whatever the stages left. */
static int send_result(struct qf_worker *w)
{
	struct qf_spool spool[RESULTS_MAX];
	int fds[RESULTS_MAX];
	size_t n = 0;
	struct qf_err e;
	int rc;

	for (size_t i = 0; i < RESULTS_MAX; i++)
		spool[i] = (struct qf_spool)QF_SPOOL_INIT;
	w->report.kind = QF_REPORT_RESULT;
	if (w->report.error.rc == 0)
		spool_all(w, spool, &n);
	if (w->report.error.rc != 0) {
		w->report.message_edited = w->report.envelope_edited = 0;
		w->report.share_edited = w->report.has_fates = 0;
		n = 0;
	}
	for (size_t i = 0; i < n; i++)
		fds[i] = spool[i].fd;
	rc = qf_fd_send(w->sock, &w->report, sizeof w->report, fds, n, &e);
	for (size_t i = 0; i < RESULTS_MAX; i++)
		qf_spool_close(&spool[i]);
	return rc;
}

void qf_worker_shut_fds(const int *keep, size_t n)
{
	int null;

	qf_log_renew();
	qf_close_others(keep, n);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!qf_log_is_stderr())
		dup2(null, STDERR_FILENO);
	qf_close(&null);
}

/* In a set-id run the caller could send signals to a process that still has
 * its real user. */
static int become_owner(void)
{
	if (qf_env_trusted())
		return 0;
	if (setresgid(getegid(), getegid(), getegid()) < 0)
		return -1;
	return setresuid(geteuid(), geteuid(), geteuid());
}

/* The stages and the result. */
static int serve(struct qf_worker *w)
{
	const struct qf_work *work = w->work;
	struct qf_err e;
	int rc = 1;

	w->report.accepted = work->accepted;
	w->report.stage = (uint32_t)work->from;
	if (qf_txn_open(&w->txn, work->message, work->envelope, work->context,
		work->share, &e) < 0) {
		qf_worker_trouble(w, &e);
	} else {
		w->txn.waited = report_wait;
		w->txn.arg = w;
		for (size_t i = work->from; i < work->until && rc == 1; i++)
			rc = run_stage(w, i);
	}
	rc = send_result(w);
	qf_buf_free(&w->fates);
	qf_txn_close(&w->txn);
	return rc;
}

int qf_worker_serve(
    struct qf_warm *warm, const struct qf_work *work, int sock, bool core)
{
	struct qf_worker w = {.work = work,
	    .warm = warm,
	    .kind = warm->kind,
	    .problems = &warm->problems,
	    .core = core,
	    .sock = sock,
	    .fates = QF_BUF_INIT};

	return serve(&w);
}

int qf_worker_run(const struct qf_work *work, int sock)
{
	const int keep[] = {work->message, work->ctl->fd, sock};
	struct qf_problems problems = {0};
	struct qf_worker w = {.work = work,
	    .problems = &problems,
	    .sock = sock,
	    .fates = QF_BUF_INIT};

	/* A crash must look like one to the dispatcher. */
	qf_metrics_close();
	qf_qqguard_stop();
	if (become_owner() < 0)
		return 1;
	qf_worker_shut_fds(keep, sizeof keep / sizeof *keep);
	return serve(&w) < 0;
}
