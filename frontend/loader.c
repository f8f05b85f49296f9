#include "frontend/loader.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <ltdl.h>
#include <string.h>

#include "frontend/host.h"
#include "frontend/note.h"
#include "lib/base/buf.h"
#include "lib/base/paths.h"

/* The fields that version 1.0 had: no plugin can be smaller. */
#define PLUGIN_SIZE_1_0                                                        \
	(offsetof(struct qf_plugin, checkconf) +                               \
	    sizeof(((struct qf_plugin *)0)->checkconf))

/* The key of a kind that the environment could override, or NULL: a caller
 * must not choose whether a stage holds keys. */
static const char *find_loose_kind(const struct qf_plugin *p)
{
	const struct qf_kind *k = p->kinds;

	for (; k != NULL && k->key != NULL; k++) {
		const struct qf_setting *s = p->settings;

		for (; s != NULL && s->key != NULL; s++) {
			if (strcmp(s->key, k->key) == 0 &&
			    (s->flags & QF_SETTING_ENV) != 0)
				return k->key;
		}
	}
	return NULL;
}

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
	if (find_loose_kind(out) != NULL)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s lets the environment choose its kind by \"%s\"; "
		    "take QF_SETTING_ENV from that setting",
		    name, find_loose_kind(out));
	return 0;
}

static lt_dlhandle open_local(const char *path)
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

/* libltdl binds symbols when they are first called, which is too late to
 * refuse the plugin, and says "file not found" for everything. So the object
 * is opened once before, bound at once and with the reason of a failure. */
static int open_file(lt_dlhandle *out, const char *path, struct qf_err *e)
{
	void *bound = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int rc = 0;

	if (bound == NULL)
		return qf_fail(e, QF_EPLUGIN, "%s", dlerror());
	*out = open_local(path);
	if (*out == NULL)
		rc = qf_fail(e, QF_EPLUGIN, "%s: %s", path, lt_dlerror());
	dlclose(bound);
	return rc;
}

static int take_symbol(
    struct qf_loaded *l, const char *name, const char *path, struct qf_err *e)
{
	const struct qf_plugin *from = lt_dlsym(l->handle, QF_PLUGIN_SYMBOL);

	if (from == NULL)
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s: %s does not export %s; it is no qfront plugin",
		    name, path, QF_PLUGIN_SYMBOL);
	return qf_plugin_adopt(&l->plugin, from, name, e);
}

static int load(struct qf_loaded *l, const char *name, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	lt_dlhandle handle = NULL;
	int rc;

	if (lt_dlinit() != 0)
		return qf_fail(e, QF_EPLUGIN, "libltdl: %s", lt_dlerror());
	qf_dir_join(&path, QF_DIR_PLUGINS, name);
	qf_buf_adds(&path, ".so");
	if (open_file(&handle, path.s, e) < 0) {
		rc = qf_err_context(e, "plugin %s", name);
		lt_dlexit();
	} else {
		l->handle = handle;
		rc = take_symbol(l, name, path.s, e);
	}
	qf_buf_free(&path);
	return rc;
}

int qf_plugin_load(
    struct qf_loaded *l, const char *name, uid_t owner, struct qf_err *e)
{
	struct qf_declared note;
	int noted = qf_note_read(name, owner, &note, e), rc;

	*l = (struct qf_loaded){0};
	if (noted < 0)
		return noted;
	rc = load(l, name, e);
	if (rc == 0 && noted > 0)
		rc = qf_note_compare(&note, &l->plugin, e);
	if (rc < 0)
		qf_plugin_unload(l, NULL);
	return rc;
}

void qf_plugin_specialise(struct qf_loaded *l, const struct qf_conf *c)
{
	const struct qf_kind *k = l->plugin.kinds;

	for (; k != NULL && k->key != NULL; k++) {
		const struct qf_conf_value *v = qf_conf_find(c, k->key);

		if (v == NULL || !qf_span_is(v->value, k->value))
			continue;
		l->plugin.effects = k->effects;
		l->plugin.flags = k->flags;
		return;
	}
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
