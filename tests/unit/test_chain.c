/* The chain file: what is read, and how each mistake is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/chain.h"
#include "lib/base/io.h"

static char dir[] = "/tmp/qf-chain-XXXXXX";
static struct qf_ctl ctl = QF_CTL_NONE;

static int make_dir(void **state)
{
	struct qf_err e;

	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	return qf_ctl_open(&ctl, dir, &e);
}

static int remove_dir(void **state)
{
	(void)state;
	unlinkat(ctl.fd, "chain", 0);
	unlinkat(ctl.fd, "chain-out", 0);
	qf_ctl_close(&ctl);
	return rmdir(dir);
}

static void write_chain(const char *name, const char *text)
{
	int fd = openat(
	    ctl.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(qf_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void test_reads_a_chain(void **state)
{
	struct qf_problems p = {0};
	struct qf_chain c;
	const struct qf_stage *s;

	(void)state;
	write_chain("chain",
	    "# stages\n"
	    "size max-message=50M\n"
	    "\n"
	    "  spam@kids if=relay,!auth if=bounce max=1k timeout=60 "
	    "onerror=pass always command='a b'\n"
	    "dkim onerror=reject");
	assert_int_equal(qf_chain_load(&c, &ctl, NULL, &p), 0);
	assert_int_equal(c.n, 3);
	s = &c.stage[0];
	assert_string_equal(s->name, "size");
	assert_null(s->instance);
	assert_int_equal(s->line, 2);
	assert_int_equal(s->onerror, QF_ONERROR_DEFER);
	assert_int_equal(s->nsettings, 1);
	assert_string_equal(s->setting[0].key, "max-message");
	assert_string_equal(s->setting[0].value, "50M");
	s = &c.stage[1];
	assert_string_equal(s->name, "spam@kids");
	assert_string_equal(s->plugin, "spam");
	assert_string_equal(s->instance, "kids");
	assert_int_equal(s->line, 4);
	assert_int_equal(s->max, 1024);
	assert_int_equal(s->timeout_ms, 60000);
	assert_int_equal(s->onerror, QF_ONERROR_PASS);
	assert_true(s->always);
	assert_non_null(s->conditions);
	assert_string_equal(s->setting[0].value, "a b");
	assert_int_equal(c.stage[2].onerror, QF_ONERROR_REJECT);
	qf_chain_free(&c);
}

static void test_no_file(void **state)
{
	struct qf_problems p = {0};
	struct qf_chain c;

	(void)state;
	unlinkat(ctl.fd, "chain", 0);
	assert_int_equal(qf_chain_load(&c, &ctl, NULL, &p), 0);
	assert_int_equal(c.n, 0);
	qf_chain_free(&c);
	assert_int_equal(qf_chain_load(&c, &ctl, "out", &p), QF_ECONF);
	assert_non_null(strstr(p.first.text, "chain-out"));
	qf_chain_free(&c);
}

static void test_named_chain(void **state)
{
	struct qf_problems p = {0};
	struct qf_chain c;

	(void)state;
	write_chain("chain-out", "dkim\n");
	assert_int_equal(qf_chain_load(&c, &ctl, "out", &p), 0);
	assert_int_equal(c.n, 1);
	qf_chain_free(&c);
	/* A name is no path. */
	assert_int_equal(qf_chain_load(&c, &ctl, "../x", &p), QF_ECONF);
	qf_chain_free(&c);
}

static void test_reports_mistakes(void **state)
{
	static const struct {
		const char *line, *says;
	} table[] = {
	    {"Size", "is no stage"},
	    {"size@", "is no stage"},
	    {"../size", "is no stage"},
	    {"size max=", "max="},
	    {"size max=0", "max=0"},
	    {"size max=10X", "max=10X"},
	    {"size max=99999999999999999999G", "max="},
	    {"size timeout=0", "timeout=0"},
	    {"size timeout=never", "timeout=never"},
	    {"size onerror=ignore", "onerror=ignore"},
	    {"size if=", "unknown condition"},
	    {"size if=relay,", "unknown condition"},
	    {"size if=moon", "unknown condition \"moon\""},
	    {"size if=size<x", "no size"},
	    {"size if=path=smpt", "\"smpt\" is no path"},
	    {"size if=!path=", "\"\" is no path"},
	    {"size if=sender=x.example", "has no domain"},
	    {"size if=sender=x@", "has no domain"},
	    {"size max=1 max=2", "max= stands twice"},
	    {"size timeout=1 timeout=2", "timeout= stands twice"},
	    {"size onerror=defer onerror=pass", "onerror= stands twice"},
	    {"size word", "\"word\" is not understood"},
	    {"size =5", "is no setting"},
	    {"size Key=5", "is no setting"},
	    {"size rcpt=kids", "has no domain"},
	    {"size max-action=drop", "use tag, quarantine, defer or reject"},
	    {"size max-action=tag max-action=tag", "stands twice"},
	    {"size a='b", "quote is not closed"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct qf_problems p = {0};
		struct qf_chain c;
		char text[200], where[100];

		snprintf(text, sizeof text, "# a comment\n%s\n", table[i].line);
		write_chain("chain", text);
		assert_int_equal(qf_chain_load(&c, &ctl, NULL, &p), QF_ECONF);
		assert_int_equal(p.count, 1);
		snprintf(where, sizeof where, "%s/chain:2: ", dir);
		if (strncmp(p.first.text, where, strlen(where)) != 0 ||
		    strstr(p.first.text, table[i].says) == NULL)
			fail_msg("%s: %s", table[i].line, p.first.text);
		/* The stage is still there: mail must not pass without. */
		assert_int_equal(c.n, 1);
		qf_chain_free(&c);
	}
}

static void count(void *ctx, const char *text)
{
	(void)text;
	++*(int *)ctx;
}

static void test_reports_all(void **state)
{
	int seen = 0;
	struct qf_problems p = {.report = count, .ctx = &seen};
	struct qf_chain c;

	(void)state;
	write_chain("chain", "size max=x timeout=x\nok\nsize if=x\n");
	assert_int_equal(qf_chain_load(&c, &ctl, NULL, &p), QF_ECONF);
	assert_int_equal(seen, 3);
	assert_int_equal(c.n, 3);
	qf_chain_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads_a_chain),
	    cmocka_unit_test(test_no_file),
	    cmocka_unit_test(test_named_chain),
	    cmocka_unit_test(test_reports_mistakes),
	    cmocka_unit_test(test_reports_all),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
