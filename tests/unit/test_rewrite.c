/*
 * A message made into given bytes by edits: the result is those bytes exactly,
 * or nothing is edited.
 */
#include "tests/unit/unit.h"

#include "plugins/common/rewrite.h"
#include "tests/lib/fakehost.h"

static const struct qf_plugin plugin = {
    .effects = QF_EFFECT_HEADER | QF_EFFECT_BODY};
static struct qf_conf conf = {.plugin = &plugin};
static struct qf_err e;

/* Bytes of a literal, zero bytes included. */
/* clang-format off */
#define BYTES(s) {(s), sizeof(s) - 1}
/* clang-format on */

struct job {
	struct qf_msg m;
	int from, to;
	int rc;
	size_t edits;
	struct qf_buf got;
};

static void rewrite(struct job *j, struct qf_span from, struct qf_span to)
{
	struct qf_span run;

	*j = (struct job){.got = QF_BUF_INIT};
	j->m = (struct qf_msg){.conf = &conf,
	    .fd = -1,
	    .envelope = QF_ENVELOPE_INIT,
	    .whole = QF_SPOOL_INIT};
	j->from = unit_file(from.p, from.n);
	j->to = unit_file(to.p, to.n);
	assert_int_equal(0, qf_message_open(&j->m.message, j->from, &e));
	e.text[0] = '\0';
	j->rc = rewrite_message(&fakehost, &j->m, j->to, &e);
	j->edits = j->m.edits.n;
	qf_edits_apply(&j->m.edits, &j->m.message, &j->m.envelope);
	for (size_t at = 0; qf_message_next(&j->m.message, &at, &run);)
		qf_buf_addspan(&j->got, run);
}

static void end(struct job *j)
{
	fakehost_forget(&j->m);
	close(j->from);
	close(j->to);
	qf_buf_free(&j->got);
}

static void check(struct qf_span from, struct qf_span to, bool possible)
{
	struct job j;

	rewrite(&j, from, to);
	if (possible != (j.rc == 0))
		fail_msg("%.*s|%.*s: %d %s", (int)from.n, from.p, (int)to.n,
		    to.p, j.rc, e.text);
	assert_true(j.rc == 0 || j.rc == QF_EFORMAT);
	if (j.rc != 0)
		assert_int_equal(0, j.edits);
	else if (!qf_span_eq(qf_buf_span(&j.got), to))
		fail_msg("%.*s|%.*s: became %s", (int)from.n, from.p, (int)to.n,
		    to.p, j.got.s);
	end(&j);
}

static void test_can_be_made(void **state)
{
	static const struct {
		struct qf_span from, to;
	} cases[] = {
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("X: y\nA: b\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nX: y\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A: c\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\n\ny\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\n\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A:\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A:\tb\n c\n\td\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A:  two spaces \nA: \n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A:\n folded\n\nx\n")},
	    {BYTES("A: b\n\nx\n"), BYTES("A: \303\244 \n \n\nx\0y\r\n.")},
	    /* What stands there already may look like anything. */
	    {BYTES(" cont\nFrom x\nno field\nA:b\nC: d\r\n\nx"),
		BYTES("X: y\n cont\nFrom x\nno field\nA:b\nY: z\nC: d\r\n\nx")},
	    {BYTES("A:b\nX: y\nC: d\n\n"), BYTES("X: y\nA:b\nC: d\n\n")},
	    {BYTES("A:b\nX: y\nZ: z\n\n"), BYTES("X: y\nZ: z\nA:b\n\n")},
	    {BYTES("A:1\nB:2\nA:1\n\n"), BYTES("A:1\nA:1\n\n")},
	    {BYTES("From x\nA: b\n\nx"), BYTES("A: b\n\nx")},
	    {BYTES("A: b\r\n\r\nx\r\n"), BYTES("X: y\nA: b\r\n\r\nz\r\n")},
	    {BYTES("A: b\0c\n\n"), BYTES("X: y\nA: b\0c\n\n")},
	    /* No body, no empty line, nothing at all. */
	    {BYTES("A: b"), BYTES("X: y\nA: b")},
	    {BYTES("A: b"), BYTES("A: b\n")},
	    {BYTES("A: b"), BYTES("A: b\nX: y\n\nx")},
	    {BYTES("A: b\n"), BYTES("A: b\n\nx")},
	    {BYTES("A: b\r\n\r"), BYTES("A: b\r\nC: d\n\r")},
	    {BYTES(""), BYTES("A: b\n\nx")},
	    {BYTES(""), BYTES("A: b\n")},
	    {BYTES(""), BYTES("\nx")},
	    {BYTES("A: b\n"), BYTES("")},
	    {BYTES("\n\n\n"), BYTES("A: b\n\n\n\n\n")},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		check(cases[i].from, cases[i].to, true);
}

static void test_can_not_be_made(void **state)
{
	static const struct {
		struct qf_span from, to;
		const char *text;
	} cases[] = {
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nC:d\n\nx\n"), "\"C:d\""},
	    {BYTES("A: b\n\nx\n"), BYTES("From x\nA: b\n\nx\n"), "\"From x\""},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nno field\n\nx"), "no field"},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nC : d\n\nx"), "C : d"},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nC: d\r\n\nx"), "C: d"},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nC: \0\n\nx"), "C: "},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\nC: d"), "C: d"},
	    {BYTES("A: b\n\nx\n"), BYTES(" b\n\nx"), "b"},
	    {BYTES("A: b\n\nx\n"), BYTES(": b\n\nx"), ": b"},
	    {BYTES("A: b\n\nx\n"), BYTES("\303\244: b\n\nx"), "b"},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\n"), "the empty line"},
	    {BYTES("A: b\n\nx\n"), BYTES(""), "the empty line"},
	    {BYTES("A: b\n\nx\n"), BYTES("A: b\n\r\nx\n"), "the empty line"},
	    {BYTES("A: b\n"), BYTES("A: b\n\n"), "the empty line"},
	    {BYTES("A: b\n"), BYTES("A: b\n\r\nx"), "the empty line"},
	    {BYTES(""), BYTES("\n"), "the empty line"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		check(cases[i].from, cases[i].to, false);
		if (strstr(e.text, cases[i].text) == NULL)
			fail_msg("%zu: %s", i, e.text);
	}
}

static void test_leaves_alone(void **state)
{
	static const struct qf_span from = BYTES("A: 1\nB: 2\nC: 3\n\nx\n"),
				    same = BYTES("A: 1\nB: 2\nC: 3\n\nx\n"),
				    one = BYTES("A: 1\nB: 4\nC: 3\n\nx\n"),
				    body = BYTES("A: 1\nB: 2\nC: 3\n\ny\n");
	struct job j;

	(void)state;
	rewrite(&j, from, same);
	assert_int_equal(0, j.rc);
	assert_int_equal(0, j.edits);
	end(&j);
	rewrite(&j, from, one); /* one deleted, one inserted */
	assert_int_equal(2, j.edits);
	end(&j);
	rewrite(&j, from, body);
	assert_int_equal(1, j.edits);
	end(&j);
}

/* Random lines; `kinds` of them, the later ones such that can not be made. */
static const char *const lines[] = {"A: 1\n", "B: 2\n", "A: 1\n", "C:\n d\n",
    "Received: x\n", "D:\td \n", "E: \n", "F:1\n", "From x\n", "G: 1\r\n"};

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static void make(struct qf_buf *b, unsigned *seed, unsigned kinds)
{
	unsigned n = next_random(seed) % 9;

	qf_buf_reset(b);
	while (n-- > 0)
		qf_buf_adds(b, lines[next_random(seed) % kinds]);
	qf_buf_addc(b, '\n');
	for (n = next_random(seed) % 3; n > 0; n--)
		qf_buf_adds(b, lines[next_random(seed) % UNIT_COUNT(lines)]);
}

static void test_any_pair(void **state)
{
	struct qf_buf from = QF_BUF_INIT, to = QF_BUF_INIT;
	unsigned seed = 1, odd = 0;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct job j;

		/* From anything to what can be made: always. */
		make(&from, &seed, UNIT_COUNT(lines));
		make(&to, &seed, 7);
		check(qf_buf_span(&from), qf_buf_span(&to), true);
		/* To anything: exactly, or not at all. */
		make(&to, &seed, UNIT_COUNT(lines));
		rewrite(&j, qf_buf_span(&from), qf_buf_span(&to));
		if (j.rc == 0)
			assert_true(
			    qf_span_eq(qf_buf_span(&j.got), qf_buf_span(&to)));
		else
			assert_true(j.rc == QF_EFORMAT && j.edits == 0);
		odd += j.rc != 0;
		end(&j);
	}
	assert_in_range(odd, 100, 4900);
	qf_buf_free(&from);
	qf_buf_free(&to);
}

/* What is left out can go whatever it is, and what is added is no reason to
 * touch what can not be made. */
static void test_odd_lines_stay(void **state)
{
	struct qf_buf from = QF_BUF_INIT, to = QF_BUF_INIT;
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		qf_buf_reset(&from);
		qf_buf_reset(&to);
		for (int k = 0; k < 8; k++) {
			const char *line =
			    lines[next_random(&seed) % UNIT_COUNT(lines)];
			unsigned what = next_random(&seed) % 3;

			/* In the first, in both, or a good one in the second.
			 */
			if (what < 2)
				qf_buf_adds(&from, line);
			if (what == 1)
				qf_buf_adds(&to, line);
			if (what == 2)
				qf_buf_adds(&to, lines[next_random(&seed) % 7]);
		}
		qf_buf_addc(&from, '\n');
		qf_buf_addc(&to, '\n');
		check(qf_buf_span(&from), qf_buf_span(&to), true);
	}
	qf_buf_free(&from);
	qf_buf_free(&to);
}

/* More fields than a table would have room for. */
static void test_large(void **state)
{
	struct qf_buf from = QF_BUF_INIT, to = QF_BUF_INIT;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		qf_buf_addf(&from, "A: %d\n", i);
		qf_buf_addf(&to, "A: %d\n", i % 7 == 0 ? -i : i);
	}
	qf_buf_addc(&from, '\n');
	qf_buf_addc(&to, '\n');
	for (int i = 0; i < 300000; i++) {
		qf_buf_adds(&from, "line of text\n");
		qf_buf_adds(&to, "line of text!\n");
	}
	check(qf_buf_span(&from), qf_buf_span(&to), true);
	qf_buf_free(&from);
	qf_buf_free(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_can_be_made),
	    cmocka_unit_test(test_can_not_be_made),
	    cmocka_unit_test(test_leaves_alone),
	    cmocka_unit_test(test_any_pair),
	    cmocka_unit_test(test_odd_lines_stay),
	    cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
