#include "frontend/worker_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "frontend/cap.h"
#include "frontend/fates.h"
#include "frontend/outcome.h"
#include "lib/base/log.h"

enum {
	DESCRIPTORS_NEEDED = 8
};

/* Opens a stage, or finds it kept: 1, 0 when it is not for this worker (*cold:
 * not for this run), or a code. */
static int find_stage(struct qf_worker *w, const struct qf_stage *s,
    struct qf_live *own, struct qf_live **out, bool *cold)
{
	struct qf_err e;
	int rc;

	*cold = false;
	*out = w->warm != NULL ? qf_warm_find(w->warm, s) : NULL;
	if (*out != NULL)
		return 1;
	*out = own;
	rc = qf_live_open(own, w->work->ctl, w->work->chain, s, &w->kind, cold,
	    w->problems, &e);
	if (rc < 0)
		return qf_worker_trouble(w, &e);
	if (rc > 0 && w->warm != NULL)
		qf_warm_pin(w->warm, s);
	return rc;
}

/* A recipient that is redirected stays with the others, whose message would
 * not go on. */
static bool redirects_refused(const struct qf_msg *m, int32_t rc)
{
	if (qf_class_goes_on((uint32_t)rc) || rc == QF_BROKEN)
		return false;
	for (size_t i = 0; i < m->fates.njudgements; i++) {
		if (m->fates.judgement[i].class_ == QF_REDIRECT)
			return true;
	}
	return false;
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
	if (redirects_refused(m, rc))
		return "redirected recipients of a message that it refuses";
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
static void settle_broken(
    struct qf_worker *w, const struct qf_stage *s, struct qf_judgement *j)
{
	if (s->shadow) {
		*j = (struct qf_judgement){.class_ = QF_PASS};
		return;
	}
	apply_onerror(s, j);
	if (j->class_ == QF_PASS)
		qf_cap_mark_passed(s, &w->txn, j);
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
    struct qf_worker *w, struct qf_msg *m, const struct qf_judgement *j)
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
static void call(struct qf_worker *w, const struct qf_stage *s,
    struct qf_live *l, struct qf_judgement *out, struct qf_trace *t)
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
		settle_broken(w, s, out);
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

/* Nothing that claims to be a result of ours reaches a stage that deals with
 * results, and nothing passes it because the stage broke. A shadow changes
 * nothing. */
static void strip_forged(
    struct qf_worker *w, const struct qf_stage *s, uint64_t groups)
{
	if ((groups & QF_GROUP_AUTHRES) != 0 && !s->shadow)
		qf_txn_strip_results(&w->txn, w->work->authserv_id);
}

static const char *why_preset(uint32_t category)
{
	if (category == QF_CAT_TIMEOUT)
		return "timed out";
	if (category == QF_CAT_CONFIG)
		return "runs only in the daemon, which was not there";
	return "crashed";
}

void qf_worker_judge_preset(struct qf_worker *w, const struct qf_stage *s,
    int category, struct qf_judgement *j, struct qf_trace *t)
{
	/* without a note it may be such a stage */
	strip_forged(w, s, s->noted ? s->groups : QF_GROUP_AUTHRES);
	t->broken = true;
	t->wanted = QF_BROKEN;
	*j = (struct qf_judgement){
	    .class_ = QF_BROKEN, .category = (uint32_t)category};
	snprintf(j->text, sizeof j->text, "%s", why_preset(j->category));
	settle_broken(w, s, j);
}

/* Has the plugin left enough of them for the worker to send its result? */
static bool has_descriptors(void)
{
	int fds[DESCRIPTORS_NEEDED];
	size_t n = 0;

	while (n < DESCRIPTORS_NEEDED &&
	       (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) >= 0)
		n++;
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return n == DESCRIPTORS_NEEDED;
}

int qf_worker_perform(struct qf_worker *w, const struct qf_stage *s,
    struct qf_judgement *j, struct qf_trace *t)
{
	struct qf_live own = {0}, *live;
	bool cold;
	int rc = find_stage(w, s, &own, &live, &cold);

	if (cold) {
		qf_worker_judge_preset(w, s, QF_CAT_CONFIG, j, t);
		return 1;
	}
	if (rc <= 0)
		return rc;
	strip_forged(
	    w, s, live->loaded.plugin.needs | live->loaded.plugin.wants);
	call(w, s, live, j, t);
	if (live == &own)
		qf_live_close(&own);
	/* The dispatcher takes it for a crash of this stage. */
	if (!has_descriptors())
		_exit(1);
	if (w->problems->count > 0)
		return qf_worker_trouble(w, &w->problems->first);
	return 1;
}
