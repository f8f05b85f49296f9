/*
 * The result of a dry run, for people.
 */
#include <inttypes.h>
#include <stdio.h>

#include "frontend/dialect.h"
#include "frontend/outcome.h"
#include "lib/mail/qqcode.h"
#include "tools/text.h"
#include "tools/trial.h"

/* Text of a plugin or an address: harmless on a terminal. */
static void print_text(const char *before, const char *text, const char *after)
{
	struct qf_buf clean = QF_BUF_INIT;

	qf_text_add(&clean, qf_span(text));
	printf("%s%s%s", before, clean.s, after);
	qf_buf_free(&clean);
}

static double ms(int64_t us)
{
	return (double)us / 1000;
}

/* What it came to, in the words of the log. */
static void print_verdict(const struct qf_step *s)
{
	const struct qf_trace *t = &s->trace;
	const char *class_ = qf_class_name(t->class_);

	if (t->skip != QF_SKIP_NONE)
		printf("skipped (%s)", qf_skip_name(t->skip));
	else if (t->broken)
		printf("broken, so %s", class_);
	else if (t->shadow)
		printf("shadow of %s", qf_class_name(t->wanted));
	else if (t->capped)
		printf("%s, not %s", class_, qf_class_name(t->wanted));
	else
		printf("%s", class_);
}

static void print_edits(const struct qf_trace *t)
{
	const struct {
		uint32_t n;
		const char *of;
	} edits[] = {{t->header_edits, "header"}, {t->body_edits, "body"},
	    {t->envelope_edits, "envelope"}, {t->fates, "recipients"}};

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		if (edits[i].n > 0)
			printf("  %s %" PRIu32, edits[i].of, edits[i].n);
	}
}

static void print_step(const struct qf_trial *t, size_t i)
{
	const struct qf_step *s = &t->step[i];

	printf("%-16s ", s->stage->name);
	print_verdict(s);
	if (s->trace.skip == QF_SKIP_NONE) {
		if (s->judgement.category != QF_CAT_NONE)
			printf("  %s", qf_category_name(s->judgement.category));
		printf("  %.1f ms", ms(s->trace.us));
		if (s->trace.us > s->trace.cpu_us)
			printf(" (%.1f waiting)",
			    ms(s->trace.us - s->trace.cpu_us));
		print_edits(&s->trace);
	}
	putchar('\n');
	if (s->judgement.text[0] != '\0')
		print_text("                 \"", s->judgement.text, "\"\n");
	for (size_t k = 0; k < t->nwaits; k++) {
		if (t->wait[k].step != i)
			continue;
		print_text("                 waited for ", t->wait[k].what, "");
		printf(", %.1f ms\n", ms(t->wait[k].us));
	}
}

static void print_delivery(
    const struct qf_trial *t, const struct qf_delivery *d, bool diff)
{
	struct qf_buf text = QF_BUF_INIT;
	struct qf_err e;

	printf("%s, %s, from <", d->held ? "hold in our queue" : "queue",
	    d->message == t->message.fd ? "unchanged" : "changed");
	print_text("", qf_envelope_sender(&d->envelope), "> to");
	for (size_t i = 0; i < d->envelope.nrcpt; i++)
		print_text(" <", qf_envelope_rcpt(&d->envelope, i), ">");
	putchar('\n');
	if (!diff)
		return;
	if (qf_trial_diff(t, d, &text, &e) < 0)
		fprintf(stderr, "qfrontctl: %s\n", e.text);
	fputs(text.s, stdout);
	qf_buf_free(&text);
}

static const char *class_of(char letter)
{
	return letter == 'K'   ? "accepted"
	       : letter == 'D' ? "permanent"
			       : "temporary";
}

static void print_answers(const struct qf_trial *t, int code)
{
	const struct qf_judgement *j = t->code == 0 ? &t->plan.judgement : NULL;

	printf("refused, %d %s: %s\n\nDIALECT   CODE  CLASS      TEXT\n", code,
	    class_of(qf_qqcode_find(code)->letter), qf_qqcode_find(code)->text);
	for (int d = 0; d < QF_DIALECTS; d++) {
		struct qf_reply r;

		qf_dialect_preview((enum qf_dialect)d, j, code, &r);
		printf("%-9s %4d  %-9s  %s\n",
		    qf_dialect_name((enum qf_dialect)d), r.code,
		    class_of(r.letter), r.text);
	}
}

void qf_trial_print(const struct qf_trial *t, bool diff)
{
	int code = qf_trial_answer(t);

	for (size_t i = 0; i < t->nsteps; i++)
		print_step(t, i);
	if (t->nsteps > 0)
		putchar('\n');
	if (code != 0) {
		print_answers(t, code);
		return;
	}
	for (size_t i = 0; i < t->plan.n; i++)
		print_delivery(t, &t->plan.v[i], diff);
	if (t->plan.action == QF_PLAN_DROP)
		printf("accepted, 0, and dropped\n");
	else
		print_text("accepted, 0, when this program takes it: ",
		    t->setup.next.argv.v[0], "\n");
}
