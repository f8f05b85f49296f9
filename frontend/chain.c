#include "frontend/chain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

#include "lib/base/strv.h"

enum {
	TIMEOUT_MAX = 86400
};

/* A stage that is being read, and where to report. */
struct reader {
	struct qf_chain *chain;
	struct qf_stage *stage;
	struct qf_problems *problems;
	unsigned seen; /* words of the line so far, by their place in words[] */
};

static int problem(struct reader *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int problem(struct reader *r, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return qf_problem(r->problems, QF_ECONF, "%s:%u: %s", r->chain->file,
	    r->stage->line, text);
}

static struct qf_stage *new_stage(struct qf_chain *c)
{
	struct qf_stage *more;

	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 8 : c->cap * 2;
		more = qf_arena_alloc(&c->arena, c->cap * sizeof *more);
		if (c->n > 0)
			memcpy(more, c->stage, c->n * sizeof *more);
		c->stage = more;
	}
	return &c->stage[c->n++];
}

static void name_stage(struct qf_chain *c, struct qf_stage *s, const char *name)
{
	const char *at = strchr(name, '@');

	s->name = qf_arena_strdup(&c->arena, name);
	s->plugin =
	    at == NULL ? s->name
		       : qf_arena_strndup(&c->arena, name, (size_t)(at - name));
	s->instance = at == NULL ? NULL : s->name + (at - name) + 1;
}

static void add_setting(struct qf_chain *c, struct qf_stage *s, const char *key,
    const char *value, size_t room)
{
	if (s->setting == NULL)
		s->setting =
		    qf_arena_alloc(&c->arena, room * sizeof *s->setting);
	s->setting[s->nsettings].key = qf_arena_strdup(&c->arena, key);
	s->setting[s->nsettings].value = qf_arena_strdup(&c->arena, value);
	s->nsettings++;
}

/* [a-z][a-z0-9-]*: it becomes part of file names and variables. */
static bool is_name(const char *s)
{
	if (s[0] < 'a' || s[0] > 'z')
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static void take_if(struct reader *r, const char *value)
{
	struct qf_err e;

	if (qf_condition_add(&r->stage->conditions, &r->chain->arena,
		qf_span(value), &e) < 0)
		problem(r, "%s", e.text);
}

static void take_max(struct reader *r, const char *value)
{
	if (!qf_size_parse(qf_span(value), &r->stage->max) ||
	    r->stage->max == 0)
		problem(r, "max=%s: give a size above 0, digits with k, M or G",
		    value);
}

static void take_timeout(struct reader *r, const char *value)
{
	unsigned long long seconds;

	if (!qf_span_u64(qf_span(value), TIMEOUT_MAX, &seconds) || seconds == 0)
		problem(
		    r, "timeout=%s: give seconds, 1 to %d", value, TIMEOUT_MAX);
	else
		r->stage->timeout_ms = (int64_t)seconds * 1000;
}

/* The place of value among names (NULL ends them), or -1 after a problem. */
static int choose(struct reader *r, const char *key, const char *value,
    const char *const *names, const char *help)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(value, names[i]) == 0)
			return i;
	}
	problem(r, "%s=%s: use %s", key, value, help);
	return -1;
}

static void take_onerror(struct reader *r, const char *value)
{
	static const char *const names[] = {[QF_ONERROR_DEFER] = "defer",
	    [QF_ONERROR_REJECT] = "reject",
	    [QF_ONERROR_PASS] = "pass",
	    [QF_ONERROR_QUARANTINE] = "quarantine",
	    NULL};
	int i = choose(
	    r, "onerror", value, names, "defer, reject, pass or quarantine");

	if (i < 0)
		return;
	r->stage->onerror = (enum qf_onerror)i;
	r->stage->onerror_chosen = true;
}

static void take_cap(struct reader *r, const char *value)
{
	static const char *const names[] = {
	    "tag", "quarantine", "defer", "reject", NULL};
	int i = choose(
	    r, "max-action", value, names, "tag, quarantine, defer or reject");

	if (i >= 0)
		r->stage->cap = QF_CAP_TAG + (enum qf_cap)i;
}

/* Recipients are alternatives: a stage that runs for one of them must not wait
 * for all. */
static void take_rcpt(struct reader *r, const char *value)
{
	struct qf_span rest = qf_span(value), one;
	struct qf_err e;

	for (bool more = true; more;) {
		struct qf_buf term = QF_BUF_INIT;

		more = qf_span_cut(&rest, ',', &one);
		if (!more)
			one = rest;
		qf_buf_adds(&term, "rcpt=");
		qf_buf_addspan(&term, one);
		if (qf_condition_add(&r->stage->rcpts, &r->chain->arena,
			qf_buf_span(&term), &e) < 0)
			problem(r, "%s", e.text);
		qf_buf_free(&term);
	}
}

static const struct word {
	const char *key;
	void (*take)(struct reader *r, const char *value);
	bool repeats;
} words[] = {
    {"if", take_if, true},
    {"max", take_max, false},
    {"timeout", take_timeout, false},
    {"onerror", take_onerror, false},
    {"max-action", take_cap, false},
    {"rcpt", take_rcpt, true},
};

static void take_setting(
    struct reader *r, const char *key, const char *value, size_t room)
{
	if (!is_name(key)) {
		problem(r,
		    "\"%s\" is no setting: use KEY=VALUE with a lower-case "
		    "key",
		    key);
		return;
	}
	add_setting(r->chain, r->stage, key, value, room);
}

static void take_flag(struct reader *r, const char *word)
{
	if (strcmp(word, "always") == 0)
		r->stage->always = true;
	else if (strcmp(word, "shadow") == 0)
		r->stage->shadow = true;
	else
		problem(r,
		    "\"%s\" is not understood: use if=, rcpt=, max=, "
		    "timeout=, onerror=, max-action=, always, shadow or "
		    "KEY=VALUE",
		    word);
}

static void take_word(struct reader *r, char *word, size_t room)
{
	char *value = strchr(word, '=');

	if (value == NULL) {
		take_flag(r, word);
		return;
	}
	*value++ = '\0';
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(word, words[i].key) != 0)
			continue;
		if ((r->seen & 1u << i) != 0 && !words[i].repeats)
			problem(r, "%s= stands twice; remove one", word);
		r->seen |= 1u << i;
		words[i].take(r, value);
		return;
	}
	take_setting(r, word, value, room);
}

static void take_name(struct reader *r, const char *word)
{
	const struct qf_stage *s = r->stage;

	name_stage(r->chain, r->stage, word);
	if (!is_name(s->plugin) ||
	    (s->instance != NULL && !is_name(s->instance)))
		problem(r,
		    "\"%s\" is no stage: use PLUGIN or PLUGIN@INSTANCE, "
		    "lower-case letters, digits and hyphens",
		    word);
}

static void read_stage(struct reader *r, const struct qf_line *line)
{
	struct qf_strv v = {0};
	struct qf_err e;

	r->stage->line = line->number;
	/* A line that can not be read still names a stage that can not run:
	 * the message must not pass without it. */
	r->stage->name = r->stage->plugin = "?";
	if (qf_strv_split(&v, line->s, &e) < 0) {
		problem(r, "%s", e.text);
	} else {
		take_name(r, v.v[0]);
		for (size_t i = 1; i < v.n; i++)
			take_word(r, v.v[i], v.n);
	}
	r->stage->per_rcpt = r->stage->rcpts != NULL ||
			     qf_condition_names_rcpt(r->stage->conditions);
	qf_strv_free(&v);
}

int qf_chain_load(struct qf_chain *c, const struct qf_ctl *ctl,
    const char *name, struct qf_problems *p)
{
	struct qf_lines lines = QF_LINES_INIT;
	struct qf_buf base = QF_BUF_INIT, path = QF_BUF_INIT;
	size_t problems = p->count;
	struct qf_err e;
	int rc;

	*c = (struct qf_chain){0};
	qf_buf_adds(&base, "chain");
	if (name != NULL)
		qf_buf_addf(&base, "-%s", name);
	qf_buf_addf(&path, "%s/%s", ctl->path, base.s);
	c->file = qf_buf_detach(&path);
	if (name != NULL && !is_name(name)) {
		qf_problem(p, QF_ECONF,
		    "QFRONT_CHAIN=%s: use lower-case letters, digits and "
		    "hyphens",
		    name);
		goto out;
	}
	rc = qf_ctl_lines(ctl, base.s, &lines, &e);
	if (rc < 0)
		qf_problem_err(p, &e);
	if (rc == 0 && name != NULL)
		qf_problem(p, QF_ECONF,
		    "%s: no such file, but QFRONT_CHAIN names it", c->file);
	c->is_there = rc > 0;
	c->digest = qf_digest(QF_DIGEST, lines.bytes.s, lines.bytes.len);
	for (size_t i = 0; i < lines.n; i++) {
		struct reader r = {c, new_stage(c), p, 0};

		read_stage(&r, &lines.v[i]);
	}
out:
	qf_lines_free(&lines);
	qf_buf_free(&base);
	return p->count > problems ? p->first.rc : 0;
}

void qf_chain_start(struct qf_chain *c, const char *name)
{
	*c = (struct qf_chain){.file = qf_strdup(name)};
}

void qf_chain_add_stage(struct qf_chain *c, const char *name, ...)
{
	struct qf_stage *s = new_stage(c);
	size_t room = 0;
	va_list ap;

	s->line = (unsigned)c->n;
	/* Nobody could write another than the default. */
	s->onerror_chosen = true;
	s->always = true;
	name_stage(c, s, name);
	va_start(ap, name);
	while (va_arg(ap, const char *) != NULL)
		room++;
	va_end(ap);
	va_start(ap, name);
	while (s->nsettings < room / 2) {
		const char *key = va_arg(ap, const char *);

		add_setting(c, s, key, va_arg(ap, const char *), room / 2);
	}
	va_end(ap);
}

void qf_chain_free(struct qf_chain *c)
{
	free(c->file);
	qf_arena_free(&c->arena);
	*c = (struct qf_chain){0};
}

enum qf_skip qf_stage_skip(
    const struct qf_stage *s, const struct qf_subject *subject, bool accepted)
{
	if (accepted && !s->always)
		return QF_SKIP_ACCEPTED;
	if (qf_context_is_own_bounce(subject->context) && !s->always)
		return QF_SKIP_BOUNCE;
	if (!qf_condition_holds(s->conditions, subject) ||
	    !qf_condition_holds(s->rcpts, subject))
		return QF_SKIP_IF;
	if (s->max != 0 && subject->size > s->max)
		return QF_SKIP_MAX;
	return QF_SKIP_NONE;
}

const char *qf_skip_name(uint32_t skip)
{
	static const char *const names[] = {[QF_SKIP_NONE] = "",
	    [QF_SKIP_ACCEPTED] = "accepted",
	    [QF_SKIP_BOUNCE] = "bounce",
	    [QF_SKIP_IF] = "if",
	    [QF_SKIP_MAX] = "max"};

	return skip < sizeof names / sizeof *names ? names[skip] : "unknown";
}

bool qf_stage_waits(const struct qf_stage *s)
{
	return s->noted && (s->flags & QF_FLAG_NETWORK) != 0;
}
