/*
 * limit: so many messages and recipients in a time, for each user, client or
 * sender. A hacked account or web application is stopped before the world
 * takes the whole host for a source of spam.
 *
 * A message is counted when all limits leave room for it, or not at all. It is
 * counted once: the part of a chain that runs again after a crash finds it
 * among what was counted of late. Where the counters can not be used the stage
 * is broken, so that `onerror` decides.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/limit/counter.h"
#include "plugins/limit/rule.h"
#include "plugins/limit/store.h"

enum {
	MESSAGES,
	RECIPIENTS,
	PATIENCE = 5000 /* milliseconds to wait for the lock */
};

struct stage {
	struct ruleset rules;
	char *dir;
	uint32_t action; /* QF_DEFER or QF_REJECT */
};

/* A rule that holds for the message. */
struct use {
	const struct rule *rule;
	const char *value;
	struct file_entry *entry;
	int64_t empty[2]; /* as they will be when the message is counted */
};

/* One message. */
struct count {
	const struct stage *stage;
	const struct qf_host *h;
	struct qf_msg *m;
	char value[KEY_KINDS][KEY_VALUE_MAX + 1]; /* empty: it has none */
	struct use *use;
	size_t n;
	uint64_t add[2];  /* messages, recipients */
	bool has_run;     /* the host says which run this is */
	uint64_t seen[2]; /* how the entries remember this message */
	struct store store;
	struct qf_err error; /* of the store */
};

/* Settings */

static int32_t read_action(
    const struct qf_host *h, const struct qf_conf *c, uint32_t *out)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "action", &s);

	*out = QF_DEFER;
	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	if (rules_is(s, "reject"))
		*out = QF_REJECT;
	else if (!rules_is(s, "defer")) {
		h->conf_error(c, "action", NULL, 0, "write defer or reject");
		return QF_ECONF;
	}
	return 0;
}

static int32_t read_dir(
    const struct qf_host *h, const struct qf_conf *c, char **out)
{
	const char *path = QF_LIMITDIR;
	struct qf_span s;
	int32_t rc = h->conf_get(c, "dir", &s);

	if (rc == 0 && s.n == 0) {
		h->conf_error(c, "dir", NULL, 0, "write a directory");
		return QF_ECONF;
	}
	if (rc == 0)
		rc = h->conf_path(c, s, &path);
	if (rc < 0 && rc != QF_ENOENT)
		return rc;
	*out = strdup(path);
	return *out == NULL ? QF_ENOMEM : 0;
}

static void unload(struct stage *st)
{
	ruleset_free(&st->rules);
	free(st->dir);
}

static int32_t load(
    struct stage *st, const struct qf_host *h, const struct qf_conf *c)
{
	int32_t action = read_action(h, c, &st->action);
	int32_t dir = read_dir(h, c, &st->dir);
	int32_t rules = ruleset_load(&st->rules, h, c);

	return action < 0 ? action : dir < 0 ? dir : rules;
}

static void fini(const struct qf_host *h, void *state)
{
	(void)h;
	unload(state);
	free(state);
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

	unload(&st);
	return rc;
}

/* Which message it is: two numbers, for the message and for this list of its
 * recipients, as a host may run a stage for parts of them. */
static int32_t identify(struct count *c)
{
	struct qf_span s;
	int32_t rc = c->h->context(c->m, "run.id", &s);

	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	c->has_run = true;
	c->seen[MESSAGES] = key_hash(KEY_HASH, s.p, s.n);
	c->seen[RECIPIENTS] = key_hash(c->seen[MESSAGES], "", 1);
	for (uint32_t i = 0; i < c->add[RECIPIENTS] && rc == 0; i++) {
		uint64_t *hash = &c->seen[RECIPIENTS];

		rc = c->h->rcpt_get(c->m, i, &s);
		if (rc == 0)
			*hash = key_hash(key_hash(*hash, s.p, s.n), "", 1);
	}
	return rc;
}

/* The rules that hold for the message. */
static int32_t gather(struct count *c)
{
	const struct ruleset *set = &c->stage->rules;
	int32_t rc = c->h->rcpt_count(c->m);

	c->add[MESSAGES] = 1;
	c->add[RECIPIENTS] = rc < 0 ? 0 : (uint64_t)rc;
	for (enum key k = 0; rc >= 0 && k < KEY_KINDS; k++)
		rc = key_of(k, c->h, c->m, c->value[k]);
	if (rc < 0)
		return rc;
	c->use = calloc(set->n, sizeof *c->use);
	if (c->use == NULL)
		return QF_ENOMEM;
	for (size_t i = 0; i < set->n; i++) {
		const struct rule *r = &set->rule[i];
		const char *value = c->value[r->key];

		if (value[0] != '\0' && ruleset_holds(set, r, value))
			c->use[c->n++] =
			    (struct use){.rule = r, .value = value};
	}
	return identify(c);
}

/* Verdicts */

/* The counters can not be used. */
static int32_t broken(struct count *c)
{
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = QF_BROKEN,
	    .text = "the counters of the limits can not be used"};

	rules_log(c->h, c->m, NULL, QF_LOG_ERROR, "%s", c->error.text);
	return c->h->verdict(c->m, &v);
}

static void print_limit(const struct use *u, int what, char out[400])
{
	static const struct {
		uint32_t per;
		const char *text;
	} names[] = {{60, "a minute"}, {3600, "an hour"}, {86400, "a day"}};
	char per[32];

	snprintf(per, sizeof per, "in %" PRIu32 " seconds", u->rule->per);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i].per == u->rule->per)
			snprintf(per, sizeof per, "%s", names[i].text);
	}
	snprintf(out, 400, "limit of %" PRIu64 " %s %s for %s %.80s",
	    u->rule->max[what], what == MESSAGES ? "messages" : "recipients",
	    per, key_title(u->rule->key), u->value);
}

/* It will never fit, so waiting is no use. */
static int32_t refuse_for_good(struct count *c, const struct use *u, int what)
{
	char limit[400], text[500];
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = QF_REJECT,
	    .category = QF_CAT_POLICY,
	    .status = "5.5.3",
	    .text = text};

	print_limit(u, what, limit);
	snprintf(text, sizeof text,
	    "%" PRIu64 " recipients in one message are above the %s",
	    c->add[RECIPIENTS], limit);
	return c->h->verdict(c->m, &v);
}

static int32_t refuse(
    struct count *c, const struct use *u, int what, int64_t wait)
{
	char limit[400], text[500];
	bool defer = c->stage->action == QF_DEFER;
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = c->stage->action,
	    .category = QF_CAT_POLICY,
	    .status = defer ? "4.7.1" : "5.7.1",
	    .text = text};

	print_limit(u, what, limit);
	snprintf(text, sizeof text,
	    "%s is reached: there is room for this message in %" PRId64
	    " seconds",
	    limit, (wait + COUNTER_SECOND - 1) / COUNTER_SECOND);
	return c->h->verdict(c->m, &v);
}

/* Counting */

static bool was_seen(
    const struct count *c, const struct file_entry *e, int what)
{
	for (unsigned i = 0; c->has_run && i < e->nseen; i++) {
		if (e->seen[i] == c->seen[what])
			return true;
	}
	return false;
}

/* The last ones are kept. */
static void remember(const struct count *c, struct file_entry *e, int what)
{
	if (!c->has_run || was_seen(c, e, what))
		return;
	if (e->nseen == FILE_SEEN) {
		memmove(
		    e->seen, e->seen + 1, (FILE_SEEN - 1) * sizeof *e->seen);
		e->nseen--;
	}
	e->seen[e->nseen++] = c->seen[what];
}

/* Is there room? QF_PASS, or what the first limit without room says; the one
 * that lasts longest is told. */
static int32_t judge(struct count *c)
{
	int64_t longest = -1;
	const struct use *full = NULL;
	int full_of = MESSAGES;

	for (size_t i = 0; i < c->n * 2; i++) {
		struct use *u = &c->use[i / 2];
		int what = (int)(i % 2);
		int64_t wait = 0;
		enum counter_answer a;

		u->empty[what] = u->entry->empty[what];
		if (u->rule->max[what] == 0 || was_seen(c, u->entry, what))
			continue;
		a = counter_take(&u->empty[what], c->store.now,
		    u->rule->max[what], u->rule->per, c->add[what], &wait);
		if (a == COUNTER_NEVER)
			return refuse_for_good(c, u, what);
		if (a == COUNTER_FULL && wait > longest) {
			longest = wait;
			full = u;
			full_of = what;
		}
	}
	return full == NULL ? QF_PASS : refuse(c, full, full_of, longest);
}

static void commit(struct count *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct use *u = &c->use[i];

		for (int what = 0; what < 2; what++) {
			u->entry->empty[what] = u->empty[what];
			if (u->rule->max[what] != 0)
				remember(c, u->entry, what);
		}
	}
}

static void report(struct count *c)
{
	if (c->store.damaged > 0)
		rules_log(c->h, c->m, NULL, QF_LOG_WARN,
		    "%s: %u damaged lines left out, their counters start anew",
		    c->store.path, c->store.damaged);
	if (c->store.forgotten > 0)
		rules_log(c->h, c->m, NULL, QF_LOG_WARN,
		    "%s: no room, %u counters forgotten", c->store.path,
		    c->store.forgotten);
}

/* With the lock held. */
static int32_t count(struct count *c)
{
	int32_t rc = 0, class_;

	for (size_t i = 0; i < c->n && rc == 0; i++) {
		struct use *u = &c->use[i];

		rc = store_get(&c->store, u->rule->key, u->value, u->rule->per,
		    &u->entry, &c->error);
	}
	if (rc < 0)
		return broken(c);
	class_ = judge(c);
	if (class_ != QF_PASS)
		return store_mend(&c->store, &c->error) < 0 ? broken(c)
							    : class_;
	commit(c);
	if (store_save(&c->store, &c->error) < 0)
		return broken(c);
	if (store_sweep(&c->store, &c->error) < 0)
		rules_log(c->h, c->m, NULL, QF_LOG_WARN, "%s", c->error.text);
	return QF_PASS;
}

/* How long to wait for the lock, of the time that is left. */
static int64_t patience(const struct count *c)
{
	int64_t left = PATIENCE;

	if ((c->h->groups & QF_GROUP_RUN) && QF_HOST_HAS(c->h, time_left))
		left = c->h->time_left(c->m) / 2;
	return left < PATIENCE ? left : PATIENCE;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	struct count c = {.stage = state, .h = h, .m = m};
	int32_t rc = gather(&c);

	if (rc == 0 && c.n > 0) {
		rc = store_open(&c.store, c.stage->dir, patience(&c), &c.error);
		if (rc < 0) {
			rc = broken(&c);
		} else {
			rc = count(&c);
			store_close(&c.store);
			report(&c);
		}
	}
	free(c.use);
	return rc; /* 0 is QF_PASS */
}

static const struct qf_setting settings[] = {
    {.key = "action", .help = "over the limit: defer (the default) or reject"},
    {.key = "dir", .help = "directory of the counters; default " QF_LIMITDIR},
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_ENVELOPE | QF_GROUP_CONTEXT | QF_GROUP_VERDICT |             \
	    QF_GROUP_CONFIG | QF_GROUP_LOG)
#define WANTS QF_GROUP_RUN
QF_PLUGIN_NOTE(NEEDS, WANTS, 0, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "limit",
    .version = "1.0",
    .summary = "limits messages and recipients in a time, for each user",
    .needs = NEEDS,
    .wants = WANTS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
