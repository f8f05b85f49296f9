/*
 * The message index, its edits and the view with CR LF: the pieces always add
 * up. What is staged against a message, chosen by its bytes, is also done the
 * slow and simple way, and must come to the same.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/mail/edit.h"
#include "lib/mail/message.h"
#include "tests/fuzz/fuzz.h"

enum {
	FIELDS_MAX = 200, /* of a message that is edited */
	EDITS_MAX = 12
};

static int open_file(struct qf_span bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && qf_write_all(fd, bytes.p, bytes.n) == 0);
	return fd;
}

static void join(const struct qf_message *m, struct qf_buf *out)
{
	struct qf_span s;
	size_t at = 0;

	qf_buf_reset(out);
	while (qf_message_next(m, &at, &s)) {
		FUZZ_CHECK(s.n > 0);
		qf_buf_addspan(out, s);
	}
	FUZZ_CHECK(out->len == m->size);
}

static void check_field(const struct qf_header_field *f)
{
	FUZZ_CHECK(f->raw.n > 0);
	FUZZ_CHECK(fuzz_within(f->value, f->raw));
	FUZZ_CHECK(f->malformed == (f->name.n == 0));
	FUZZ_CHECK(memchr(f->raw.p, '\n', f->raw.n - 1) == NULL ||
		   memmem(f->raw.p, f->raw.n, "\n ", 2) != NULL ||
		   memmem(f->raw.p, f->raw.n, "\n\t", 2) != NULL);
	for (size_t i = 0; i < f->name.n; i++)
		FUZZ_CHECK(f->name.p[i] > ' ' && f->name.p[i] < 127 &&
			   f->name.p[i] != ':');
	if (!f->malformed)
		FUZZ_CHECK(f->name.p == f->raw.p && f->value.p[-1] == ':');
}

static void check_index(const struct qf_message *m, struct qf_span in)
{
	const char *at = m->nfields > 0 ? m->field[0].raw.p : NULL;

	for (size_t i = 0; i < m->nfields; i++) {
		check_field(&m->field[i]);
		FUZZ_CHECK(m->field[i].raw.p == at);
		at += m->field[i].raw.n;
		if (!m->field[i].malformed)
			FUZZ_CHECK(
			    qf_message_find(m, m->field[i].name, i) == (long)i);
	}
	FUZZ_CHECK(m->generation == 0 && m->size == in.n);
}

/* The slow way: byte by byte. */
static void add_crlf(struct qf_buf *out, struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool cr = s.p[i] == '\r', lf = s.p[i] == '\n';

		if (cr || (lf && (i == 0 || s.p[i - 1] != '\r')))
			qf_buf_adds(out, "\r\n");
		else if (!lf)
			qf_buf_addc(out, s.p[i]);
	}
	if (s.n > 0 && s.p[s.n - 1] != '\r' && s.p[s.n - 1] != '\n')
		qf_buf_adds(out, "\r\n");
}

static void check_crlf(const struct qf_message *m, struct qf_span bytes)
{
	struct qf_buf wanted = QF_BUF_INIT, got = QF_BUF_INIT;
	struct qf_crlf it = {0};
	struct qf_span s;

	add_crlf(&wanted, bytes);
	while (qf_message_crlf_next(m, &it, &s)) {
		FUZZ_CHECK(s.n > 0);
		qf_buf_addspan(&got, s);
	}
	FUZZ_CHECK(!qf_message_crlf_next(m, &it, &s));
	FUZZ_CHECK(qf_span_eq(qf_buf_span(&wanted), qf_buf_span(&got)));
	qf_buf_free(&wanted);
	qf_buf_free(&got);
}

/* edits */

static const char *const names[] = {"A", "Subject", "X-Long-Name", "", "a b"};
static const char *const values[] = {
    "", "x", " x", "\n x", "x\n\ty", "x\ny", "x\r", "\n", "x\n"};

#define PICK(array, seed)                                                      \
	(array)[fuzz_below(seed, sizeof(array) / sizeof *(array))]

/* What was staged, and what it says. */
struct plan {
	struct qf_edits edits;
	struct {
		const char *name, *value;
	} text[EDITS_MAX];
};

static int stage_one(struct plan *p, const struct qf_message *m,
    const struct qf_envelope *env, uint64_t *seed)
{
	uint32_t at = (uint32_t)fuzz_below(seed, m->nfields + 2);
	const char *name = PICK(names, seed), *value = PICK(values, seed);

	(void)env;
	p->text[p->edits.n].name = name;
	p->text[p->edits.n].value = value;
	switch (fuzz_below(seed, 5)) {
	case 0:
		return qf_edit_header_insert(&p->edits, m, at, name, value);
	case 1:
		return qf_edit_header_replace(&p->edits, m, at, value);
	case 2:
		return qf_edit_header_delete(&p->edits, m, at);
	case 3:
		return qf_edit_body_replace(&p->edits, qf_span(value));
	default:
		return qf_edit_body_append(&p->edits, qf_span(value));
	}
}

static void add_field(
    struct qf_buf *out, struct qf_span name, const char *value)
{
	qf_buf_addspan(out, name);
	qf_buf_addc(out, ':');
	if (value[0] != '\0' && strchr(" \t\n", value[0]) == NULL)
		qf_buf_addc(out, ' ');
	qf_buf_adds(out, value);
	qf_buf_addc(out, '\n');
}

static void end_line(struct qf_buf *b)
{
	if (b->len > 0 && b->s[b->len - 1] != '\n')
		qf_buf_addc(b, '\n');
}

/* Where an edit takes effect: nothing goes before a first line that would
 * continue it. */
static size_t place_of(const struct qf_edit *edit, const struct qf_message *m)
{
	const char *first = m->nfields > 0 ? m->field[0].raw.p : "x";

	if (edit->kind == QF_EDIT_HEADER_INSERT && edit->index == 0 &&
	    (first[0] == ' ' || first[0] == '\t'))
		return 1;
	return edit->index;
}

/* Field i as the edits leave it; `i` may be the end. */
static void model_field(const struct plan *p, const struct qf_message *m,
    size_t i, struct qf_buf *out)
{
	const char *value = NULL;
	bool changed = false;

	for (size_t k = 0; k < p->edits.n; k++) {
		const struct qf_edit *edit = &p->edits.v[k];

		if (place_of(edit, m) != i)
			continue;
		if (edit->kind == QF_EDIT_HEADER_INSERT) {
			end_line(out);
			add_field(
			    out, qf_span(p->text[k].name), p->text[k].value);
		} else if (edit->kind == QF_EDIT_HEADER_REPLACE ||
			   edit->kind == QF_EDIT_HEADER_DELETE) {
			changed = true;
			value = edit->kind == QF_EDIT_HEADER_REPLACE
				    ? p->text[k].value
				    : NULL;
		}
	}
	if (i == m->nfields || (changed && value == NULL))
		return;
	end_line(out);
	if (changed)
		add_field(out, m->field[i].name, value);
	else
		qf_buf_addspan(out, m->field[i].raw);
}

static void model_body(
    const struct plan *p, struct qf_span body, struct qf_buf *out)
{
	qf_buf_addspan(out, body);
	for (size_t k = 0; k < p->edits.n; k++) {
		if (p->edits.v[k].kind == QF_EDIT_BODY_REPLACE)
			qf_buf_reset(out);
		if (p->edits.v[k].kind == QF_EDIT_BODY_REPLACE ||
		    p->edits.v[k].kind == QF_EDIT_BODY_APPEND)
			qf_buf_adds(out, p->text[k].value);
	}
}

/* The message as the edits must leave it. */
static void model(
    const struct plan *p, const struct qf_message *m, struct qf_buf *out)
{
	struct qf_span none = {0};
	struct qf_buf body = QF_BUF_INIT;

	for (size_t i = 0; i <= m->nfields; i++)
		model_field(p, m, i, out);
	model_body(p, m->nbody > 0 ? m->body[0] : none, &body);
	if (m->separator.n > 0 || body.len > 0)
		end_line(out);
	qf_buf_addspan(out, m->separator);
	if (body.len > 0 &&
	    (m->separator.n == 0 || m->separator.p[m->separator.n - 1] != '\n'))
		qf_buf_addc(out, '\n');
	qf_buf_addspan(out, qf_buf_span(&body));
	qf_buf_free(&body);
}

/* Whoever reads what was written sees the same fields. */
static void check_again(const struct qf_message *m, struct qf_span bytes)
{
	struct qf_message again;
	struct qf_err e;
	int fd = open_file(bytes);

	FUZZ_CHECK(qf_message_open(&again, fd, &e) == 0);
	FUZZ_CHECK(again.nfields == m->nfields);
	for (size_t i = 0; i < m->nfields; i++)
		FUZZ_CHECK(qf_span_eq(again.field[i].raw, m->field[i].raw));
	FUZZ_CHECK(qf_span_eq(again.separator, m->separator));
	qf_message_close(&again);
	close(fd);
}

static void check_edits(struct qf_message *m, uint64_t *seed)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf wanted = QF_BUF_INIT, got = QF_BUF_INIT;
	struct plan p = {0};
	bool any;

	for (size_t n = 1 + fuzz_below(seed, EDITS_MAX); n > 0; n--) {
		size_t before = p.edits.n;
		int rc = stage_one(&p, m, &env, seed);

		FUZZ_CHECK(rc == 0 || rc == QF_EINVAL);
		FUZZ_CHECK(p.edits.n == before + (rc == 0));
	}
	any = p.edits.n > 0;
	model(&p, m, &wanted);
	qf_edits_apply(&p.edits, m, &env);
	FUZZ_CHECK(m->generation == any && p.edits.n == 0);
	join(m, &got);
	if (any)
		FUZZ_CHECK(qf_span_eq(qf_buf_span(&wanted), qf_buf_span(&got)));
	check_crlf(m, qf_buf_span(&got));
	check_again(m, qf_buf_span(&got));
	for (size_t i = 0; i < m->nfields; i++)
		check_field(&m->field[i]);
	qf_edits_clear(&p.edits);
	qf_buf_free(&wanted);
	qf_buf_free(&got);
	qf_envelope_free(&env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span in = qf_span_n((const char *)data, size);
	uint64_t seed = fuzz_seed(data, size);
	struct qf_buf got = QF_BUF_INIT;
	int fd = open_file(in);
	struct qf_message m;
	struct qf_err e;

	FUZZ_CHECK(qf_message_open(&m, fd, &e) == 0);
	check_index(&m, in);
	join(&m, &got);
	FUZZ_CHECK(qf_span_eq(in, qf_buf_span(&got)));
	check_crlf(&m, in);
	if (m.nfields <= FIELDS_MAX)
		check_edits(&m, &seed);
	qf_message_close(&m);
	qf_buf_free(&got);
	close(fd);
	return 0;
}
