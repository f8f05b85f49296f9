/*
 * headers: changes the header by rules, one a line, in the list "rules".
 *
 * A rule does what its words say and nothing more: names are whole names
 * unless an asterisk ends them, and what is filled in from outside stays
 * inside its field.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/headers/rule.h"
#include "plugins/headers/table.h"

static void fini(const struct qf_host *h, void *state)
{
	(void)h;
	ruleset_free(state);
	free(state);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct ruleset *set = calloc(1, sizeof *set);
	int32_t rc;

	if (set == NULL)
		return QF_ENOMEM;
	rc = ruleset_load(set, h, c);
	if (rc < 0)
		fini(h, set);
	else
		*state = set;
	return rc;
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	struct ruleset set;
	int32_t rc = ruleset_load(&set, h, c);

	ruleset_free(&set);
	return rc;
}

/* The lines of the rules that had nothing to do, for the log. */
struct idle {
	size_t count;
	char lines[160];
};

static void note_idle(struct idle *idle, uint32_t line)
{
	size_t n = strlen(idle->lines), room = sizeof idle->lines - n;

	if (room > sizeof ", 4294967295, ...")
		snprintf(idle->lines + n, room, "%s%u", n > 0 ? ", " : "",
		    (unsigned)line);
	else if (strcmp(idle->lines + n - 3, "...") != 0)
		snprintf(idle->lines + n, room, ", ...");
	idle->count++;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct ruleset *set = state;
	struct idle idle = {0};
	struct table t;
	int32_t rc = table_open(&t, h, m, set->n);

	for (size_t i = 0; rc >= 0 && i < set->n; i++) {
		rc = table_apply(&t, &set->rule[i]);
		if (rc == 0)
			note_idle(&idle, set->rule[i].line);
	}
	if (rc >= 0)
		rc = table_stage(&t);
	table_close(&t);
	if (rc < 0)
		return rc;
	if (idle.count > 0)
		rules_log(h, m, NULL, QF_LOG_DEBUG,
		    "%zu of %zu rules had nothing to do: line %s", idle.count,
		    set->n, idle.lines);
	return QF_PASS;
}

#define NEEDS                                                                  \
	(QF_GROUP_HEADER | QF_GROUP_ENVELOPE | QF_GROUP_CONTEXT |              \
	    QF_GROUP_EDIT | QF_GROUP_CONFIG | QF_GROUP_LOG)
#define WANTS   QF_GROUP_SHARE
#define EFFECTS QF_EFFECT_HEADER
QF_PLUGIN_NOTE(NEEDS, WANTS, EFFECTS, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "headers",
    .version = "1.0",
    .summary = "adds, replaces, renames and removes header fields",
    .needs = NEEDS,
    .wants = WANTS,
    .effects = EFFECTS,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
