#include "frontend/check.h"

#include <string.h>

#include "frontend/condition.h"
#include "frontend/host.h"
#include "frontend/loader.h"
#include "frontend/note.h"
#include "frontend/settings.h"

void qf_check_read_notes(const struct qf_ctl *ctl, struct qf_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		struct qf_stage *s = &chain->stage[i];
		struct qf_declared d;
		struct qf_err e;

		s->noted = qf_note_stage(ctl, chain, s, &d, &e) > 0;
		s->effects = d.effects;
		s->flags = d.flags;
		s->groups = d.needs | d.wants;
	}
}

/* Would the stage change what an earlier one has signed? One that signs adds
 * its signature on top, which earlier ones do not cover. */
static bool breaks_seal(const struct qf_stage *stage, uint64_t effects)
{
	if (stage->shadow)
		return false;
	if (effects & QF_EFFECT_SEAL)
		return (effects & QF_EFFECT_BODY) != 0;
	return (effects & (QF_EFFECT_HEADER | QF_EFFECT_BODY)) != 0;
}

static void check_order(const struct qf_chain *chain,
    const struct qf_stage *stage, uint64_t effects, struct qf_problems *p)
{
	if (!breaks_seal(stage, effects))
		return;
	for (const struct qf_stage *s = chain->stage; s < stage; s++) {
		if (!s->noted || (s->effects & QF_EFFECT_SEAL) == 0 ||
		    s->shadow ||
		    qf_condition_excludes(s->conditions, stage->conditions))
			continue;
		qf_problem(p, QF_ECONF,
		    "%s:%u: stage %s may change the message after stage %s of "
		    "line %u has signed it; move it up",
		    chain->file, stage->line, stage->name, s->name, s->line);
		return;
	}
}

int qf_check_stage(const struct qf_chain *chain, const struct qf_stage *stage,
    uint64_t effects, uint64_t flags, struct qf_problems *p)
{
	size_t before = p->count;

	if ((flags & QF_FLAG_WARM) && !chain->warm && !stage->onerror_chosen)
		qf_problem(p, QF_ECONF,
		    "%s:%u: plugin %s runs only in the daemon: write onerror= "
		    "for mail that comes while qfrontd does not run",
		    chain->file, stage->line, stage->plugin);
	if ((flags & QF_FLAG_NETWORK) && !stage->onerror_chosen)
		qf_problem(p, QF_ECONF,
		    "%s:%u: stage %s needs the network, which fails at times: "
		    "write onerror=defer, reject or pass",
		    chain->file, stage->line, stage->name);
	check_order(chain, stage, effects, p);
	return p->count > before ? QF_ECONF : 0;
}

int qf_check_chain(
    const struct qf_chain *chain, int64_t timeout_ms, struct qf_problems *p)
{
	size_t before = p->count;

	for (size_t i = 0; i < chain->n; i++) {
		const struct qf_stage *s = &chain->stage[i];

		if (timeout_ms > 0 && s->timeout_ms > timeout_ms)
			qf_problem(p, QF_ECONF,
			    "%s:%u: timeout=%lld is more than the whole chain "
			    "may take (timeoutchain, %lld seconds)",
			    chain->file, s->line,
			    (long long)s->timeout_ms / 1000,
			    (long long)timeout_ms / 1000);
		if (s->noted)
			qf_check_stage(chain, s, s->effects, s->flags, p);
	}
	return p->count > before ? QF_ECONF : 0;
}

/* Does the plugin's own check agree? One that only says no is quoted. */
static void check_settings(const struct qf_plugin *plugin,
    const struct qf_conf *conf, const struct qf_chain *chain,
    const struct qf_stage *stage, struct qf_problems *p)
{
	size_t before = p->count;
	int rc;

	if (plugin->checkconf == NULL)
		return;
	rc = plugin->checkconf(qf_host_table(), conf);
	if (rc < 0 && p->count == before)
		qf_problem(p, QF_ECONF,
		    "%s:%u: plugin %s refuses its settings (error %d)",
		    chain->file, stage->line, stage->plugin, rc);
}

/* Loads the stage's plugin: what it says of itself and of its settings. */
static void check_plugin(const struct qf_ctl *ctl, const struct qf_chain *chain,
    struct qf_stage *stage, struct qf_problems *p)
{
	struct qf_loaded loaded;
	struct qf_conf conf;
	struct qf_err e;

	/* What has no name was reported when it was read. */
	if (strcmp(stage->plugin, "?") == 0)
		return;
	if (qf_plugin_load(&loaded, stage->plugin, ctl->owner, &e) < 0) {
		qf_err_context(&e, "%s:%u", chain->file, stage->line);
		qf_problem_err(p, &e);
		return;
	}
	qf_conf_load(&conf, ctl, chain, stage, loaded.plugin.settings, p);
	qf_plugin_specialise(&loaded, &conf);
	stage->noted = true;
	stage->effects = loaded.plugin.effects;
	stage->flags = loaded.plugin.flags;
	check_settings(&loaded.plugin, &conf, chain, stage, p);
	qf_conf_free(&conf);
	if (qf_plugin_unload(&loaded, &e) < 0)
		qf_problem_err(p, &e);
}

void qf_check_file(const struct qf_ctl *ctl, const char *name, bool daemon,
    int64_t timeout_ms, size_t *stages, struct qf_problems *p)
{
	struct qf_chain chain;

	qf_chain_load(&chain, ctl, name, p);
	chain.warm = daemon;
	for (size_t i = 0; i < chain.n; i++)
		check_plugin(ctl, &chain, &chain.stage[i], p);
	qf_check_chain(&chain, timeout_ms, p);
	*stages = chain.n;
	qf_chain_free(&chain);
}
