#include "send/config.h"

#include <limits.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/base/hostname.h"
#include "lib/base/alloc.h"

#define AT(field) offsetof(struct qf_send_config, field)

const struct qf_ctl_item qf_send_settings[] = {
    {"bounceto", QF_CTL_STRING, AT(bounceto), NULL, 0, 0,
	"address that gets all bounces (default: the sender)"},
    {"helohost", QF_CTL_STRING, AT(helohost), NULL, 0, 0,
	"name that protocol modules greet with (default: me)"},
    {"maxpause", QF_CTL_NUMBER, AT(maxpause), "86400", 1, INT_MAX,
	"longest pause between runs, in seconds"},
    {"me", QF_CTL_STRING, AT(me), NULL, 0, 0,
	"name of this host (default: what the system says)"},
    {"pausetime", QF_CTL_NUMBER, AT(pausetime), "60", 0, INT_MAX,
	"first pause between runs, in seconds; 0: one run, then exit"},
    {"queuelifetime", QF_CTL_NUMBER, AT(queuelifetime), "604800", 0, INT_MAX,
	"longest time in the queue, in seconds"},
    {"sendtimeout", QF_CTL_NUMBER, AT(sendtimeout), "3600", 0, INT_MAX,
	"time for one delivery, in seconds; 0: no limit"},
    {.name = NULL},
};

static void fill_names(struct qf_send_config *cfg)
{
	if (cfg->me == NULL)
		cfg->me = qf_hostname();
	if (cfg->helohost == NULL)
		cfg->helohost = qf_strdup(cfg->me);
}

void qf_send_config_init(struct qf_send_config *cfg)
{
	*cfg = (struct qf_send_config){.pausetime = 60, .maxpause = 86400};
	fill_names(cfg);
}

int qf_send_config_load(
    struct qf_send_config *cfg, const char *dir, struct qf_err *e)
{
	struct qf_ctl c = QF_CTL_NONE;
	int rc;

	qf_remotes_free(&cfg->remotes);
	rc = qf_ctl_open(&c, dir, e);
	if (rc == 0)
		rc = qf_ctl_load(&c, qf_send_settings, cfg, e);
	if (rc == 0)
		rc = qf_ctl_load(&c, qf_expire_settings, &cfg->held, e);
	if (rc == 0) {
		fill_names(cfg);
		rc = qf_remotes_load(&c, &cfg->remotes, e);
	}
	qf_ctl_close(&c);
	return rc < 0 ? rc : 0;
}

void qf_send_config_free(struct qf_send_config *cfg)
{
	qf_ctl_unload(qf_send_settings, cfg);
	qf_remotes_free(&cfg->remotes);
}
