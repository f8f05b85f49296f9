/*
 * What a plugin may ask of its settings, and its log.
 */
#include <string.h>

#include "frontend/host_calls.h"
#include "lib/base/log.h"

/* config. Lists are read when they are first asked for, so the settings that
 * plugins see as constant are not quite. */

int32_t qf_host_conf_get(
    const struct qf_conf *c, const char *key, struct qf_span *out)
{
	const struct qf_conf_value *v = qf_conf_find(c, key);

	if (v == NULL)
		return QF_ENOENT;
	*out = v->value;
	return 0;
}

int32_t qf_host_conf_list_next(const struct qf_conf *c, const char *list,
    struct qf_iter *it, struct qf_span *out, uint32_t *line)
{
	const struct qf_lines *lines;
	int rc = qf_conf_lines((struct qf_conf *)c, list, &lines);

	if (rc < 0)
		return rc;
	if (it->w[0] >= lines->n)
		return 0;
	*out = lines->v[it->w[0]].s;
	if (line != NULL)
		*line = lines->v[it->w[0]].number;
	it->w[0]++;
	return 1;
}

int32_t qf_host_conf_path(
    const struct qf_conf *c, struct qf_span name, const char **out)
{
	struct qf_buf b = QF_BUF_INIT;

	if (name.n == 0 || memchr(name.p, '\0', name.n) != NULL)
		return QF_EINVAL;
	if (name.p[0] != '/')
		qf_buf_addf(&b, "%s/", c->ctl->path);
	qf_buf_addspan(&b, name);
	*out = qf_arena_strdup(&((struct qf_conf *)c)->arena, b.s);
	qf_buf_free(&b);
	return 0;
}

void qf_host_conf_error(const struct qf_conf *c, const char *key,
    const char *list, uint32_t line, const char *text)
{
	const struct qf_conf_value *v =
	    key != NULL ? qf_conf_find(c, key) : NULL;
	const char *file = c->chain_file;
	uint32_t at = c->stage->line;

	if (list != NULL) {
		file = qf_conf_list_path((struct qf_conf *)c, list);
		at = line;
	} else if (v != NULL) {
		file = v->file;
		at = v->line;
	}
	if (at == 0)
		qf_problem(c->problems, QF_ECONF, "%s: %s: %s", file,
		    c->stage->name, text);
	else
		qf_problem(c->problems, QF_ECONF, "%s:%u: %s: %s", file, at,
		    c->stage->name, text);
}

/* log */

void qf_host_log(
    struct qf_msg *m, const struct qf_conf *c, int32_t level, const char *text)
{
	const struct qf_stage *stage = m != NULL   ? m->stage
				       : c != NULL ? c->stage
						   : NULL;

	qf_log(level, "plugin",
	    QF_KS("stage", stage != NULL ? stage->name : ""),
	    QF_KS("text", text));
}
