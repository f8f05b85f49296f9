/*
 * The rules of plugins/limit.rules as data:
 *
 *	KEY messages=N recipients=N per=SECONDS|minute|hour|day [for=VALUE]
 *	KEY unlimited for=VALUE
 */
#ifndef QF_LIMIT_RULE_H
#define QF_LIMIT_RULE_H

#include "plugins/common/rules.h"
#include "plugins/limit/key.h"

struct rule {
	uint32_t line;
	enum key key;
	bool unlimited;
	uint64_t max[2]; /* messages, recipients; 0: any number */
	uint32_t per;    /* seconds */
	char *value;     /* the one that it is for, as key_value() has it */
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

/* Does the rule hold for a value of its key? One that is for the value holds;
 * where there is one, those for all do not. */
bool ruleset_holds(
    const struct ruleset *r, const struct rule *rule, const char *value);

#endif
