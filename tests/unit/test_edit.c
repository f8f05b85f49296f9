#include "lib/mail/edit.h"

#include "tests/unit/unit.h"

#include "lib/mail/addr.h"

struct world {
	struct qf_message m;
	struct qf_envelope env;
	struct qf_edits ed;
};

static void begin(struct world *w, struct qf_span bytes)
{
	static const char envelope[] = "Fa@b\0Tone\0Ttwo\0Tthree\0\0";
	struct qf_err e;

	*w = (struct world){.env = QF_ENVELOPE_INIT};
	if (qf_message_open(&w->m, unit_file(bytes.p, bytes.n), &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(
	    0, qf_envelope_parse(
		   &w->env, qf_span_n(envelope, sizeof envelope - 1), NULL));
}

static void end(struct world *w)
{
	close(w->m.fd);
	qf_message_close(&w->m);
	qf_envelope_free(&w->env);
	qf_edits_clear(&w->ed);
}

static void message_bytes(const struct qf_message *m, struct qf_buf *out)
{
	struct qf_span s;
	size_t at = 0;

	qf_buf_reset(out);
	while (qf_message_next(m, &at, &s))
		qf_buf_addspan(out, s);
	assert_int_equal(m->size, out->len);
}

static void expect(struct world *w, const char *bytes)
{
	struct qf_buf got = QF_BUF_INIT;

	message_bytes(&w->m, &got);
	assert_string_equal(bytes, got.s);
	qf_buf_free(&got);
}

static void expect_envelope(struct world *w, const char *addresses)
{
	struct qf_buf got = QF_BUF_INIT;

	qf_buf_adds(&got, qf_envelope_sender(&w->env));
	for (size_t i = 0; i < w->env.nrcpt; i++)
		qf_buf_addf(&got, ",%s", qf_envelope_rcpt(&w->env, i));
	assert_string_equal(addresses, got.s);
	qf_buf_free(&got);
}

static void insert(
    struct world *w, uint32_t before, const char *name, const char *value)
{
	assert_int_equal(
	    0, qf_edit_header_insert(&w->ed, &w->m, before, name, value));
}

static void apply(struct world *w)
{
	qf_edits_apply(&w->ed, &w->m, &w->env);
	assert_int_equal(0, w->ed.n);
}

static void test_header(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span("A: 1\nB: 2\n x\nC: 3\n\nbody\n"));
	insert(&w, 1, "X", "first");
	insert(&w, 0, "Top", "of\n it");
	insert(&w, 1, "Y", "second");
	insert(&w, 3, "Last", "");
	insert(&w, 1, "Z", "\tthird");
	insert(&w, 3, "Fold", "\n folded");
	assert_int_equal(0, qf_edit_header_delete(&w.ed, &w.m, 0));
	assert_int_equal(0, qf_edit_header_replace(&w.ed, &w.m, 1, "new"));
	/* nothing is seen before apply */
	expect(&w, "A: 1\nB: 2\n x\nC: 3\n\nbody\n");
	assert_int_equal(0, w.m.generation);
	apply(&w);
	expect(&w, "Top: of\n it\nX: first\nY: second\nZ:\tthird\nB: new\n"
		   "C: 3\nLast:\nFold:\n folded\n\nbody\n");
	assert_int_equal(1, w.m.generation);
	assert_int_equal(8, w.m.nfields);
	assert_int_equal(4, qf_message_find(&w.m, qf_span("b"), 0));
	assert_true(qf_span_is(w.m.field[4].value, " new"));
	/* positions count anew */
	assert_int_equal(0, qf_edit_header_delete(&w.ed, &w.m, 7));
	insert(&w, 7, "End", "x");
	apply(&w);
	expect(&w, "Top: of\n it\nX: first\nY: second\nZ:\tthird\nB: new\n"
		   "C: 3\nLast:\nEnd: x\n\nbody\n");
	assert_int_equal(2, w.m.generation);
	end(&w);
}

/* What would continue the line before it never gets one of ours there. */
static void test_stray_first_line(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span(" ; forged\nA: 1\n\nx\n"));
	insert(&w, 0, "Top", "of it");
	apply(&w);
	expect(&w, " ; forged\nTop: of it\nA: 1\n\nx\n");
	end(&w);
	begin(&w, qf_span("\tforged"));
	insert(&w, 0, "Top", "of it");
	apply(&w);
	expect(&w, "\tforged\nTop: of it\n");
	end(&w);
}

/* Of several changes to one field the last counts. */
static void test_last_wins(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span("A: 1\nB: 2\nC: 3\n\n"));
	qf_edit_header_delete(&w.ed, &w.m, 0);
	qf_edit_header_replace(&w.ed, &w.m, 0, "x");
	qf_edit_header_replace(&w.ed, &w.m, 1, "y");
	qf_edit_header_delete(&w.ed, &w.m, 1);
	qf_edit_header_replace(&w.ed, &w.m, 2, "z");
	qf_edit_header_replace(&w.ed, &w.m, 2, "zz");
	qf_edit_sender_set(&w.ed, "c@d");
	qf_edit_sender_set(&w.ed, "");
	apply(&w);
	expect(&w, "A: x\nC: zz\n\n");
	expect_envelope(&w, ",one,two,three");
	end(&w);
}

static void test_body(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span("A: 1\n\nold\n"));
	qf_edit_body_append(&w.ed, qf_span("more\n"));
	qf_edit_body_append(&w.ed, qf_span(""));
	apply(&w);
	expect(&w, "A: 1\n\nold\nmore\n");
	/* a replacement takes what came before it along */
	qf_edit_body_append(&w.ed, qf_span("lost\n"));
	qf_edit_body_replace(&w.ed, qf_span_n("n\0w\n", 4));
	qf_edit_body_append(&w.ed, qf_span("end"));
	apply(&w);
	assert_int_equal(13, w.m.size);
	qf_edit_body_replace(&w.ed, qf_span(""));
	apply(&w);
	expect(&w, "A: 1\n\n");
	assert_int_equal(3, w.m.generation);
	end(&w);
}

/* What the end of a message lacked when something comes behind it. */
static void test_joints(void **state)
{
	static const struct {
		const char *bytes, *inserted, *appended;
	} c[] = {
	    {"", "X: y\n", "\nbody"},
	    {"A: 1", "A: 1\nX: y\n", "A: 1\n\nbody"},
	    {"A: 1\n", "A: 1\nX: y\n", "A: 1\n\nbody"},
	    {"A: 1\n x", "A: 1\n x\nX: y\n", "A: 1\n x\n\nbody"},
	    {"A: 1\n\n", "A: 1\nX: y\n\n", "A: 1\n\nbody"},
	    {"A: 1\n\nold", "A: 1\nX: y\n\nold", "A: 1\n\noldbody"},
	    {"A: 1\n\r", "A: 1\nX: y\n\r", "A: 1\n\r\nbody"},
	    {"text", "text\nX: y\n", "text\n\nbody"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(c); i++) {
		struct world w;

		begin(&w, qf_span(c[i].bytes));
		insert(&w, (uint32_t)w.m.nfields, "X", "y");
		apply(&w);
		expect(&w, c[i].inserted);
		end(&w);
		begin(&w, qf_span(c[i].bytes));
		qf_edit_body_append(&w.ed, qf_span("body"));
		apply(&w);
		expect(&w, c[i].appended);
		end(&w);
	}
}

static void test_refused(void **state)
{
	char big[QF_ADDR_MAX + 2];
	struct world w;

	(void)state;
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	begin(&w, qf_span("A: 1\nmalformed\n\n"));
#define REFUSED(call) assert_int_equal(QF_EINVAL, call)
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 3, "X", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X Y", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X:", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X\n", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "\xc3\xa4", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X\x7f", "y"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X", "y\r\n z"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X", "y\nZ: z"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X", "y\n"));
	REFUSED(qf_edit_header_insert(&w.ed, &w.m, 0, "X", "y\n\n z"));
	REFUSED(qf_edit_header_replace(&w.ed, &w.m, 0, "y\n"));
	REFUSED(qf_edit_header_replace(&w.ed, &w.m, 1, "y"));
	REFUSED(qf_edit_header_replace(&w.ed, &w.m, 2, "y"));
	REFUSED(qf_edit_header_delete(&w.ed, &w.m, 2));
	REFUSED(qf_edit_rcpt_drop(&w.ed, &w.env, 3));
	REFUSED(qf_edit_rcpt_add(&w.ed, "a\nb"));
	REFUSED(qf_edit_rcpt_add(&w.ed, "a\rb"));
	REFUSED(qf_edit_rcpt_add(&w.ed, big));
	REFUSED(qf_edit_sender_set(&w.ed, "a\n"));
	REFUSED(qf_edit_sender_set(&w.ed, big));
	assert_int_equal(0, w.ed.n);
	/* a malformed line can go; an address of full length can come */
	assert_int_equal(0, qf_edit_header_delete(&w.ed, &w.m, 1));
	assert_int_equal(0, qf_edit_rcpt_add(&w.ed, big + 1));
	apply(&w);
	expect(&w, "A: 1\n\n");
	assert_int_equal(4, w.env.nrcpt);
	end(&w);
}

static void test_envelope(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span("A: 1\n\n"));
	qf_edit_rcpt_add(&w.ed, "four");
	qf_edit_rcpt_drop(&w.ed, &w.env, 1);
	qf_edit_rcpt_drop(&w.ed, &w.env, 1);
	qf_edit_rcpt_add(&w.ed, "five");
	qf_edit_rcpt_drop(&w.ed, &w.env, 0);
	qf_edit_sender_set(&w.ed, "c@d");
	apply(&w);
	expect_envelope(&w, "c@d,three,four,five");
	/* the message is as it was read */
	assert_int_equal(0, w.m.generation);
	end(&w);
}

static void test_drop_all(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span("A: 1\n\n"));
	assert_false(qf_edits_drop_all(&w.ed, &w.env));
	qf_edit_rcpt_drop(&w.ed, &w.env, 0);
	qf_edit_rcpt_drop(&w.ed, &w.env, 2);
	qf_edit_rcpt_drop(&w.ed, &w.env, 2);
	assert_false(qf_edits_drop_all(&w.ed, &w.env));
	qf_edit_rcpt_drop(&w.ed, &w.env, 1);
	assert_true(qf_edits_drop_all(&w.ed, &w.env));
	qf_edit_rcpt_add(&w.ed, "four");
	assert_false(qf_edits_drop_all(&w.ed, &w.env));
	apply(&w);
	expect_envelope(&w, "a@b,four");
	/* what has none can not lose the last one */
	qf_edit_rcpt_drop(&w.ed, &w.env, 0);
	apply(&w);
	qf_edit_sender_set(&w.ed, "");
	assert_false(qf_edits_drop_all(&w.ed, &w.env));
	end(&w);
}

static void test_clear(void **state)
{
	struct world w;

	(void)state;
	begin(&w, qf_span("A: 1\n\nbody"));
	insert(&w, 0, "X", "y");
	qf_edit_rcpt_drop(&w.ed, &w.env, 0);
	qf_edits_clear(&w.ed);
	apply(&w);
	expect(&w, "A: 1\n\nbody");
	expect_envelope(&w, "a@b,one,two,three");
	assert_int_equal(0, w.m.generation);
	end(&w);
}

static void test_many(void **state)
{
	enum {
		N = 100000
	};
	struct qf_buf b = QF_BUF_INIT;
	struct world w;

	(void)state;
	for (int i = 0; i < N; i++)
		qf_buf_adds(&b, "A: 1\n");
	begin(&w, qf_buf_span(&b));
	for (uint32_t i = N; i-- > 0;) {
		insert(&w, i, "X", "y");
		qf_edit_header_replace(&w.ed, &w.m, i, "2");
		qf_edit_body_append(&w.ed, qf_span("z"));
		qf_edit_rcpt_add(&w.ed, "r");
	}
	apply(&w);
	assert_int_equal(2 * N, w.m.nfields);
	assert_int_equal(N * 10 + 1 + N, w.m.size);
	for (uint32_t i = 0; i < N; i++)
		qf_edit_rcpt_drop(&w.ed, &w.env, i);
	apply(&w);
	assert_int_equal(3, w.env.nrcpt);
	end(&w);
	qf_buf_free(&b);
}

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % below;
}

static void random_edit(struct world *w)
{
	static const char *const values[] = {"v", "v\n\tw", "", " ", "\n x"};
	static const char *const bodies[] = {"", "\n", "\r", "q\r\nr", "\nq\r"};
	uint32_t n = (uint32_t)w->m.nfields;
	uint32_t at = draw(n + 1);

	switch (draw(5)) {
	case 0:
		insert(w, at, "Name", values[draw(5)]);
		break;
	case 1:
		if (at < n)
			qf_edit_header_replace(
			    &w->ed, &w->m, at, values[draw(5)]);
		break;
	case 2:
		if (at < n)
			qf_edit_header_delete(&w->ed, &w->m, at);
		break;
	case 3:
		qf_edit_body_append(&w->ed, qf_span(bodies[draw(5)]));
		break;
	case 4:
		qf_edit_body_replace(&w->ed, qf_span(bodies[draw(5)]));
		break;
	}
}

/* RFC 5321 section 2.3.8 byte by byte. */
static void reference(struct qf_buf *out, const struct qf_buf *in)
{
	qf_buf_reset(out);
	for (size_t i = 0; i < in->len; i++) {
		bool after_cr = i > 0 && in->s[i - 1] == '\r';

		if (in->s[i] == '\r' || (in->s[i] == '\n' && !after_cr))
			qf_buf_adds(out, "\r\n");
		else if (in->s[i] != '\n')
			qf_buf_addc(out, in->s[i]);
	}
	if (out->len > 0 && out->s[out->len - 1] != '\n')
		qf_buf_adds(out, "\r\n");
}

static void check_crlf(const struct qf_buf *got)
{
	for (size_t i = 0; i < got->len; i++) {
		if (got->s[i] == '\r')
			assert_int_equal('\n', got->s[i + 1]);
		if (got->s[i] == '\n')
			assert_true(i > 0 && got->s[i - 1] == '\r');
	}
}

/* Whatever comes in and is done to it: the pieces add up, and what is sent
 * has CR LF ends only. */
static void test_property(void **state)
{
	static const char alphabet[] = "ab: \r\n\n\r\t\0\xff";
	struct qf_buf bytes = QF_BUF_INIT, sent = QF_BUF_INIT,
		      want = QF_BUF_INIT;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		char in[60];
		uint32_t n = draw(sizeof in);
		struct qf_crlf it = {0};
		struct qf_span s;
		struct world w;

		for (uint32_t i = 0; i < n; i++)
			in[i] = alphabet[draw(sizeof alphabet - 1)];
		begin(&w, qf_span_n(in, n));
		message_bytes(&w.m, &bytes);
		assert_true(qf_span_eq(qf_buf_span(&bytes), qf_span_n(in, n)));
		for (uint32_t k = draw(6); k > 0; k--) {
			random_edit(&w);
			if (draw(3) == 0)
				apply(&w);
		}
		apply(&w);
		message_bytes(&w.m, &bytes);
		qf_buf_reset(&sent);
		while (qf_message_crlf_next(&w.m, &it, &s))
			qf_buf_addspan(&sent, s);
		check_crlf(&sent);
		reference(&want, &bytes);
		assert_true(qf_span_eq(qf_buf_span(&want), qf_buf_span(&sent)));
		end(&w);
	}
	qf_buf_free(&bytes);
	qf_buf_free(&sent);
	qf_buf_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_stray_first_line),
	    cmocka_unit_test(test_last_wins),
	    cmocka_unit_test(test_body),
	    cmocka_unit_test(test_joints),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_envelope),
	    cmocka_unit_test(test_drop_all),
	    cmocka_unit_test(test_clear),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_property),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
