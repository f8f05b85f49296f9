#include "frontend/config.h"

#include <string.h>

#include "frontend/chain.h"
#include "frontend/host.h"
#include "frontend/loader.h"
#include "frontend/settings.h"

const struct qf_ctl_item qf_frontend_items[] = {
    {.name = "dialect",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, caller),
	.fallback = "auto",
	.help = "the caller: auto, indimail, notqmail, sqmail, netqmail, ldap "
		"or sagredo"},
    {.name = "log",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, log),
	.help = "where the log goes: stderr (default), syslog or none"},
    {.name = "queueprog",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, queueprog),
	.help = "the queue program that gets the mail (default: our own)"},
    {.name = "timeoutchain",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, timeoutchain),
	.fallback = "240",
	.min = 1,
	.max = 86400,
	.help = "seconds that the whole chain may take"},
    {0}};

static int check_log(const struct qf_frontend_config *config,
    const struct qf_ctl *ctl, struct qf_err *e)
{
	static const char *const targets[] = {"stderr", "syslog", "none"};

	for (size_t i = 0; config->log != NULL; i++) {
		if (i == sizeof targets / sizeof *targets)
			return qf_fail(e, QF_ECONF,
			    "%s/log:1: \"%s\": use stderr, syslog or none",
			    ctl->path, config->log);
		if (strcmp(config->log, targets[i]) == 0)
			break;
	}
	return 0;
}

int qf_frontend_config_load(struct qf_frontend_config *config,
    const struct qf_ctl *ctl, struct qf_err *e)
{
	if (qf_ctl_load(ctl, qf_frontend_items, config, e) < 0)
		return QF_ECONF;
	if (!qf_dialect_find(config->caller, &config->dialect))
		return qf_fail(e, QF_ECONF,
		    "%s/dialect:1: \"%s\": use auto, indimail, notqmail, "
		    "sqmail, netqmail, ldap or sagredo",
		    ctl->path, config->caller);
	return check_log(config, ctl, e);
}

void qf_frontend_config_free(struct qf_frontend_config *config)
{
	qf_ctl_unload(qf_frontend_items, config);
}

/* Does the plugin's own check agree? One that only says no is quoted. */
static void check_plugin(const struct qf_plugin *plugin,
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

static void check_stage(const struct qf_ctl *ctl, const struct qf_chain *chain,
    const struct qf_stage *stage, struct qf_problems *p)
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
	if (loaded.plugin.flags & QF_FLAG_WARM)
		qf_problem(p, QF_ECONF,
		    "%s:%u: plugin %s runs only in the daemon, which this "
		    "version does not have; remove the line",
		    chain->file, stage->line, stage->plugin);
	check_plugin(&loaded.plugin, &conf, chain, stage, p);
	qf_conf_free(&conf);
	if (qf_plugin_unload(&loaded, &e) < 0)
		qf_problem_err(p, &e);
}

void qf_frontend_check(const struct qf_ctl *ctl, const char *name,
    size_t *stages, struct qf_problems *p)
{
	struct qf_chain chain;

	qf_chain_load(&chain, ctl, name, p);
	for (size_t i = 0; i < chain.n; i++)
		check_stage(ctl, &chain, &chain.stage[i], p);
	*stages = chain.n;
	qf_chain_free(&chain);
}
