/*
 * The pieces of structured header fields (RFC 5322 section 3.2, RFC 2045
 * section 5.1). Each function takes what it finds off the front of *s, folded
 * or not, and reads no byte twice.
 */
#ifndef QF_MAIL_LEX_H
#define QF_MAIL_LEX_H

#include <stdbool.h>

#include "lib/base/buf.h"

/* White space, CR and LF too. */
void qf_lex_blank(struct qf_span *s);
/* White space and comments. False when a comment is not closed: nothing is
 * left then. */
bool qf_lex_cfws(struct qf_span *s);
/* A token of RFC 2045, 8-bit bytes allowed; may be empty. */
struct qf_span qf_lex_token(struct qf_span *s);
/* A quoted string, which begins at s->p: appends what it holds, without
 * backslashes and line ends. False when it is not closed: nothing is left
 * then. */
bool qf_lex_quoted(struct qf_span *s, struct qf_buf *out);

bool qf_lex_is_token_char(char c);

#endif
