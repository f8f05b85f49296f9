/* Built-in chains: which stages the variables and the arguments ask for. */
#include "frontend/builtin.h"

#include "tests/unit/unit.h"

#include "lib/base/strv.h"

static const char *const variables[] = {"QHPSI", "SPAMFILTER", "FILTERARGS",
    "DKIMSIGN", "DKIMVERIFY", "RELAYCLIENT", "AUTHINFO",
    "RELAYCLIENT_NODKIMVERIFY", "QFRONT_CHAIN"};

static struct qf_ctl ctl = QF_CTL_NONE;
static char *dir;

static int set_up(void **state)
{
	struct qf_err e;

	(void)state;
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

static void make_file(const char *name, const char *text)
{
	int fd = openat(
	    ctl.fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, text, strlen(text)));
	close(fd);
}

/* Sets exactly the variables of `NAME=VALUE|...`, `|` for a space. */
static void set_environment(const char *text)
{
	struct qf_strv v = {0};

	for (size_t i = 0; i < UNIT_COUNT(variables); i++)
		unsetenv(variables[i]);
	assert_int_equal(0, qf_strv_split(&v, qf_span(text), NULL));
	for (size_t i = 0; i < v.n; i++) {
		char *eq = strchr(v.v[i], '=');

		*eq = '\0';
		setenv(v.v[i], eq + 1, 1);
	}
	qf_strv_free(&v);
}

/* The chain as its file would have it; or what is wrong. */
static const char *chain(const char *as, char *const *argv)
{
	static char *const none[] = {NULL};
	static char got[6000];
	struct qf_problems p = {0};
	struct qf_buf b = QF_BUF_INIT;
	struct qf_chain c;
	int rc =
	    qf_builtin_chain(&c, &ctl, as != NULL ? qf_builtin_find(as) : NULL,
		argv != NULL ? argv : none, &p);

	for (size_t i = 0; i < c.n; i++) {
		const struct qf_stage *s = &c.stage[i];

		assert_int_equal(i + 1, s->line);
		assert_int_equal(QF_ONERROR_DEFER, s->onerror);
		assert_null(s->conditions);
		assert_int_equal(
		    strncmp(c.file, "built-in", 8) == 0, s->always);
		qf_buf_addf(&b, "%s%s", i > 0 ? "; " : "", s->name);
		for (size_t k = 0; k < s->nsettings; k++)
			qf_buf_addf(&b, " %s=%s", s->setting[k].key,
			    s->setting[k].value);
	}
	if (rc < 0)
		qf_buf_addf(&b, "error: %s", p.first.text);
	snprintf(got, sizeof got, "%s", b.s);
	qf_buf_free(&b);
	qf_chain_free(&c);
	return got;
}

static void test_find(void **state)
{
	(void)state;
	assert_string_equal(
	    "DKIMQUEUE", qf_builtin_find("qmail-dkim")->queueprog);
	assert_true(qf_builtin_find("qmail-qfilter")->filters);
	assert_null(qf_builtin_find("qfront"));
	assert_null(qf_builtin_find("qmail-queue"));
	assert_null(qf_builtin_find(""));
}

static void test_personalities(void **state)
{
	static const struct {
		const char *as, *environment, *stages;
	} table[] = {
	    {"qmail-multi", "", ""},
	    {"qmail-multi", "FILTERARGS=", ""},
	    {"qmail-multi", "FILTERARGS=x SPAMFILTER=x QHPSI=x DKIMSIGN=x",
		"filter engine=shell"},
	    {"qmail-spamfilter", "", ""},
	    {"qmail-spamfilter", "SPAMFILTER=x FILTERARGS=x",
		"spam engine=command"},
	    {"qmail-nullqueue", "FILTERARGS=x", "null"},
	    /* first match */
	    {"qmail-dkim", "", "dkim@verify mode=verify"},
	    {"qmail-dkim", "DKIMVERIFY=", "dkim@verify mode=verify"},
	    {"qmail-dkim",
		"DKIMVERIFY=FG RELAYCLIENT=", "dkim@verify mode=verify"},
	    {"qmail-dkim",
		"DKIMVERIFY=FG RELAYCLIENT= RELAYCLIENT_NODKIMVERIFY=", ""},
	    {"qmail-dkim", "DKIMVERIFY= AUTHINFO=x RELAYCLIENT_NODKIMVERIFY=1",
		""},
	    {"qmail-dkim", "DKIMVERIFY=FG RELAYCLIENT_NODKIMVERIFY=1",
		"dkim@verify mode=verify"},
	    {"qmail-dkim",
		"DKIMSIGN=k DKIMVERIFY=F RELAYCLIENT= "
		"RELAYCLIENT_NODKIMVERIFY=1",
		""},
	    {"qmail-dkim", "DKIMSIGN=k DKIMVERIFY=FG",
		"dkim key=domainkeys/%/default expire=604800"},
	    {"qmail-dkim", "DKIMSIGN=k RELAYCLIENT=",
		"dkim key=domainkeys/%/default expire=604800"},
	    {"qmail-dkim",
		"RELAYCLIENT=", "dkim key=domainkeys/%/default expire=604800"},
	    {"qmail-dkim", "AUTHINFO=x SPAMFILTER=x",
		"dkim key=domainkeys/%/default expire=604800"},
	    {"qmail-dkim", "RELAYCLIENT= RELAYCLIENT_NODKIMVERIFY=1",
		"dkim key=domainkeys/%/default expire=604800"},
	    {"qmail-dkim", "DKIMSIGN=", "dkim@verify mode=verify"},
	};

	const char *got;

	(void)state;
	/* A chain of the administrator's is not for personalities. */
	make_file("chain", "size\n");
	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		set_environment(table[i].environment);
		got = chain(table[i].as, NULL);
		if (strcmp(table[i].stages, got) != 0)
			fail_msg("%s with %s: \"%s\" instead of \"%s\"",
			    table[i].as, table[i].environment, got,
			    table[i].stages);
	}
}

static void test_unconfigured(void **state)
{
	static const struct {
		const char *environment, *stages;
	} table[] = {
	    {"", ""},
	    {"QHPSI= SPAMFILTER= FILTERARGS= DKIMSIGN= DKIMVERIFY=", ""},
	    {"RELAYCLIENT=", ""},
	    {"QHPSI=x", "qhpsi"},
	    {"DKIMSIGN=x RELAYCLIENT=",
		"dkim key=domainkeys/%/default expire=604800"},
	    {"DKIMVERIFY=x RELAYCLIENT= RELAYCLIENT_NODKIMVERIFY=", ""},
	    {"QHPSI=x SPAMFILTER=x FILTERARGS=x DKIMVERIFY=x",
		"dkim@verify mode=verify; qhpsi; spam engine=command; "
		"filter engine=shell"},
	    {"QHPSI=x SPAMFILTER=x FILTERARGS=x DKIMSIGN=x",
		"qhpsi; spam engine=command; filter engine=shell; dkim "
		"key=domainkeys/%/default expire=604800"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(table); i++) {
		set_environment(table[i].environment);
		assert_string_equal(table[i].stages, chain(NULL, NULL));
	}
}

static void test_written_chain_beats_variables(void **state)
{
	(void)state;
	make_file("chain", "");
	make_file("chain-out", "size\n");
	set_environment("QHPSI=x");
	assert_string_equal("", chain(NULL, NULL));
	make_file("chain", "size\n");
	assert_string_equal("size", chain(NULL, NULL));
	make_file("chain", "Size\n");
	assert_non_null(strstr(chain(NULL, NULL), "/chain:1: \"Size\""));
	unlinkat(ctl.fd, "chain", 0);
	set_environment("QHPSI=x QFRONT_CHAIN=out");
	assert_string_equal("size", chain(NULL, NULL));
	set_environment("QHPSI=x QFRONT_CHAIN=gone");
	assert_non_null(strstr(chain(NULL, NULL), "QFRONT_CHAIN names it"));
}

/* A variable that another one overrules asks for nothing any more. */
static void test_overruled(void **state)
{
	(void)state;
	set_environment("DKIMSIGN=k DKIMVERIFY=F");
	assert_string_equal(
	    "dkim key=domainkeys/%/default expire=604800", chain(NULL, NULL));
	assert_non_null(getenv("DKIMSIGN"));
	assert_null(getenv("DKIMVERIFY"));
	set_environment("DKIMVERIFY=F RELAYCLIENT= RELAYCLIENT_NODKIMVERIFY=");
	chain("qmail-dkim", NULL);
	assert_null(getenv("DKIMVERIFY"));
	/* Others decide for themselves. */
	set_environment("DKIMSIGN=k DKIMVERIFY=F");
	chain("qmail-multi", NULL);
	assert_non_null(getenv("DKIMVERIFY"));
}

#define W(s) ((char[]){s})

static void test_filters(void **state)
{
	char *const two[] = {
	    W("/a b"), W("it's"), W(""), W("--"), W("c"), NULL};
	char *const ends[] = {W("a"), W("--"), NULL};
	char *const starts[] = {W("--"), W("a"), NULL};
	char *const hole[] = {W("a"), W("--"), W("--"), W("b"), NULL};
	char *many[200] = {NULL};

	(void)state;
	set_environment("FILTERARGS=x");
	assert_string_equal("", chain("qmail-qfilter", NULL));
	assert_string_equal("filter@1 engine=qfilter command='/a b' 'it'\\''s' "
			    "''; filter@2 engine=qfilter command='c'",
	    chain("qmail-qfilter", two));
	assert_string_equal("filter@1 engine=qfilter command='a'",
	    chain("qmail-qfilter", ends));
	assert_non_null(
	    strstr(chain("qmail-qfilter", starts), "filter 1: names no"));
	assert_non_null(strstr(chain("qmail-qfilter", hole),
	    "built-in chain qmail-qfilter: filter 2: names no program"));
	for (size_t i = 0; i < 127; i++)
		many[i] = i % 2 == 0 ? ends[0] : ends[1];
	assert_null(strstr(chain("qmail-qfilter", many), "error"));
	many[127] = ends[1];
	many[128] = ends[0];
	assert_non_null(
	    strstr(chain("qmail-qfilter", many), "filter 65: is one too many"));
}

/* What the chain file can not say: the array of stages grows. */
static void test_add_stage(void **state)
{
	struct qf_chain c;

	(void)state;
	qf_chain_start(&c, "built-in chain");
	for (int i = 0; i < 100; i++)
		qf_chain_add_stage(&c, "size@a", "max", "1", "b", "2", NULL);
	qf_chain_add_stage(&c, "null", NULL);
	assert_int_equal(101, c.n);
	assert_string_equal("size", c.stage[0].plugin);
	assert_string_equal("a", c.stage[99].instance);
	assert_int_equal(2, c.stage[99].nsettings);
	assert_string_equal("b", c.stage[0].setting[1].key);
	assert_string_equal("2", c.stage[0].setting[1].value);
	assert_int_equal(0, c.stage[100].nsettings);
	assert_null(c.stage[100].instance);
	qf_chain_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	    cmocka_unit_test_setup_teardown(
		test_personalities, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_unconfigured, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_written_chain_beats_variables, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_overruled, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
	    cmocka_unit_test(test_add_stage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
