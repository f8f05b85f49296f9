/*
 * Plugins: found as PLUGINDIR/NAME.so, opened with libltdl, their note and ABI
 * checked before anything of them is called.
 */
#ifndef QF_FRONTEND_LOADER_H
#define QF_FRONTEND_LOADER_H

#include <sys/types.h>

#include <qfront/plugin.h>
#include "frontend/settings.h"
#include "lib/base/err.h"

struct qf_loaded {
	void *handle;            /* lt_dlhandle */
	struct qf_plugin plugin; /* a copy; what it does not have is zero */
};

/* QF_EPLUGIN when the file can not be opened or bound, or others than root and
 * `owner` (of CONTROLDIR) can write it; QF_ESYMBOL when it does not export
 * qf_plugin_v1, its ABI does not fit this host, or its note says otherwise. */
int qf_plugin_load(
    struct qf_loaded *l, const char *name, uid_t owner, struct qf_err *e);
/* Makes `plugin` what a stage with these settings is: another of its kinds
 * has other effects and flags. */
void qf_plugin_specialise(struct qf_loaded *l, const struct qf_conf *c);
/* QF_ECLOSE. */
int qf_plugin_unload(struct qf_loaded *l, struct qf_err *e);

/* Checks what a plugin says of itself against this host and copies it. For
 * qf_plugin_load() and its tests. */
int qf_plugin_adopt(struct qf_plugin *out, const struct qf_plugin *from,
    const char *name, struct qf_err *e);

#endif
