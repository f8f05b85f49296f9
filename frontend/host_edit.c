/*
 * What a plugin may change and say: edits, verdicts and what is shared along
 * the chain. All of it is staged and takes effect when the call ends well.
 */
#include <stdlib.h>
#include <string.h>

#include "frontend/host_calls.h"
#include "lib/base/log.h"
#include "lib/mail/attrs.h"

/* edit */

/* May the plugin do this? One that tries what it has not declared is broken:
 * nothing of this call survives. */
static bool may(struct qf_msg *m, uint64_t effect)
{
	if ((m->effects & effect) != 0)
		return true;
	m->offence = "tried an edit that it does not declare";
	return false;
}

int32_t qf_host_header_insert(
    struct qf_msg *m, uint32_t before, const char *name, const char *value)
{
	if (!may(m, QF_EFFECT_HEADER))
		return QF_EPERM;
	return qf_edit_header_insert(
	    &m->edits, &m->txn->message, before, name, value);
}

int32_t qf_host_header_replace(
    struct qf_msg *m, uint32_t index, const char *value)
{
	if (!may(m, QF_EFFECT_HEADER))
		return QF_EPERM;
	return qf_edit_header_replace(
	    &m->edits, &m->txn->message, index, value);
}

int32_t qf_host_header_delete(struct qf_msg *m, uint32_t index)
{
	if (!may(m, QF_EFFECT_HEADER))
		return QF_EPERM;
	return qf_edit_header_delete(&m->edits, &m->txn->message, index);
}

int32_t qf_host_body_replace(struct qf_msg *m, struct qf_span bytes)
{
	if (!may(m, QF_EFFECT_BODY))
		return QF_EPERM;
	return qf_edit_body_replace(&m->edits, bytes);
}

int32_t qf_host_body_append(struct qf_msg *m, struct qf_span bytes)
{
	if (!may(m, QF_EFFECT_BODY))
		return QF_EPERM;
	return qf_edit_body_append(&m->edits, bytes);
}

int32_t qf_host_rcpt_add(struct qf_msg *m, const char *address)
{
	if (!may(m, QF_EFFECT_RCPT))
		return QF_EPERM;
	return qf_edit_rcpt_add(&m->edits, address);
}

int32_t qf_host_rcpt_drop(struct qf_msg *m, uint32_t index)
{
	if (!may(m, QF_EFFECT_RCPT))
		return QF_EPERM;
	return qf_edit_rcpt_drop(&m->edits, &m->txn->envelope, index);
}

int32_t qf_host_sender_set(struct qf_msg *m, const char *address)
{
	if (!may(m, QF_EFFECT_SENDER))
		return QF_EPERM;
	return qf_edit_sender_set(&m->edits, address);
}

/* verdict */

int32_t qf_host_verdict(struct qf_msg *m, const struct qf_verdict *v)
{
	if (qf_judgement_take(&m->judgement, v) < 0) {
		m->offence = "gave a verdict without its size";
		return QF_EINVAL;
	}
	m->judged = true;
	return (int32_t)m->judgement.class_;
}

/* rcpt */

void qf_fates_free(struct qf_fates *f)
{
	free(f->judgement);
	free(f->of);
	*f = (struct qf_fates){0};
}

/* The number of this judgement among the different ones, from 1; 0 when there
 * are too many. */
static uint32_t number_of(struct qf_fates *f, const struct qf_judgement *j)
{
	size_t i = 0;

	while (
	    i < f->njudgements && memcmp(&f->judgement[i], j, sizeof *j) != 0)
		i++;
	if (i == QF_GROUPS_MAX)
		return 0;
	if (i == f->njudgements) {
		if (f->judgement == NULL)
			f->judgement =
			    qf_alloc(QF_GROUPS_MAX * sizeof *f->judgement);
		f->judgement[f->njudgements++] = *j;
	}
	return (uint32_t)i + 1;
}

/* Why a recipient can not get this verdict, or NULL. */
static const char *why_not(const struct qf_msg *m, const struct qf_judgement *j)
{
	switch (j->class_) {
	case QF_PASS:
	case QF_REJECT:
	case QF_DEFER:
	case QF_QUARANTINE:
		return NULL;
	case QF_DISCARD:
		return (m->effects & QF_EFFECT_DROP) != 0
			   ? NULL
			   : "would discard mail, which it does not declare";
	case QF_REDIRECT:
		return qf_judgement_why_no_redirect(j, m->effects);
	default:
		return "gave a recipient a class that is not for one";
	}
}

int32_t qf_host_rcpt_verdict(
    struct qf_msg *m, uint32_t index, const struct qf_verdict *v)
{
	struct qf_fates *f = &m->fates;
	struct qf_judgement j;
	uint32_t number = 0;
	const char *bad;

	if (index >= m->txn->envelope.nrcpt)
		return QF_EINVAL;
	bad = qf_judgement_take(&j, v) < 0 ? "gave a verdict without its size"
					   : why_not(m, &j);
	if (bad != NULL) {
		m->offence = bad;
		return QF_EINVAL;
	}
	if (j.class_ != QF_PASS && (number = number_of(f, &j)) == 0) {
		m->offence = "gave recipients too many different verdicts";
		return QF_ENOMEM;
	}
	if (f->of == NULL) {
		f->nrcpt = m->txn->envelope.nrcpt;
		f->of = qf_alloc(f->nrcpt * sizeof *f->of);
	}
	f->of[index] = number;
	return 0;
}

/* share */

int32_t qf_host_score_add(
    struct qf_msg *m, int64_t millipoints, const char *why)
{
	qf_share_score(&m->share, millipoints);
	qf_log(QF_LOG_INFO, "score", QF_KS("stage", m->stage->name),
	    QF_KD("millipoints", millipoints),
	    QF_KS("why", why != NULL ? why : ""));
	return 0;
}

int64_t qf_host_score(struct qf_msg *m)
{
	return m->txn->share.score;
}

int32_t qf_msg_stage_share(struct qf_msg *m, enum qf_share_kind kind,
    const char *key, struct qf_span value)
{
	int rc = qf_share_put(&m->share, kind, key, value);

	if (rc == 0 && !qf_share_fits(&m->txn->share, &m->share)) {
		m->offence = "left more than 64 KiB of notes and results";
		return QF_ENOMEM;
	}
	return rc;
}

static bool is_key(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n < 256 && key[n] == '\0';
}

int32_t qf_host_note_set(
    struct qf_msg *m, const char *key, struct qf_span value)
{
	if (!is_key(key))
		return QF_EINVAL;
	return qf_msg_stage_share(m, QF_SHARE_NOTE, key, value);
}

int32_t qf_host_note_get(struct qf_msg *m, const char *key, struct qf_span *out)
{
	const struct qf_share_record *r =
	    qf_share_find(&m->txn->share, QF_SHARE_NOTE, key);

	if (r == NULL)
		return QF_ENOENT;
	*out = r->value;
	return 0;
}

/* What the queue will take: else the mail would go by another way. */
static bool is_route(const char *s)
{
	struct qf_route route;

	return strlen(s) < QF_TEXT_SIZE &&
	       qf_route_parse(&route, qf_span(s), NULL) == 0;
}

int32_t qf_host_route_set(struct qf_msg *m, const char *route)
{
	if (!may(m, QF_EFFECT_ROUTE))
		return QF_EPERM;
	if (route != NULL && !is_route(route))
		return QF_EINVAL;
	return qf_msg_stage_share(
	    m, QF_SHARE_ROUTE, "", qf_span(route != NULL ? route : ""));
}

/* run */

int32_t qf_host_env_take(struct qf_msg *m, const char *name)
{
	if (strlen(name) >= 256)
		return QF_EINVAL;
	return qf_msg_stage_share(m, QF_SHARE_TAKEN, name, (struct qf_span){0});
}

/* commit */

static void log_rcpt(
    const struct qf_msg *m, const char *event, const char *rcpt)
{
	qf_log(QF_LOG_INFO, event, QF_KS("stage", m->stage->name),
	    QF_KS("rcpt", rcpt));
}

/* What goes to the envelope is in the log by name: recipients out are
 * recipients in, but for what stands there. */
static void log_envelope(const struct qf_msg *m)
{
	const struct qf_envelope *env = &m->txn->envelope;

	for (size_t i = 0; i < m->edits.n; i++) {
		const struct qf_edit *e = &m->edits.v[i];

		if (e->kind == QF_EDIT_RCPT_ADD)
			log_rcpt(m, "recipient added", e->bytes.p);
		else if (e->kind == QF_EDIT_RCPT_DROP)
			log_rcpt(m, "recipient dropped",
			    qf_envelope_rcpt(env, e->index));
		else if (e->kind == QF_EDIT_SENDER_SET)
			qf_log(QF_LOG_INFO, "sender set",
			    QF_KS("stage", m->stage->name),
			    QF_KN("from", e->bytes));
	}
}

/* Recipients with a fate leave; those that are redirected are replaced. */
static void stage_fates(struct qf_msg *m)
{
	for (size_t i = 0; i < m->fates.nrcpt; i++) {
		const struct qf_judgement *j;

		if (m->fates.of[i] == 0)
			continue;
		j = &m->fates.judgement[m->fates.of[i] - 1];
		qf_edit_rcpt_drop(&m->edits, &m->txn->envelope, (uint32_t)i);
		if (j->class_ == QF_REDIRECT) {
			qf_edit_rcpt_add(&m->edits, j->target);
			log_rcpt(m, "recipient redirected",
			    qf_envelope_rcpt(&m->txn->envelope, i));
		}
	}
}

static void commit_edits(struct qf_msg *m)
{
	struct qf_txn *t = m->txn;

	for (size_t i = 0; i < m->edits.n; i++) {
		if (m->edits.v[i].kind >= QF_EDIT_RCPT_ADD)
			t->envelope_edited = true;
	}
	if (m->edits.n > 0) {
		qf_txn_forget_whole(t);
		qf_edits_apply(&m->edits, &t->message, &t->envelope);
	}
	qf_edits_clear(&m->edits);
}

void qf_msg_commit(struct qf_msg *m)
{
	log_envelope(m);
	stage_fates(m);
	commit_edits(m);
	if (m->share.n > 0 || m->share.score != 0) {
		qf_share_merge(&m->txn->share, &m->share);
		m->txn->share_edited = true;
	}
	qf_share_free(&m->share);
}

void qf_msg_drop_staged(struct qf_msg *m)
{
	qf_edits_clear(&m->edits);
	qf_share_free(&m->share);
}

void qf_msg_rollback(struct qf_msg *m)
{
	qf_msg_drop_staged(m);
	qf_fates_free(&m->fates);
}

bool qf_msg_keep_envelope(struct qf_msg *m)
{
	size_t n = 0, was = m->edits.n;

	for (size_t i = 0; i < m->edits.n; i++) {
		if (m->edits.v[i].kind < QF_EDIT_RCPT_ADD)
			m->edits.v[n++] = m->edits.v[i];
	}
	m->edits.n = n;
	return n < was;
}
