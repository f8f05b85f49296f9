/*
 * What the front end itself is told by control files.
 */
#ifndef QF_FRONTEND_CONFIG_H
#define QF_FRONTEND_CONFIG_H

#include "frontend/dialect.h"
#include "lib/base/ctl.h"

struct qf_frontend_config {
	char *caller; /* what the control file dialect says */
	enum qf_dialect dialect;
	char *log;              /* "stderr", "syslog", "none" or NULL */
	char *me;               /* this host; never NULL once loaded */
	char *authserv_id;      /* likewise; `me` by default */
	char *queueprog;        /* the next program, or NULL */
	long long timeoutchain; /* seconds */
	/* Of the daemon: frontend/config.c says what they are. */
	long long requestsize;
	long long requestsmax;
	long long requestsuser;
	long long workermemory;
	long long workermessages;
	long long workernewprivs;
	long long workersmax;
};

extern const struct qf_ctl_item qf_frontend_items[];

/* Reads them; QF_ECONF. */
int qf_frontend_config_load(struct qf_frontend_config *config,
    const struct qf_ctl *ctl, struct qf_err *e);
void qf_frontend_config_free(struct qf_frontend_config *config);

#endif
