#include "frontend/cap.h"

#include <stdio.h>

#include "frontend/outcome.h"
#include "lib/base/log.h"

/* By class: the cap that allows it. */
static enum qf_cap cap_of(uint32_t class_)
{
	switch (class_) {
	case QF_PASS:
	case QF_ACCEPT:
		return QF_CAP_TAG;
	case QF_QUARANTINE:
	case QF_REDIRECT:
		return QF_CAP_QUARANTINE;
	case QF_DEFER:
		return QF_CAP_DEFER;
	case QF_REJECT:
		return QF_CAP_REJECT;
	default: /* dropping mail */
		return QF_CAP_REJECT + 1;
	}
}

static bool lower(enum qf_cap cap, struct qf_judgement *j)
{
	static const uint32_t most[] = {[QF_CAP_TAG] = QF_PASS,
	    [QF_CAP_QUARANTINE] = QF_QUARANTINE,
	    [QF_CAP_DEFER] = QF_DEFER,
	    [QF_CAP_REJECT] = QF_REJECT};

	if (cap_of(j->class_) <= cap)
		return false;
	j->class_ = most[cap];
	j->code = 0;
	return true;
}

/* One word for each: a value that a filter of the recipient can match. */
static void tag(const struct qf_stage *s, struct qf_msg *m,
    const struct qf_judgement *j, uint32_t wanted)
{
	char value[QF_TEXT_SIZE];

	snprintf(value, sizeof value, "%s %s %s", qf_category_name(j->category),
	    qf_class_name(wanted), s->name);
	qf_edit_header_insert(
	    &m->edits, &m->txn->message, 0, QF_TAG_FIELD, value);
}

void qf_cap_mark_passed(
    const struct qf_stage *s, struct qf_txn *t, const struct qf_judgement *j)
{
	struct qf_msg m = {.txn = t, .stage = s};

	tag(s, &m, j, QF_BROKEN);
	qf_msg_commit(&m);
}

static bool lower_fates(const struct qf_stage *s, struct qf_fates *f)
{
	bool any = false;

	for (size_t i = 0; i < f->njudgements; i++)
		any |= lower(s->cap, &f->judgement[i]);
	for (size_t i = 0; i < f->nrcpt && any; i++) {
		if (f->of[i] != 0 &&
		    f->judgement[f->of[i] - 1].class_ == QF_PASS)
			f->of[i] = 0;
	}
	return any;
}

bool qf_cap_apply(
    const struct qf_stage *s, struct qf_msg *m, struct qf_judgement *j)
{
	uint32_t wanted = j->class_;
	bool any;

	if (s->cap == QF_CAP_NONE)
		return false;
	any = lower(s->cap, j);
	any |= lower_fates(s, &m->fates);
	/* Without its recipients a message is dropped, or redirected. */
	if (s->cap == QF_CAP_TAG ||
	    qf_edits_drop_all(&m->edits, &m->txn->envelope))
		any |= qf_msg_keep_envelope(m);
	if (j->class_ == QF_PASS && wanted != QF_PASS)
		tag(s, m, j, wanted);
	return any;
}
