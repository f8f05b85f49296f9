/*
 * The rules of plugins/archive.rules as data: whose mail goes to which archive.
 *
 *	from [!]PATTERN ADDRESS | to [!]PATTERN ADDRESS | any ADDRESS
 *	F:[!]PATTERN:ADDRESS | T:[!]PATTERN:ADDRESS | :[!]PATTERN:ADDRESS
 *
 * The second form is that of indimail's control file mailarchive.
 */
#ifndef QF_ARCHIVE_RULE_H
#define QF_ARCHIVE_RULE_H

#include "plugins/common/rules.h"

/* The longest address that an envelope holds. */
enum {
	ADDRESS_MAX = 1002
};

enum rule_side {
	RULE_FROM,
	RULE_TO,
	RULE_ANY
};

/* A piece of an archive address: text, or a part of the address that the rule
 * matched. */
struct piece {
	enum {
		PIECE_TEXT,
		PIECE_USER,
		PIECE_DOMAIN
	} kind;
	char *text;
};

struct rule {
	enum rule_side side;
	bool negated;
	bool domain;   /* the pattern is for the domain alone */
	char *pattern; /* as fnmatch(3) has them; NULL: every address */
	struct piece *piece;
	size_t npieces;
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

bool rule_matches(const struct rule *r, struct qf_span address);
/* The archive address for one that matched: false when it would be none. */
bool rule_expand(
    const struct rule *r, struct qf_span address, char out[ADDRESS_MAX + 1]);
/* Is it an archive address: could the rule, for some address that it matches,
 * have come to this one? */
bool rule_leads_to(const struct rule *r, struct qf_span address);

#endif
