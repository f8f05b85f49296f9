/* Results of authentication: forged ones removed, our own written on top. */
#include "frontend/results.h"

#include "lib/mail/authres.h"
#include "tests/unit/unit.h"

#define AR "Authentication-Results: "

static void add_result(struct qf_share *s, const char *method)
{
	const struct qf_authres r = {
	    .size = sizeof r, .method = method, .result = "pass"};
	struct qf_buf b = QF_BUF_INIT;

	qf_authres_pack(&r, &b);
	assert_int_equal(
	    0, qf_share_put(s, QF_SHARE_AUTHRES, "", qf_buf_span(&b)));
	qf_buf_free(&b);
}

static void check_write(
    const struct qf_share *s, struct qf_span in, const char *out)
{
	int fd = unit_file(in.p, in.n), got = -1;
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e;

	assert_int_equal(1, qf_results_write(s, "me", fd, &got, &e));
	unit_contents(got, &b);
	assert_string_equal(out, b.s);
	close(got);
	close(fd);
	qf_buf_free(&b);
}

static void test_write(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"A: b\n\nx\n", AR "me;\n\tspf=pass\nA: b\n\nx\n"},
	    {"", AR "me;\n\tspf=pass\n"},
	    {"\nbody", AR "me;\n\tspf=pass\n\nbody"},
	    {"A: b\r\n\r\nx", AR "me;\n\tspf=pass\nA: b\r\n\r\nx"},
	    {"From x\nA: b\n", AR "me;\n\tspf=pass\nFrom x\nA: b\n"},
	    /* nothing continues it */
	    {" x\nA: b\n", " x\n" AR "me;\n\tspf=pass\nA: b\n"},
	    {"\tx\n y\n\nz", "\tx\n y\n" AR "me;\n\tspf=pass\n\nz"},
	    {" x", " x\n" AR "me;\n\tspf=pass\n"},
	    {" \n \n", " \n \n" AR "me;\n\tspf=pass\n"},
	};
	struct qf_share s = {0};

	(void)state;
	add_result(&s, "spf");
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		check_write(&s, qf_span(cases[i].in), cases[i].out);
	add_result(&s, "dkim");
	check_write(
	    &s, qf_span("A: b\n"), AR "me;\n\tspf=pass;\n\tdkim=pass\nA: b\n");
	qf_share_free(&s);
}

static void test_nothing_to_write(void **state)
{
	struct qf_share s = {0};
	struct qf_err e;
	int fd = unit_file("A: b\n", 5), got = -1;

	(void)state;
	qf_share_put(&s, QF_SHARE_NOTE, "x", qf_span("y"));
	assert_int_equal(0, qf_results_write(&s, "me", fd, &got, &e));
	/* a worker that sends nonsense */
	qf_share_put(&s, QF_SHARE_AUTHRES, "", qf_span("nonsense"));
	assert_int_equal(QF_EPROTO, qf_results_write(&s, "me", fd, &got, &e));
	assert_int_equal(-1, got);
	close(fd);
	qf_share_free(&s);
}

static void test_strip(void **state)
{
	static const char bytes[] = AR "me; a=b\nA: 1\n" AR "you; a=b\n" AR
				       "ME\n ;x\nB: 2\r" AR "me;\n\nbody\n";
	struct qf_share s = {0};
	struct qf_message m;
	struct qf_buf b = QF_BUF_INIT;
	struct qf_span run;
	size_t at = 0;
	struct qf_err e;
	int fd = unit_file(bytes, sizeof bytes - 1);

	(void)state;
	assert_int_equal(0, qf_message_open(&m, fd, &e));
	assert_int_equal(3, qf_results_strip(&m, &s, "me"));
	while (qf_message_next(&m, &at, &run))
		qf_buf_addspan(&b, run);
	assert_string_equal("A: 1\n" AR "you; a=b\n\nbody\n", b.s);
	/* only once for a message: what stages write is theirs */
	assert_int_equal(0, qf_results_strip(&m, &s, "you"));
	qf_share_free(&s);
	assert_int_equal(1, qf_results_strip(&m, &s, "you"));
	qf_message_close(&m);
	qf_share_free(&s);
	qf_buf_free(&b);
	close(fd);
}

static void test_same(void **state)
{
	struct qf_share a = {0}, b = {0};

	(void)state;
	assert_true(qf_results_are_same(&a, &b));
	qf_share_put(&a, QF_SHARE_NOTE, "x", qf_span("y"));
	assert_true(qf_results_are_same(&a, &b));
	add_result(&a, "spf");
	assert_false(qf_results_are_same(&a, &b));
	assert_false(qf_results_are_same(&b, &a));
	add_result(&b, "spf");
	assert_true(qf_results_are_same(&a, &b));
	add_result(&a, "dkim");
	add_result(&b, "arc");
	assert_false(qf_results_are_same(&a, &b));
	qf_share_free(&a);
	qf_share_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_nothing_to_write),
	    cmocka_unit_test(test_strip),
	    cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
