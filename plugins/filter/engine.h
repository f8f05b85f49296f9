/*
 * The kinds of filters that the plugin runs: one file each.
 */
#ifndef QFP_FILTER_ENGINE_H
#define QFP_FILTER_ENGINE_H

#include <qfront/plugin.h>

#include "lib/base/buf.h"
#include "lib/base/strv.h"
#include "plugins/common/limits.h"

struct stage {
	const struct engine *engine;
	struct limits limits;
	struct qf_buf command; /* the setting, or empty */
	/* Of an engine that needs no shell: */
	struct qf_strv argv;
	struct qf_buf path;
};

struct engine {
	const char *name;
	/* Checks the settings, reports mistakes and fills in the stage: 0 or
	 * QF_ECONF. May be NULL. */
	int32_t (*open)(
	    const struct qf_host *h, const struct qf_conf *c, struct stage *st);
	int32_t (*message)(
	    const struct qf_host *h, struct qf_msg *m, const struct stage *st);
};

/* What FILTERARGS runs in qmail-multi(8): a line for the shell. */
extern const struct engine engine_shell;
/* What qmail-qfilter(1) runs: a program that may see and change the envelope
 * as well. */
extern const struct engine engine_qfilter;

#endif
