/*
 * The rules of plugins/headers.rules as data:
 *
 *	[if NAME matches PATTERN | unless NAME matches PATTERN]
 *	add NAME VALUE | append NAME VALUE | set NAME VALUE |
 *	remove NAME [matches PATTERN] | rename OLD NEW
 */
#ifndef QF_HEADERS_RULE_H
#define QF_HEADERS_RULE_H

#include "plugins/headers/text.h"

enum rule_action {
	RULE_ADD,
	RULE_APPEND,
	RULE_SET,
	RULE_REMOVE,
	RULE_RENAME
};

/* Which fields are meant: by name (no case), or by the start of it. */
struct field_match {
	char *name; /* NULL: no such match is asked for */
	bool prefix;
	char *pattern; /* for the value, as fnmatch(3) has them; or NULL */
};

struct rule {
	uint32_t line;
	enum rule_action action;
	struct field_match guard; /* the rule runs only if one is there */
	bool unless;              /* ... or only if none is */
	struct field_match field; /* what it is about */
	char *name;               /* rename: the new one */
	struct text value;        /* add, append, set */
};

struct ruleset {
	struct rule *rule;
	size_t n;
};

/* From the list "rules": 0 or a code, mistakes reported. Free it either
 * way. */
int32_t ruleset_load(
    struct ruleset *r, const struct qf_host *h, const struct qf_conf *c);
void ruleset_free(struct ruleset *r);

#endif
