#include "lib/mail/mime.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/message.h"
#include "lib/mail/mime_decode.h"
#include "lib/mail/mime_field.h"

/* A multipart that the current line is in. After its last boundary nothing in
 * it counts, but its boundaries must not appear again either. */
struct level {
	uint32_t part;
	struct qf_span boundary;
	const char *default_type; /* of its parts */
	bool has_parts, ended;
};

struct indexer {
	struct qf_mime *m;
	struct qf_span all;
	size_t at; /* where the next line begins */
	/* The multiparts around it, the outermost first. */
	struct level level[QF_MIME_DEPTH_MAX];
	size_t nlevels;
	uint32_t current; /* the innermost part that has not ended */
	struct qf_mime_reader reader;
};

struct line {
	size_t start, end, next; /* `end` is without the line end */
};

static struct line line_at(struct qf_span all, size_t at)
{
	struct line l = {at, qf_line_end(all, at), 0};

	l.next = l.end;
	if (l.next < all.n && all.p[l.next] == '\r')
		l.next++;
	if (l.next < all.n && all.p[l.next] == '\n')
		l.next++;
	return l;
}

/* Of the part and of those around it. */
static void set_limit(struct qf_mime *m, uint32_t part)
{
	m->part[part].flags |= QF_PART_LIMIT;
	while (part != 0) {
		part = m->part[part].parent;
		m->part[part].flags |= QF_PART_LIMIT;
	}
}

/* boundaries */

enum delimiter {
	NO_DELIMITER,
	NEXT_PART,
	LAST_DELIMITER
};

static enum delimiter compare(struct qf_span text, struct qf_span boundary)
{
	if (text.n == boundary.n)
		return NEXT_PART;
	return text.n == boundary.n + 2 &&
		       memcmp(text.p + boundary.n, "--", 2) == 0
		   ? LAST_DELIMITER
		   : NO_DELIMITER;
}

/* Is the line a boundary of a multipart that it is in? The innermost one
 * counts. A line that only looks like one is noted. */
static enum delimiter find_delimiter(
    struct indexer *ix, struct line l, size_t *level)
{
	struct qf_span text = qf_span_n(ix->all.p + l.start, l.end - l.start);
	struct qf_part *suspect = NULL;

	if (text.n < 3 || text.p[0] != '-' || text.p[1] != '-')
		return NO_DELIMITER;
	text.p += 2;
	text.n -= 2;
	while (text.n > 0 &&
	       (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	for (size_t i = ix->nlevels; i-- > 0;) {
		const struct level *at = &ix->level[i];
		enum delimiter found;

		if (text.n < at->boundary.n ||
		    memcmp(text.p, at->boundary.p, at->boundary.n) != 0)
			continue;
		found = compare(text, at->boundary);
		if (found != NO_DELIMITER && !at->ended) {
			*level = i;
			return found;
		}
		suspect = &ix->m->part[at->part];
	}
	if (suspect != NULL)
		suspect->flags |= QF_PART_MALFORMED;
	return NO_DELIMITER;
}

/* Where the text before a boundary ends: the line end before it is its own. */
static size_t end_before(struct qf_span all, size_t start)
{
	if (start > 0 && all.p[start - 1] == '\n')
		start--;
	if (start > 0 && all.p[start - 1] == '\r')
		start--;
	return start;
}

static void end_body(struct indexer *ix, struct qf_part *part, size_t end)
{
	size_t start = (size_t)(part->body.p - ix->all.p);

	part->body.n = end > start ? end - start : 0;
}

/* All parts inside of `top` end here. */
static void end_parts_inside(struct indexer *ix, uint32_t top, size_t end)
{
	while (ix->current != top) {
		struct qf_part *part = &ix->m->part[ix->current];

		end_body(ix, part, end);
		ix->current = part->parent;
	}
}

static void leave_levels(struct indexer *ix, size_t keep)
{
	while (ix->nlevels > keep) {
		const struct level *l = &ix->level[--ix->nlevels];

		if (!l->ended || !l->has_parts)
			ix->m->part[l->part].flags |= QF_PART_MALFORMED;
	}
}

/* parts */

/* The header from ix->at: up to an empty line, which is passed, or to a
 * boundary or the end, where the body is empty. */
static struct qf_span take_header(struct indexer *ix)
{
	size_t start = ix->at, level;

	while (ix->at < ix->all.n) {
		struct line l = line_at(ix->all, ix->at);
		struct qf_span header =
		    qf_span_n(ix->all.p + start, l.start - start);

		if (l.end == l.start) {
			ix->at = l.next;
			return header;
		}
		if (find_delimiter(ix, l, &level) != NO_DELIMITER)
			return header;
		ix->at = l.next;
	}
	return qf_span_n(ix->all.p + start, ix->all.n - start);
}

static struct qf_part *append(struct qf_mime *m)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 16 : m->cap * 2;
		m->part = qf_realloc_array(m->part, m->cap, sizeof *m->part);
	}
	m->part[m->n] = (struct qf_part){.size = sizeof *m->part};
	return &m->part[m->n++];
}

/* A new part at ix->at, which gets *boundary when it has one. */
static struct qf_part *add_part(struct indexer *ix, uint32_t parent,
    const char *type, struct qf_span *boundary)
{
	bool is_first = ix->m->n == 0;
	struct qf_part *part = append(ix->m);

	ix->current = (uint32_t)(ix->m->n - 1);
	part->parent = parent;
	part->depth = is_first ? 0 : ix->m->part[parent].depth + 1;
	part->header = take_header(ix);
	part->body = qf_span_n(ix->all.p + ix->at, 0);
	qf_mime_read_header(&ix->reader, part, type, boundary);
	if ((part->flags & QF_PART_LIMIT) != 0)
		set_limit(ix->m, ix->current);
	return part;
}

static bool is_multipart(const struct qf_part *part)
{
	static const char prefix[] = "multipart/";

	return part->type.n > sizeof prefix - 1 &&
	       memcmp(part->type.p, prefix, sizeof prefix - 1) == 0;
}

static bool is_message(const struct qf_part *part)
{
	return qf_span_is(part->type, "message/rfc822") ||
	       qf_span_is(part->type, "message/global") ||
	       qf_span_is(part->type, "message/news");
}

/* May the current part, of which this is true so far, have parts? */
static bool may_open(struct indexer *ix, struct qf_part *part, bool so_far)
{
	if (so_far && part->depth < QF_MIME_DEPTH_MAX &&
	    ix->m->n < QF_MIME_PARTS_MAX)
		return true;
	set_limit(ix->m, ix->current);
	return false;
}

static void open_multipart(
    struct indexer *ix, struct qf_part *part, struct qf_span boundary)
{
	bool is_digest = qf_span_is(part->type, "multipart/digest");

	if (boundary.n == 0) {
		part->flags |= QF_PART_MALFORMED;
		return;
	}
	/* RFC 2045 section 6.4 forbids an encoding; clients look past it. */
	if (qf_encoding_find(part->encoding) != QF_ENCODING_NONE)
		part->flags |= QF_PART_MALFORMED;
	if (!may_open(ix, part, boundary.n <= QF_MIME_BOUNDARY_MAX))
		return;
	part->flags |= QF_PART_MULTIPART;
	ix->level[ix->nlevels++] = (struct level){.part = ix->current,
	    .boundary = boundary,
	    .default_type = is_digest ? "message/rfc822" : "text/plain"};
}

/* An attached message with a transfer encoding can not be looked into: its
 * parts would not be bytes of the message. */
static bool open_message(struct indexer *ix, struct qf_part *part)
{
	bool is_plain = qf_encoding_find(part->encoding) == QF_ENCODING_NONE;

	if (!is_plain)
		part->flags |= QF_PART_MALFORMED;
	if (!may_open(ix, part, is_plain))
		return false;
	part->flags |= QF_PART_MESSAGE;
	return true;
}

/* A new part and, where it is a message, those that begin with it. */
static void open_part(struct indexer *ix, uint32_t parent, const char *type)
{
	struct qf_part *part;
	struct qf_span boundary;

	for (;;) {
		part = add_part(ix, parent, type, &boundary);
		if (is_multipart(part))
			open_multipart(ix, part, boundary);
		if (!is_message(part) || !open_message(ix, part))
			return;
		parent = ix->current;
		type = "text/plain";
	}
}

static void read_bodies(struct indexer *ix)
{
	while (ix->nlevels > 0 && ix->at < ix->all.n) {
		struct line l = line_at(ix->all, ix->at);
		size_t at;
		enum delimiter found = find_delimiter(ix, l, &at);
		struct level *level;

		ix->at = l.next;
		if (found == NO_DELIMITER)
			continue;
		level = &ix->level[at];
		end_parts_inside(ix, level->part, end_before(ix->all, l.start));
		leave_levels(ix, at + 1);
		if (found == LAST_DELIMITER) {
			level->ended = true;
			continue;
		}
		level->has_parts = true;
		if (ix->m->n == QF_MIME_PARTS_MAX)
			set_limit(ix->m, level->part);
		else
			open_part(ix, level->part, level->default_type);
	}
}

void qf_mime_index(struct qf_mime *m, struct qf_span message)
{
	struct indexer ix = {
	    .m = m, .all = message, .reader = QF_MIME_READER_INIT(&m->arena)};

	open_part(&ix, 0, "text/plain");
	read_bodies(&ix);
	end_parts_inside(&ix, 0, message.n);
	end_body(&ix, &m->part[0], message.n);
	leave_levels(&ix, 0);
	qf_mime_reader_free(&ix.reader);
}

void qf_mime_free(struct qf_mime *m)
{
	for (size_t i = 0; m->decoded != NULL && i < m->n; i++)
		free(m->decoded[i].p);
	free(m->decoded);
	free(m->part);
	qf_arena_free(&m->arena);
	*m = (struct qf_mime){0};
}

static int decode(struct qf_mime *m, const struct qf_part *part,
    enum qf_encoding encoding, struct qf_mime_bytes *out)
{
	size_t room = QF_MIME_DECODED_MAX - m->decoded_total;
	struct qf_buf b = QF_BUF_INIT_MAX(room);
	int rc;

	if (room == 0)
		return QF_ETOOLONG;
	rc = encoding == QF_ENCODING_QP ? qf_qp_decode(part->body, &b)
					: qf_base64_decode(part->body, &b);
	if (rc < 0) {
		qf_buf_free(&b);
		return rc;
	}
	m->decoded_total += b.len;
	out->n = b.len;
	out->p = qf_buf_detach(&b);
	return 0;
}

int qf_mime_decoded(struct qf_mime *m, size_t index, struct qf_span *out)
{
	const struct qf_part *part;
	enum qf_encoding encoding;
	int rc = 0;

	if (index >= m->n)
		return QF_EINVAL;
	part = &m->part[index];
	encoding = qf_encoding_find(part->encoding);
	if (encoding == QF_ENCODING_NONE ||
	    (part->flags & (QF_PART_MULTIPART | QF_PART_MESSAGE)) != 0) {
		*out = part->body;
		return 0;
	}
	if (encoding == QF_ENCODING_OTHER)
		return QF_EFORMAT;
	if (m->decoded == NULL)
		m->decoded = qf_alloc(m->n * sizeof *m->decoded);
	if (m->decoded[index].p == NULL)
		rc = decode(m, part, encoding, &m->decoded[index]);
	if (rc == 0)
		*out = qf_span_n(m->decoded[index].p, m->decoded[index].n);
	return rc;
}
