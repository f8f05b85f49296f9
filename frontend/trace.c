#include "frontend/trace.h"

#include <stdio.h>

#include "frontend/outcome.h"
#include "lib/base/log.h"

enum {
	FIELDS_MAX = 12
};

/* The fields of a line, which grows with what there is to say. */
struct line {
	struct qf_kv kv[FIELDS_MAX + 1];
	size_t n;
};

static void add(struct line *l, struct qf_kv kv)
{
	if (l->n < FIELDS_MAX)
		l->kv[l->n++] = kv;
}

static void add_count(struct line *l, const char *key, uint32_t n)
{
	if (n > 0)
		add(l, (struct qf_kv)QF_KU(key, n));
}

/* What the plugin wanted, where it did not get it. */
static void add_wanted(struct line *l, const struct qf_trace *t)
{
	const char *wanted = qf_class_name(t->wanted);

	if (t->broken)
		add(l,
		    (struct qf_kv)QF_KS("onerror", qf_class_name(t->class_)));
	else if (t->shadow)
		add(l, (struct qf_kv)QF_KS("shadow", wanted));
	else if (t->capped)
		add(l, (struct qf_kv)QF_KS("capped", wanted));
}

void qf_trace_log(const struct qf_stage *s, const struct qf_trace *t,
    const struct qf_judgement *j)
{
	struct line l = {.n = 0};
	char ms[32];

	snprintf(ms, sizeof ms, "%lld.%03lld", (long long)t->us / 1000,
	    (long long)t->us % 1000);
	add(&l, (struct qf_kv)QF_KS("name", s->name));
	if (t->skip != QF_SKIP_NONE) {
		add(&l, (struct qf_kv)QF_KS("verdict", "skipped"));
		add(&l, (struct qf_kv)QF_KS("reason", qf_skip_name(t->skip)));
	} else {
		add(&l, (struct qf_kv)QF_KS("verdict",
			    t->broken ? "broken" : qf_class_name(t->class_)));
		add_wanted(&l, t);
		if (j->category != QF_CAT_NONE)
			add(&l, (struct qf_kv)QF_KS(
				    "category", qf_category_name(j->category)));
		add_count(&l, "edits",
		    t->header_edits + t->body_edits + t->envelope_edits);
		add_count(&l, "rcpt-verdicts", t->fates);
		add(&l, (struct qf_kv)QF_KS("ms", ms));
		add(&l, (struct qf_kv)QF_KD("worker", t->pid));
		if (j->text[0] != '\0')
			add(&l, (struct qf_kv)QF_KS("text", j->text));
	}
	qf_log_kv(t->broken ? QF_LOG_ERROR : QF_LOG_INFO, "stage", l.kv);
}
