#include "frontend/settle.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/notify.h"
#include "frontend/outcome.h"
#include "frontend/results.h"
#include "lib/base/io.h"
#include "lib/base/log.h"

/* What becomes of a group in the end. */
enum fate {
	DELIVER,
	HOLD,
	BOUNCE,
	REFUSE,
	DEFER,
	DROP
};

/* Has it lost all of its recipients? A message that came without any is
 * another thing. */
static bool is_empty(const struct qf_settle *s, const struct qf_group *g)
{
	return g->envelope.nrcpt == 0 && s->envelope->nrcpt > 0;
}

static bool goes_on(const struct qf_settle *s, const struct qf_group *g)
{
	return (qf_class_goes_on(g->judgement.class_) ||
		   g->judgement.class_ == QF_QUARANTINE) &&
	       !is_empty(s, g);
}

/* A refusal, when others are accepted. */
static enum fate fate_of_refused(
    const struct qf_settle *s, const struct qf_group *g)
{
	static const enum fate fates[] = {[QF_SPLIT_BOUNCE] = BOUNCE,
	    [QF_SPLIT_QUARANTINE] = HOLD,
	    [QF_SPLIT_REFUSE] = REFUSE,
	    [QF_SPLIT_DISCARD] = DROP};
	enum fate fate = fates[qf_split_find(s->split, g->judgement.category)];

	/* The notice goes to who sent it, whatever stages made of that. */
	if (fate == BOUNCE && qf_context_is_bounce(s->envelope))
		return HOLD;
	return fate;
}

static enum fate fate_of(
    const struct qf_settle *s, const struct qf_group *g, bool others_go_on)
{
	switch (g->judgement.class_) {
	case QF_PASS:
	case QF_ACCEPT:
		return is_empty(s, g) ? DROP : DELIVER;
	case QF_QUARANTINE:
		return HOLD;
	case QF_DISCARD:
		return DROP;
	case QF_REJECT:
		return others_go_on ? fate_of_refused(s, g) : REFUSE;
	default:
		return DEFER;
	}
}

/* Of two answers the one that speaks for the message, whatever the order of
 * its recipients: what is temporary, then what came first in the chain. */
static bool beats(const struct qf_group *a, enum fate fa,
    const struct qf_group *b, enum fate fb)
{
	if (fa != fb)
		return fa == DEFER;
	if (a->stage != b->stage)
		return a->stage < b->stage;
	if (a->judgement.category != b->judgement.category)
		return a->judgement.category < b->judgement.category;
	return strcmp(a->judgement.text, b->judgement.text) < 0;
}

static const char *stage_name(const struct qf_settle *s, size_t stage)
{
	return stage < s->chain->n ? s->chain->stage[stage].name : "";
}

/* A line for each group that does not simply go on. */
static void log_group(
    const struct qf_settle *s, const struct qf_group *g, enum fate fate)
{
	static const char *const events[] = {[HOLD] = "quarantined",
	    [BOUNCE] = "recipients bounced",
	    [DROP] = "recipients discarded"};
	size_t n = g->envelope.nrcpt;

	if (fate >= sizeof events / sizeof *events || events[fate] == NULL)
		return;
	qf_log(QF_LOG_INFO, events[fate],
	    QF_KS("stage", stage_name(s, g->stage)),
	    QF_KS("from", qf_envelope_sender(&g->envelope)), QF_KU("rcpts", n),
	    QF_KS("rcpt", n > 0 ? qf_envelope_rcpt(&g->envelope, 0) : ""),
	    QF_KS("category", qf_category_name(g->judgement.category)),
	    QF_KS("text", g->judgement.text));
}

static struct qf_delivery *add_delivery(
    struct qf_plan *plan, const struct qf_settle *s, const struct qf_group *g)
{
	struct qf_delivery *d;

	plan->v = qf_realloc_array(plan->v, plan->n + 1, sizeof *plan->v);
	d = &plan->v[plan->n++];
	*d = (struct qf_delivery){
	    .message = g->version != NULL ? g->version->fd : s->message,
	    .envelope = QF_ENVELOPE_INIT};
	qf_envelope_copy(&d->envelope, &g->envelope);
	return d;
}

/* A text of a plugin as a value: without controls, and never empty. What is
 * not marked as held would be delivered, so a value that the list does not take
 * stops the message. */
static int set_attr(
    struct qf_delivery *d, const char *key, const char *text, struct qf_err *e)
{
	char value[QF_TEXT_SIZE];
	size_t n = 0;

	for (; text[n] != '\0' && n < sizeof value - 1; n++)
		value[n] = text[n] >= ' ' && text[n] < 127 ? text[n] : '?';
	return qf_attrs_set(&d->envelope.attrs, key, qf_span_n(value, n), e);
}

static const char *route_of(const struct qf_group *g)
{
	const struct qf_share_record *r =
	    qf_share_find(&g->share, QF_SHARE_ROUTE, "");

	return r != NULL ? r->value.p : "";
}

static int deliver(struct qf_plan *plan, const struct qf_settle *s,
    const struct qf_group *g, struct qf_err *e)
{
	struct qf_delivery *d = add_delivery(plan, s, g);

	return route_of(g)[0] != '\0' ? set_attr(d, "ROUTE", route_of(g), e)
				      : 0;
}

static int hold(struct qf_plan *plan, const struct qf_settle *s,
    const struct qf_group *g, struct qf_err *e)
{
	const struct qf_judgement *j = &g->judgement;
	struct qf_delivery *d = add_delivery(plan, s, g);
	const char *why =
	    j->text[0] != '\0' ? j->text : qf_class_name(j->class_);

	d->held = true;
	if (set_attr(d, "HOLD", why, e) < 0 ||
	    set_attr(d, "STAGE", stage_name(s, g->stage), e) < 0)
		return e->rc;
	return set_attr(d, "CATEGORY", qf_category_name(j->category), e);
}

/* What the stages found out about who sent it goes on top of the message that
 * is queued for the group. */
static int add_results(struct qf_plan *plan, const struct qf_settle *s,
    const struct qf_group *g, struct qf_err *e)
{
	struct qf_delivery *d = &plan->v[plan->n - 1];
	int fd;
	int rc =
	    qf_results_write(&g->share, s->authserv_id, d->message, &fd, e);

	if (rc <= 0)
		return rc;
	d->message = fd;
	d->owned = true;
	return 0;
}

/* Groups that are delivered alike need one run: the notes no longer count. */
static bool is_same_delivery(const struct qf_group *a, const struct qf_group *b)
{
	return a->version == b->version &&
	       qf_results_are_same(&a->share, &b->share) &&
	       strcmp(route_of(a), route_of(b)) == 0 &&
	       strcmp(qf_envelope_sender(&a->envelope),
		   qf_envelope_sender(&b->envelope)) == 0;
}

static void join_deliveries(struct qf_groups *gs)
{
	for (size_t i = 0; i < gs->n; i++) {
		struct qf_group *g = gs->v[i];

		for (size_t k = gs->n; k-- > i + 1;) {
			struct qf_group *other = gs->v[k];

			if (qf_class_goes_on(g->judgement.class_) &&
			    qf_class_goes_on(other->judgement.class_) &&
			    is_same_delivery(g, other))
				qf_group_join(gs, g, other);
		}
	}
}

/* Did a stage take it for all that is delivered? What is held does not
 * count: nobody gets that unfiltered. */
static bool is_taken(const struct qf_groups *gs, const char *name)
{
	for (size_t i = 0; i < gs->n; i++) {
		const struct qf_group *g = gs->v[i];

		if (qf_class_goes_on(g->judgement.class_) &&
		    qf_share_find(&g->share, QF_SHARE_TAKEN, name) == NULL)
			return false;
	}
	return true;
}

/* What the next program goes by is no stage's to take. */
static bool is_protected(const char *name)
{
	static const char *const names[] = {"CONTROLDIR", "QUEUEDIR",
	    "PLUGINDIR", "PROTOCOLDIR", "ERROR_FD", "PATH", "TMPDIR"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return strncmp(name, "QFRONT_", 7) == 0;
}

static void collect_taken(struct qf_plan *plan, const struct qf_groups *gs)
{
	const struct qf_share_record *r;
	size_t at = 0, first = 0;

	while (
	    first < gs->n && !qf_class_goes_on(gs->v[first]->judgement.class_))
		first++;
	if (first == gs->n)
		return;
	while ((r = qf_share_next(&gs->v[first]->share, QF_SHARE_TAKEN, &at)) !=
	       NULL) {
		if (!is_protected(r->key) && is_taken(gs, r->key))
			qf_strv_add(&plan->taken, r->key);
	}
}

/* Does one answer hold for all? Then it is in the plan. */
static bool answer_all(struct qf_plan *plan, const struct qf_settle *s,
    const struct qf_groups *gs, bool others)
{
	const struct qf_group *answer = NULL;
	enum fate fate = DROP;
	size_t dropped = 0;

	for (size_t i = 0; i < gs->n; i++) {
		const struct qf_group *g = gs->v[i];
		enum fate f = g->ended ? fate_of(s, g, others) : DELIVER;

		dropped += f == DROP;
		if ((f == DEFER || f == REFUSE) &&
		    (answer == NULL || beats(g, f, answer, fate))) {
			answer = g;
			fate = f;
		}
	}
	if (answer != NULL) {
		plan->action = QF_PLAN_REFUSE;
		plan->judgement = answer->judgement;
		return true;
	}
	plan->action =
	    gs->n > 0 && dropped == gs->n ? QF_PLAN_DROP : QF_PLAN_QUEUE;
	return false;
}

static int bounce(struct qf_plan *plan, const struct qf_settle *s,
    struct qf_notice *notice, struct qf_err *e)
{
	struct qf_delivery *d;

	if (notice->n == 0)
		return 0;
	plan->v = qf_realloc_array(plan->v, plan->n + 1, sizeof *plan->v);
	d = &plan->v[plan->n++];
	*d = (struct qf_delivery){
	    .message = -1, .owned = true, .envelope = QF_ENVELOPE_INIT};
	qf_envelope_add_rcpt(
	    &d->envelope, qf_span(qf_envelope_sender(s->envelope)));
	return qf_notice_write(notice, s->me, qf_envelope_sender(s->envelope),
	    s->message, &d->message, e);
}

int qf_settle(struct qf_plan *plan, const struct qf_settle *s,
    struct qf_groups *groups, struct qf_err *e)
{
	struct qf_notice notice = {0};
	bool others = false;
	int rc = 0;

	*plan = (struct qf_plan){0};
	for (size_t i = 0; i < groups->n; i++)
		others |= groups->v[i]->ended && goes_on(s, groups->v[i]);
	if (answer_all(plan, s, groups, others))
		return 0;
	collect_taken(plan, groups);
	join_deliveries(groups);
	for (size_t i = 0; i < groups->n && rc == 0; i++) {
		const struct qf_group *g = groups->v[i];
		enum fate fate = fate_of(s, g, others);

		log_group(s, g, fate);
		if (fate == DELIVER)
			rc = deliver(plan, s, g, e);
		else if (fate == HOLD)
			rc = hold(plan, s, g, e);
		else if (fate == BOUNCE)
			qf_notice_add(&notice, &g->envelope, &g->judgement);
		if (rc == 0 && (fate == DELIVER || fate == HOLD))
			rc = add_results(plan, s, g, e);
	}
	if (rc == 0)
		rc = bounce(plan, s, &notice, e);
	qf_notice_free(&notice);
	return rc;
}

void qf_plan_free(struct qf_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->v[i].owned)
			qf_close(&plan->v[i].message);
		qf_envelope_free(&plan->v[i].envelope);
	}
	free(plan->v);
	qf_strv_free(&plan->taken);
	*plan = (struct qf_plan){0};
}
