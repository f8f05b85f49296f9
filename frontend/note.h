/*
 * What a plugin says of itself in its ELF note (QF_PLUGIN_NOTE), read from the
 * file: nothing of the plugin runs, so the dispatcher and the tools may look.
 * The loader holds the note against qf_plugin_v1 before it calls the plugin,
 * so what was decided by the note holds for the code.
 */
#ifndef QF_FRONTEND_NOTE_H
#define QF_FRONTEND_NOTE_H

#include <stdint.h>
#include <sys/types.h>

#include <qfront/plugin.h>
#include "frontend/settings.h"
#include "lib/base/err.h"

enum {
	QF_KINDS_MAX = 8 /* that a plugin may have */
};

struct qf_declared {
	uint16_t abi_major, abi_minor;
	uint64_t needs, wants, effects, flags; /* as in struct qf_plugin */
	struct qf_declared_kind {
		char key[33], value[33];
		uint64_t effects, flags;
	} kind[QF_KINDS_MAX];
	size_t nkinds;
};

/*
 * Reads the notes of PLUGINDIR/NAME.so: 1, or 0 (and zeros) when it has none.
 * QF_EPLUGIN when the file is missing, is no object of this machine's byte
 * order, or others than root and `owner` (of CONTROLDIR) can write it;
 * QF_ESYMBOL when the note can not be understood.
 */
int qf_note_read(
    const char *name, uid_t owner, struct qf_declared *out, struct qf_err *e);

/* The same for a stage: its settings may make it one of the plugin's kinds,
 * whose effects and flags it gets. Mistakes in the settings are not reported
 * here. */
int qf_note_stage(const struct qf_ctl *ctl, const struct qf_chain *chain,
    const struct qf_stage *stage, struct qf_declared *out, struct qf_err *e);

/* Says the note what the plugin says? 0, or QF_ESYMBOL with the first field
 * that differs. */
int qf_note_compare(const struct qf_declared *note,
    const struct qf_plugin *plugin, struct qf_err *e);

#endif
