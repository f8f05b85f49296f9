#include "plugins/limit/rule.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/limit/counter.h"

/* What a rule has after its key; each word may stand once. */
enum word {
	WORD_MESSAGES,
	WORD_RECIPIENTS,
	WORD_PER,
	WORD_FOR,
	WORD_UNLIMITED,
	WORDS
};

static const char *const words[WORDS] = {
    [WORD_MESSAGES] = "messages=",
    [WORD_RECIPIENTS] = "recipients=",
    [WORD_PER] = "per=",
    [WORD_FOR] = "for=",
    [WORD_UNLIMITED] = "unlimited",
};

static int32_t read_max(
    const struct rules_place *at, struct qf_span s, uint64_t *out)
{
	if (rules_number(s, COUNTER_N_MAX, out))
		return 0;
	return rules_mistake(at,
	    "\"%.*s\": write a number from 1 to %d, such as messages=100",
	    RULES_QUOTE(s), COUNTER_N_MAX);
}

static int32_t read_per(
    const struct rules_place *at, struct qf_span s, uint32_t *out)
{
	static const struct {
		const char *name;
		uint32_t seconds;
	} names[] = {{"minute", 60}, {"hour", 3600}, {"day", 86400}};
	uint64_t n;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (rules_is(s, names[i].name)) {
			*out = names[i].seconds;
			return 0;
		}
	}
	if (!rules_number(s, COUNTER_PER_MAX, &n))
		return rules_mistake(at,
		    "\"%.*s\": write minute, hour, day or a number of seconds "
		    "up to %d",
		    RULES_QUOTE(s), COUNTER_PER_MAX);
	*out = (uint32_t)n;
	return 0;
}

/* An IPv6 network may be written as one, since it counts as one. */
static struct qf_span without_prefix(enum key key, struct qf_span s)
{
	if (key == KEY_CLIENT && s.n > 3 && memchr(s.p, ':', s.n) != NULL &&
	    memcmp(s.p + s.n - 3, "/64", 3) == 0)
		s.n -= 3;
	return s;
}

static int32_t read_for(
    const struct rules_place *at, struct qf_span s, struct rule *r)
{
	char value[KEY_VALUE_MAX + 1];
	uint64_t uid;

	if (r->key == KEY_UID && !rules_is(s, "0") &&
	    !rules_number(s, UINT32_MAX, &uid))
		return rules_mistake(at,
		    "\"%.*s\": write the number of the user, as id -u has it",
		    RULES_QUOTE(s));
	if (!key_value(r->key, without_prefix(r->key, s), value))
		return rules_mistake(at,
		    r->key == KEY_CLIENT
			? "\"%.*s\" is no address: write one such as "
			  "192.0.2.1 or 2001:db8:1:2::/64"
			: "\"%.*s\": for= needs a value",
		    RULES_QUOTE(s));
	r->value = strdup(value);
	return r->value == NULL ? QF_ENOMEM : 0;
}

static int32_t read_word(
    const struct rules_place *at, enum word w, struct qf_span s, struct rule *r)
{
	switch (w) {
	case WORD_MESSAGES:
		return read_max(at, s, &r->max[0]);
	case WORD_RECIPIENTS:
		return read_max(at, s, &r->max[1]);
	case WORD_PER:
		return read_per(at, s, &r->per);
	case WORD_FOR:
		return read_for(at, s, r);
	default:
		r->unlimited = true;
		return 0;
	}
}

/* Finds the word and cuts off what it starts with. */
static enum word find_word(struct qf_span *s)
{
	for (enum word w = 0; w < WORDS; w++) {
		size_t n = strlen(words[w]);

		if (w == WORD_UNLIMITED
			? !rules_is(*s, words[w])
			: s->n < n || memcmp(s->p, words[w], n) != 0)
			continue;
		s->p += n;
		s->n -= n;
		return w;
	}
	return WORDS;
}

static int32_t read_words(
    const struct rules_place *at, struct qf_span line, struct rule *r)
{
	bool seen[WORDS] = {0};

	while (line.n > 0) {
		struct qf_span all = rules_word(&line), s = all;
		enum word w = find_word(&s);
		int32_t rc;

		if (w == WORDS)
			return rules_mistake(at,
			    "\"%.*s\": expected messages=N, recipients=N, "
			    "per=SECONDS, for=VALUE or unlimited",
			    RULES_QUOTE(all));
		if (seen[w])
			return rules_mistake(
			    at, "\"%.*s\" stands twice", RULES_QUOTE(all));
		seen[w] = true;
		rc = read_word(at, w, s, r);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int32_t check_whole(const struct rules_place *at, const struct rule *r)
{
	bool limits = r->max[0] != 0 || r->max[1] != 0;

	if (r->unlimited && (limits || r->per != 0 || r->value == NULL))
		return rules_mistake(at,
		    "unlimited stands alone with for=VALUE; everybody is "
		    "unlimited without a rule");
	if (!r->unlimited && !limits)
		return rules_mistake(
		    at, "there is no limit: write messages=N or recipients=N");
	if (!r->unlimited && r->per == 0)
		return rules_mistake(
		    at, "the time is missing: write per=hour, or another time");
	return 0;
}

static bool same_value(const struct rule *a, const struct rule *b)
{
	if (a->value == NULL || b->value == NULL)
		return a->value == b->value;
	return strcmp(a->value, b->value) == 0;
}

/* Two rules for the same would share a counter. */
static int32_t check_others(
    const struct rules_place *at, const struct ruleset *set)
{
	const struct rule *r = &set->rule[set->n - 1];

	for (const struct rule *o = set->rule; o < r; o++) {
		if (o->key == r->key && same_value(o, r) &&
		    (o->unlimited || r->unlimited || o->per == r->per))
			return rules_mistake(at,
			    "line %u is about the same already: make one rule "
			    "of both",
			    (unsigned)o->line);
	}
	return 0;
}

static int32_t add_rule(
    const struct rules_place *at, struct qf_span line, void *arg)
{
	struct ruleset *set = arg;
	struct rule *r = reallocarray(set->rule, set->n + 1, sizeof *r);
	struct qf_span word = rules_word(&line);
	int32_t rc;

	if (r == NULL)
		return QF_ENOMEM;
	set->rule = r;
	r += set->n++;
	*r = (struct rule){.line = at->line};
	if (!key_find(word, &r->key))
		return rules_mistake(at,
		    "\"%.*s\": a rule starts with uid, auth, client or sender",
		    RULES_QUOTE(word));
	rc = read_words(at, line, r);
	if (rc == 0)
		rc = check_whole(at, r);
	if (rc == 0)
		rc = check_others(at, set);
	return rc;
}

int32_t ruleset_load(
    struct ruleset *r, const struct qf_host *h, const struct qf_conf *c)
{
	*r = (struct ruleset){0};
	return rules_read(h, c, "rules", add_rule, r);
}

void ruleset_free(struct ruleset *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->rule[i].value);
	free(r->rule);
	*r = (struct ruleset){0};
}

bool ruleset_holds(
    const struct ruleset *r, const struct rule *rule, const char *value)
{
	if (rule->value != NULL)
		return !rule->unlimited && strcmp(rule->value, value) == 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct rule *o = &r->rule[i];

		if (o->key == rule->key && o->value != NULL &&
		    strcmp(o->value, value) == 0)
			return false;
	}
	return true;
}
