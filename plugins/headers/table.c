#include "plugins/headers/table.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A field as it is now. The spans point into the message, the rules or the
 * table's texts. */
struct table_field {
	struct qf_span name;  /* empty: a line that is no field */
	struct qf_span value; /* of one that is not `changed`: as it stands */
	uint32_t index;       /* in the message; of an added one: before it */
	bool added, renamed, changed, gone;
};

int32_t table_open(
    struct table *t, const struct qf_host *h, struct qf_msg *m, size_t rules)
{
	int32_t n = h->header_count(m);

	*t = (struct table){.h = h, .m = m};
	if (n < 0)
		return n;
	t->nfields = (uint32_t)n;
	/* A rule adds one field, in front or at the end. */
	t->field = calloc((size_t)n + 2 * rules + 1, sizeof *t->field);
	t->text = calloc(rules + 1, sizeof *t->text);
	if (t->field == NULL || t->text == NULL)
		return QF_ENOMEM;
	t->first = t->end = rules;
	for (uint32_t i = 0; i < t->nfields; i++) {
		struct qf_field f = {.size = sizeof f};
		int32_t rc = h->header_get(m, i, &f);

		if (rc < 0)
			return rc;
		t->field[t->end++] = (struct table_field){
		    .name = f.name, .value = f.value, .index = i};
	}
	return 0;
}

void table_close(struct table *t)
{
	for (size_t i = 0; i < t->ntext; i++)
		free(t->text[i]);
	free(t->text);
	free(t->field);
}

static struct qf_span span(const char *s)
{
	return (struct qf_span){.p = s, .n = strlen(s)};
}

/* The value on one line, for a pattern: line ends gone, a zero byte as a
 * space, nothing around it. For the caller to free; NULL without memory. */
static char *unfold(struct qf_span s)
{
	char *out = malloc(s.n + 1);
	size_t n = 0;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] == '\0' ? ' ' : s.p[i];

		if (c == '\n' || c == '\r')
			continue;
		if (n > 0 || (c != ' ' && c != '\t'))
			out[n++] = c;
	}
	while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
		n--;
	out[n] = '\0';
	return out;
}

/* Is the field meant? 1, 0 or QF_ENOMEM. */
static int32_t is_meant(
    const struct table_field *f, const struct field_match *match)
{
	size_t n = strlen(match->name);
	char *value;
	int rc;

	if (f->gone || f->name.n < n || (f->name.n > n && !match->prefix) ||
	    strncasecmp(f->name.p, match->name, n) != 0)
		return 0;
	if (match->pattern == NULL)
		return 1;
	value = unfold(f->value);
	if (value == NULL)
		return QF_ENOMEM;
	rc = fnmatch(match->pattern, value, FNM_CASEFOLD);
	free(value);
	return rc == 0;
}

/* The first field from *at on that is meant: 1, 0 when there is none, or
 * QF_ENOMEM. */
static int32_t find(
    const struct table *t, const struct field_match *match, size_t *at)
{
	int32_t rc = 0;

	for (; *at < t->end; ++*at) {
		rc = is_meant(&t->field[*at], match);
		if (rc != 0)
			break;
	}
	return rc;
}

static void add(struct table *t, const struct rule *r, struct qf_span value)
{
	bool at_end = r->action == RULE_APPEND;

	t->field[at_end ? t->end++ : --t->first] =
	    (struct table_field){.name = span(r->field.name),
		.value = value,
		.index = at_end ? t->nfields : 0,
		.added = true};
}

/* The value of the rule for this message, kept by the table: 1, 0 when it has
 * none, or a code. */
static int32_t fill(struct table *t, const struct rule *r, struct qf_span *out)
{
	char line[TEXT_LINE_MAX + 1];
	size_t room = TEXT_LINE_MAX - strlen(r->field.name) - 2;
	int32_t rc = text_fill(&r->value, t->h, t->m, room, line);

	if (rc <= 0)
		return rc;
	t->text[t->ntext] = strdup(line);
	if (t->text[t->ntext] == NULL)
		return QF_ENOMEM;
	*out = span(t->text[t->ntext++]);
	return 1;
}

/* All of that name go, but the first gets the value if there is one. */
static int32_t apply_set(struct table *t, const struct rule *r)
{
	struct qf_span value;
	int32_t filled = fill(t, r, &value), rc;
	bool put = filled == 0, any = filled == 1;

	if (filled < 0)
		return filled;
	for (size_t at = t->first; (rc = find(t, &r->field, &at)) > 0; at++) {
		struct table_field *f = &t->field[at];

		any = true;
		if (put) {
			f->gone = true;
		} else {
			f->value = value;
			f->changed = put = true;
		}
	}
	if (rc == 0 && !put)
		add(t, r, value);
	return rc < 0 ? rc : any;
}

static int32_t apply_to_all(struct table *t, const struct rule *r)
{
	bool any = false;
	int32_t rc;

	for (size_t at = t->first; (rc = find(t, &r->field, &at)) > 0; at++) {
		struct table_field *f = &t->field[at];

		any = true;
		if (r->action == RULE_REMOVE) {
			f->gone = true;
		} else {
			f->name = span(r->name);
			f->renamed = true;
		}
	}
	return rc < 0 ? rc : any;
}

static int32_t apply_add(struct table *t, const struct rule *r)
{
	struct qf_span value;
	int32_t rc = fill(t, r, &value);

	if (rc > 0)
		add(t, r, value);
	return rc;
}

int32_t table_apply(struct table *t, const struct rule *r)
{
	size_t at = t->first;

	if (r->guard.name != NULL) {
		int32_t rc = find(t, &r->guard, &at);

		if (rc < 0 || (rc == 1) == r->unless)
			return rc < 0 ? rc : 0;
	}
	switch (r->action) {
	case RULE_ADD:
	case RULE_APPEND:
		return apply_add(t, r);
	case RULE_SET:
		return apply_set(t, r);
	default:
		return apply_to_all(t, r);
	}
}

/* The value of a field that moves to another name, as the host takes it: CR
 * is no part of a fold, a zero byte of no text. NULL without memory. */
static char *refold(struct qf_span s)
{
	char *out = malloc(s.n + 1);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < s.n; i++) {
		if (s.p[i] != '\r')
			out[n++] = s.p[i] == '\0' ? ' ' : s.p[i];
	}
	if (out != NULL)
		out[n] = '\0';
	return out;
}

static int32_t insert(const struct table *t, const struct table_field *f)
{
	char *name = strndup(f->name.p, f->name.n), *value = refold(f->value);
	int32_t rc = QF_ENOMEM;

	if (name != NULL && value != NULL)
		rc = t->h->header_insert(t->m, f->index, name, value);
	free(name);
	free(value);
	return rc;
}

static int32_t stage(const struct table *t, const struct table_field *f)
{
	int32_t rc = 0;

	if (f->added)
		return f->gone ? 0 : insert(t, f);
	if (f->gone || f->renamed)
		rc = t->h->header_delete(t->m, f->index);
	if (rc == 0 && f->renamed && !f->gone)
		return insert(t, f);
	if (rc == 0 && f->changed && !f->gone)
		return t->h->header_replace(t->m, f->index, f->value.p);
	return rc;
}

int32_t table_stage(const struct table *t)
{
	for (size_t i = t->first; i < t->end; i++) {
		int32_t rc = stage(t, &t->field[i]);

		if (rc < 0)
			return rc;
	}
	return 0;
}
