#include "frontend/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/paths.h"

struct qf_conf_list {
	struct qf_conf_list *next;
	const char *name, *path;
	struct qf_lines lines;
	int rc; /* 1 when there is a file */
};

static void add(struct qf_conf *c, const char *key, struct qf_span value,
    const char *file, unsigned line)
{
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 8 : c->cap * 2;
		c->v = qf_realloc_array(c->v, c->cap, sizeof *c->v);
	}
	c->v[c->n++] = (struct qf_conf_value){.key = key,
	    .value = qf_span(qf_arena_strndup(&c->arena, value.p, value.n)),
	    .file = file,
	    .line = line};
}

const struct qf_conf_value *qf_conf_find(
    const struct qf_conf *c, const char *key)
{
	/* The last one wins. */
	for (size_t i = c->n; i > 0; i--) {
		if (strcmp(c->v[i - 1].key, key) == 0)
			return &c->v[i - 1];
	}
	return NULL;
}

/* plugins/NAME[.LIST], for the instance or for the plugin. */
static void file_name(const struct qf_conf *c, bool instance, const char *list,
    struct qf_buf *out)
{
	qf_buf_addf(
	    out, "plugins/%s", instance ? c->stage->name : c->stage->plugin);
	if (list != NULL)
		qf_buf_addf(out, ".%s", list);
}

/* CONTROLDIR/plugins/NAME: one `key value` a line. */
static void add_file(struct qf_conf *c)
{
	struct qf_lines lines = QF_LINES_INIT;
	struct qf_buf name = QF_BUF_INIT;
	const char *path;
	struct qf_err e;

	file_name(c, true, NULL, &name);
	if (qf_ctl_lines(c->ctl, name.s, &lines, &e) < 0)
		qf_problem_err(c->problems, &e);
	qf_buf_reset(&name);
	qf_buf_addf(&name, "%s/plugins/%s", c->ctl->path, c->stage->name);
	path = qf_arena_strdup(&c->arena, name.s);
	for (size_t i = 0; i < lines.n; i++) {
		struct qf_span key = lines.v[i].s, value;
		size_t n = 0;

		while (n < key.n && key.p[n] != ' ' && key.p[n] != '\t')
			n++;
		value = qf_span_trim(qf_span_n(key.p + n, key.n - n));
		add(c, qf_arena_strndup(&c->arena, key.p, n), value, path,
		    lines.v[i].number);
	}
	qf_lines_free(&lines);
	qf_buf_free(&name);
}

static void add_chain_line(struct qf_conf *c)
{
	for (size_t i = 0; i < c->stage->nsettings; i++)
		add(c, c->stage->setting[i].key,
		    qf_span(c->stage->setting[i].value), c->chain_file,
		    c->stage->line);
}

void qf_conf_variable(struct qf_buf *out, const char *plugin, const char *key)
{
	size_t start = out->len;

	qf_buf_addf(out, "QF_%s_%s", plugin, key);
	for (char *s = out->s + start; *s != '\0'; s++)
		*s = *s == '-' ? '_' : (char)toupper((unsigned char)*s);
}

static void add_environment(struct qf_conf *c, const struct qf_setting *known)
{
	for (; known != NULL && known->key != NULL; known++) {
		struct qf_buf name = QF_BUF_INIT;
		const char *value;

		if (!(known->flags & QF_SETTING_ENV))
			continue;
		qf_conf_variable(&name, c->stage->plugin, known->key);
		value = qf_env(name.s);
		if (value != NULL)
			add(c, known->key, qf_span(value),
			    qf_arena_strdup(&c->arena, name.s), 0);
		qf_buf_free(&name);
	}
}

static bool is_known(const struct qf_setting *known, const char *key)
{
	for (; known != NULL && known->key != NULL; known++) {
		if (strcmp(known->key, key) == 0)
			return true;
	}
	return false;
}

int qf_conf_load(struct qf_conf *c, const struct qf_ctl *ctl,
    const struct qf_chain *chain, const struct qf_stage *stage,
    const struct qf_setting *known, struct qf_problems *p)
{
	size_t problems = p->count;

	*c = (struct qf_conf){.ctl = ctl,
	    .chain_file = chain->file,
	    .stage = stage,
	    .problems = p};
	if (stage->yields)
		add_chain_line(c);
	add_file(c);
	if (!stage->yields)
		add_chain_line(c);
	add_environment(c, known);
	for (size_t i = 0; i < c->n; i++) {
		if (!is_known(known, c->v[i].key))
			qf_problem(p, QF_ECONF,
			    "%s:%u: plugin %s has no setting \"%s\"; see "
			    "qfront-%s(8)",
			    c->v[i].file, c->v[i].line, stage->plugin,
			    c->v[i].key, stage->plugin);
	}
	return p->count > problems ? p->first.rc : 0;
}

void qf_conf_free(struct qf_conf *c)
{
	while (c->lists != NULL) {
		struct qf_conf_list *next = c->lists->next;

		qf_lines_free(&c->lists->lines);
		free(c->lists);
		c->lists = next;
	}
	free(c->v);
	qf_arena_free(&c->arena);
	*c = (struct qf_conf){0};
}

static struct qf_conf_list *get_list(struct qf_conf *c, const char *name)
{
	struct qf_conf_list *l;
	struct qf_buf file = QF_BUF_INIT, path = QF_BUF_INIT;
	struct qf_err e;

	for (l = c->lists; l != NULL; l = l->next) {
		if (strcmp(l->name, name) == 0)
			return l;
	}
	l = qf_alloc(sizeof *l);
	l->name = qf_arena_strdup(&c->arena, name);
	l->lines = (struct qf_lines)QF_LINES_INIT;
	l->next = c->lists;
	c->lists = l;
	/* The instance's own list, else the plugin's. */
	for (int instance = c->stage->instance != NULL; instance >= 0;
	     instance--) {
		qf_buf_reset(&file);
		file_name(c, instance, name, &file);
		l->rc = qf_ctl_lines(c->ctl, file.s, &l->lines, &e);
		if (l->rc != 0)
			break;
	}
	if (l->rc < 0)
		qf_problem_err(c->problems, &e);
	qf_buf_addf(&path, "%s/%s", c->ctl->path, file.s);
	l->path = qf_arena_strdup(&c->arena, path.s);
	qf_buf_free(&file);
	qf_buf_free(&path);
	return l;
}

int qf_conf_lines(
    struct qf_conf *c, const char *list, const struct qf_lines **out)
{
	struct qf_conf_list *l = get_list(c, list);

	*out = &l->lines;
	return l->rc == 0 ? QF_ENOENT : l->rc < 0 ? l->rc : 0;
}

const char *qf_conf_list_path(struct qf_conf *c, const char *list)
{
	return get_list(c, list)->path;
}
