#include "frontend/setup.h"

#include "frontend/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"

int qf_setup_open(struct qf_setup *s, struct qf_err *e)
{
	if (qf_ctl_open(&s->ctl, qf_dir(QF_DIR_CONTROL), e) < 0)
		return e->rc;
	return qf_frontend_config_load(&s->config, &s->ctl, e);
}

int qf_setup_chain(struct qf_setup *s, char *const *argv, struct qf_problems *p)
{
	struct qf_err e;

	s->chain = &s->own_chain;
	qf_builtin_chain(&s->own_chain, &s->ctl, s->as, argv, p);
	qf_split_load(&s->split, &s->ctl, p);
	if (p->count > 0)
		return p->first.rc;
	qf_check_read_notes(&s->ctl, &s->own_chain);
	qf_check_chain(s->chain, s->config.timeoutchain * 1000, p);
	if (qf_next_choose(&s->next, s->as, s->config.queueprog, argv, &e) < 0)
		qf_problem_err(p, &e);
	return p->count > 0 ? p->first.rc : 0;
}

void qf_setup_free(struct qf_setup *s)
{
	qf_caller_free(&s->caller);
	qf_next_free(&s->next);
	qf_chain_free(&s->own_chain);
	qf_frontend_config_free(&s->config);
	qf_ctl_close(&s->ctl);
}

/* Trouble never ends as 0: that would lose the message. */
static int fail(const struct qf_err *e)
{
	int code = qf_qqcode_of_error(e->rc);

	qf_log_err("message refused", e);
	return code != 0 ? code : 81;
}

/* Does anything go on to be delivered? */
static bool delivers(const struct qf_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (!plan->v[i].held)
			return true;
	}
	return false;
}

void qf_setup_start(const struct qf_setup *s, int message,
    const struct qf_envelope *envelope, const struct qf_observer *observer,
    struct qf_groups *groups, struct qf_filtering *out)
{
	*out = (struct qf_filtering){
	    .dispatch = {.ctl = &s->ctl,
		.chain = s->chain,
		.context = &out->context,
		.authserv_id = s->config.authserv_id,
		.message = message,
		.envelope = envelope,
		.deadline = qf_deadline_in(s->config.timeoutchain * 1000),
		.observer = observer}};
	qf_context_init(&out->context, envelope);
	if (s->caller.met)
		qf_context_set_caller(
		    &out->context, s->caller.uid, s->caller.believed);
	qf_passage_start(&out->passage, &out->dispatch, groups);
}

int qf_setup_settle(const struct qf_setup *s, const struct qf_filtering *f,
    struct qf_groups *groups, struct qf_plan *plan)
{
	const struct qf_settle settle = {.chain = s->chain,
	    .split = &s->split,
	    .me = s->config.me,
	    .authserv_id = s->config.authserv_id,
	    .message = f->dispatch.message,
	    .envelope = f->dispatch.envelope};
	struct qf_err e;

	*plan = (struct qf_plan){0};
	if (f->passage.code != 0)
		return f->passage.code;
	if (qf_settle(plan, &settle, groups, &e) < 0)
		return fail(&e);
	if (plan->action != QF_PLAN_QUEUE)
		return 0;
	qf_next_forget(&plan->taken);
	if (delivers(plan) && qf_next_check_filters(&s->next,
				  s->becomes_next && qf_env_trusted(), &e) < 0)
		return fail(&e);
	return 0;
}

int qf_setup_filter(const struct qf_setup *s, int message,
    const struct qf_envelope *envelope, const struct qf_observer *observer,
    struct qf_groups *groups, struct qf_plan *plan)
{
	struct qf_filtering f;

	qf_setup_start(s, message, envelope, observer, groups, &f);
	qf_passage_run(&f.passage);
	return qf_setup_settle(s, &f, groups, plan);
}
