#include "lib/mail/edit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/addr.h"

static void stage(struct qf_edits *ed, enum qf_edit_kind kind, uint32_t index,
    struct qf_span bytes)
{
	if (ed->n == ed->cap) {
		ed->cap = ed->cap == 0 ? 16 : ed->cap * 2;
		ed->v = qf_realloc_array(ed->v, ed->cap, sizeof *ed->v);
	}
	ed->v[ed->n++] = (struct qf_edit){kind, index, bytes};
}

static struct qf_span keep(struct qf_edits *ed, struct qf_span s)
{
	return qf_span_n(qf_arena_strndup(&ed->arena, s.p, s.n), s.n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name(struct qf_span name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] <= ' ' || name.p[i] >= 127 || name.p[i] == ':')
			return false;
	}
	return name.n > 0;
}

static bool is_value(const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\r' || (*value == '\n' && !is_blank(value[1])))
			return false;
	}
	return true;
}

static struct qf_span build_field(
    struct qf_edits *ed, struct qf_span name, const char *value)
{
	bool space = value[0] != '\0' && value[0] != '\n' && !is_blank(*value);
	size_t n = strlen(value);
	char *raw = qf_arena_alloc(&ed->arena, name.n + n + 3);
	char *at = raw + name.n;

	memcpy(raw, name.p, name.n);
	*at++ = ':';
	if (space)
		*at++ = ' ';
	memcpy(at, value, n);
	at[n] = '\n';
	return qf_span_n(raw, (size_t)(at - raw) + n + 1);
}

int qf_edit_header_insert(struct qf_edits *ed, const struct qf_message *m,
    uint32_t before, const char *name, const char *value)
{
	if (before > m->nfields || !is_name(qf_span(name)) || !is_value(value))
		return QF_EINVAL;
	stage(ed, QF_EDIT_HEADER_INSERT, before,
	    build_field(ed, qf_span(name), value));
	return 0;
}

int qf_edit_header_replace(struct qf_edits *ed, const struct qf_message *m,
    uint32_t index, const char *value)
{
	if (index >= m->nfields || m->field[index].malformed ||
	    !is_value(value))
		return QF_EINVAL;
	stage(ed, QF_EDIT_HEADER_REPLACE, index,
	    build_field(ed, m->field[index].name, value));
	return 0;
}

int qf_edit_header_delete(
    struct qf_edits *ed, const struct qf_message *m, uint32_t index)
{
	if (index >= m->nfields)
		return QF_EINVAL;
	stage(ed, QF_EDIT_HEADER_DELETE, index, (struct qf_span){0});
	return 0;
}

int qf_edit_body_replace(struct qf_edits *ed, struct qf_span bytes)
{
	stage(ed, QF_EDIT_BODY_REPLACE, 0, keep(ed, bytes));
	return 0;
}

int qf_edit_body_append(struct qf_edits *ed, struct qf_span bytes)
{
	stage(ed, QF_EDIT_BODY_APPEND, 0, keep(ed, bytes));
	return 0;
}

static int stage_address(
    struct qf_edits *ed, enum qf_edit_kind kind, const char *address)
{
	if (strlen(address) > QF_ADDR_MAX || strpbrk(address, "\r\n") != NULL)
		return QF_EINVAL;
	stage(ed, kind, 0, keep(ed, qf_span(address)));
	return 0;
}

int qf_edit_rcpt_add(struct qf_edits *ed, const char *address)
{
	return stage_address(ed, QF_EDIT_RCPT_ADD, address);
}

int qf_edit_sender_set(struct qf_edits *ed, const char *address)
{
	return stage_address(ed, QF_EDIT_SENDER_SET, address);
}

int qf_edit_rcpt_drop(
    struct qf_edits *ed, const struct qf_envelope *env, uint32_t index)
{
	if (index >= env->nrcpt)
		return QF_EINVAL;
	stage(ed, QF_EDIT_RCPT_DROP, index, (struct qf_span){0});
	return 0;
}

/* The edits of the header, sorted by the fields that they are about. */
struct plan {
	const struct qf_edit **change; /* per field: replace, delete or NULL */
	size_t *insert; /* per field and for the end: first insert + 1, or 0 */
	size_t *next;   /* per edit: the next insert there + 1, or 0 */
	size_t ninserts, nchanges;
};

/* A first line that begins with white space would continue what is put before
 * it: a stranger's text in a field of ours. It stays the first. */
static size_t insert_at(const struct qf_message *m, uint32_t index)
{
	return index == 0 && m->nfields > 0 && is_blank(m->field[0].raw.p[0])
		   ? 1
		   : index;
}

static void plan_header(
    struct plan *p, const struct qf_edits *ed, const struct qf_message *m)
{
	size_t nfields = m->nfields;

	*p = (struct plan){0};
	p->change = qf_alloc((nfields + 1) * sizeof *p->change);
	p->insert = qf_alloc((nfields + 1) * sizeof *p->insert);
	p->next = qf_alloc((ed->n + 1) * sizeof *p->next);
	/* From the last to the first: each insert goes to the front of its
	 * list, and of several changes to a field the first seen stays. */
	for (size_t i = ed->n; i-- > 0;) {
		const struct qf_edit *edit = &ed->v[i];

		if (edit->kind == QF_EDIT_HEADER_INSERT) {
			size_t at = insert_at(m, edit->index);

			p->next[i] = p->insert[at];
			p->insert[at] = i + 1;
			p->ninserts++;
		} else if (edit->kind == QF_EDIT_HEADER_REPLACE ||
			   edit->kind == QF_EDIT_HEADER_DELETE) {
			if (p->change[edit->index] == NULL)
				p->change[edit->index] = edit;
			p->nchanges++;
		}
	}
}

static void free_plan(struct plan *p)
{
	free(p->change);
	free(p->insert);
	free(p->next);
}

static bool apply_header(const struct qf_edits *ed, struct qf_message *m)
{
	struct qf_header_field *field;
	struct plan p;
	size_t n = 0;
	bool any;

	plan_header(&p, ed, m);
	any = p.ninserts + p.nchanges > 0;
	if (!any)
		goto out;
	field = qf_alloc((m->nfields + p.ninserts) * sizeof *field);
	for (size_t i = 0; i <= m->nfields; i++) {
		for (size_t k = p.insert[i]; k != 0; k = p.next[k - 1])
			qf_header_field_set(&field[n++], ed->v[k - 1].bytes);
		if (i == m->nfields)
			break;
		if (p.change[i] == NULL)
			field[n++] = m->field[i];
		else if (p.change[i]->kind == QF_EDIT_HEADER_REPLACE)
			qf_header_field_set(&field[n++], p.change[i]->bytes);
	}
	free(m->field);
	m->field = field;
	m->nfields = n;
out:
	free_plan(&p);
	return any;
}

static bool apply_body(const struct qf_edits *ed, struct qf_message *m)
{
	bool any = false;

	m->body = qf_realloc_array(m->body, m->nbody + ed->n, sizeof *m->body);
	for (size_t i = 0; i < ed->n; i++) {
		const struct qf_edit *edit = &ed->v[i];

		if (edit->kind != QF_EDIT_BODY_REPLACE &&
		    edit->kind != QF_EDIT_BODY_APPEND)
			continue;
		any = true;
		if (edit->kind == QF_EDIT_BODY_REPLACE)
			m->nbody = 0;
		if (edit->bytes.n > 0)
			m->body[m->nbody++] = edit->bytes;
	}
	return any;
}

static struct qf_span with_lf(struct qf_message *m, struct qf_span s)
{
	char *p = qf_arena_alloc(&m->arena, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\n';
	return qf_span_n(p, s.n + 1);
}

static bool ends_in_lf(struct qf_span s)
{
	return s.n > 0 && s.p[s.n - 1] == '\n';
}

/* What was the end of the message may have something behind it now: a field
 * that had no line end gets one, a body that had none before it an empty
 * line. */
static void join(struct qf_message *m)
{
	if (m->nbody > 0 && !ends_in_lf(m->separator))
		m->separator = with_lf(m, m->separator);
	for (size_t i = 0; i < m->nfields; i++) {
		struct qf_span raw = m->field[i].raw;

		if (!ends_in_lf(raw) &&
		    (i + 1 < m->nfields || m->separator.n > 0))
			qf_header_field_set(&m->field[i], with_lf(m, raw));
	}
	m->size = m->separator.n;
	for (size_t i = 0; i < m->nfields; i++)
		m->size += m->field[i].raw.n;
	for (size_t i = 0; i < m->nbody; i++)
		m->size += m->body[i].n;
}

/* Per recipient: will it go? For the caller to free. */
static bool *mark_drops(
    const struct qf_edits *ed, const struct qf_envelope *env)
{
	bool *drop = qf_alloc(env->nrcpt * sizeof *drop);

	for (size_t i = 0; i < ed->n; i++) {
		if (ed->v[i].kind == QF_EDIT_RCPT_DROP)
			drop[ed->v[i].index] = true;
	}
	return drop;
}

bool qf_edits_drop_all(const struct qf_edits *ed, const struct qf_envelope *env)
{
	bool *drop;
	size_t n = 0;

	for (size_t i = 0; i < ed->n; i++) {
		if (ed->v[i].kind == QF_EDIT_RCPT_ADD)
			return false;
	}
	if (ed->n < env->nrcpt || env->nrcpt == 0)
		return false;
	drop = mark_drops(ed, env);
	while (n < env->nrcpt && drop[n])
		n++;
	free(drop);
	return n == env->nrcpt;
}

static void drop_rcpts(const struct qf_edits *ed, struct qf_envelope *env)
{
	bool *drop = mark_drops(ed, env);
	size_t n = 0;

	for (size_t i = 0; i < env->nrcpt; i++) {
		if (!drop[i])
			env->rcpt[n++] = env->rcpt[i];
	}
	env->nrcpt = n;
	free(drop);
}

static void apply_envelope(const struct qf_edits *ed, struct qf_envelope *env)
{
	drop_rcpts(ed, env);
	for (size_t i = 0; i < ed->n; i++) {
		/* The addresses were checked when they were staged. */
		if (ed->v[i].kind == QF_EDIT_RCPT_ADD)
			qf_envelope_add_rcpt(env, ed->v[i].bytes);
		else if (ed->v[i].kind == QF_EDIT_SENDER_SET)
			qf_envelope_set_sender(env, ed->v[i].bytes);
	}
}

void qf_edits_apply(
    struct qf_edits *ed, struct qf_message *m, struct qf_envelope *env)
{
	bool header = apply_header(ed, m);
	bool body = apply_body(ed, m);

	if (header || body) {
		join(m);
		m->generation++;
		qf_arena_move(&m->arena, &ed->arena);
	}
	apply_envelope(ed, env);
	qf_edits_clear(ed);
}

void qf_edits_clear(struct qf_edits *ed)
{
	free(ed->v);
	qf_arena_free(&ed->arena);
	*ed = (struct qf_edits){0};
}
