#include "lib/base/strv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

void qf_strv_add_span(struct qf_strv *v, struct qf_span s)
{
	if (v->n + 2 > v->cap) {
		v->cap = v->cap == 0 ? 8 : v->cap * 2;
		v->v = qf_realloc_array(v->v, v->cap, sizeof *v->v);
	}
	v->v[v->n++] = qf_strndup(s.p, s.n);
	v->v[v->n] = NULL;
}

void qf_strv_add(struct qf_strv *v, const char *s)
{
	qf_strv_add_span(v, qf_span(s));
}

void qf_strv_free(struct qf_strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = (struct qf_strv){0};
}

int qf_strv_split(struct qf_strv *v, struct qf_span line, struct qf_err *e)
{
	struct qf_buf word = QF_BUF_INIT;
	bool in_word = false;
	char quote = 0;
	int rc = 0;

	if (line.n > 0 && memchr(line.p, '\0', line.n) != NULL)
		return qf_fail(e, QF_EFORMAT, "holds a zero byte");
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];

		if (quote == '\'' && c != '\'') {
			qf_buf_addc(&word, c);
		} else if (c == '\\') {
			if (++i == line.n) {
				rc = qf_fail(e, QF_EFORMAT,
				    "nothing follows the last backslash");
				goto out;
			}
			qf_buf_addc(&word, line.p[i]);
			in_word = true;
		} else if (quote != 0) {
			if (c == quote)
				quote = 0;
			else
				qf_buf_addc(&word, c);
		} else if (c == '\'' || c == '"') {
			quote = c;
			in_word = true;
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if (in_word)
				qf_strv_add_span(v, qf_buf_span(&word));
			qf_buf_reset(&word);
			in_word = false;
		} else {
			qf_buf_addc(&word, c);
			in_word = true;
		}
	}
	if (quote != 0)
		rc = qf_fail(e, QF_EFORMAT, "a %c quote is not closed", quote);
	else if (in_word)
		qf_strv_add_span(v, qf_buf_span(&word));
out:
	qf_buf_free(&word);
	return rc;
}

void qf_strv_join(struct qf_buf *out, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		qf_buf_adds(out, i > 0 ? " '" : "'");
		for (const char *s = words[i]; *s != '\0'; s++) {
			if (*s == '\'')
				qf_buf_adds(out, "'\\''");
			else
				qf_buf_addc(out, *s);
		}
		qf_buf_addc(out, '\'');
	}
}
