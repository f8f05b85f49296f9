#include "frontend/live.h"

#include "frontend/check.h"
#include "frontend/host.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"

void qf_live_close(struct qf_live *l)
{
	struct qf_err e;

	if (l->state != NULL && l->loaded.plugin.fini != NULL)
		l->loaded.plugin.fini(qf_host_table(), l->state);
	l->state = NULL;
	qf_conf_free(&l->conf);
	if (qf_plugin_unload(&l->loaded, &e) < 0)
		qf_log_err("plugin not closed", &e);
}

static int take_problem(const struct qf_problems *p, struct qf_err *e)
{
	*e = p->first;
	return e->rc;
}

static int init(struct qf_live *l, const struct qf_chain *chain,
    const struct qf_stage *s, struct qf_problems *p, struct qf_err *e)
{
	const struct qf_plugin *plugin = &l->loaded.plugin;
	size_t before = p->count;
	int rc;

	/* Unknown until now when it has no note. */
	if (qf_check_stage(chain, s, plugin->effects, plugin->flags, p) < 0)
		return take_problem(p, e);
	if (plugin->init == NULL)
		return 0;
	rc = plugin->init(qf_host_table(), &l->conf, &l->state);
	if (p->count > before)
		return take_problem(p, e);
	if (rc < 0)
		return qf_fail(e, rc,
		    "%s:%u: plugin %s could not start (error %d)", chain->file,
		    s->line, s->plugin, rc);
	return 0;
}

/* Is the stage one for this process? */
static bool is_of_kind(const struct qf_live *l, enum qf_live_kind *kind)
{
	bool secret = (l->loaded.plugin.flags & QF_FLAG_SECRET) != 0;
	enum qf_live_kind own = secret ? QF_LIVE_SECRET : QF_LIVE_PLAIN;

	if (*kind == QF_LIVE_ANY)
		*kind = own;
	return *kind == own;
}

int qf_live_open(struct qf_live *l, const struct qf_ctl *ctl,
    const struct qf_chain *chain, const struct qf_stage *s,
    enum qf_live_kind *kind, bool *cold, struct qf_problems *p,
    struct qf_err *e)
{
	int rc;

	*l = (struct qf_live){0};
	*cold = false;
	if (qf_plugin_load(&l->loaded, s->plugin, ctl->owner, e) < 0)
		return qf_err_context(e, "%s:%u", chain->file, s->line);
	rc =
	    qf_conf_load(&l->conf, ctl, chain, s, l->loaded.plugin.settings, p);
	if (rc < 0) {
		qf_live_close(l);
		return take_problem(p, e);
	}
	qf_plugin_specialise(&l->loaded, &l->conf);
	*cold = (l->loaded.plugin.flags & QF_FLAG_WARM) != 0 && !chain->warm;
	if (*cold || !is_of_kind(l, kind)) {
		qf_live_close(l);
		return 0;
	}
	rc = init(l, chain, s, p, e);
	if (rc < 0)
		qf_live_close(l);
	return rc < 0 ? rc : 1;
}

bool qf_live_is_overridden(const struct qf_live *l)
{
	const struct qf_setting *known = l->loaded.plugin.settings;
	bool found = false;

	for (; known != NULL && known->key != NULL && !found; known++) {
		struct qf_buf name = QF_BUF_INIT;

		if ((known->flags & QF_SETTING_ENV) == 0)
			continue;
		qf_conf_variable(&name, l->loaded.plugin.name, known->key);
		found = qf_env(name.s) != NULL;
		qf_buf_free(&name);
	}
	return found;
}
