#include "frontend/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/cap.h"
#include "frontend/check.h"
#include "frontend/fates.h"
#include "frontend/loader.h"
#include "frontend/outcome.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqguard.h"

enum {
	WAITS_MAX = 32 /* reports of waiting, per stage */
};

/* A stage with its plugin loaded and its state made. */
struct live {
	struct qf_loaded loaded;
	struct qf_conf conf;
	void *state;
};

struct worker {
	const struct qf_work *work;
	struct qf_txn txn;
	struct qf_problems problems;
	struct qf_report report; /* the result, as it grows */
	struct qf_buf fates;     /* of the last stage, formatted */
	bool role_known, role_secret;
	int64_t stage_deadline;
	unsigned waits; /* reported for this stage */
	int sock;
};

/* Trouble that is not about the mail: it ends the run with this code. */
static int trouble(struct worker *w, const struct qf_err *e)
{
	struct qf_err *to = &w->report.error;

	/* Not all of *e: what follows its text is nobody else's to see. */
	*to = (struct qf_err){.rc = e->rc, .sys = e->sys};
	snprintf(to->text, sizeof to->text, "%s", e->text);
	return e->rc;
}

static int begin(struct worker *w, size_t stage)
{
	struct qf_report r = {.kind = QF_REPORT_BEGIN,
	    .stage = (uint32_t)stage,
	    .accepted = w->report.accepted};
	struct qf_err e;

	if (qf_fd_send(w->sock, &r, sizeof r, NULL, 0, &e) < 0)
		return trouble(w, &e);
	return 0;
}

static void close_stage(struct live *l)
{
	struct qf_err e;

	if (l->state != NULL && l->loaded.plugin.fini != NULL)
		l->loaded.plugin.fini(qf_host_table(), l->state);
	qf_conf_free(&l->conf);
	if (qf_plugin_unload(&l->loaded, &e) < 0)
		qf_log_err("plugin not closed", &e);
}

static int init_stage(
    struct worker *w, const struct qf_stage *s, struct live *l)
{
	const struct qf_plugin *p = &l->loaded.plugin;
	struct qf_err e;
	int rc;

	/* Unknown until now when it has no note. */
	if (qf_check_stage(
		w->work->chain, s, p->effects, p->flags, &w->problems) < 0)
		return trouble(w, &w->problems.first);
	if (p->init == NULL)
		return 0;
	rc = p->init(qf_host_table(), &l->conf, &l->state);
	if (w->problems.count > 0)
		return trouble(w, &w->problems.first);
	if (rc < 0) {
		qf_fail(&e, rc, "%s:%u: plugin %s could not start (error %d)",
		    w->work->chain->file, s->line, s->plugin, rc);
		return trouble(w, &e);
	}
	return 0;
}

/* Opens a stage: 1, 0 when it belongs to a worker of the other kind, or a
 * code. */
static int open_stage(
    struct worker *w, const struct qf_stage *s, struct live *l)
{
	struct qf_err e;
	bool secret;
	int rc;

	if (qf_plugin_load(&l->loaded, s->plugin, w->work->ctl->owner, &e) <
	    0) {
		qf_err_context(&e, "%s:%u", w->work->chain->file, s->line);
		return trouble(w, &e);
	}
	if (qf_conf_load(&l->conf, w->work->ctl, w->work->chain, s,
		l->loaded.plugin.settings, &w->problems) < 0) {
		close_stage(l);
		return trouble(w, &w->problems.first);
	}
	qf_plugin_specialise(&l->loaded, &l->conf);
	secret = (l->loaded.plugin.flags & QF_FLAG_SECRET) != 0;
	if (w->role_known && secret != w->role_secret) {
		close_stage(l);
		return 0;
	}
	w->role_known = true;
	w->role_secret = secret;
	rc = init_stage(w, s, l);
	if (rc < 0) {
		close_stage(l);
		return rc;
	}
	return 1;
}

/* Why the plugin is to be taken as broken, or NULL: it must answer with a
 * class that it may give, and must have kept to what it declares. */
static const char *why_broken(const struct qf_msg *m, int32_t rc)
{
	if (m->offence != NULL)
		return m->offence;
	if (rc < 0)
		return "failed";
	if (rc > QF_BROKEN)
		return "answered with a class that this host does not know";
	if ((rc == QF_DISCARD ||
		qf_edits_drop_all(&m->edits, &m->txn->envelope)) &&
	    (m->effects & QF_EFFECT_DROP) == 0)
		return "would discard mail, which it does not declare";
	if (rc == QF_REDIRECT)
		return qf_judgement_why_no_redirect(&m->judgement, m->effects);
	if (m->judged && m->judgement.class_ != (uint32_t)rc)
		return "gave one verdict and returned another";
	return NULL;
}

/* What becomes of a message whose stage broke. */
static void apply_onerror(const struct qf_stage *s, struct qf_judgement *j)
{
	static const uint32_t class_of[] = {[QF_ONERROR_DEFER] = QF_DEFER,
	    [QF_ONERROR_REJECT] = QF_REJECT,
	    [QF_ONERROR_PASS] = QF_PASS,
	    [QF_ONERROR_QUARANTINE] = QF_QUARANTINE};

	j->class_ = class_of[s->onerror];
	/* What the stage would have it called holds for waiting only. */
	if (j->class_ != QF_DEFER)
		j->code = 0;
}

/* The shadow of a stage is seen in the log, and nowhere else. */
static void settle_broken(const struct qf_stage *s, struct qf_judgement *j)
{
	if (s->shadow)
		*j = (struct qf_judgement){.class_ = QF_PASS};
	else
		apply_onerror(s, j);
}

static void count_edits(const struct qf_msg *m, struct qf_trace *t)
{
	for (size_t i = 0; i < m->edits.n; i++) {
		enum qf_edit_kind kind = m->edits.v[i].kind;

		if (kind >= QF_EDIT_RCPT_ADD)
			t->envelope_edits++;
		else if (kind >= QF_EDIT_BODY_REPLACE)
			t->body_edits++;
		else
			t->header_edits++;
	}
	for (size_t i = 0; i < m->fates.nrcpt; i++)
		t->fates += m->fates.of[i] != 0;
}

/* Takes what the call has staged, as far as its verdict lets it take effect:
 * of a message that is refused or held, only the recipients with verdicts of
 * their own go their way. */
static void settle_call(
    struct worker *w, struct qf_msg *m, const struct qf_judgement *j)
{
	struct qf_envelope *env = &w->txn.envelope;

	if (m->fates.nrcpt > 0)
		qf_fates_format(&m->fates, env, &w->fates);
	if (!qf_class_goes_on(j->class_) && j->class_ != QF_REDIRECT)
		qf_msg_drop_staged(m);
	qf_msg_commit(m);
	if (j->class_ == QF_REDIRECT && env->nrcpt > 0) {
		qf_log(QF_LOG_INFO, "redirected",
		    QF_KS("stage", m->stage->name), QF_KS("to", j->target));
		qf_envelope_redirect(env, j->target);
		w->txn.envelope_edited = true;
	}
	qf_fates_free(&m->fates);
}

/* One call: the judgement, and what was staged applied. */
static void call(struct worker *w, const struct qf_stage *s, struct live *l,
    struct qf_judgement *out, struct qf_trace *t)
{
	struct qf_msg m = {.txn = &w->txn,
	    .stage = s,
	    .effects = l->loaded.plugin.effects,
	    .deadline = w->stage_deadline};
	int32_t rc = l->loaded.plugin.message(qf_host_table(), &m, l->state);
	const char *broken = why_broken(&m, rc);

	count_edits(&m, t);
	t->wanted = (uint32_t)rc;
	*out = m.judgement;
	out->class_ = (uint32_t)rc;
	if (broken != NULL || rc == QF_BROKEN) {
		t->broken = true;
		if (broken != NULL)
			snprintf(out->text, sizeof out->text, "%s", broken);
		qf_msg_rollback(&m);
		settle_broken(s, out);
		return;
	}
	if (s->shadow) {
		qf_msg_rollback(&m);
		t->shadow = true;
		out->class_ = QF_PASS;
		return;
	}
	t->capped = qf_cap_apply(s, &m, out);
	settle_call(w, &m, out);
}

static enum qf_skip reason_to_skip(
    const struct worker *w, const struct qf_stage *s)
{
	const struct qf_envelope *env = &w->txn.envelope;
	const struct qf_subject subject = {.context = &w->txn.context,
	    .envelope = env,
	    .size = w->txn.message.size,
	    .rcpt = env->nrcpt > 0 ? qf_envelope_rcpt(env, 0) : NULL};

	return qf_stage_skip(s, &subject, w->report.accepted);
}

static int report_stage(struct worker *w, size_t stage,
    const struct qf_trace *t, const struct qf_judgement *j)
{
	struct qf_report r = {.kind = QF_REPORT_STAGE,
	    .stage = (uint32_t)stage,
	    .accepted = w->report.accepted,
	    .judgement = *j,
	    .trace = *t};
	struct qf_err e;

	if (qf_fd_send(w->sock, &r, sizeof r, NULL, 0, &e) < 0)
		return trouble(w, &e);
	return 0;
}

/* The host tells what a plugin waited for; a plugin that can not stop telling
 * is not heard any more. */
static void report_wait(void *arg, const char *what, int64_t us)
{
	struct worker *w = arg;
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

/* The judgement of a stage that crashed or hung in an earlier worker. */
static void judge_preset(const struct qf_stage *s, int category,
    struct qf_judgement *j, struct qf_trace *t)
{
	t->broken = true;
	t->wanted = QF_BROKEN;
	*j = (struct qf_judgement){
	    .class_ = QF_BROKEN, .category = (uint32_t)category};
	snprintf(j->text, sizeof j->text, "%s",
	    j->category == QF_CAT_TIMEOUT ? "timed out" : "crashed");
	settle_broken(s, j);
}

static void start_clocks(
    struct worker *w, const struct qf_stage *s, struct qf_trace *t)
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

/* Loads the plugin and calls it: 1, 0 when the stage belongs to a worker of
 * the other kind, or a code. */
static int perform(
    struct worker *w, size_t i, struct qf_judgement *j, struct qf_trace *t)
{
	const struct qf_stage *s = &w->work->chain->stage[i];
	struct live live = {0};
	int rc = begin(w, i);

	if (rc == 0)
		rc = open_stage(w, s, &live);
	if (rc <= 0)
		return rc;
	call(w, s, &live, j, t);
	close_stage(&live);
	if (w->problems.count > 0)
		return trouble(w, &w->problems.first);
	return 1;
}

/* Runs stage i: 1 to go on, 0 when the worker's part ends with it (a final
 * verdict, recipients that go their own way, a stage of the other kind), or a
 * code. */
static int run_stage(struct worker *w, size_t i)
{
	const struct qf_stage *s = &w->work->chain->stage[i];
	struct qf_judgement j = {.class_ = QF_PASS};
	struct qf_trace t = {.skip = reason_to_skip(w, s)};
	int rc = 1;

	w->report.stage = (uint32_t)i;
	start_clocks(w, s, &t);
	if (t.skip == QF_SKIP_NONE && w->work->preset[i] != QF_WORK_RUN)
		judge_preset(s, w->work->preset[i], &j, &t);
	else if (t.skip == QF_SKIP_NONE)
		rc = perform(w, i, &j, &t);
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
static int spool_all(struct worker *w, struct qf_spool *out, size_t *n)
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
	return rc < 0 ? trouble(w, &e) : 0;
}

enum {
	RESULTS_MAX = 4
};

/* Sends the result with whatever the stages left. */
static int send_result(struct worker *w)
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

/* A plugin must not reach the caller's descriptors, whichever the caller left
 * open; what libraries print goes where the log goes. */
static void shut_fds(const struct qf_work *work, int sock)
{
	const int keep[] = {work->message, work->ctl->fd, sock};
	int null;

	qf_log_renew();
	qf_close_others(keep, sizeof keep / sizeof *keep);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!qf_log_is_stderr())
		dup2(null, STDERR_FILENO);
	qf_close(&null);
}

int qf_worker_run(const struct qf_work *work, int sock)
{
	struct worker w = {.work = work, .sock = sock, .fates = QF_BUF_INIT};
	struct qf_err e;
	int rc = 1;

	/* A crash must look like one to the dispatcher. */
	qf_qqguard_stop();
	shut_fds(work, sock);
	w.report.accepted = work->accepted;
	w.report.stage = (uint32_t)work->from;
	if (qf_txn_open(&w.txn, work->message, work->envelope, work->context,
		work->share, &e) < 0) {
		trouble(&w, &e);
	} else {
		w.txn.waited = report_wait;
		w.txn.arg = &w;
		for (size_t i = work->from; i < work->until && rc == 1; i++)
			rc = run_stage(&w, i);
	}
	rc = send_result(&w);
	qf_buf_free(&w.fates);
	qf_txn_close(&w.txn);
	return rc < 0;
}
