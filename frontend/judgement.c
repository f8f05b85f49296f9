#include "frontend/judgement.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The last field that a verdict of version 1.0 had: none can be smaller, for
 * zeros in place of a class would be a PASS. */
#define SIZE_1_0                                                               \
	(offsetof(struct qf_verdict, text) +                                   \
	    sizeof(((struct qf_verdict *)0)->text))

static void copy(char *to, size_t room, const char *text)
{
	snprintf(to, room, "%s", text != NULL ? text : "");
}

int qf_judgement_take(struct qf_judgement *j, const struct qf_verdict *v)
{
	struct qf_verdict full = {0};

	if (v->size < SIZE_1_0)
		return QF_EINVAL;
	memcpy(&full, v, v->size < sizeof full ? v->size : sizeof full);
	*j = (struct qf_judgement){.class_ = full.class_,
	    .category = full.category,
	    .code = full.code};
	copy(j->status, sizeof j->status, full.status);
	copy(j->text, sizeof j->text, full.text);
	/* An address that was cut is another one. */
	if (full.target != NULL && strlen(full.target) < sizeof j->target)
		copy(j->target, sizeof j->target, full.target);
	return 0;
}

const char *qf_judgement_why_no_redirect(
    const struct qf_judgement *j, uint64_t effects)
{
	if ((effects & QF_EFFECT_RCPT) == 0)
		return "would redirect mail, which it does not declare";
	if (j->target[0] == '\0' || strpbrk(j->target, "\r\n") != NULL)
		return "would redirect mail and gave no address for it";
	return NULL;
}

void qf_judgement_close(struct qf_judgement *j)
{
	j->status[sizeof j->status - 1] = '\0';
	j->text[sizeof j->text - 1] = '\0';
	j->target[sizeof j->target - 1] = '\0';
}

bool qf_judgement_is_for_rcpt(const struct qf_judgement *j)
{
	return j->class_ == QF_REJECT || j->class_ == QF_DEFER ||
	       j->class_ == QF_DISCARD || j->class_ == QF_QUARANTINE;
}
