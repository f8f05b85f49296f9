#include "daemon/errand.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

bool qf_errand_waits(const struct qf_errand *errand)
{
	const struct qf_work *w = errand->work;

	return w == NULL || qf_stage_waits(&w->chain->stage[w->from]);
}

bool qf_errand_is_strange(const struct qf_errand *errand)
{
	return errand->work == NULL && errand->max > 0;
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
	if (errand->deadline < l->late.deadline)
		qf_loop_set_deadline(&l->late, errand->deadline);
}

void qf_errands_append(struct qf_errands *l, struct qf_errand *errand)
{
	put(l, l->last, errand);
}

void qf_errands_put_first(struct qf_errands *l, struct qf_errand *errand)
{
	put(l, NULL, errand);
}

static struct qf_errand *find_late(const struct qf_errands *l)
{
	struct qf_errand *errand = l->first;

	while (errand != NULL && qf_deadline_poll(errand->deadline) != 0)
		errand = errand->next;
	return errand;
}

static void on_late(struct qf_watch *watch, void *arg)
{
	struct qf_errands *l = arg;
	int64_t next = QF_NEVER;
	struct qf_errand *errand;

	/* The line may be another one after each. */
	while ((errand = find_late(l)) != NULL) {
		struct qf_err e;

		qf_errands_remove(l, errand);
		qf_log_scope(errand->caller.log_scope);
		qf_log(QF_LOG_ERROR, "no worker in time",
		    QF_KS("kind", l->name), QF_KU("waiting", l->n));
		qf_log_scope(NULL);
		qf_fail(&e, QF_ETIME, "no worker was there in time");
		qf_errand_fail(errand, &e);
	}
	for (errand = l->first; errand != NULL; errand = errand->next) {
		if (errand->deadline < next)
			next = errand->deadline;
	}
	qf_loop_set_deadline(watch, next);
}

int qf_errands_open(struct qf_errands *l, const char *name,
    struct qf_loop *loop, struct qf_err *e)
{
	*l = (struct qf_errands){.name = name,
	    .late = {
		.fd = -1, .late = on_late, .arg = l, .deadline = QF_NEVER}};
	return qf_loop_add(loop, &l->late, false, e);
}
