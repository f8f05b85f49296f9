#include "frontend/group.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"

static struct qf_group *add_group(struct qf_groups *gs)
{
	struct qf_group *g = qf_alloc(sizeof *g);

	if (gs->n == gs->cap) {
		gs->cap = gs->cap == 0 ? 4 : gs->cap * 2;
		gs->v = qf_realloc_array(gs->v, gs->cap, sizeof *gs->v);
	}
	gs->v[gs->n++] = g;
	g->envelope = (struct qf_envelope)QF_ENVELOPE_INIT;
	g->preset = qf_alloc((gs->nstages + 1) * sizeof *g->preset);
	return g;
}

static void release_version(struct qf_version **v)
{
	if (*v != NULL && --(*v)->users == 0) {
		qf_close(&(*v)->fd);
		free(*v);
	}
	*v = NULL;
}

static void free_group(struct qf_group *g)
{
	release_version(&g->version);
	qf_envelope_free(&g->envelope);
	qf_share_free(&g->share);
	free(g->place);
	free(g->preset);
	free(g);
}

void qf_groups_start(
    struct qf_groups *gs, const struct qf_envelope *env, size_t nstages)
{
	struct qf_group *g;

	*gs = (struct qf_groups){.nstages = nstages};
	g = add_group(gs);
	qf_envelope_copy(&g->envelope, env);
	g->place = qf_alloc((env->nrcpt + 1) * sizeof *g->place);
	for (size_t i = 0; i < env->nrcpt; i++)
		g->place[i] = (uint32_t)i;
	for (size_t i = 0; i < nstages; i++)
		g->preset[i] = -1;
}

void qf_groups_free(struct qf_groups *gs)
{
	for (size_t i = 0; i < gs->n; i++)
		free_group(gs->v[i]);
	free(gs->v);
	*gs = (struct qf_groups){0};
}

void qf_group_remove(struct qf_groups *gs, struct qf_group *g)
{
	size_t i = 0;

	while (gs->v[i] != g)
		i++;
	gs->n--;
	memmove(&gs->v[i], &gs->v[i + 1], (gs->n - i) * sizeof *gs->v);
	free_group(g);
}

/* A copy of g in all but its recipients. */
static struct qf_group *twin(struct qf_groups *gs, const struct qf_group *g)
{
	struct qf_group *t = add_group(gs);

	t->from = g->from;
	t->accepted = g->accepted;
	t->version = g->version;
	if (t->version != NULL)
		t->version->users++;
	qf_share_merge(&t->share, &g->share);
	memcpy(t->preset, g->preset, gs->nstages * sizeof *t->preset);
	return t;
}

/* Keeps the recipients i with keep[i] == which. */
static void select_rcpts(struct qf_group *g, const bool *keep, bool which)
{
	size_t n = 0;

	for (size_t i = 0; i < g->envelope.nrcpt; i++) {
		if (keep[i] != which)
			continue;
		g->place[n] = g->place[i];
		g->envelope.rcpt[n++] = g->envelope.rcpt[i];
	}
	g->envelope.nrcpt = n;
}

static void copy_places(struct qf_group *to, const struct qf_group *from)
{
	size_t n = from->envelope.nrcpt;

	to->place = qf_alloc((n + 1) * sizeof *to->place);
	memcpy(to->place, from->place, n * sizeof *to->place);
}

struct qf_group *qf_group_split(
    struct qf_groups *gs, struct qf_group *g, const bool *take)
{
	struct qf_group *t = twin(gs, g);

	qf_envelope_copy(&t->envelope, &g->envelope);
	copy_places(t, g);
	select_rcpts(t, take, true);
	select_rcpts(g, take, false);
	return t;
}

struct qf_group *qf_group_branch(struct qf_groups *gs, const struct qf_group *g,
    const struct qf_envelope *rcpts)
{
	struct qf_group *t = twin(gs, g);

	qf_envelope_copy(&t->envelope, rcpts);
	qf_envelope_set_sender(
	    &t->envelope, qf_span(qf_envelope_sender(&g->envelope)));
	qf_attrs_copy(&t->envelope.attrs, &g->envelope.attrs);
	t->place = qf_alloc((rcpts->nrcpt + 1) * sizeof *t->place);
	for (size_t i = 0; i < rcpts->nrcpt; i++)
		t->place[i] = QF_PLACE_ADDED;
	return t;
}

static bool same_share(const struct qf_share *a, const struct qf_share *b)
{
	struct qf_buf x = QF_BUF_INIT, y = QF_BUF_INIT;
	bool same;

	qf_share_format(a, &x);
	qf_share_format(b, &y);
	same = qf_span_eq(qf_buf_span(&x), qf_buf_span(&y));
	qf_buf_free(&x);
	qf_buf_free(&y);
	return same;
}

bool qf_group_is_like(const struct qf_group *a, const struct qf_group *b)
{
	return a->from == b->from && a->accepted == b->accepted &&
	       a->version == b->version &&
	       strcmp(qf_envelope_sender(&a->envelope),
		   qf_envelope_sender(&b->envelope)) == 0 &&
	       same_share(&a->share, &b->share);
}

/* Both are in order, but for those that were added at the end. */
void qf_group_join(struct qf_groups *gs, struct qf_group *a, struct qf_group *b)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	size_t na = a->envelope.nrcpt, nb = b->envelope.nrcpt, i = 0, k = 0;
	uint32_t *place = qf_alloc((na + nb + 1) * sizeof *place);

	qf_envelope_copy(&env, &a->envelope);
	env.nrcpt = 0;
	while (i < na || k < nb) {
		bool from_a = k == nb || (i < na && a->place[i] <= b->place[k]);
		const struct qf_group *g = from_a ? a : b;
		size_t at = from_a ? i++ : k++;

		place[env.nrcpt] = g->place[at];
		qf_envelope_add_rcpt(
		    &env, qf_span(qf_envelope_rcpt(&g->envelope, at)));
	}
	qf_envelope_free(&a->envelope);
	free(a->place);
	a->envelope = env;
	a->place = place;
	qf_group_remove(gs, b);
}

void qf_group_set_message(struct qf_group *g, int fd)
{
	release_version(&g->version);
	g->version = qf_alloc(sizeof *g->version);
	*g->version = (struct qf_version){.fd = fd, .users = 1};
}

/* Stages drop recipients or add them at the end: from the first that was not
 * there, all are new. */
void qf_group_set_envelope(struct qf_group *g, struct qf_envelope *env)
{
	uint32_t *place = qf_alloc((env->nrcpt + 1) * sizeof *place);
	size_t was = 0, i = 0;

	for (; i < env->nrcpt; i++) {
		const char *rcpt = qf_envelope_rcpt(env, i);

		while (was < g->envelope.nrcpt &&
		       strcmp(qf_envelope_rcpt(&g->envelope, was), rcpt) != 0)
			was++;
		if (was == g->envelope.nrcpt)
			break;
		place[i] = g->place[was++];
	}
	for (; i < env->nrcpt; i++)
		place[i] = QF_PLACE_ADDED;
	/* Attributes are the submitter's and ours; stages have no say in it. */
	qf_attrs_copy(&env->attrs, &g->envelope.attrs);
	qf_envelope_free(&g->envelope);
	free(g->place);
	g->envelope = *env;
	g->place = place;
	*env = (struct qf_envelope)QF_ENVELOPE_INIT;
}
