#include "lib/mail/mime_param.h"

#include <string.h>

#include "lib/mail/lex.h"
#include "lib/mail/mime_decode.h"

/* Takes off what stands before the next semicolon. */
static struct qf_span cut_to_semicolon(struct qf_span *s)
{
	const char *at = s->n > 0 ? memchr(s->p, ';', s->n) : NULL;
	struct qf_span head = *s;

	if (at != NULL)
		head.n = (size_t)(at - s->p);
	s->p += head.n;
	s->n -= head.n;
	return head;
}

/* Without a comment at the end that white space sets apart. */
static struct qf_span without_comment(struct qf_span s)
{
	for (size_t i = 1; i < s.n; i++) {
		struct qf_span rest = qf_span_n(s.p + i, s.n - i);

		if (s.p[i] != '(')
			continue;
		if (strchr(" \t\r\n", s.p[i - 1]) == NULL ||
		    !qf_lex_cfws(&rest) || rest.n > 0)
			return s;
		return qf_span_trim(qf_span_n(s.p, i));
	}
	return s;
}

/* A value without quotes. Clients take more than a token: of a file name all
 * that stands before the semicolon, of other values the first word. */
static void parse_bare(struct qf_params *p, bool is_name, struct qf_span *s)
{
	struct qf_span v = without_comment(qf_span_trim(cut_to_semicolon(s)));
	bool ended = false;

	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if ((unsigned char)c <= ' ' || c == 127 || c == '"' ||
		    c == '\\' || c == '(' || c == ')')
			p->broken = true;
		ended |= !is_name && (unsigned char)c <= ' ';
		if (!ended && c != '\r' && c != '\n')
			qf_buf_addc(&p->bytes, c);
	}
	p->broken |= v.n == 0;
}

static void parse_value(
    struct qf_params *p, struct qf_span name, struct qf_span *s)
{
	qf_lex_blank(s);
	if (s->n == 0 || s->p[0] != '"') {
		parse_bare(p,
		    qf_span_iis(name, "name") || qf_span_iis(name, "filename"),
		    s);
		return;
	}
	if (!qf_lex_quoted(s, &p->bytes) || !qf_lex_cfws(s))
		p->broken = true;
}

/* `name`, `name*`, `name*3` or `name*3*`. False when it is none of them. */
static bool split_name(struct qf_span s, struct qf_param *out)
{
	unsigned long long piece;

	*out = (struct qf_param){.piece = -1};
	if (s.n > 0 && s.p[s.n - 1] == '*') {
		out->extended = true;
		s.n--;
	}
	if (qf_span_cut(&s, '*', &out->name)) {
		if (!qf_span_u64(s, QF_PARAMS_MAX - 1, &piece))
			return false;
		out->piece = (int)piece;
	} else {
		out->name = s;
	}
	return out->name.n > 0;
}

/* One parameter; *s begins after the semicolon. */
static void parse_one(struct qf_params *p, struct qf_span *s)
{
	struct qf_param *param = &p->v[p->n];

	if (p->n == QF_PARAMS_MAX) {
		p->cut = true;
		cut_to_semicolon(s);
		return;
	}
	if (!split_name(qf_lex_token(s), param) || !qf_lex_cfws(s) ||
	    s->n == 0 || s->p[0] != '=') {
		p->broken = true;
		cut_to_semicolon(s);
		return;
	}
	s->p++;
	s->n--;
	param->offset = p->bytes.len;
	parse_value(p, param->name, s);
	param->length = p->bytes.len - param->offset;
	p->n++;
}

void qf_params_parse(struct qf_params *p, struct qf_span s)
{
	p->n = 0;
	p->broken = p->cut = false;
	qf_buf_reset(&p->bytes);
	for (;;) {
		if (!qf_lex_cfws(&s))
			p->broken = true;
		if (s.n > 0 && s.p[0] != ';') {
			p->broken = true;
			cut_to_semicolon(&s);
		}
		if (s.n == 0)
			return;
		s.p++;
		s.n--;
		if (!qf_lex_cfws(&s))
			p->broken = true;
		if (s.n > 0 && s.p[0] != ';')
			parse_one(p, &s);
	}
}

void qf_params_free(struct qf_params *p)
{
	qf_buf_free(&p->bytes);
}

/* The pieces of one parameter by their numbers, and its single values. */
struct found {
	const struct qf_param *piece[QF_PARAMS_MAX];
	const struct qf_param *plain, *extended;
};

static void find(struct qf_params *p, const char *name, struct found *f)
{
	*f = (struct found){0};
	for (size_t i = 0; i < p->n; i++) {
		const struct qf_param *param = &p->v[i];
		const struct qf_param **place =
		    param->extended ? &f->extended : &f->plain;

		if (!qf_span_iis(param->name, name))
			continue;
		if (param->piece >= 0)
			place = &f->piece[param->piece];
		if (*place == NULL)
			*place = param;
		else
			p->broken = true;
	}
}

static struct qf_span value_of(
    const struct qf_params *p, const struct qf_param *param)
{
	return qf_span_n(p->bytes.s + param->offset, param->length);
}

/* Takes `charset'language'` off the front; without it *charset is empty. */
static void cut_charset(struct qf_span *s, struct qf_span *charset)
{
	struct qf_span rest = *s, name, language;

	*charset = qf_span_n("", 0);
	if (!qf_span_cut(&rest, '\'', &name) ||
	    !qf_span_cut(&rest, '\'', &language))
		return;
	*charset = name;
	*s = rest;
}

static void add_percent_decoded(struct qf_buf *out, struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		int high = -1, low = -1;

		if (s.p[i] == '%' && s.n - i > 2) {
			high = qf_hex_digit(s.p[i + 1]);
			low = qf_hex_digit(s.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			qf_buf_addc(out, (char)(high << 4 | low));
			i += 2;
		} else {
			qf_buf_addc(out, s.p[i]);
		}
	}
}

static void add_value(struct qf_params *p, const struct qf_param *param,
    struct qf_buf *out, struct qf_span *charset)
{
	struct qf_span value = value_of(p, param);

	if (!param->extended) {
		qf_buf_addspan(out, value);
		return;
	}
	if (param->piece <= 0)
		cut_charset(&value, charset);
	add_percent_decoded(out, value);
}

bool qf_params_get(struct qf_params *p, const char *name, struct qf_buf *out,
    struct qf_span *charset)
{
	struct found f;

	*charset = (struct qf_span){0};
	find(p, name, &f);
	if (f.piece[0] != NULL) {
		for (size_t i = 0; i < QF_PARAMS_MAX && f.piece[i] != NULL; i++)
			add_value(p, f.piece[i], out, charset);
		return true;
	}
	if (f.extended == NULL && f.plain == NULL)
		return false;
	add_value(p, f.extended != NULL ? f.extended : f.plain, out, charset);
	return true;
}
