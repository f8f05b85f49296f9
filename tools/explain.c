/*
 * qfrontctl explain: every setting with the file and line that it comes from,
 * and for each stage whether it would run for such a message, and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/loader.h"
#include "frontend/settings.h"
#include "lib/base/log.h"
#include "tools/command.h"
#include "tools/request.h"
#include "tools/text.h"
#include "tools/trial.h"

struct explanation {
	const struct qf_setup *setup;
	struct qf_envelope envelope;
	struct qf_context context;
	uint64_t size;
};

static void print_span(struct qf_span s)
{
	struct qf_buf clean = QF_BUF_INIT;

	qf_text_add(&clean, s);
	fputs(clean.s, stdout);
	qf_buf_free(&clean);
}

/* A control file that holds a value: what it says, or the default. */
static void explain_item(
    const struct qf_setup *s, const struct qf_ctl_item *item)
{
	struct qf_lines lines = QF_LINES_INIT;
	struct qf_err e;
	bool set =
	    qf_ctl_lines(&s->ctl, item->name, &lines, &e) > 0 && lines.n > 0;

	printf("%-14s ", item->name);
	if (set) {
		print_span(lines.v[0].s);
		printf("  (%s/%s:%u)\n", s->ctl.path, item->name,
		    lines.v[0].number);
	} else {
		printf("%s  (default)\n",
		    item->fallback != NULL ? item->fallback : "-");
	}
	qf_lines_free(&lines);
}

/* For whom does it run? */
static void explain_condition(
    const struct explanation *x, const struct qf_stage *s)
{
	size_t n = x->envelope.nrcpt, runs = 0;
	enum qf_skip why = QF_SKIP_NONE;

	for (size_t i = 0; i < n; i++) {
		const struct qf_subject subject = {.context = &x->context,
		    .envelope = &x->envelope,
		    .size = x->size,
		    .rcpt = qf_envelope_rcpt(&x->envelope, i)};
		enum qf_skip skip = qf_stage_skip(s, &subject, false);

		runs += skip == QF_SKIP_NONE;
		if (skip != QF_SKIP_NONE)
			why = skip;
	}
	if (runs == n)
		printf("    runs for such a message\n");
	else if (runs > 0)
		printf("    runs for %zu of %zu recipients\n", runs, n);
	else
		printf("    does not run for such a message: %s%s\n",
		    qf_skip_name(why),
		    why == QF_SKIP_BOUNCE ? ", and it is not marked always"
		    : why == QF_SKIP_IF   ? "= or rcpt= does not hold"
					  : "");
}

static void explain_limits(
    const struct qf_setup *setup, const struct qf_stage *s)
{
	static const char *const onerror[] = {[QF_ONERROR_DEFER] = "defer",
	    [QF_ONERROR_REJECT] = "reject",
	    [QF_ONERROR_PASS] = "pass",
	    [QF_ONERROR_QUARANTINE] = "quarantine"};
	long long ms = s->timeout_ms > 0 ? s->timeout_ms
					 : setup->config.timeoutchain * 1000;

	printf("    timeout %lld s (%s), onerror=%s (%s)%s\n", ms / 1000,
	    s->timeout_ms > 0 ? "this line" : "what timeoutchain leaves",
	    onerror[s->onerror], s->onerror_chosen ? "this line" : "default",
	    s->shadow ? ", shadow: never acts" : "");
}

/* The settings, with those that are overruled left out. */
static void explain_settings(
    const struct explanation *x, const struct qf_stage *s)
{
	struct qf_problems problems = {0};
	struct qf_loaded loaded;
	struct qf_conf conf;
	struct qf_err e;

	if (qf_plugin_load(&loaded, s->plugin, x->setup->ctl.owner, &e) < 0) {
		printf("    %s\n", e.text);
		return;
	}
	qf_conf_load(&conf, &x->setup->ctl, x->setup->chain, s,
	    loaded.plugin.settings, &problems);
	for (size_t i = 0; i < conf.n; i++) {
		const struct qf_conf_value *v = &conf.v[i];

		if (qf_conf_find(&conf, v->key) != v)
			continue;
		printf("    %s = ", v->key);
		print_span(v->value);
		if (v->line > 0)
			printf("  (%s:%u)\n", v->file, v->line);
		else
			printf("  (%s)\n", v->file);
	}
	if (problems.count > 0)
		printf("    %s\n", problems.first.text);
	qf_conf_free(&conf);
	qf_plugin_unload(&loaded, &e);
}

static void explain_chain(const struct explanation *x)
{
	const struct qf_chain *chain = x->setup->chain;

	printf("\n%s: %zu stage%s\n", chain->file, chain->n,
	    chain->n == 1 ? "" : "s");
	for (size_t i = 0; i < chain->n; i++) {
		const struct qf_stage *s = &chain->stage[i];

		printf("\n%s  (%s:%u)\n", s->name, chain->file, s->line);
		explain_condition(x, s);
		explain_limits(x->setup, s);
		explain_settings(x, s);
	}
}

static int explain(struct qf_trial *t, const struct qf_request *r)
{
	struct explanation x = {
	    .setup = &t->setup, .envelope = QF_ENVELOPE_INIT};
	int rc = qf_trial_setup(t, r->as);
	struct qf_err e;

	if (r->size != NULL && !qf_size_parse(qf_span(r->size), &x.size)) {
		fprintf(stderr, "qfrontctl: --size=%s: no size\n", r->size);
		return QF_TROUBLE;
	}
	if (t->setup.config.me == NULL)
		return QF_TROUBLE;
	if (qf_request_envelope(r, t->setup.config.me, &x.envelope, &e) < 0) {
		fprintf(stderr, "qfrontctl: %s\n", e.text);
		return QF_TROUBLE;
	}
	qf_context_init(&x.context, &x.envelope);
	for (const struct qf_ctl_item *i = qf_frontend_items; i->name != NULL;
	     i++)
		explain_item(&t->setup, i);
	explain_chain(&x);
	if (t->setup.next.argv.n > 0)
		printf("\nnext program: %s\n", t->setup.next.argv.v[0]);
	qf_envelope_free(&x.envelope);
	return rc < 0 ? QF_FOUND : QF_DONE;
}

static int run(int argc, char **argv)
{
	struct qf_trial t = QF_TRIAL_INIT;
	struct qf_request r;
	int rc = QF_USAGE;

	if (qf_request_parse(&r, false, argc, argv) && !r.diff && !r.json)
		rc = explain(&t, &r);
	qf_trial_free(&t);
	free(r.rcpt);
	return rc;
}

const struct qf_command qf_command_explain = {
    .name = "explain",
    .synopsis = QF_REQUEST_OPTIONS " [--size=BYTES] [RCPT...]",
    .summary = "show every setting with its file and line, and which stages "
	       "would run",
    .run = run,
};
