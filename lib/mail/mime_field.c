#include "lib/mail/mime_field.h"

#include <string.h>

#include "lib/mail/lex.h"
#include "lib/mail/message.h"
#include "lib/mail/mime.h"

void qf_mime_reader_free(struct qf_mime_reader *r)
{
	qf_charsets_free(&r->charsets);
	qf_params_free(&r->params);
	qf_buf_free(&r->scratch);
}

/* The fields that say something of a part. */
enum {
	TYPE,
	ENCODING,
	DISPOSITION,
	ID,
	FIELDS
};

static const char *const field_name[FIELDS] = {"Content-Type",
    "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"};

/* The values as they stand; NULL: not there. */
struct fields {
	struct qf_span value[FIELDS];
};

/* The first field of a name counts; clients differ about a second one. */
static void note_field(
    struct qf_part *part, struct fields *f, struct qf_span raw)
{
	struct qf_header_field field;
	size_t i = 0;

	qf_header_field_set(&field, raw);
	if (field.malformed)
		part->flags |= QF_PART_MALFORMED;
	while (i < FIELDS && !qf_span_iis(field.name, field_name[i]))
		i++;
	if (i == FIELDS)
		return;
	if (f->value[i].p != NULL)
		part->flags |= QF_PART_MALFORMED;
	else
		f->value[i] = qf_span_trim(field.value);
}

static void split_header(struct qf_part *part, struct fields *f)
{
	struct qf_span all = part->header;
	size_t start = 0; /* of the field */

	for (size_t at = 0; at < all.n;) {
		size_t end = qf_line_end(all, at);
		size_t next = end;

		if (next < all.n && all.p[next] == '\r')
			next++;
		if (next < all.n && all.p[next] == '\n')
			next++;
		else if (next > end)
			part->flags |= QF_PART_MALFORMED; /* a lone CR */
		at = next;
		if (at < all.n && (all.p[at] == ' ' || all.p[at] == '\t'))
			continue;
		note_field(part, f, qf_span_n(all.p + start, at - start));
		start = at;
	}
}

static struct qf_span keep(struct qf_mime_reader *r, struct qf_span s)
{
	return qf_span_n(qf_arena_strndup(r->arena, s.p, s.n), s.n);
}

static bool is_plain(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 127)
			return false;
	}
	return true;
}

/* The scratch bytes as a string of the part, if they are plain ASCII. */
static struct qf_span keep_plain(struct qf_mime_reader *r, struct qf_part *part)
{
	struct qf_span s = qf_span_trim(qf_buf_span(&r->scratch));

	if (is_plain(s))
		return keep(r, s);
	part->flags |= QF_PART_MALFORMED;
	return qf_span("");
}

static void add_lower(struct qf_buf *out, struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		qf_buf_addc(
		    out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
	}
}

static void read_params(
    struct qf_mime_reader *r, struct qf_part *part, struct qf_span rest)
{
	qf_params_parse(&r->params, rest);
	if (r->params.broken || r->params.cut)
		part->flags |= QF_PART_MALFORMED;
	if (r->params.cut)
		part->flags |= QF_PART_LIMIT;
}

/* `type/subtype` off the front of *s, in lower case, in the scratch buffer. */
static bool read_type(struct qf_mime_reader *r, struct qf_span *s)
{
	struct qf_span type, subtype;

	if (!qf_lex_cfws(s))
		return false;
	type = qf_lex_token(s);
	if (!qf_lex_cfws(s) || s->n == 0 || s->p[0] != '/')
		return false;
	s->p++;
	s->n--;
	if (!qf_lex_cfws(s))
		return false;
	subtype = qf_lex_token(s);
	if (type.n == 0 || subtype.n == 0 || !is_plain(type) ||
	    !is_plain(subtype))
		return false;
	qf_buf_reset(&r->scratch);
	add_lower(&r->scratch, type);
	qf_buf_addc(&r->scratch, '/');
	add_lower(&r->scratch, subtype);
	return true;
}

/* A name for people: either form of RFC 2231, or encoded words where the
 * grammar has none. */
static void read_name(
    struct qf_mime_reader *r, struct qf_part *part, const char *param)
{
	struct qf_span charset;
	struct qf_buf name = QF_BUF_INIT;

	qf_buf_reset(&r->scratch);
	if (part->name.n > 0 ||
	    !qf_params_get(&r->params, param, &r->scratch, &charset))
		return;
	if (charset.p != NULL)
		qf_mime_text_add(
		    &r->charsets, charset, qf_buf_span(&r->scratch), &name);
	else
		qf_mime_words_add(
		    &r->charsets, qf_buf_span(&r->scratch), &name);
	part->name = keep(r, qf_buf_span(&name));
	qf_buf_free(&name);
}

static void read_boundary(
    struct qf_mime_reader *r, struct qf_part *part, struct qf_span *boundary)
{
	struct qf_span charset, s;

	qf_buf_reset(&r->scratch);
	if (!qf_params_get(&r->params, "boundary", &r->scratch, &charset))
		return;
	s = qf_buf_span(&r->scratch);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	if (memchr(s.p, '\0', s.n) != NULL)
		part->flags |= QF_PART_MALFORMED;
	else
		*boundary = keep(r, s);
}

static void read_content_type(struct qf_mime_reader *r, struct qf_part *part,
    struct qf_span value, struct qf_span *boundary)
{
	struct qf_span charset;

	if (!read_type(r, &value)) {
		part->flags |= QF_PART_MALFORMED;
		return;
	}
	part->type = keep(r, qf_buf_span(&r->scratch));
	read_params(r, part, value);
	qf_buf_reset(&r->scratch);
	if (qf_params_get(&r->params, "charset", &r->scratch, &charset))
		part->charset = keep_plain(r, part);
	read_boundary(r, part, boundary);
	read_name(r, part, "name");
}

static void read_disposition(
    struct qf_mime_reader *r, struct qf_part *part, struct qf_span value)
{
	struct qf_span token;

	if (!qf_lex_cfws(&value))
		part->flags |= QF_PART_MALFORMED;
	token = qf_lex_token(&value);
	if (token.n == 0)
		part->flags |= QF_PART_MALFORMED;
	if (qf_span_iis(token, "attachment"))
		part->flags |= QF_PART_ATTACHMENT;
	read_params(r, part, value);
	read_name(r, part, "filename");
}

/* A value that is no token stays as it is, so that it is no encoding that we
 * know: what can not be read must not be taken for plain text. */
static void read_encoding(
    struct qf_mime_reader *r, struct qf_part *part, struct qf_span value)
{
	struct qf_span rest = value, token;
	bool closed = qf_lex_cfws(&rest);

	token = qf_lex_token(&rest);
	closed = qf_lex_cfws(&rest) && closed;
	if (!closed || token.n == 0 || rest.n > 0 || !is_plain(token)) {
		part->flags |= QF_PART_MALFORMED;
		token = value;
	}
	qf_buf_reset(&r->scratch);
	add_lower(&r->scratch, token);
	for (size_t i = 0; i < r->scratch.len; i++) {
		if (r->scratch.s[i] < ' ' || r->scratch.s[i] >= 127)
			r->scratch.s[i] = '?';
	}
	part->encoding = keep(r, qf_buf_span(&r->scratch));
}

static void read_id(
    struct qf_mime_reader *r, struct qf_part *part, struct qf_span value)
{
	struct qf_span id;

	if (!qf_lex_cfws(&value))
		part->flags |= QF_PART_MALFORMED;
	id = value;
	if (value.n > 0 && value.p[0] == '<') {
		value.p++;
		value.n--;
		if (!qf_span_cut(&value, '>', &id))
			id = value;
	}
	qf_buf_reset(&r->scratch);
	qf_buf_addspan(&r->scratch, id);
	part->id = keep_plain(r, part);
}

void qf_mime_read_header(struct qf_mime_reader *r, struct qf_part *part,
    const char *type, struct qf_span *boundary)
{
	struct fields f = {0};

	part->type = qf_span(type);
	part->charset = part->encoding = part->name = part->id = qf_span("");
	*boundary = qf_span("");
	if (part->header.n > QF_MIME_HEADER_MAX) {
		part->type = qf_span("application/octet-stream");
		part->flags |= QF_PART_LIMIT;
		return;
	}
	split_header(part, &f);
	/* The name that the disposition gives comes first. */
	if (f.value[DISPOSITION].p != NULL)
		read_disposition(r, part, f.value[DISPOSITION]);
	if (f.value[TYPE].p != NULL)
		read_content_type(r, part, f.value[TYPE], boundary);
	if (f.value[ENCODING].p != NULL)
		read_encoding(r, part, f.value[ENCODING]);
	if (f.value[ID].p != NULL)
		read_id(r, part, f.value[ID]);
}
