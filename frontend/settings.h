/*
 * The settings of one stage: what a plugin sees as struct qf_conf.
 *
 * A setting comes from, the last that has it wins: CONTROLDIR/plugins/NAME
 * (one `key value` a line, for an instance NAME@INSTANCE), the chain line,
 * the variable QF_<PLUGIN>_<KEY> for keys that the plugin marks. Lists are the
 * files CONTROLDIR/plugins/NAME.LIST (NAME@INSTANCE.LIST first).
 */
#ifndef QF_FRONTEND_SETTINGS_H
#define QF_FRONTEND_SETTINGS_H

#include <qfront/plugin.h>
#include "frontend/chain.h"
#include "frontend/problem.h"
#include "lib/base/alloc.h"
#include "lib/base/ctl.h"

struct qf_conf_list;

struct qf_conf {
	const struct qf_ctl *ctl;
	const char *chain_file; /* for texts */
	const struct qf_stage *stage;
	struct qf_problems *problems;
	struct qf_conf_value {
		const char *key;
		struct qf_span value;
		const char *file; /* where it comes from, for texts */
		unsigned line;
	} * v;
	size_t n, cap;
	struct qf_conf_list *lists; /* read so far */
	struct qf_arena arena;
};

/* Gathers the settings of a stage; `known` is the plugin's table (or NULL). A
 * key that it does not list is a problem. Everything given is borrowed until
 * qf_conf_free(). 0, or a code when there were problems. */
int qf_conf_load(struct qf_conf *c, const struct qf_ctl *ctl,
    const struct qf_chain *chain, const struct qf_stage *stage,
    const struct qf_setting *known, struct qf_problems *p);
void qf_conf_free(struct qf_conf *c);

/* Appends the name of the variable that may override a setting:
 * QF_<PLUGIN>_<KEY>, in capitals, hyphens as underscores. */
void qf_conf_variable(struct qf_buf *out, const char *plugin, const char *key);

/* The setting that holds, or NULL. */
const struct qf_conf_value *qf_conf_find(
    const struct qf_conf *c, const char *key);

/* The lines of a list, read once: QF_ENOENT without file, QF_ECONF (and a
 * problem) when it can not be read. */
int qf_conf_lines(
    struct qf_conf *c, const char *list, const struct qf_lines **out);
/* The path of the file that a list is in, or would be. */
const char *qf_conf_list_path(struct qf_conf *c, const char *list);

#endif
