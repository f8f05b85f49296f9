/*
 * archive: copies mail for the record, by adding the addresses of archives to
 * the recipients.
 *
 * Whoever keeps mail because a law says so must be able to rely on it: what
 * can not be archived does not pass in silence, the stage is broken. And no
 * copy makes another one: archives are no recipients for the rules, so mail
 * that an archive passes on never goes round.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "plugins/archive/rule.h"

struct stage {
	struct ruleset rules;
	bool bounces; /* they are archived as well */
};

/* One message: who gets it already. */
struct copies {
	const struct stage *stage;
	const struct qf_host *h;
	struct qf_msg *m;
	void *seen; /* tree of addresses, see tsearch(3) */
	size_t n;   /* added ones */
	char first[ADDRESS_MAX + 1];
};

static int32_t read_bounces(
    const struct qf_host *h, const struct qf_conf *c, bool *out)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "bounces", &s);

	*out = true;
	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	*out = rules_is(s, "yes");
	if (*out || rules_is(s, "no"))
		return 0;
	h->conf_error(c, "bounces", NULL, 0, "write yes or no");
	return QF_ECONF;
}

static int32_t load(
    struct stage *st, const struct qf_host *h, const struct qf_conf *c)
{
	int32_t bounces = read_bounces(h, c, &st->bounces);
	int32_t rules = ruleset_load(&st->rules, h, c);

	return bounces < 0 ? bounces : rules;
}

static void fini(const struct qf_host *h, void *state)
{
	struct stage *st = state;

	(void)h;
	ruleset_free(&st->rules);
	free(st);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct stage *st = calloc(1, sizeof *st);
	int32_t rc;

	if (st == NULL)
		return QF_ENOMEM;
	rc = load(st, h, c);
	if (rc < 0)
		fini(h, st);
	else
		*state = st;
	return rc;
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	struct stage st = {0};
	int32_t rc = load(&st, h, c);

	ruleset_free(&st.rules);
	return rc;
}

static int compare(const void *a, const void *b)
{
	return strcasecmp(a, b);
}

/* Remembers an address: 1 when it is new, 0 when not, or QF_ENOMEM. */
static int32_t remember(struct copies *c, const char *p, size_t n)
{
	char *copy = strndup(p, n);
	char **node = copy != NULL ? tsearch(copy, &c->seen, compare) : NULL;

	if (node != NULL && *node == copy)
		return 1;
	free(copy);
	return node != NULL ? 0 : QF_ENOMEM;
}

static int32_t remember_rcpts(struct copies *c, uint32_t n)
{
	int32_t rc = 0;

	for (uint32_t i = 0; i < n && rc >= 0; i++) {
		struct qf_span s;

		rc = c->h->rcpt_get(c->m, i, &s);
		if (rc == 0)
			rc = remember(c, s.p, s.n);
	}
	return rc < 0 ? rc : 0;
}

static int32_t broken(struct copies *c, struct qf_span address)
{
	static const struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = QF_BROKEN,
	    .text = "the message can not be archived",
	};

	rules_log(c->h, c->m, NULL, QF_LOG_ERROR,
	    "no archive address can be made of %.*s", RULES_QUOTE(address));
	return c->h->verdict(c->m, &v);
}

/* A copy for the address that the rule matched: 0, QF_BROKEN or a code. */
static int32_t add_copy(
    struct copies *c, const struct rule *r, struct qf_span address)
{
	char archive[ADDRESS_MAX + 1];
	int32_t rc;

	if (!rule_expand(r, address, archive))
		return broken(c, address);
	if (c->seen == NULL) {
		rc = remember_rcpts(c, (uint32_t)c->h->rcpt_count(c->m));
		if (rc < 0)
			return rc;
	}
	rc = remember(c, archive, strlen(archive));
	if (rc <= 0)
		return rc;
	if (c->n++ == 0)
		strcpy(c->first, archive);
	return c->h->rcpt_add(c->m, archive);
}

static bool is_archive(const struct ruleset *set, struct qf_span address)
{
	for (size_t i = 0; i < set->n; i++) {
		if (rule_leads_to(&set->rule[i], address))
			return true;
	}
	return false;
}

/* The rules of one side, for one address of it. */
static int32_t apply(
    struct copies *c, enum rule_side side, struct qf_span address)
{
	const struct ruleset *set = &c->stage->rules;
	int32_t rc = 0;

	for (size_t i = 0; i < set->n && rc == 0; i++) {
		const struct rule *r = &set->rule[i];

		if (r->side == side &&
		    (side == RULE_ANY || rule_matches(r, address)))
			rc = add_copy(c, r, address);
	}
	return rc;
}

/* The recipients, without archives: how many of them there are, in *people. */
static int32_t apply_to_rcpts(struct copies *c, size_t *people)
{
	int32_t n = c->h->rcpt_count(c->m), rc = n < 0 ? n : 0;

	for (int32_t i = 0; i < n && rc == 0; i++) {
		struct qf_span s;

		rc = c->h->rcpt_get(c->m, (uint32_t)i, &s);
		if (rc < 0 || is_archive(&c->stage->rules, s))
			continue;
		++*people;
		rc = apply(c, RULE_TO, s);
	}
	return rc;
}

static int32_t archive(struct copies *c, struct qf_span sender, bool bounce)
{
	size_t people = 0;
	int32_t rc = apply_to_rcpts(c, &people);

	if (rc == 0 && people == 0) {
		rules_log(c->h, c->m, NULL, QF_LOG_INFO,
		    "not archived: it goes to archives only");
		return 0;
	}
	if (rc == 0 && !bounce)
		rc = apply(c, RULE_FROM, sender);
	if (rc == 0)
		rc = apply(c, RULE_ANY, sender);
	if (rc == 0 && c->n > 0)
		rules_log(c->h, c->m, NULL, QF_LOG_INFO,
		    "archived: copies=%zu first=%.200s", c->n, c->first);
	return rc;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	struct copies c = {.stage = state, .h = h, .m = m};
	struct qf_span sender;
	int32_t rc = h->sender(m, &sender);
	bool bounce = rc == 0 && (sender.n == 0 || rules_is(sender, "#@[]"));

	if (rc < 0 || (bounce && !c.stage->bounces))
		return rc < 0 ? rc : QF_PASS;
	rc = archive(&c, sender, bounce);
	tdestroy(c.seen, free);
	return rc; /* 0 is QF_PASS */
}

static const struct qf_setting settings[] = {
    {.key = "bounces",
	.help = "yes (the default) or no: archive mail with an empty sender"},
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_ENVELOPE | QF_GROUP_EDIT | QF_GROUP_VERDICT |                \
	    QF_GROUP_CONFIG | QF_GROUP_LOG)
#define EFFECTS QF_EFFECT_RCPT
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "archive",
    .version = "1.0",
    .summary = "copies mail to archives by adding recipients",
    .needs = NEEDS,
    .effects = EFFECTS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
