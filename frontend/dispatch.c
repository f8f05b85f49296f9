#include "frontend/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "frontend/fates.h"
#include "frontend/metrics.h"
#include "frontend/outcome.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqcode.h"

/* Trouble is not about the mail: whatever a worker or a plugin calls it, the
 * answer is temporary. */
static void fail(
    struct qf_passage *r, const char *event, const struct qf_err *e)
{
	int code = qf_qqcode_of_error(e->rc);

	qf_log_err(event, e);
	r->code = qf_qqcode_find(code)->letter == 'Z' ? code : 81;
}

static void end_group(
    struct qf_group *g, size_t stage, const struct qf_judgement *j)
{
	g->ended = true;
	g->stage = stage;
	g->judgement = *j;
}

static int message_of(const struct qf_passage *r, const struct qf_group *g)
{
	return g->version != NULL ? g->version->fd : r->d->message;
}

/* Does one hold keys and the other not? What is not known of a plugin before
 * it is loaded, its worker finds out. */
static bool are_of_two_kinds(const struct qf_stage *a, const struct qf_stage *b)
{
	return a->noted && b->noted &&
	       ((a->flags ^ b->flags) & QF_FLAG_SECRET) != 0;
}

/* Where this group's next worker must stop: before a stage that may tell its
 * recipients apart or is not for its process, and where another group
 * waits. */
static size_t find_until(const struct qf_passage *r, const struct qf_group *g)
{
	const struct qf_chain *chain = r->d->chain;
	size_t until = g->from + 1;

	while (until < chain->n && !chain->stage[until].per_rcpt &&
	       !are_of_two_kinds(&chain->stage[g->from], &chain->stage[until]))
		until++;
	for (size_t i = 0; i < r->groups->n; i++) {
		const struct qf_group *other = r->groups->v[i];

		if (!other->ended && other->from > g->from &&
		    other->from < until)
			until = other->from;
	}
	return until;
}

/* A worker did not come to a result. Presets the stage it was in, so that the
 * next worker goes round it, when another try makes sense. */
static void preset_stage(
    struct qf_passage *r, struct qf_group *g, long stage, bool late)
{
	r->failures++;
	if (stage < 0 || r->failures > 1 ||
	    qf_deadline_poll(r->d->deadline) == 0)
		r->code = late ? 52 : 81;
	else
		g->preset[stage] = late ? QF_CAT_TIMEOUT : QF_CAT_NONE;
}

static int take_envelope(struct qf_group *g, int fd, struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	int rc = qf_envelope_read(&env, fd, e);

	if (rc == 0)
		qf_group_set_envelope(g, &env);
	qf_envelope_free(&env);
	return rc;
}

static int take_share(struct qf_group *g, int fd, struct qf_err *e)
{
	struct qf_map map;
	int rc = qf_map_fd(&map, fd, e);

	if (rc < 0)
		return rc;
	rc = qf_share_parse(&g->share, qf_span_n(map.p, map.n), e);
	qf_map_free(&map);
	return rc;
}

/* Each verdict makes a group of its recipients, which ends there. */
static int take_fates(struct qf_passage *r, struct qf_group *g, size_t stage,
    int fd, struct qf_err *e)
{
	struct qf_span rest;
	struct qf_map map;
	int rc = qf_map_fd(&map, fd, e);

	if (rc < 0)
		return rc;
	rest = qf_span_n(map.p, map.n);
	do {
		struct qf_envelope rcpts = QF_ENVELOPE_INIT;
		struct qf_judgement j;

		rc = qf_fates_next(&rest, &j, &rcpts, e);
		if (rc == 1)
			end_group(
			    qf_group_branch(r->groups, g, &rcpts), stage, &j);
		qf_envelope_free(&rcpts);
		/* More than that are deferred, so no more are needed. */
	} while (rc == 1 && r->groups->n <= QF_GROUPS_MAX);
	qf_map_free(&map);
	return rc < 0 ? rc : 0;
}

/* Takes over what the stages left, in the order of the report's flags. */
static int take_edits(struct qf_passage *r, struct qf_group *g,
    struct qf_job_result *in, struct qf_err *e)
{
	const struct qf_report *p = &in->report;
	size_t i = 0;
	int rc = 0;

	if (p->message_edited) {
		qf_group_set_message(g, in->fds[i]);
		in->fds[i++] = -1;
	}
	if (p->envelope_edited)
		rc = take_envelope(g, in->fds[i++], e);
	if (rc == 0 && p->share_edited)
		rc = take_share(g, in->fds[i++], e);
	if (rc == 0 && p->has_fates)
		rc = take_fates(r, g, (size_t)in->stage, in->fds[i], e);
	return rc;
}

static bool is_final(const struct qf_judgement *j)
{
	return !qf_class_goes_on(j->class_);
}

/* What a worker found. */
static void take_result(
    struct qf_passage *r, struct qf_group *g, struct qf_job_result *in)
{
	const struct qf_report *p = &in->report;
	struct qf_err e = p->error;

	if (e.rc < 0 || take_edits(r, g, in, &e) < 0) {
		fail(r, "message not filtered", &e);
		return;
	}
	r->turned = p->stage == g->from && !is_final(&p->judgement);
	g->from = p->stage;
	g->accepted = p->accepted != 0;
	if (p->has_fates && g->envelope.nrcpt == 0)
		qf_group_remove(r->groups, g);
	else if (is_final(&p->judgement))
		end_group(g, p->stage, &p->judgement);
}

/* A part of the chain for one group: what its worker is to do. */
static int give_part(
    struct qf_passage *r, struct qf_group *g, struct qf_work *work)
{
	const struct qf_stage *first = &r->d->chain->stage[g->from];

	r->at = g;
	*work = (struct qf_work){.ctl = r->d->ctl,
	    .chain = r->d->chain,
	    .message = message_of(r, g),
	    .envelope = &g->envelope,
	    .share = &g->share,
	    .context = r->d->context,
	    .authserv_id = r->d->authserv_id,
	    .from = g->from,
	    .until = find_until(r, g),
	    .secret =
		first->noted ? (first->flags & QF_FLAG_SECRET) != 0 : r->turned,
	    .deadline = r->d->deadline,
	    .accepted = g->accepted,
	    .preset = g->preset};
	return 1;
}

void qf_passage_take(struct qf_passage *r, int rc, struct qf_job_result *in,
    const struct qf_err *e)
{
	struct qf_group *g = r->at;

	r->at = NULL;
	if (rc == 1)
		take_result(r, g, in);
	else if (rc == 0 || rc == QF_ETIME)
		preset_stage(r, g, in->stage, rc == QF_ETIME);
	else
		fail(r, "worker not heard", e);
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static struct qf_subject subject_of(
    const struct qf_passage *r, const struct qf_group *g)
{
	return (struct qf_subject){.context = r->d->context,
	    .envelope = &g->envelope,
	    .size = size_of(message_of(r, g))};
}

/* Marks the recipients for which the group's next stage runs; how many, and
 * why not for the others. */
static size_t choose_rcpts(const struct qf_passage *r, const struct qf_group *g,
    bool *take, enum qf_skip *why)
{
	const struct qf_stage *s = &r->d->chain->stage[g->from];
	struct qf_subject subject = subject_of(r, g);
	size_t n = 0;

	for (size_t i = 0; i < g->envelope.nrcpt; i++) {
		enum qf_skip skip;

		subject.rcpt = qf_envelope_rcpt(&g->envelope, i);
		skip = qf_stage_skip(s, &subject, g->accepted);
		take[i] = skip == QF_SKIP_NONE;
		n += take[i];
		if (skip != QF_SKIP_NONE)
			*why = skip;
	}
	return n;
}

/* Those for whom it does not run go round it. */
static void skip_stage(
    const struct qf_passage *r, struct qf_group *g, enum qf_skip why)
{
	const struct qf_trace t = {.skip = why};
	const struct qf_judgement j = {.class_ = QF_PASS};
	const struct qf_observer *o = r->d->observer;
	const struct qf_stage *s = &r->d->chain->stage[g->from++];

	qf_count_stage(s, &t);
	qf_trace_log(s, &t, &j);
	if (o != NULL && o->stage != NULL)
		o->stage(o->arg, s, &t, &j);
}

/* 1 and work, or 0 when the group went on by itself. */
static int step_per_rcpt(
    struct qf_passage *r, struct qf_group *g, struct qf_work *work)
{
	bool *take = qf_alloc((g->envelope.nrcpt + 1) * sizeof *take);
	enum qf_skip why = QF_SKIP_IF;
	size_t n = choose_rcpts(r, g, take, &why);
	bool all = n > 0 && n == g->envelope.nrcpt;

	if (!all) {
		/* Those that are split off are next; they run, since it runs
		 * for all of them. */
		if (n > 0)
			qf_group_split(r->groups, g, take);
		skip_stage(r, g, why);
	}
	free(take);
	return all ? give_part(r, g, work) : 0;
}

/* No worker is troubled with a stage that does not run. */
static int step(struct qf_passage *r, struct qf_group *g, struct qf_work *work)
{
	const struct qf_stage *s = &r->d->chain->stage[g->from];
	const struct qf_subject subject = subject_of(r, g);
	enum qf_skip why = qf_stage_skip(s, &subject, g->accepted);

	if (why == QF_SKIP_NONE)
		return give_part(r, g, work);
	skip_stage(r, g, why);
	return 0;
}

/* The group that is furthest behind, with all that are like it. */
static struct qf_group *next_group(struct qf_groups *gs)
{
	struct qf_group *g = NULL;

	for (size_t i = 0; i < gs->n; i++) {
		if (!gs->v[i]->ended && (g == NULL || gs->v[i]->from < g->from))
			g = gs->v[i];
	}
	for (size_t i = 0; g != NULL && i < gs->n;) {
		struct qf_group *other = gs->v[i];

		if (other != g && !other->ended && qf_group_is_like(g, other))
			qf_group_join(gs, g, other);
		else
			i++;
	}
	return g;
}

static bool is_deferred(const struct qf_groups *gs)
{
	for (size_t i = 0; i < gs->n; i++) {
		if (gs->v[i]->ended && gs->v[i]->judgement.class_ == QF_DEFER)
			return true;
	}
	return false;
}

/* More treatments than anybody means to give: the message waits for a person
 * to look at the chain. */
static void defer_crowd(struct qf_passage *r)
{
	struct qf_judgement j = {.class_ = QF_DEFER, .category = QF_CAT_POLICY};

	snprintf(j.text, sizeof j.text,
	    "the recipients need more than %d different treatments",
	    QF_GROUPS_MAX);
	qf_log(QF_LOG_ERROR, "too many groups of recipients",
	    QF_KU("groups", r->groups->n), QF_KU("max", QF_GROUPS_MAX));
	end_group(r->groups->v[0], 0, &j);
}

void qf_passage_start(
    struct qf_passage *r, const struct qf_dispatch *d, struct qf_groups *out)
{
	*r = (struct qf_passage){.d = d, .groups = out};
	qf_groups_start(out, d->envelope, d->chain->n);
	for (size_t i = 0; i < d->chain->n && !d->chain->warm; i++) {
		const struct qf_stage *s = &d->chain->stage[i];

		if (s->noted && (s->flags & QF_FLAG_WARM) != 0)
			out->v[0]->preset[i] = QF_CAT_CONFIG;
	}
}

int qf_passage_next(struct qf_passage *r, struct qf_work *work)
{
	static const struct qf_judgement pass = {.class_ = QF_PASS};
	const struct qf_chain *chain = r->d->chain;
	struct qf_groups *gs = r->groups;
	struct qf_group *g;

	if (gs->n > QF_GROUPS_MAX)
		defer_crowd(r);
	while (
	    r->code == 0 && !is_deferred(gs) && (g = next_group(gs)) != NULL) {
		int give = 0;

		if (g->from == chain->n)
			end_group(g, chain->n, &pass);
		else if (chain->stage[g->from].per_rcpt)
			give = step_per_rcpt(r, g, work);
		else
			give = step(r, g, work);
		if (gs->n > QF_GROUPS_MAX)
			defer_crowd(r);
		else if (give)
			return 1;
	}
	return 0;
}

void qf_passage_run(struct qf_passage *r)
{
	struct qf_work work;

	while (qf_passage_next(r, &work)) {
		struct qf_job_result in;
		struct qf_err e = {0};
		int rc = qf_job_run(&work, r->d->observer, &in, &e);

		qf_passage_take(r, rc, &in, &e);
		qf_job_close(&in);
	}
}

int qf_dispatch(const struct qf_dispatch *d, struct qf_groups *out)
{
	struct qf_passage r;

	qf_passage_start(&r, d, out);
	qf_passage_run(&r);
	return r.code;
}
