/*
 * The parameters of a MIME field: `; name=value ...` as RFC 2045 has them, and
 * in the forms of RFC 2231 (continued in pieces, with a charset). Read as mail
 * clients do; what does not keep to the grammar is noted.
 */
#ifndef QF_MAIL_MIME_PARAM_H
#define QF_MAIL_MIME_PARAM_H

#include <stdbool.h>

#include "lib/base/buf.h"

enum {
	QF_PARAMS_MAX = 256 /* of one field, pieces counted one by one */
};

struct qf_param {
	struct qf_span name;   /* without `*` and number */
	int piece;             /* number of the piece, or -1: not in pieces */
	bool extended;         /* `*=`: percent-encoded, may have a charset */
	size_t offset, length; /* of its value in qf_params.bytes */
};

/* Start with QF_PARAMS_INIT. */
struct qf_params {
	struct qf_param v[QF_PARAMS_MAX];
	size_t n;
	struct qf_buf bytes;
	bool broken; /* something is not of the grammar, or given twice */
	bool cut;    /* there are more */
};

/* clang-format off */
#define QF_PARAMS_INIT {.bytes = QF_BUF_INIT}
/* clang-format on */

/* Replaces what p holds with the parameters of a field; `s` begins at the first
 * semicolon. */
void qf_params_parse(struct qf_params *p, struct qf_span s);
void qf_params_free(struct qf_params *p);

/*
 * Appends the value of a parameter (no case), pieces joined and percent signs
 * decoded: true, or false when there is none. Pieces win over a single value,
 * an extended value over a plain one, the first of several over later ones.
 * *charset is what an extended value names, NULL for a plain one; borrowed.
 */
bool qf_params_get(struct qf_params *p, const char *name, struct qf_buf *out,
    struct qf_span *charset);

#endif
