/*
 * The result of a dry run, for programs: one JSON object.
 */
#include <stdio.h>

#include "frontend/dialect.h"
#include "frontend/outcome.h"
#include "lib/base/json.h"
#include "lib/mail/qqcode.h"
#include "tools/trial.h"

static void add_waits(struct qf_json *j, const struct qf_trial *t, size_t step)
{
	qf_json_array(j, "waited");
	for (size_t i = 0; i < t->nwaits; i++) {
		if (t->wait[i].step != step)
			continue;
		qf_json_object(j, NULL);
		qf_json_text(j, "for", t->wait[i].what);
		qf_json_number(j, "us", t->wait[i].us);
		qf_json_end(j);
	}
	qf_json_end(j);
}

static void add_edits(struct qf_json *j, const struct qf_trace *t)
{
	qf_json_object(j, "edits");
	qf_json_number(j, "header", t->header_edits);
	qf_json_number(j, "body", t->body_edits);
	qf_json_number(j, "envelope", t->envelope_edits);
	qf_json_number(j, "recipients", t->fates);
	qf_json_end(j);
}

static void add_step(struct qf_json *j, const struct qf_trial *t, size_t i)
{
	const struct qf_step *s = &t->step[i];
	const struct qf_trace *trace = &s->trace;

	qf_json_object(j, NULL);
	qf_json_text(j, "stage", s->stage->name);
	qf_json_text(j, "skipped",
	    trace->skip != QF_SKIP_NONE ? qf_skip_name(trace->skip) : NULL);
	if (trace->skip == QF_SKIP_NONE) {
		qf_json_text(j, "verdict", qf_class_name(trace->class_));
		qf_json_text(j, "wanted", qf_class_name(trace->wanted));
		qf_json_text(
		    j, "category", qf_category_name(s->judgement.category));
		qf_json_bool(j, "broken", trace->broken);
		qf_json_bool(j, "shadow", trace->shadow);
		qf_json_bool(j, "capped", trace->capped);
		qf_json_text(j, "text", s->judgement.text);
		qf_json_number(j, "us", trace->us);
		qf_json_number(j, "cpu_us", trace->cpu_us);
		add_edits(j, trace);
		add_waits(j, t, i);
	}
	qf_json_end(j);
}

static void add_diff(
    struct qf_json *j, const struct qf_trial *t, const struct qf_delivery *d)
{
	struct qf_buf text = QF_BUF_INIT;
	struct qf_err e;

	if (qf_trial_diff(t, d, &text, &e) < 0)
		fprintf(stderr, "qfrontctl: %s\n", e.text);
	qf_json_string(j, "diff", qf_buf_span(&text));
	qf_buf_free(&text);
}

static void add_delivery(struct qf_json *j, const struct qf_trial *t,
    const struct qf_delivery *d, bool diff)
{
	qf_json_object(j, NULL);
	qf_json_bool(j, "held", d->held);
	qf_json_bool(j, "changed", d->message != t->message.fd);
	qf_json_text(j, "sender", qf_envelope_sender(&d->envelope));
	qf_json_array(j, "recipients");
	for (size_t i = 0; i < d->envelope.nrcpt; i++)
		qf_json_text(j, NULL, qf_envelope_rcpt(&d->envelope, i));
	qf_json_end(j);
	qf_json_text(j, "route", qf_attrs_get(&d->envelope.attrs, "ROUTE"));
	qf_json_text(j, "reason", qf_attrs_get(&d->envelope.attrs, "HOLD"));
	if (diff)
		add_diff(j, t, d);
	qf_json_end(j);
}

static void add_answers(struct qf_json *j, const struct qf_trial *t, int code)
{
	const struct qf_judgement *judgement =
	    t->code == 0 ? &t->plan.judgement : NULL;

	qf_json_array(j, "dialects");
	for (int d = 0; code != 0 && d < QF_DIALECTS; d++) {
		struct qf_reply r;
		char letter[2] = "";

		qf_dialect_preview((enum qf_dialect)d, judgement, code, &r);
		letter[0] = r.letter;
		qf_json_object(j, NULL);
		qf_json_text(j, "dialect", qf_dialect_name((enum qf_dialect)d));
		qf_json_number(j, "code", r.code);
		qf_json_text(j, "letter", letter);
		qf_json_text(j, "text", r.text);
		qf_json_end(j);
	}
	qf_json_end(j);
}

void qf_trial_print_json(const struct qf_trial *t, bool diff)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};
	int code = qf_trial_answer(t);

	qf_json_object(&j, NULL);
	qf_json_array(&j, "stages");
	for (size_t i = 0; i < t->nsteps; i++)
		add_step(&j, t, i);
	qf_json_end(&j);
	qf_json_array(&j, "deliveries");
	for (size_t i = 0; code == 0 && i < t->plan.n; i++)
		add_delivery(&j, t, &t->plan.v[i], diff);
	qf_json_end(&j);
	qf_json_number(&j, "code", code);
	qf_json_text(&j, "text", qf_qqcode_find(code)->text);
	qf_json_bool(
	    &j, "dropped", code == 0 && t->plan.action == QF_PLAN_DROP);
	qf_json_text(&j, "next",
	    t->setup.next.argv.n > 0 ? t->setup.next.argv.v[0] : NULL);
	add_answers(&j, t, code);
	qf_json_end(&j);
	fwrite(out.s, 1, out.len, stdout);
	qf_buf_free(&out);
}
