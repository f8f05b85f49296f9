#include "lib/mail/authres.h"

#include <string.h>

#include "lib/base/utf8.h"
#include "lib/mail/lex.h"

enum {
	LINE_WISH = 78, /* RFC 5322 section 2.1.1 */
	TAB = 8
};

/* writing */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* Ldh-str of RFC 5321 section 4.1.2. */
static bool is_keyword(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	}
	return s.n > 0 && s.p[s.n - 1] != '-';
}

static bool is_method(const char *method)
{
	struct qf_span s = qf_span(method), name;
	unsigned long long version;

	if (!qf_span_cut(&s, '/', &name))
		return is_keyword(s);
	return is_keyword(name) && qf_span_u64(s, 999, &version);
}

static bool is_text(const char *s)
{
	unsigned point;
	size_t len;

	for (size_t n = strlen(s); n > 0; s += len, n -= len) {
		len = qf_utf8_char(s, n, &point);
		if (len == 0 || qf_utf8_is_control(point))
			return false;
	}
	return true;
}

static bool is_token(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!qf_lex_is_token_char(s.p[i]) ||
		    (unsigned char)s.p[i] > 127)
			return false;
	}
	return s.n > 0;
}

/* `local@domain` and `@domain` go without quotes where a value of a property
 * stands; a local part with other bytes than a token has does not, as not all
 * readers would understand it. */
static bool is_address(struct qf_span s)
{
	struct qf_span local;

	if (!qf_span_cut(&s, '@', &local) || s.n == 0 ||
	    (local.n > 0 && !is_token(local)))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	}
	return true;
}

static void add_value(struct qf_buf *out, const char *value, bool may_be_addr)
{
	struct qf_span s = qf_span(value);

	if (is_token(s) || (may_be_addr && is_address(s))) {
		qf_buf_addspan(out, s);
		return;
	}
	qf_buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			qf_buf_addc(out, '\\');
		qf_buf_addc(out, s.p[i]);
	}
	qf_buf_addc(out, '"');
}

/* A field as it grows: what stands on the last line, and the next word, which
 * goes there or on a line of its own. */
struct writer {
	struct qf_buf *out;
	struct qf_buf word;
	size_t column;
	bool failed;
};

/* Width counts characters, of which a continuation has no byte. */
static size_t width(struct qf_span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

static void new_line(struct writer *w)
{
	qf_buf_adds(w->out, "\n\t");
	w->column = TAB;
}

/* Puts the word into its place; `after` is the width of what follows it without
 * a blank. */
static void end_word(struct writer *w, size_t after)
{
	struct qf_span word = qf_buf_span(&w->word);
	size_t n = width(word);

	if (word.n > QF_AUTHRES_WORD_MAX)
		w->failed = true;
	if (w->column > TAB) {
		if (w->column + 1 + n + after > LINE_WISH) {
			new_line(w);
		} else {
			qf_buf_addc(w->out, ' ');
			w->column++;
		}
	}
	qf_buf_addspan(w->out, word);
	w->column += n;
	qf_buf_reset(&w->word);
}

static bool is_prop(const struct qf_authprop *p)
{
	return p->type != NULL && p->property != NULL && p->value != NULL &&
	       is_keyword(qf_span(p->type)) &&
	       is_keyword(qf_span(p->property)) && is_text(p->value);
}

static bool is_result(const struct qf_authres *r)
{
	if (r->method == NULL || r->result == NULL || !is_method(r->method) ||
	    !is_keyword(qf_span(r->result)) ||
	    (r->reason != NULL && !is_text(r->reason)) ||
	    r->nprops > QF_AUTHRES_PROPS_MAX ||
	    (r->nprops > 0 && r->props == NULL))
		return false;
	for (uint32_t i = 0; i < r->nprops; i++) {
		if (!is_prop(&r->props[i]))
			return false;
	}
	return true;
}

/* The words of a result; a semicolon follows unless it is the last. */
static void add_result(
    struct writer *w, const struct qf_authres *r, bool is_last)
{
	uint32_t left = r->nprops + (r->reason != NULL); /* words */

	new_line(w);
	qf_buf_addf(&w->word, "%s=%s", r->method, r->result);
	end_word(w, left == 0 && !is_last);
	if (r->reason != NULL) {
		qf_buf_adds(&w->word, "reason=");
		add_value(&w->word, r->reason, false);
		end_word(w, --left == 0 && !is_last);
	}
	for (const struct qf_authprop *p = r->props; left > 0; p++) {
		qf_buf_addf(&w->word, "%s.%s=", p->type, p->property);
		add_value(&w->word, p->value, true);
		end_word(w, --left == 0 && !is_last);
	}
	if (!is_last)
		qf_buf_addc(w->out, ';');
}

/* An id without what does not tell it from another: blanks around it, a dot at
 * its end. */
static struct qf_span bare(struct qf_span id)
{
	id = qf_span_trim(id);
	if (id.n > 0 && id.p[id.n - 1] == '.')
		id.n--;
	return id;
}

bool qf_authres_is_id(const char *id)
{
	return bare(qf_span(id)).n > 0 &&
	       strlen(id) <= QF_AUTHRES_WORD_MAX / 2 && is_text(id);
}

int qf_authres_format(
    const char *id, const struct qf_authres *r, size_t n, struct qf_buf *out)
{
	size_t start = out->len;
	struct writer w = {.out = out,
	    .word = QF_BUF_INIT,
	    .column = sizeof QF_AUTHRES_FIELD ":" - 1};

	w.failed = !qf_authres_is_id(id);
	add_value(&w.word, id, false);
	qf_buf_addc(&w.word, ';');
	end_word(&w, 0);
	if (n == 0) {
		qf_buf_adds(&w.word, "none");
		end_word(&w, 0);
	}
	for (size_t i = 0; i < n && !w.failed; i++) {
		if (is_result(&r[i]))
			add_result(&w, &r[i], i + 1 == n);
		else
			w.failed = true;
	}
	qf_buf_free(&w.word);
	if (!w.failed)
		return 0;
	out->len = start;
	out->s[start] = '\0';
	return QF_EINVAL;
}

int qf_authres_check(const struct qf_authres *r)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc = qf_authres_format("x", r, 1, &b);

	qf_buf_free(&b);
	return rc;
}

/* reading */

/* The id of a field's value: true when it can be read, and what follows it is
 * of the grammar. */
static bool read_id(struct qf_span s, struct qf_buf *id)
{
	struct qf_span version;

	if (!qf_lex_cfws(&s) || s.n == 0)
		return false;
	if (s.p[0] == '"') {
		if (!qf_lex_quoted(&s, id))
			return false;
	} else {
		qf_buf_addspan(id, qf_lex_token(&s));
	}
	if (!qf_lex_cfws(&s))
		return false;
	version = qf_lex_token(&s);
	for (size_t i = 0; i < version.n; i++) {
		if (version.p[i] < '0' || version.p[i] > '9')
			return false;
	}
	return qf_lex_cfws(&s) && id->len > 0 && (s.n == 0 || s.p[0] == ';');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The letters of s without what a careless reader would overlook. */
static void add_squeezed(
    struct qf_buf *out, struct qf_span s, bool without_comments)
{
	while (s.n > 0) {
		if (without_comments && s.p[0] == '(') {
			qf_lex_cfws(&s);
			continue;
		}
		if ((unsigned char)s.p[0] > ' ' && s.p[0] != '"' &&
		    s.p[0] != '\\')
			qf_buf_addc(out, lower(s.p[0]));
		s.p++;
		s.n--;
	}
}

static bool has_id(struct qf_span value, struct qf_span id)
{
	struct qf_buf text = QF_BUF_INIT, ours = QF_BUF_INIT;
	bool found;

	add_squeezed(&ours, id, false);
	add_squeezed(&text, value, false);
	qf_buf_addc(&text, '\n');
	add_squeezed(&text, value, true);
	found = memmem(text.s, text.len, ours.s, ours.len) != NULL;
	qf_buf_free(&text);
	qf_buf_free(&ours);
	return found;
}

static bool claims(struct qf_span value, struct qf_span id)
{
	struct qf_buf b = QF_BUF_INIT;
	bool ours;

	if (read_id(value, &b))
		ours = qf_span_ieq(bare(qf_buf_span(&b)), bare(id));
	else
		ours = has_id(value, id);
	qf_buf_free(&b);
	return ours;
}

/* Takes off *s up to a line end, of whatever kind, that does not fold. */
static struct qf_span cut_field(struct qf_span *s)
{
	struct qf_span field = *s;
	size_t n = 0;

	while (n < s->n) {
		char c = s->p[n++];

		if ((c == '\r' || c == '\n') &&
		    (n == s->n || strchr(" \t\r\n", s->p[n]) == NULL ||
			s->p[n] == '\0'))
			break;
	}
	field.n = n;
	s->p += n;
	s->n -= n;
	return field;
}

static bool is_results_field(struct qf_span *field)
{
	struct qf_span name;

	if (!qf_span_cut(field, ':', &name))
		return false;
	return qf_span_iis(qf_span_trim(name), QF_AUTHRES_FIELD);
}

bool qf_authres_is_ours(struct qf_span field, const char *id)
{
	while (field.n > 0) {
		struct qf_span one = cut_field(&field);

		if (is_results_field(&one) && claims(one, qf_span(id)))
			return true;
	}
	return false;
}
