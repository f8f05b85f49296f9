/*
 * The index of MIME parts: a tree in order, whose spans lie within each other
 * and do not overlap, within the limits; its strings are clean; decoding makes
 * nothing longer.
 */
#include <string.h>

#include "lib/base/utf8.h"
#include "lib/mail/mime.h"
#include "lib/mail/mime_decode.h"
#include "tests/fuzz/fuzz.h"

static const struct qf_part *parent_of(
    const struct qf_mime *m, const struct qf_part *part)
{
	return &m->part[part->parent];
}

static const char *end_of(struct qf_span s)
{
	return s.p + s.n;
}

static void check_plain(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK(s.p[i] > ' ' && s.p[i] < 127);
}

static void check_strings(const struct qf_part *part)
{
	const char *slash = memchr(part->type.p, '/', part->type.n);
	unsigned point;

	FUZZ_CHECK(slash != NULL && slash > part->type.p &&
		   slash + 1 < end_of(part->type));
	check_plain(part->type);
	check_plain(part->charset);
	check_plain(part->id);
	for (size_t i = 0; i < part->type.n; i++)
		FUZZ_CHECK(part->type.p[i] < 'A' || part->type.p[i] > 'Z');
	for (size_t i = 0; i < part->encoding.n; i++)
		FUZZ_CHECK(
		    part->encoding.p[i] >= ' ' && part->encoding.p[i] < 127);
	for (size_t i = 0, len; i < part->name.n; i += len) {
		len = qf_utf8_char(part->name.p + i, part->name.n - i, &point);
		FUZZ_CHECK(len > 0 && !qf_utf8_is_control(point));
	}
}

static void check_spans(
    const struct qf_mime *m, size_t i, struct qf_span message)
{
	const struct qf_part *part = &m->part[i];

	FUZZ_CHECK(fuzz_within(part->header, message));
	FUZZ_CHECK(fuzz_within(part->body, message));
	FUZZ_CHECK(end_of(part->header) <= part->body.p);
	if (i == 0) {
		FUZZ_CHECK(part->header.p == message.p);
		FUZZ_CHECK(end_of(part->body) == end_of(message));
		return;
	}
	/* The body of a part that ends in its header stands at its end. */
	FUZZ_CHECK(part->header.p >= parent_of(m, part)->body.p);
	FUZZ_CHECK(end_of(part->body) <= end_of(parent_of(m, part)->body) ||
		   part->body.n == 0);
}

/* Is part i a child of the part before it, or of one around that? */
static void check_order(const struct qf_mime *m, uint32_t i)
{
	const struct qf_part *part = &m->part[i];
	uint32_t at = i - 1;

	FUZZ_CHECK(part->parent < i);
	FUZZ_CHECK(part->depth == parent_of(m, part)->depth + 1);
	FUZZ_CHECK(part->depth <= QF_MIME_DEPTH_MAX);
	while (at != part->parent) {
		FUZZ_CHECK(at != 0);
		FUZZ_CHECK(end_of(m->part[at].body) <= part->header.p);
		at = m->part[at].parent;
	}
	if (part->flags & QF_PART_LIMIT)
		FUZZ_CHECK(parent_of(m, part)->flags & QF_PART_LIMIT);
}

static void check_flags(const struct qf_mime *m, size_t i)
{
	const struct qf_part *part = &m->part[i];
	bool multipart = part->flags & QF_PART_MULTIPART;
	bool message = part->flags & QF_PART_MESSAGE;
	size_t children = 0;

	for (size_t k = i + 1; k < m->n && k < i + 200; k++)
		children += m->part[k].parent == i;
	FUZZ_CHECK(!(multipart && message));
	FUZZ_CHECK(!message || children == 1);
	FUZZ_CHECK(multipart || message || children == 0);
	FUZZ_CHECK((part->flags & ~31u) == 0);
}

static void check_decoded(struct qf_mime *m, size_t i)
{
	const struct qf_part *part = &m->part[i];
	struct qf_span s, again;
	int rc = qf_mime_decoded(m, i, &s);

	FUZZ_CHECK(rc == 0 || rc == QF_EFORMAT);
	if (rc < 0)
		return;
	FUZZ_CHECK(s.n <= part->body.n);
	FUZZ_CHECK(qf_mime_decoded(m, i, &again) == 0);
	FUZZ_CHECK(s.p == again.p && s.n == again.n);
	if (qf_encoding_find(part->encoding) == QF_ENCODING_NONE)
		FUZZ_CHECK(s.p == part->body.p && s.n == part->body.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span message = qf_span_n((const char *)data, size);
	struct qf_mime m = {0};

	qf_mime_index(&m, message);
	FUZZ_CHECK(m.n >= 1 && m.n <= QF_MIME_PARTS_MAX);
	FUZZ_CHECK(m.part[0].parent == 0 && m.part[0].depth == 0);
	for (size_t i = 0; i < m.n; i++) {
		check_strings(&m.part[i]);
		check_spans(&m, i, message);
		if (i > 0)
			check_order(&m, (uint32_t)i);
		check_flags(&m, i);
		check_decoded(&m, i);
	}
	qf_mime_free(&m);
	return 0;
}
