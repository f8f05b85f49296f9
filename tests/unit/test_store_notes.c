/*
 * The text in which the engines of the queue keep why recipients failed
 * (queue/store.c), also as other programs write it.
 */
#include "tests/unit/unit.h"

#include "queue/store.h"

static void test_forms(void **state)
{
	static const struct {
		const char *bytes, *rcpt, *reason;
	} t[] = {
	    {"<a@b>:\nno\n\n", "a@b", "no"},
	    {"<>:\nno\n\n", "", "no"},
	    {"<a>:@b>:\nno\n\n", "a>:@b", "no"},
	    {"<a@b>:\n\n\n", "a@b", ""},
	    {"<a@b>:\none\n/\ntwo\n\n\n", "a@b", "one\n/\ntwo"},
	    {"", NULL, NULL},
	    {"<a@b>:\nno\n", NULL, NULL},
	    {"<a@b>:", NULL, NULL},
	    {"<a@b>\nno\n\n", NULL, NULL},
	    {"a@b:\nno\n\n", NULL, NULL},
	};
	struct qf_buf b = QF_BUF_INIT;
	char big[QF_REASON_MAX + 50];
	struct qf_note note;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		qf_buf_reset(&b);
		qf_buf_adds(&b, t[i].bytes);
		note = (struct qf_note){0};
		assert_int_equal(qf_note_next(&b, &note), t[i].rcpt != NULL);
		if (t[i].rcpt == NULL)
			continue;
		assert_true(qf_span_is(note.rcpt, t[i].rcpt));
		assert_true(qf_span_is(note.reason, t[i].reason));
		assert_int_equal(note.at, b.len);
	}
	qf_buf_reset(&b);
	qf_note_add(&b, "a\n@b\x7f", " \n ");
	assert_string_equal(b.s, "<a_@b_>:\nno reason was given\n\n");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	qf_buf_reset(&b);
	qf_note_add(&b, "a", big);
	assert_int_equal(b.len, strlen("<a>:\n\n\n") + QF_REASON_MAX);
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	};

	return cmocka_run_group_tests_name("store notes", tests, NULL, NULL);
}
