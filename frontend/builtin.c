#include "frontend/builtin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/environ.h"
#include "lib/base/paths.h"
#include "lib/base/strv.h"

enum {
	FILTERS_MAX = 64
};

enum name {
	DKIM,
	MULTI,
	NULLQUEUE,
	QFILTER,
	SPAMFILTER
};

static const struct qf_personality personalities[] = {
    [DKIM] = {.name = "qmail-dkim", .queueprog = "DKIMQUEUE"},
    [MULTI] = {.name = "qmail-multi"},
    [NULLQUEUE] = {.name = "qmail-nullqueue", .ends = true},
    [QFILTER] = {.name = "qmail-qfilter",
	.queueprog = "QQF_QMAILQUEUE",
	.filters = true},
    [SPAMFILTER] = {.name = "qmail-spamfilter", .queueprog = "SPAMQUEUE"},
};

enum dkim_mode {
	DKIM_NOTHING,
	DKIM_SIGN,
	DKIM_VERIFY
};

/* The stages in their order. A personality runs its own; qfront itself runs
 * all that are not for a personality alone. */
static const struct rule {
	const struct qf_personality *as; /* NULL: qfront itself only */
	bool alone;
	const char *variable; /* asks for it; else the mode of DKIM does */
	enum dkim_mode mode;
	const char *stage, *key, *value;
	const char *key2, *value2; /* or NULL */
	bool yields; /* these settings to those of the stage's file */
} rules[] = {
    {.as = &personalities[DKIM],
	.mode = DKIM_VERIFY,
	.stage = "dkim@verify",
	.key = "mode",
	.value = "verify"},
    {.variable = "QHPSI", .stage = "qhpsi"},
    {.as = &personalities[SPAMFILTER],
	.variable = "SPAMFILTER",
	.stage = "spam",
	.key = "engine",
	.value = "command"},
    {.as = &personalities[MULTI],
	.variable = "FILTERARGS",
	.stage = "filter",
	.key = "engine",
	.value = "shell"},
    {.as = &personalities[DKIM],
	.mode = DKIM_SIGN,
	.stage = "dkim",
	.key = "key",
	.value = "domainkeys/%/default",
	.key2 = "expire",
	.value2 = "604800",
	.yields = true},
    {.as = &personalities[NULLQUEUE], .alone = true, .stage = "null"},
};

const struct qf_personality *qf_builtin_find(const char *name)
{
	for (size_t i = 0; i < sizeof personalities / sizeof *personalities;
	     i++) {
		if (strcmp(personalities[i].name, name) == 0)
			return &personalities[i];
	}
	return NULL;
}

/* tcprules can only empty what was set before it, so that empty is unset. */
static bool is_set(const char *variable)
{
	const char *v = qf_env(variable);

	return v != NULL && v[0] != '\0';
}

/* What qmail-dkim does; qfront itself does nothing unasked. */
static enum dkim_mode choose_dkim(const struct qf_personality *as)
{
	bool verify = qf_env("DKIMVERIFY") != NULL;
	bool relay =
	    qf_env("RELAYCLIENT") != NULL || qf_env("AUTHINFO") != NULL;

	if (as == NULL && !is_set("DKIMSIGN") && !is_set("DKIMVERIFY"))
		return DKIM_NOTHING;
	if (verify && relay && qf_env("RELAYCLIENT_NODKIMVERIFY") != NULL)
		return DKIM_NOTHING;
	if (is_set("DKIMSIGN") || (!verify && relay))
		return DKIM_SIGN;
	return DKIM_VERIFY;
}

static void keep_empty(const char *variable)
{
	if (qf_env(variable) == NULL)
		qf_environ_put(variable, "");
}

/* What was decided against must not look like a filter that nobody ran. The
 * stage does as qmail-dkim does when the variable is there. */
static void settle_dkim(enum dkim_mode mode)
{
	if (mode != DKIM_SIGN)
		unsetenv("DKIMSIGN");
	if (mode != DKIM_VERIFY)
		unsetenv("DKIMVERIFY");
	else
		keep_empty("DKIMVERIFY");
}

static bool applies(const struct rule *rule, const struct qf_personality *as,
    enum dkim_mode mode)
{
	if (as == NULL ? rule->alone : rule->as != as)
		return false;
	if (rule->variable != NULL)
		return is_set(rule->variable);
	return rule->mode == mode;
}

static void add_rules(struct qf_chain *c, const struct qf_personality *as)
{
	enum dkim_mode mode = DKIM_NOTHING;

	if (as == NULL || as == &personalities[DKIM]) {
		mode = choose_dkim(as);
		settle_dkim(mode);
	}
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		if (!applies(&rules[i], as, mode))
			continue;
		qf_chain_add_stage(c, rules[i].stage, rules[i].key,
		    rules[i].value, rules[i].key2, rules[i].value2, NULL);
		c->stage[c->n - 1].yields = rules[i].yields;
	}
}

static void add_filter(struct qf_chain *c, char *const *words, size_t n)
{
	struct qf_buf command = QF_BUF_INIT;
	char name[32];

	snprintf(name, sizeof name, "filter@%zu", c->n + 1);
	qf_strv_join(&command, words, n);
	qf_chain_add_stage(
	    c, name, "engine", "qfilter", "command", command.s, NULL);
	qf_buf_free(&command);
}

/* FILTER ARGUMENT... -- FILTER ARGUMENT... */
static void add_filters(
    struct qf_chain *c, char *const *argv, struct qf_problems *p)
{
	while (*argv != NULL) {
		size_t n = 0;

		while (argv[n] != NULL && strcmp(argv[n], "--") != 0)
			n++;
		if (n == 0 || c->n == FILTERS_MAX) {
			qf_problem(p, QF_ECONF,
			    "%s: filter %zu: %s; use qmail-qfilter FILTER "
			    "[ARGUMENT ...] [-- FILTER ...]",
			    c->file, c->n + 1,
			    n == 0 ? "names no program" : "is one too many");
			return;
		}
		add_filter(c, argv, n);
		argv += argv[n] != NULL ? n + 1 : n;
	}
}

int qf_builtin_chain(struct qf_chain *c, const struct qf_ctl *ctl,
    const struct qf_personality *as, char *const *argv, struct qf_problems *p)
{
	const char *name = qf_env("QFRONT_CHAIN");

	if (as == NULL) {
		int rc = qf_chain_load(c, ctl, name, p);

		if (rc < 0 || name != NULL || c->is_there)
			return rc;
		qf_chain_free(c);
	}
	return qf_builtin_make(c, as, argv, p);
}

int qf_builtin_make(struct qf_chain *c, const struct qf_personality *as,
    char *const *argv, struct qf_problems *p)
{
	size_t before = p->count;
	char file[64];

	snprintf(file, sizeof file, "built-in chain%s%s", as != NULL ? " " : "",
	    as != NULL ? as->name : "");
	qf_chain_start(c, file);
	if (as != NULL && as->filters)
		add_filters(c, argv, p);
	else
		add_rules(c, as);
	return p->count > before ? p->first.rc : 0;
}
