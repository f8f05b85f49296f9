#include "tools/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "frontend/outcome.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/program.h"
#include "lib/base/run.h"
#include "tools/text.h"

enum {
	DIFF_MAX = 64 << 20, /* bytes of a diff */
	DIFF_MS = 60000
};

static void print_problem(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

int qf_trial_setup(struct qf_trial *t, const char *as)
{
	static char *const no_words[] = {NULL};
	struct qf_problems problems = {.report = print_problem};
	struct qf_err e;

	if (as != NULL)
		t->setup.as = qf_builtin_find(as);
	if (as != NULL && t->setup.as == NULL) {
		fprintf(stderr, "qfrontctl: no personality \"%s\"\n", as);
		return QF_EINVAL;
	}
	if (qf_setup_open(&t->setup, &e) < 0)
		return qf_problem_err(&problems, &e);
	return qf_setup_chain(&t->setup, no_words, &problems);
}

static void take_stage(void *arg, const struct qf_stage *s,
    const struct qf_trace *trace, const struct qf_judgement *j)
{
	struct qf_trial *t = arg;

	t->step = qf_realloc_array(t->step, t->nsteps + 1, sizeof *t->step);
	t->step[t->nsteps++] = (struct qf_step){s, *trace, *j};
}

/* Waits are told before the stage that they belong to. */
static void take_wait(
    void *arg, const struct qf_stage *s, const char *what, int64_t us)
{
	struct qf_trial *t = arg;

	(void)s;
	t->wait = qf_realloc_array(t->wait, t->nwaits + 1, sizeof *t->wait);
	t->wait[t->nwaits++] = (struct qf_wait){t->nsteps, qf_strdup(what), us};
}

void qf_trial_run(struct qf_trial *t)
{
	const struct qf_observer observer = {
	    .arg = t, .stage = take_stage, .waited = take_wait};

	t->code = qf_setup_filter(&t->setup, t->message.fd, &t->envelope,
	    &observer, &t->groups, &t->plan);
}

void qf_trial_free(struct qf_trial *t)
{
	qf_plan_free(&t->plan);
	qf_groups_free(&t->groups);
	for (size_t i = 0; i < t->nwaits; i++)
		free(t->wait[i].what);
	free(t->wait);
	free(t->step);
	qf_spool_close(&t->message);
	qf_envelope_free(&t->envelope);
	qf_setup_free(&t->setup);
}

int qf_trial_answer(const struct qf_trial *t)
{
	if (t->code != 0)
		return t->code;
	if (t->plan.action != QF_PLAN_REFUSE)
		return 0;
	return qf_outcome_code(&t->plan.judgement);
}

static int take_output(void *arg, struct qf_span bytes, struct qf_err *e)
{
	if (qf_buf_addspan(arg, bytes) < 0)
		return qf_fail(e, QF_ETOOLONG, "the diff is too long");
	return 0;
}

/* Runs diff over the two descriptors. */
static int run_diff(int before, int after, struct qf_buf *raw, struct qf_err *e)
{
	char *const argv[] = {(char[]){"diff"}, (char[]){"-au"},
	    (char[]){"--label=before"}, (char[]){"--label=after"},
	    (char[]){"/dev/fd/3"}, (char[]){"/dev/fd/4"}, NULL};
	const struct qf_child_fd fds[] = {{3, before}, {4, after}};
	const struct qf_run_out out = {
	    .to = 1, .take = take_output, .arg = raw};
	struct qf_buf path = QF_BUF_INIT;
	int status, rc = qf_program_find(&path, "diff", e);

	if (rc == 0)
		rc = qf_run(&(struct qf_run){.child = {.path = path.s,
						 .argv = argv,
						 .fds = fds,
						 .nfds = 2},
				.out = &out,
				.nout = 1,
				.deadline = qf_deadline_in(DIFF_MS)},
		    &status, e);
	qf_buf_free(&path);
	return rc;
}

int qf_trial_diff(const struct qf_trial *t, const struct qf_delivery *d,
    struct qf_buf *out, struct qf_err *e)
{
	struct qf_buf raw = QF_BUF_INIT_MAX(DIFF_MAX);
	int before = qf_reopen(t->message.fd), after = qf_reopen(d->message);
	int rc = 0;

	if (before < 0 || after < 0)
		rc = qf_fail_sys(e, QF_EPIPE, "reopen");
	if (rc == 0)
		rc = run_diff(before, after, &raw, e);
	if (rc == 0)
		qf_text_add_lines(out, qf_buf_span(&raw));
	qf_close(&before);
	qf_close(&after);
	qf_buf_free(&raw);
	return rc;
}
