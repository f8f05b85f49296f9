/*
 * Replies of an SMTP server: whatever comes, in whatever pieces, the same is
 * made of it; what is kept is printable and bounded, and all that is made of
 * it too.
 *
 * The first byte says how long the pieces are, the rest is what the server
 * says.
 */
#include <string.h>

#include "remote/smtp/ehlo.h"
#include "remote/smtp/reply.h"
#include "tests/fuzz/fuzz.h"

/* What a reply came to. */
struct outcome {
	int rc, code;
	size_t lines, taken;
	struct qf_buf text, quoted;
	char why[sizeof(((struct qf_err *)NULL)->text)];
};

/* clang-format off */
#define OUTCOME_INIT {.text = QF_BUF_INIT, .quoted = QF_BUF_INIT}
/* clang-format on */

static void forget(struct outcome *o)
{
	qf_buf_free(&o->text);
	qf_buf_free(&o->quoted);
}

static void check_printable(struct qf_span s, bool lines)
{
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK((s.p[i] >= ' ' && s.p[i] <= '~') ||
			   (lines && s.p[i] == '\n'));
}

static size_t count(struct qf_span s, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

static void check_formatted(const struct qf_smtp_reply *r)
{
	struct qf_buf all = QF_BUF_INIT, lines = QF_BUF_INIT,
		      flat = QF_BUF_INIT;

	qf_buf_adds(&all, "before ");
	qf_smtp_reply_format(r, &all);
	FUZZ_CHECK(all.len - 7 <= QF_REPLY_TEXT_MAX);
	FUZZ_CHECK(strncmp(all.s, "before ", 7) == 0);
	check_printable(qf_buf_span(&all), false);

	/* Lines as they were are the same text. */
	qf_smtp_reply_lines(r, SIZE_MAX / 2, &lines);
	check_printable(qf_buf_span(&lines), true);
	qf_smtp_reply_flatten(qf_buf_span(&lines), &flat);
	if (r->complete)
		FUZZ_CHECK(strcmp(flat.s, all.s + 7) == 0);
	for (size_t max = 0; max < 40; max += 13) {
		qf_buf_reset(&flat);
		qf_smtp_reply_lines(r, max, &flat);
		FUZZ_CHECK(flat.len <= max);
		FUZZ_CHECK(memcmp(flat.s, lines.s, flat.len) == 0);
	}
	qf_buf_free(&all);
	qf_buf_free(&lines);
	qf_buf_free(&flat);
}

static void check_offers(const struct qf_smtp_reply *r)
{
	struct qf_smtp_ehlo offers = {0};

	qf_smtp_ehlo_parse(&offers, r);
	FUZZ_CHECK(offers.auth.n <= QF_EHLO_AUTH_MAX);
	FUZZ_CHECK(offers.size || offers.size_max == 0);
	for (size_t i = 0; i < offers.auth.n; i++) {
		size_t n = strlen(offers.auth.v[i]);

		FUZZ_CHECK(n > 0 && n <= 20);
		check_printable(qf_span(offers.auth.v[i]), false);
	}
	qf_smtp_ehlo_free(&offers);
}

static void check_reply(const struct qf_smtp_reply *r, int rc)
{
	FUZZ_CHECK(rc == 0 || rc == 1 || rc == QF_EPROTO);
	FUZZ_CHECK(r->code == 0 || (r->code >= 200 && r->code <= 599));
	FUZZ_CHECK(rc != 1 || (r->complete && r->code != 0));
	FUZZ_CHECK(r->text.len <= QF_REPLY_TOTAL_MAX);
	FUZZ_CHECK(r->text.cap <= 2 * QF_REPLY_TOTAL_MAX);
	FUZZ_CHECK(r->line.len <= QF_REPLY_LINE_MAX);
	check_printable(qf_buf_span(&r->text), true);
	if (rc != QF_EPROTO)
		FUZZ_CHECK(count(qf_buf_span(&r->text), '\n') == r->lines);
	FUZZ_CHECK(r->lines <= QF_REPLY_LINES_MAX + (rc == QF_EPROTO));
	check_formatted(r);
}

/* The reply that *in begins with, in pieces of so many bytes; takes it off. */
static void take(struct qf_smtp_reply *r, struct qf_span *in, size_t piece,
    struct outcome *o)
{
	size_t n = in->n;
	struct qf_err e = {0};

	do {
		struct qf_span part =
		    qf_span_n(in->p, piece < in->n ? piece : in->n);
		size_t before = part.n;

		o->rc = qf_smtp_reply_feed(r, &part, &e);
		FUZZ_CHECK(part.n <= before);
		FUZZ_CHECK(o->rc != 0 || part.n == 0);
		in->p += before - part.n;
		in->n -= before - part.n;
	} while (o->rc == 0 && in->n > 0);
	o->code = r->code;
	o->lines = r->lines;
	o->taken = n - in->n;
	qf_buf_addspan(&o->text, qf_buf_span(&r->text));
	qf_smtp_reply_lines(r, SIZE_MAX / 2, &o->quoted);
	memcpy(o->why, e.text, sizeof e.text);
	check_printable(qf_span(o->why), false);
	check_reply(r, o->rc);
	if (o->rc == 1)
		check_offers(r);
}

static bool same(const struct qf_buf *a, const struct qf_buf *b)
{
	return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

static void compare(const struct outcome *a, const struct outcome *b)
{
	FUZZ_CHECK(a->rc == b->rc && a->code == b->code);
	FUZZ_CHECK(a->lines == b->lines);
	FUZZ_CHECK(same(&a->text, &b->text) && same(&a->quoted, &b->quoted));
	FUZZ_CHECK(strcmp(a->why, b->why) == 0);
	/* How much was read of what is no reply is told by nobody. */
	FUZZ_CHECK(a->rc == QF_EPROTO || a->taken == b->taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_smtp_reply whole = QF_SMTP_REPLY_INIT,
			     parts = QF_SMTP_REPLY_INIT;
	struct qf_span left, again;
	int rc = 1;

	if (size < 1)
		return 0;
	left = again = qf_span_n((const char *)data + 1, size - 1);
	while (rc == 1 && left.n > 0) {
		struct outcome a = OUTCOME_INIT, b = OUTCOME_INIT;

		FUZZ_CHECK(qf_smtp_reply_is_empty(&whole));
		take(&whole, &left, SIZE_MAX, &a);
		take(&parts, &again, 1 + data[0] % 32, &b);
		compare(&a, &b);
		rc = a.rc;
		forget(&a);
		forget(&b);
		qf_smtp_reply_reset(&whole);
		qf_smtp_reply_reset(&parts);
	}
	qf_smtp_reply_free(&whole);
	qf_smtp_reply_free(&parts);
	return 0;
}
