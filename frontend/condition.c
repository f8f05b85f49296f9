#include "frontend/condition.h"

#include "lib/base/buf.h"
#include "lib/mail/addr.h"

enum kind {
	FLAG,
	BOUNCE,
	LOCAL,
	PATH,
	SENDER,
	RCPT,
	SIZE_BELOW,
	SIZE_ABOVE
};

struct term {
	struct term *next;
	enum kind kind;
	bool negate;
	struct qf_span text; /* what it is compared with */
	uint64_t size;
};

struct qf_condition {
	struct qf_condition *next;
	struct term *terms;
};

/* Words that stand alone, and those that take a value. */
static const struct word {
	const char *name;
	enum kind kind;
	char op;         /* what separates it from its value; 0: no value */
	const char *key; /* of the context, for FLAG */
} words[] = {
    {"relay", FLAG, 0, "relay"},
    {"auth", FLAG, 0, "auth.user"},
    {"local", LOCAL, 0, NULL},
    {"bounce", BOUNCE, 0, NULL},
    {"path", PATH, '=', NULL},
    {"sender", SENDER, '=', NULL},
    {"rcpt", RCPT, '=', NULL},
    {"size", SIZE_BELOW, '<', NULL},
    {"size", SIZE_ABOVE, '>', NULL},
};

bool qf_size_parse(struct qf_span text, uint64_t *out)
{
	unsigned long long n;

	if (!qf_span_size(text, &n))
		return false;
	*out = n;
	return true;
}

/* A value that no message can have would switch the stage off in silence. */
static int check_value(struct term *t, struct qf_span value, struct qf_err *e)
{
	switch (t->kind) {
	case SIZE_BELOW:
	case SIZE_ABOVE:
		if (qf_size_parse(value, &t->size))
			return 0;
		return qf_fail(e, QF_ECONF,
		    "\"%.*s\" is no size: use digits and k, M or G",
		    (int)value.n, value.p);
	case PATH:
		if (qf_context_is_path(value))
			return 0;
		return qf_fail(e, QF_ECONF,
		    "\"%.*s\" is no path: use smtp, inject, bounce or "
		    "local",
		    (int)value.n, value.p);
	case SENDER:
	case RCPT:
		if ((value.n == 0 && t->kind == SENDER) ||
		    qf_addr_domain(value).n > 0)
			return 0;
		return qf_fail(e, QF_ECONF,
		    "\"%.*s\" has no domain: use USER@DOMAIN or @DOMAIN",
		    (int)value.n, value.p);
	case FLAG:
	case BOUNCE:
	case LOCAL:
		break;
	}
	return 0;
}

static int parse_term(
    struct term *t, struct qf_arena *a, struct qf_span text, struct qf_err *e)
{
	struct qf_span s = text;

	if (s.n > 0 && s.p[0] == '!') {
		t->negate = true;
		s = qf_span_n(s.p + 1, s.n - 1);
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const struct word *w = &words[i];
		struct qf_span name = s, value = {0};

		if (w->op != 0) {
			value = s;
			if (!qf_span_cut(&value, w->op, &name))
				continue;
		}
		if (!qf_span_is(name, w->name))
			continue;
		t->kind = w->kind;
		t->text = w->key != NULL
			      ? qf_span(w->key)
			      : qf_span(qf_arena_strndup(a, value.p, value.n));
		return check_value(t, value, e);
	}
	return qf_fail(e, QF_ECONF,
	    "unknown condition \"%.*s\": use relay, auth, local, bounce, "
	    "path=, sender=, rcpt=, size< or size>",
	    (int)text.n, text.p);
}

int qf_condition_add(struct qf_condition **list, struct qf_arena *a,
    struct qf_span text, struct qf_err *e)
{
	struct qf_condition *c = qf_arena_alloc(a, sizeof *c);

	for (bool more = true; more;) {
		struct term *t = qf_arena_alloc(a, sizeof *t);
		struct qf_span one;

		more = qf_span_cut(&text, ',', &one);
		if (parse_term(t, a, more ? one : text, e) < 0)
			return QF_ECONF;
		t->next = c->terms;
		c->terms = t;
	}
	c->next = *list;
	*list = c;
	return 0;
}

static bool address_matches(struct qf_span address, struct qf_span pattern)
{
	if (pattern.n > 0 && pattern.p[0] == '@')
		return qf_span_ieq(qf_addr_domain(address),
		    qf_span_n(pattern.p + 1, pattern.n - 1));
	return qf_span_eq(qf_addr_local(address), qf_addr_local(pattern)) &&
	       qf_span_ieq(qf_addr_domain(address), qf_addr_domain(pattern));
}

static bool term_holds(const struct term *t, const struct qf_subject *s)
{
	switch (t->kind) {
	case FLAG:
		return qf_context_is(s->context, t->text.p);
	case LOCAL:
		return !qf_context_is(s->context, "client.ip");
	case BOUNCE:
		return s->context->bounce;
	case PATH:
		return qf_span_is(t->text, s->context->path);
	case SENDER:
		return address_matches(
		    qf_span(qf_envelope_sender(s->envelope)), t->text);
	case RCPT:
		return s->rcpt != NULL &&
		       address_matches(qf_span(s->rcpt), t->text);
	case SIZE_BELOW:
		return s->size < t->size;
	case SIZE_ABOVE:
		return s->size > t->size;
	}
	return false;
}

static bool all_hold(const struct term *t, const struct qf_subject *s)
{
	for (; t != NULL; t = t->next) {
		if (term_holds(t, s) == t->negate)
			return false;
	}
	return true;
}

bool qf_condition_holds(
    const struct qf_condition *list, const struct qf_subject *s)
{
	if (list == NULL)
		return true;
	for (; list != NULL; list = list->next) {
		if (all_hold(list->terms, s))
			return true;
	}
	return false;
}

/* The one term of a condition that has no other, or NULL. */
static const struct term *single(const struct qf_condition *c)
{
	if (c == NULL || c->next != NULL || c->terms->next != NULL)
		return NULL;
	return c->terms;
}

static bool is_fixed(enum kind kind)
{
	return kind == FLAG || kind == BOUNCE || kind == LOCAL || kind == PATH;
}

bool qf_condition_excludes(
    const struct qf_condition *a, const struct qf_condition *b)
{
	const struct term *s = single(a), *t = single(b);

	return s != NULL && t != NULL && s->negate != t->negate &&
	       s->kind == t->kind && is_fixed(s->kind) &&
	       qf_span_eq(s->text, t->text);
}

bool qf_condition_names_rcpt(const struct qf_condition *list)
{
	for (; list != NULL; list = list->next) {
		for (const struct term *t = list->terms; t != NULL;
		     t = t->next) {
			if (t->kind == RCPT)
				return true;
		}
	}
	return false;
}
