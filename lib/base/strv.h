/*
 * Vectors of strings, and the splitting of a line into words as a shell
 * would quote them.
 */
#ifndef QF_BASE_STRV_H
#define QF_BASE_STRV_H

#include <stddef.h>

#include <qfront/span.h>
#include "lib/base/buf.h"
#include "lib/base/err.h"

/* v is NULL-terminated when n > 0; zeroed memory is an empty vector. */
struct qf_strv {
	char **v;
	size_t n, cap;
};

void qf_strv_add(struct qf_strv *v, const char *s); /* copies */
void qf_strv_add_span(struct qf_strv *v, struct qf_span s);
void qf_strv_free(struct qf_strv *v); /* leaves it empty */

/*
 * Appends the words of a line: white space separates; '...' is literal; "..."
 * takes a backslash before any character; a bare backslash quotes the next
 * character; quotes may start in mid-word; '' is an empty word. There are no
 * variables, commands or comments (nullmailer-send(8), "standard shell
 * quoting rules"). QF_EFORMAT when a quote or backslash is left open or the
 * line holds a zero byte; the words before it may have been added then.
 */
int qf_strv_split(struct qf_strv *v, struct qf_span line, struct qf_err *e);

/* Appends the words, quoted so that qf_strv_split() gives them back. */
void qf_strv_join(struct qf_buf *out, char *const *words, size_t n);

#endif
