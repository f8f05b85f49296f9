#include "frontend/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/check.h"
#include "frontend/loader.h"
#include "frontend/outcome.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqguard.h"

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
	bool role_known, role_secret;
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
	if (!(m->effects & QF_EFFECT_DROP) &&
	    (rc == QF_DISCARD ||
		qf_edits_drop_all(&m->edits, &m->txn->envelope)))
		return "would discard mail, which it does not declare";
	if (m->judged && m->judgement.class_ != (uint32_t)rc)
		return "gave one verdict and returned another";
	return NULL;
}

/* One call: the judgement, and the edits applied if it lets the message on. */
static void call(struct worker *w, const struct qf_stage *s, struct live *l,
    struct qf_judgement *out, size_t *edits)
{
	struct qf_msg m = {
	    .txn = &w->txn, .stage = s, .effects = l->loaded.plugin.effects};
	int32_t rc = l->loaded.plugin.message(qf_host_table(), &m, l->state);
	const char *broken = why_broken(&m, rc);

	*edits = m.edits.n;
	*out = m.judgement;
	out->class_ = (uint32_t)rc;
	if (broken != NULL) {
		out->class_ = QF_BROKEN;
		snprintf(out->text, sizeof out->text, "%s", broken);
	}
	if (qf_class_goes_on(out->class_))
		qf_msg_commit(&m);
	else
		qf_msg_rollback(&m);
}

/* What becomes of a message whose stage broke. */
static void apply_onerror(const struct qf_stage *s, struct qf_judgement *j)
{
	static const uint32_t class_of[] = {[QF_ONERROR_DEFER] = QF_DEFER,
	    [QF_ONERROR_REJECT] = QF_REJECT,
	    [QF_ONERROR_PASS] = QF_PASS};

	j->class_ = class_of[s->onerror];
	j->code = 0;
}

static void log_stage(const struct qf_stage *s, const struct qf_judgement *j,
    bool broken, int64_t us, size_t edits)
{
	char ms[32];

	snprintf(ms, sizeof ms, "%lld.%03lld", (long long)us / 1000,
	    (long long)us % 1000);
	if (broken)
		qf_log(QF_LOG_ERROR, "stage", QF_KS("name", s->name),
		    QF_KS("verdict", "broken"),
		    QF_KS("onerror", qf_class_name(j->class_)),
		    QF_KS("category", qf_category_name(j->category)),
		    QF_KS("ms", ms), QF_KS("text", j->text));
	else if (qf_class_goes_on(j->class_))
		qf_log(QF_LOG_INFO, "stage", QF_KS("name", s->name),
		    QF_KS("verdict", qf_class_name(j->class_)),
		    QF_KU("edits", edits), QF_KS("ms", ms));
	else
		qf_log(QF_LOG_INFO, "stage", QF_KS("name", s->name),
		    QF_KS("verdict", qf_class_name(j->class_)),
		    QF_KS("category", qf_category_name(j->category)),
		    QF_KS("ms", ms), QF_KS("text", j->text));
}

/* Why a stage does not run for this message, or NULL. */
static const char *reason_to_skip(
    const struct worker *w, const struct qf_stage *s)
{
	struct qf_subject subject = {.context = &w->txn.context,
	    .envelope = &w->txn.envelope,
	    .size = w->txn.message.size};

	if (w->report.accepted && !s->always)
		return "accepted";
	if (!qf_condition_holds(s->conditions, &subject))
		return "if";
	if (s->max != 0 && subject.size > s->max)
		return "max";
	return NULL;
}

/* Runs stage i: 1 to go on, 0 when the worker's part ends with it (a final
 * verdict, or a stage of the other kind), or a code. */
static int run_stage(struct worker *w, size_t i)
{
	const struct qf_stage *s = &w->work->chain->stage[i];
	const char *skip = reason_to_skip(w, s);
	struct qf_judgement j = {.class_ = QF_BROKEN};
	struct live live = {0};
	int64_t start = qf_clock_mono_us();
	size_t edits = 0;
	bool broken;
	int rc;

	w->report.stage = (uint32_t)i;
	if (skip != NULL) {
		qf_log(QF_LOG_INFO, "stage", QF_KS("name", s->name),
		    QF_KS("verdict", "skipped"), QF_KS("reason", skip));
		return 1;
	}
	if (w->work->preset[i] != QF_WORK_RUN) {
		j.category = (uint32_t)w->work->preset[i];
		snprintf(j.text, sizeof j.text, "%s",
		    j.category == QF_CAT_TIMEOUT ? "timed out" : "crashed");
	} else {
		rc = begin(w, i);
		if (rc == 0)
			rc = open_stage(w, s, &live);
		if (rc <= 0)
			return rc;
		call(w, s, &live, &j, &edits);
		close_stage(&live);
		if (w->problems.count > 0)
			return trouble(w, &w->problems.first);
	}
	broken = j.class_ == QF_BROKEN;
	if (broken)
		apply_onerror(s, &j);
	log_stage(s, &j, broken, qf_clock_mono_us() - start, edits);
	if (j.class_ == QF_ACCEPT)
		w->report.accepted = true;
	if (qf_class_goes_on(j.class_))
		return 1;
	w->report.judgement = j;
	/* Why a stage broke is for the log. */
	if (broken)
		w->report.judgement.text[0] = '\0';
	return 0;
}

static int spool_message(struct worker *w, struct qf_spool *out)
{
	struct qf_err e;

	if (qf_message_spool(&w->txn.message, out, &e) < 0)
		return trouble(w, &e);
	return 0;
}

static int spool_envelope(struct worker *w, struct qf_spool *out)
{
	struct qf_err e;

	if (qf_envelope_spool(&w->txn.envelope, out, &e) < 0)
		return trouble(w, &e);
	return 0;
}

/* Sends the result with whatever the stages edited. */
static int send_result(struct worker *w)
{
	struct qf_spool message = QF_SPOOL_INIT, envelope = QF_SPOOL_INIT;
	bool goes_on = w->report.error.rc == 0 &&
		       qf_class_goes_on(w->report.judgement.class_);
	int fds[2];
	size_t nfds = 0;
	struct qf_err e;
	int rc;

	w->report.kind = QF_REPORT_RESULT;
	if (goes_on && w->txn.message.generation > 0 &&
	    spool_message(w, &message) == 0) {
		fds[nfds++] = message.fd;
		w->report.message_edited = 1;
	}
	if (goes_on && w->txn.envelope_edited &&
	    spool_envelope(w, &envelope) == 0) {
		fds[nfds++] = envelope.fd;
		w->report.envelope_edited = 1;
	}
	rc = qf_fd_send(w->sock, &w->report, sizeof w->report, fds, nfds, &e);
	qf_spool_close(&message);
	qf_spool_close(&envelope);
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
	struct worker w = {.work = work, .sock = sock};
	struct qf_err e;
	int rc = 1;

	/* A crash must look like one to the dispatcher. */
	qf_qqguard_stop();
	shut_fds(work, sock);
	w.report.accepted = work->accepted;
	if (qf_txn_open(
		&w.txn, work->message, work->envelope, work->context, &e) < 0) {
		trouble(&w, &e);
	} else {
		size_t i = work->from;

		while (i < work->chain->n && (rc = run_stage(&w, i)) == 1)
			w.report.stage = (uint32_t)++i;
	}
	rc = send_result(&w);
	qf_txn_close(&w.txn);
	return rc < 0;
}
