/*
 * What the front end itself is told by control files.
 */
#ifndef QF_FRONTEND_CONFIG_H
#define QF_FRONTEND_CONFIG_H

#include "frontend/dialect.h"
#include "frontend/problem.h"
#include "lib/base/ctl.h"

struct qf_frontend_config {
	char *caller; /* what the control file dialect says */
	enum qf_dialect dialect;
	char *log;              /* "stderr", "syslog", "none" or NULL */
	char *queueprog;        /* the next program, or NULL */
	long long timeoutchain; /* seconds */
};

extern const struct qf_ctl_item qf_frontend_items[];

/* Reads them; QF_ECONF. */
int qf_frontend_config_load(struct qf_frontend_config *config,
    const struct qf_ctl *ctl, struct qf_err *e);
void qf_frontend_config_free(struct qf_frontend_config *config);

/*
 * Checks one chain without touching mail: the file, each stage's plugin and
 * settings, and what the plugin says of them. Reports every problem and sets
 * the number of stages. For `qfrontctl check`.
 */
void qf_frontend_check(const struct qf_ctl *ctl, const char *name,
    size_t *stages, struct qf_problems *p);

#endif
