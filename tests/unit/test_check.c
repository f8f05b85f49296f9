/* The rules for a chain as a whole, on chains made of what plugins declare. */
#include "tests/unit/unit.h"

#include <qfront/plugin.h>
#include "frontend/check.h"

static char dir[] = "/tmp/qfront-unit-XXXXXX";
static struct qf_ctl ctl = QF_CTL_NONE;

static int make_dir(void **state)
{
	struct qf_err e;

	(void)state;
	return mkdtemp(dir) == NULL ? -1 : qf_ctl_open(&ctl, dir, &e);
}

static int remove_dir(void **state)
{
	(void)state;
	unlinkat(ctl.fd, "chain", 0);
	qf_ctl_close(&ctl);
	return rmdir(dir);
}

enum {
	H = QF_EFFECT_HEADER,
	B = QF_EFFECT_BODY,
	S = QF_EFFECT_SEAL,
	R = QF_EFFECT_RCPT,
	OLD = 1 << 20 /* has no note: nothing is known of it */
};

/* Effects by the name of the plugin. */
static const struct {
	const char *name;
	uint64_t effects, flags;
} plugins[] = {
    {"look", 0, 0},
    {"head", H, 0},
    {"body", B, 0},
    {"rcpt", R, 0},
    {"seal", H | S, 0},
    {"wrap", H | B | S, 0},
    {"old", OLD, 0},
    {"warm", 0, QF_FLAG_WARM},
    {"net", 0, QF_FLAG_NETWORK},
};

static void declare(struct qf_stage *s)
{
	for (size_t i = 0; i < UNIT_COUNT(plugins); i++) {
		if (strcmp(s->plugin, plugins[i].name) != 0)
			continue;
		s->noted = plugins[i].effects != OLD;
		s->effects = s->noted ? plugins[i].effects : 0;
		s->flags = plugins[i].flags;
	}
}

static void collect(void *ctx, const char *text)
{
	qf_buf_addf(ctx, "%s\n", text);
}

/* The problems of a chain with a time of 60 seconds, a line each. */
static void check(const char *text, struct qf_buf *out)
{
	struct qf_problems p = {.report = collect, .ctx = out};
	int fd = openat(ctl.fd, "chain", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	struct qf_chain chain;
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, text, strlen(text)));
	close(fd);
	assert_int_equal(0, qf_chain_load(&chain, &ctl, NULL, &p));
	for (size_t i = 0; i < chain.n; i++)
		declare(&chain.stage[i]);
	qf_buf_reset(out);
	rc = qf_check_chain(&chain, 60000, &p);
	assert_int_equal(p.count > 0 ? QF_ECONF : 0, rc);
	qf_chain_free(&chain);
}

static void test_rules(void **state)
{
	/* What is said of which line; NULL: nothing is wrong. */
	static const struct {
		const char *chain, *says;
	} table[] = {
	    {"", NULL},
	    {"look\nhead\nbody\nseal\n", NULL},
	    {"seal\nlook\nrcpt\n", NULL},
	    {"seal\nhead\n", "chain:2: stage head may change the message "
			     "after stage seal of line 1"},
	    {"seal\nlook\n\nbody@x\n", "chain:4: stage body@x may"},
	    {"seal@a\nseal@b\n", NULL},
	    {"seal\nwrap\n", "chain:2: "},
	    {"wrap\nseal\n", NULL},
	    {"seal if=relay\nhead if=!relay\n", NULL},
	    {"seal if=relay\nhead if=!auth\n", "chain:2: "},
	    {"seal if=relay\nhead\n", "chain:2: "},
	    {"seal if=relay\nseal@b if=auth\nhead if=!relay\n",
		"chain:3: stage head may change the message after stage "
		"seal@b"},
	    {"seal max=1k\nhead if=size>1k\n", "chain:2: "},
	    {"old\nhead\n", NULL},
	    {"seal\nhead shadow\n", NULL},
	    {"seal shadow\nhead\n", NULL},
	    {"seal\nold\n", NULL},
	    {"look timeout=60\n", NULL},
	    {"look timeout=61\n", "chain:1: timeout=61 is more than the whole "
				  "chain may take (timeoutchain, 60 seconds)"},
	    {"look\nold timeout=100\n", "chain:2: timeout=100 "},
	    {"warm\n", "chain:1: plugin warm runs only in the daemon"},
	    {"net\n", "chain:1: stage net needs the network"},
	    {"net onerror=defer\n", NULL},
	    {"net onerror=pass\n", NULL},
	};
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		check(table[i].chain, &out);
		if (table[i].says == NULL
			? out.len > 0
			: strstr(out.s, table[i].says) == NULL)
			fail_msg("%s: %s", table[i].chain, out.s);
	}
	qf_buf_free(&out);
}

static void test_finds_all(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	size_t lines = 0;

	(void)state;
	check("seal\nhead timeout=90\nnet\nwarm\nbody\n", &out);
	for (const char *s = out.s; (s = strchr(s, '\n')) != NULL; s++)
		lines++;
	assert_int_equal(5, lines);
	qf_buf_free(&out);
}

/* A worker finds out what a plugin without a note is when it has it. */
static void test_one_stage(void **state)
{
	struct qf_problems p = {0};
	struct qf_stage stage[2] = {
	    {.name = "seal", .plugin = "seal", .noted = true, .effects = H | S},
	    {.name = "old", .plugin = "old", .line = 2}};
	struct qf_chain chain = {
	    .file = (char[]){"chain"}, .stage = stage, .n = 2};

	(void)state;
	assert_int_equal(0, qf_check_chain(&chain, 0, &p));
	assert_int_equal(0, qf_check_stage(&chain, &stage[1], R, 0, &p));
	assert_int_equal(QF_ECONF, qf_check_stage(&chain, &stage[1], B, 0, &p));
	assert_int_equal(QF_ECONF,
	    qf_check_stage(&chain, &stage[1], 0, QF_FLAG_NETWORK, &p));
	assert_int_equal(2, p.count);
}

/* Nobody wrote the lines of a built-in chain, nor could have. */
static void test_built_in(void **state)
{
	struct qf_problems p = {0};
	struct qf_chain chain;

	(void)state;
	qf_chain_start(&chain, "built-in chain");
	qf_chain_add_stage(&chain, "net", NULL);
	declare(&chain.stage[0]);
	assert_int_equal(0, qf_check_chain(&chain, 60000, &p));
	qf_chain_free(&chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_finds_all),
	    cmocka_unit_test(test_one_stage),
	    cmocka_unit_test(test_built_in),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
