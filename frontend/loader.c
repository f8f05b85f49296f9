#include "frontend/loader.h"

#include <inttypes.h>
#include <ltdl.h>
#include <string.h>
#include <unistd.h>

#include "frontend/host.h"
#include "lib/base/buf.h"
#include "lib/base/paths.h"

/* The fields that version 1.0 had: no plugin can be smaller. */
#define PLUGIN_SIZE_1_0                                                        \
	(offsetof(struct qf_plugin, checkconf) +                               \
	    sizeof(((struct qf_plugin *)0)->checkconf))

int qf_plugin_adopt(struct qf_plugin *out, const struct qf_plugin *from,
    const char *name, struct qf_err *e)
{
	uint64_t unknown;
	size_t n;

	memset(out, 0, sizeof *out);
	if (from->magic != QF_PLUGIN_MAGIC)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s: %s is no qfront plugin (magic %08" PRIx32 ")",
		    name, QF_PLUGIN_SYMBOL, from->magic);
	if (from->abi_major != QF_ABI_MAJOR || from->size < PLUGIN_SIZE_1_0)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s was built for ABI %u.%u, this host has %u.%u; "
		    "build it again",
		    name, from->abi_major, from->abi_minor, QF_ABI_MAJOR,
		    QF_ABI_MINOR);
	if (from->abi_minor_needed > QF_ABI_MINOR)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s needs ABI %u.%u, this host has %u.%u; update "
		    "qfront",
		    name, from->abi_major, from->abi_minor_needed, QF_ABI_MAJOR,
		    QF_ABI_MINOR);
	n = from->size < sizeof *out ? from->size : sizeof *out;
	memcpy(out, from, n);
	unknown = out->needs & ~qf_host_table()->groups;
	if (unknown != 0)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s needs host services that this host does not "
		    "have (bits %#" PRIx64 "); update qfront",
		    name, unknown);
	if (out->name == NULL || strcmp(out->name, name) != 0)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s calls itself \"%s\"; the file name must be the "
		    "plugin's",
		    name, out->name != NULL ? out->name : "");
	if (out->message == NULL)
		return qf_fail(
		    e, QF_ESYMBOL, "plugin %s has no message function", name);
	return 0;
}

static lt_dlhandle open_file(const char *path)
{
	lt_dladvise advise;
	lt_dlhandle handle = NULL;

	if (lt_dladvise_init(&advise) != 0)
		return NULL;
	if (lt_dladvise_local(&advise) == 0)
		handle = lt_dlopenadvise(path, advise);
	lt_dladvise_destroy(&advise);
	return handle;
}

int qf_plugin_load(struct qf_loaded *l, const char *name, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	const struct qf_plugin *from;
	int rc = 0;

	*l = (struct qf_loaded){0};
	qf_dir_join(&path, QF_DIR_PLUGINS, name);
	qf_buf_adds(&path, ".so");
	if (lt_dlinit() != 0) {
		rc = qf_fail(e, QF_EPLUGIN, "libltdl: %s", lt_dlerror());
		goto out;
	}
	l->handle = open_file(path.s);
	if (l->handle == NULL) {
		/* libltdl says "file not found" for everything. */
		if (access(path.s, R_OK) < 0)
			rc = qf_fail_sys(
			    e, QF_EPLUGIN, "plugin %s: %s", name, path.s);
		else
			rc = qf_fail(e, QF_EPLUGIN, "plugin %s: %s: %s", name,
			    path.s, lt_dlerror());
		lt_dlexit();
		goto out;
	}
	from = lt_dlsym(l->handle, QF_PLUGIN_SYMBOL);
	if (from == NULL)
		rc = qf_fail(e, QF_ESYMBOL,
		    "plugin %s: %s does not export %s; it is no qfront plugin",
		    name, path.s, QF_PLUGIN_SYMBOL);
	else
		rc = qf_plugin_adopt(&l->plugin, from, name, e);
	if (rc < 0)
		qf_plugin_unload(l, NULL);
out:
	qf_buf_free(&path);
	return rc;
}

int qf_plugin_unload(struct qf_loaded *l, struct qf_err *e)
{
	int rc = 0;

	if (l->handle == NULL)
		return 0;
	if (lt_dlclose(l->handle) != 0)
		rc = qf_fail(e, QF_ECLOSE, "plugin %s: %s",
		    l->plugin.name != NULL ? l->plugin.name : "?",
		    lt_dlerror());
	l->handle = NULL;
	lt_dlexit();
	return rc;
}
