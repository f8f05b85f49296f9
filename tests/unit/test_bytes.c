/*
 * A chain that edits nothing changes nothing: messages and envelopes without
 * number, each through the dispatcher and its workers, come out identical.
 */
#include "frontend/dispatch.h"
#include "frontend/settle.h"

#include "tests/unit/unit.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tests/lib/randmail.h"

enum {
	READ = 10000,      /* messages that are only read */
	TAKEN_BACK = 1000, /* and those with an edit that is undone */
	CHAIN_MS = 60000
};

static char *dir;
static struct qf_ctl ctl = QF_CTL_NONE;

/* Each message forks workers, which valgrind and the sanitizers make slow. */
static uint64_t some(uint64_t n)
{
#if defined(__SANITIZE_ADDRESS__)
	return n / 20;
#else
	return getenv("QF_VALGRIND") != NULL ? n / 100 : n;
#endif
}

static int set_up(void **state)
{
	char plugins[4096];
	const char *build = getenv("QF_BUILDDIR");
	struct qf_err e;

	(void)state;
	snprintf(plugins, sizeof plugins, "%s/tests/plugins/.libs",
	    build != NULL ? build : ".");
	setenv("PLUGINDIR", plugins, 1);
	qf_log_open("test_bytes", QF_LOG_TO_STDERR, QF_LOG_ERROR);
	dir = unit_dir();
	return qf_ctl_open(&ctl, dir, &e);
}

static int tear_down(void **state)
{
	(void)state;
	qf_ctl_close(&ctl);
	unit_remove_dir(dir);
	return 0;
}

static bool is_same(const struct qf_buf *a, const struct qf_buf *b)
{
	return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* What the next program would get. */
static void take_plan(
    const struct qf_plan *plan, struct qf_buf *message, struct qf_buf *envelope)
{
	assert_int_equal(QF_PLAN_QUEUE, plan->action);
	assert_int_equal(1, plan->n);
	qf_buf_reset(message);
	unit_contents(plan->v[0].message, message);
	qf_buf_reset(envelope);
	qf_envelope_format(&plan->v[0].envelope, envelope);
}

/* What comes out of the chain for what goes in. */
static void run(const struct qf_chain *chain, const struct qf_buf *message,
    const struct qf_buf *envelope, struct qf_buf *message_out,
    struct qf_buf *envelope_out)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_split split = {0};
	struct qf_groups groups = {0};
	struct qf_plan plan = {0};
	struct qf_context context;
	int fd = unit_file(message->s, message->len);

	assert_int_equal(
	    0, qf_envelope_parse(&env, qf_buf_span(envelope), NULL));
	qf_context_init(&context, &env);
	assert_int_equal(
	    0, qf_dispatch(&(struct qf_dispatch){.ctl = &ctl,
			       .chain = chain,
			       .context = &context,
			       .message = fd,
			       .envelope = &env,
			       .deadline = qf_deadline_in(CHAIN_MS)},
		   &groups));
	assert_int_equal(0, qf_settle(&plan,
				&(struct qf_settle){.chain = chain,
				    .split = &split,
				    .me = "test.example",
				    .message = fd,
				    .envelope = &env},
				&groups, NULL));
	take_plan(&plan, message_out, envelope_out);
	qf_plan_free(&plan);
	qf_groups_free(&groups);
	qf_envelope_free(&env);
	close(fd);
}

static void try(const struct qf_chain *chain, uint64_t number)
{
	static struct qf_buf m = QF_BUF_INIT, e = QF_BUF_INIT;
	static struct qf_buf mo = QF_BUF_INIT, eo = QF_BUF_INIT;

	randmail(number, &m, &e);
	run(chain, &m, &e, &mo, &eo);
	if (!is_same(&m, &mo) || !is_same(&e, &eo))
		fail_msg(
		    "number %llu came out changed", (unsigned long long)number);
}

static void test_reading_changes_nothing(void **state)
{
	struct qf_chain one, two;
	int before = unit_open_fds();

	(void)state;
	qf_chain_start(&one, "one worker");
	qf_chain_add_stage(&one, "reader", NULL);
	qf_chain_add_stage(&one, "reader@again", NULL);
	/* A stage with keys never shares a worker. */
	qf_chain_start(&two, "three workers");
	qf_chain_add_stage(&two, "reader", NULL);
	qf_chain_add_stage(&two, "secret", "do", "nothing", NULL);
	qf_chain_add_stage(&two, "reader@again", NULL);
	for (uint64_t i = 0; i < some(READ); i++)
		try(i % 10 == 9 ? &two : &one, i);
	for (uint64_t i = 0; i < RANDMAIL_ODD; i++)
		try(&two, i);
	qf_chain_free(&one);
	qf_chain_free(&two);
	assert_int_equal(before, unit_open_fds());
}

/* Is the message one line without an end that would continue a field put before
 * it? An insert goes behind it and ends it, which nothing takes back. */
static bool is_open_line(uint64_t number)
{
	struct qf_buf m = QF_BUF_INIT, e = QF_BUF_INIT;
	bool open;

	randmail(number, &m, &e);
	open = m.len > 0 && (m.s[0] == ' ' || m.s[0] == '\t') &&
	       memchr(m.s, '\n', m.len) == NULL;
	qf_buf_free(&m);
	qf_buf_free(&e);
	return open;
}

static void test_an_edit_taken_back(void **state)
{
	struct qf_chain chain;

	(void)state;
	qf_chain_start(&chain, "an edit and its contrary");
	qf_chain_add_stage(&chain, "misbehave", "do", "mark", NULL);
	qf_chain_add_stage(&chain, "reader", NULL);
	qf_chain_add_stage(&chain, "misbehave@b", "do", "unmark", NULL);
	for (uint64_t i = 0; i < some(TAKEN_BACK); i++) {
		if (!is_open_line(i))
			try(&chain, i);
	}
	qf_chain_free(&chain);
}

/* Recipients that a condition tells apart go in one envelope in the end, in
 * the order in which they came. */
static void test_groups_that_join(void **state)
{
	static const char text[] = "reader if=rcpt=twice@y.example\n"
				   "reader@b if=!rcpt=twice@y.example\n"
				   "reader@c if=rcpt=twice@y.example\n";
	struct qf_problems p = {0};
	struct qf_chain chain;
	int fd = openat(ctl.fd, "chain", O_WRONLY | O_CREAT, 0644);

	(void)state;
	assert_int_equal(0, qf_write_all(fd, text, strlen(text)));
	close(fd);
	assert_int_equal(0, qf_chain_load(&chain, &ctl, NULL, &p));
	for (uint64_t i = 0; i < some(TAKEN_BACK); i++)
		try(&chain, i);
	qf_chain_free(&chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_reading_changes_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_an_edit_taken_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_groups_that_join, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
