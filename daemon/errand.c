#include "daemon/errand.h"

bool qf_errand_waits(const struct qf_errand *errand)
{
	const struct qf_work *w = errand->work;

	return w == NULL || qf_stage_waits(&w->chain->stage[w->from]);
}

void qf_errand_finish(struct qf_errand *errand, int rc,
    struct qf_job_result *in, const struct qf_err *e)
{
	errand->worker = NULL;
	errand->pool = NULL;
	errand->done(errand->arg, rc, in, e);
	qf_job_close(in);
}

void qf_errand_fail(struct qf_errand *errand, const struct qf_err *e)
{
	struct qf_job_result none = {.stage = -1};

	qf_errand_finish(errand, e->rc, &none, e);
}

void qf_errands_remove(struct qf_errands *l, struct qf_errand *errand)
{
	if (errand->before != NULL)
		errand->before->next = errand->next;
	else
		l->first = errand->next;
	if (errand->next != NULL)
		errand->next->before = errand->before;
	else
		l->last = errand->before;
	l->n--;
}

static void put(
    struct qf_errands *l, struct qf_errand *before, struct qf_errand *errand)
{
	errand->before = before;
	errand->next = before != NULL ? before->next : l->first;
	if (errand->next != NULL)
		errand->next->before = errand;
	else
		l->last = errand;
	if (before != NULL)
		before->next = errand;
	else
		l->first = errand;
	l->n++;
}

void qf_errands_append(struct qf_errands *l, struct qf_errand *errand)
{
	put(l, l->last, errand);
}

void qf_errands_put_first(struct qf_errands *l, struct qf_errand *errand)
{
	put(l, NULL, errand);
}
