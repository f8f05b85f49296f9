#include "plugins/headers/rule.h"

#include <stdlib.h>
#include <string.h>

enum {
	NAME_MAX_LENGTH = 128
};

/* A name of a field, RFC 5322 section 3.6.8. The asterisk may stand in one,
 * but here it never means itself. */
static int32_t check_name(const struct rules_place *at, struct qf_span s)
{
	if (s.n == 0)
		return rules_mistake(at, "the name of a field is missing");
	if (s.n > 1 && s.p[s.n - 1] == ':')
		return rules_mistake(at,
		    "\"%.*s\": write the name without its colon",
		    RULES_QUOTE(s));
	if (s.n > NAME_MAX_LENGTH)
		return rules_mistake(at,
		    "\"%.*s...\": no field has a name of "
		    "more than 128 bytes",
		    RULES_QUOTE(s));
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '*')
			return rules_mistake(at,
			    "\"%.*s\": an asterisk may only end the name in "
			    "\"remove\", after at least one letter",
			    RULES_QUOTE(s));
		if (s.p[i] <= ' ' || s.p[i] > 126 || s.p[i] == ':')
			return rules_mistake(at,
			    "\"%.*s\" is no name of a field", RULES_QUOTE(s));
	}
	return 0;
}

static int32_t keep(struct qf_span s, char **out)
{
	*out = strndup(s.p, s.n);
	return *out == NULL ? QF_ENOMEM : 0;
}

static int32_t read_name(
    const struct rules_place *at, struct qf_span *line, char **out)
{
	struct qf_span word = rules_word(line);
	int32_t rc = check_name(at, word);

	return rc < 0 ? rc : keep(word, out);
}

/* NAME or NAME*. */
static int32_t read_name_or_start(
    const struct rules_place *at, struct qf_span *line, struct field_match *out)
{
	struct qf_span word = rules_word(line);
	int32_t rc;

	if (word.n > 1 && word.p[word.n - 1] == '*') {
		out->prefix = true;
		word.n--;
	}
	rc = check_name(at, word);
	return rc < 0 ? rc : keep(word, &out->name);
}

/* A pattern in double quotes, in which a quote has a backslash before it: the
 * bytes between, for fnmatch(3) as they are. */
static int32_t read_quoted(
    const struct rules_place *at, struct qf_span *line, char **out)
{
	size_t n = 1;

	while (n < line->n && line->p[n] != '"')
		n += line->p[n] == '\\' ? 2 : 1;
	if (n >= line->n)
		return rules_mistake(at, "a pattern without its closing quote");
	if (n + 1 < line->n && line->p[n + 1] != ' ' && line->p[n + 1] != '\t')
		return rules_mistake(
		    at, "white space is missing after the pattern");
	*out = strndup(line->p + 1, n - 1);
	line->p += n + 1;
	line->n -= n + 1;
	return *out == NULL ? QF_ENOMEM : 0;
}

/* matches PATTERN */
static int32_t read_pattern(
    const struct rules_place *at, struct qf_span *line, char **out)
{
	struct qf_span word = rules_word(line);

	if (!rules_is(word, "matches"))
		return rules_mistake(at,
		    "\"%.*s\": expected \"matches\" and a pattern",
		    RULES_QUOTE(word));
	if (line->n == 0)
		return rules_mistake(at, "the pattern is missing");
	if (line->p[0] == '"')
		return read_quoted(at, line, out);
	return keep(rules_word(line), out);
}

static int32_t read_value(
    const struct rules_place *at, struct qf_span *line, struct rule *r)
{
	int32_t rc = read_name(at, line, &r->field.name);

	if (rc < 0)
		return rc;
	if (line->n == 0)
		return rules_mistake(at, "the value of the field is missing");
	rc = text_parse(&r->value, at, *line);
	if (rc == 0 && text_literals(&r->value) + strlen(r->field.name) + 2 >
			   TEXT_LINE_MAX)
		return rules_mistake(at,
		    "the field would be longer than %d bytes, the limit of a "
		    "line",
		    TEXT_LINE_MAX);
	line->n = 0;
	return rc;
}

static int32_t read_remove(
    const struct rules_place *at, struct qf_span *line, struct rule *r)
{
	int32_t rc = read_name_or_start(at, line, &r->field);

	if (rc == 0 && line->n > 0)
		rc = read_pattern(at, line, &r->field.pattern);
	return rc;
}

static int32_t read_rename(
    const struct rules_place *at, struct qf_span *line, struct rule *r)
{
	int32_t rc = read_name(at, line, &r->field.name);

	return rc < 0 ? rc : read_name(at, line, &r->name);
}

static const struct {
	const char *word;
	enum rule_action action;
	int32_t (*read)(
	    const struct rules_place *at, struct qf_span *line, struct rule *r);
} actions[] = {
    {"add", RULE_ADD, read_value},
    {"append", RULE_APPEND, read_value},
    {"set", RULE_SET, read_value},
    {"remove", RULE_REMOVE, read_remove},
    {"rename", RULE_RENAME, read_rename},
};

static int32_t read_action(const struct rules_place *at, struct qf_span word,
    struct qf_span *line, struct rule *r)
{
	int32_t rc;

	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (!rules_is(word, actions[i].word))
			continue;
		r->action = actions[i].action;
		rc = actions[i].read(at, line, r);
		if (rc == 0 && line->n > 0)
			rc = rules_mistake(at,
			    "\"%.*s\": there is more than the rule needs",
			    RULES_QUOTE(*line));
		return rc;
	}
	return rules_mistake(at,
	    "\"%.*s\": a rule is add, append, set, remove or rename, after an "
	    "optional \"if NAME matches PATTERN\"",
	    RULES_QUOTE(word));
}

static int32_t parse_rule(
    const struct rules_place *at, struct qf_span line, struct rule *r)
{
	struct qf_span word = rules_word(&line);
	int32_t rc = 0;

	r->line = at->line;
	r->unless = rules_is(word, "unless");
	if (r->unless || rules_is(word, "if")) {
		rc = read_name(at, &line, &r->guard.name);
		if (rc == 0)
			rc = read_pattern(at, &line, &r->guard.pattern);
		word = rules_word(&line);
	}
	return rc < 0 ? rc : read_action(at, word, &line, r);
}

static int32_t add_rule(
    const struct rules_place *at, struct qf_span line, void *arg)
{
	struct ruleset *set = arg;
	struct rule *p = reallocarray(set->rule, set->n + 1, sizeof *p);

	if (p == NULL)
		return QF_ENOMEM;
	set->rule = p;
	p[set->n] = (struct rule){0};
	return parse_rule(at, line, &p[set->n++]);
}

int32_t ruleset_load(
    struct ruleset *r, const struct qf_host *h, const struct qf_conf *c)
{
	*r = (struct ruleset){0};
	return rules_read(h, c, "rules", add_rule, r);
}

static void free_match(struct field_match *f)
{
	free(f->name);
	free(f->pattern);
}

void ruleset_free(struct ruleset *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free_match(&r->rule[i].guard);
		free_match(&r->rule[i].field);
		free(r->rule[i].name);
		text_free(&r->rule[i].value);
	}
	free(r->rule);
	*r = (struct ruleset){0};
}
