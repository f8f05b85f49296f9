#include "daemon/generation.h"

#include <stdio.h>
#include <stdlib.h>

static void open_pool(struct qf_generation *g, struct qf_pool *p, bool secret,
    struct qf_loop *loop, struct qf_cores *cores, int zygote,
    void (*changed)(void *), void *arg)
{
	const struct qf_frontend_config *config = &g->policy.config;
	struct qf_err e;

	*p = (struct qf_pool){.loop = loop,
	    .cores = cores,
	    .name = secret ? "sign" : "filter",
	    .gauge = secret ? QF_GAUGE_SIGN : QF_GAUGE_FILTER,
	    .limits = {.workers = (unsigned)config->workersmax,
		.messages = (unsigned long)config->workermessages},
	    .changed = changed,
	    .arg = arg};
	if (qf_pool_open(p, zygote, &e) < 0)
		snprintf(g->text, sizeof g->text, "%s", e.text);
}

struct qf_generation *qf_generation_open(uint32_t number, struct qf_loop *loop,
    struct qf_cores *cores, const int zygotes[2], void (*changed)(void *arg),
    void *arg)
{
	struct qf_generation *g = qf_alloc(sizeof *g);
	struct qf_problems problems = {0};

	*g = (struct qf_generation){.number = number, .policy = QF_POLICY_INIT};
	if (qf_policy_load(&g->policy, &problems) < 0)
		snprintf(g->text, sizeof g->text, "%s", problems.first.text);
	open_pool(g, &g->filter, false, loop, cores, zygotes[0], changed, arg);
	open_pool(g, &g->sign, true, loop, cores, zygotes[1], changed, arg);
	return g;
}

void qf_generation_free(struct qf_generation *g)
{
	qf_pool_close(&g->filter);
	qf_pool_close(&g->sign);
	qf_policy_free(&g->policy);
	free(g);
}

/* All read the same files, but each for itself, and perhaps while they were
 * changed: then a chain could be judged by one reading and run by another. */
static void compare(struct qf_generation *g)
{
	const struct qf_pool *pools[] = {&g->filter, &g->sign};

	for (size_t i = 0; i < 2 && g->text[0] == '\0'; i++) {
		if (!pools[i]->ready || pools[i]->digest == g->policy.digest)
			continue;
		g->torn = true;
		snprintf(g->text, sizeof g->text,
		    "%s has read other control files or plugins than the "
		    "dispatcher: they were changed meanwhile, or one of the "
		    "two can not read all of them",
		    pools[i]->name);
	}
}

int qf_generation_state(struct qf_generation *g)
{
	const struct qf_pool *pools[] = {&g->filter, &g->sign};

	for (size_t i = 0; i < 2 && g->text[0] == '\0'; i++) {
		if (pools[i]->gone)
			snprintf(g->text, sizeof g->text, "%s: %s",
			    pools[i]->name, pools[i]->text);
	}
	compare(g);
	if (g->text[0] != '\0')
		return QF_ECONF;
	return g->filter.ready && g->sign.ready;
}

struct qf_pool *qf_generation_pool(struct qf_generation *g, bool secret)
{
	return secret ? &g->sign : &g->filter;
}
