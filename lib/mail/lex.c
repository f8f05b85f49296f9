#include "lib/mail/lex.h"

#include <string.h>

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip(struct qf_span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

void qf_lex_blank(struct qf_span *s)
{
	size_t n = 0;

	while (n < s->n && is_white(s->p[n]))
		n++;
	skip(s, n);
}

/* A comment, which begins at s->p; comments nest. */
static bool skip_comment(struct qf_span *s)
{
	size_t n = 0, depth = 0;

	do {
		if (s->p[n] == '\\' && n + 1 < s->n)
			n++;
		else if (s->p[n] == '(')
			depth++;
		else if (s->p[n] == ')')
			depth--;
		n++;
	} while (depth > 0 && n < s->n);
	skip(s, n);
	return depth == 0;
}

bool qf_lex_cfws(struct qf_span *s)
{
	bool closed = true;

	for (;;) {
		qf_lex_blank(s);
		if (s->n == 0 || s->p[0] != '(')
			return closed;
		closed = skip_comment(s);
	}
}

bool qf_lex_is_token_char(char c)
{
	return ((unsigned char)c > ' ' && c != 127) &&
	       strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

struct qf_span qf_lex_token(struct qf_span *s)
{
	struct qf_span token = qf_span_n(s->p, 0);

	while (token.n < s->n && qf_lex_is_token_char(s->p[token.n]))
		token.n++;
	skip(s, token.n);
	return token;
}

bool qf_lex_quoted(struct qf_span *s, struct qf_buf *out)
{
	size_t n = 1;

	for (; n < s->n && s->p[n] != '"'; n++) {
		if (s->p[n] == '\\' && n + 1 < s->n)
			n++;
		if (s->p[n] != '\r' && s->p[n] != '\n')
			qf_buf_addc(out, s->p[n]);
	}
	if (n == s->n) {
		skip(s, n);
		return false;
	}
	skip(s, n + 1);
	return true;
}
