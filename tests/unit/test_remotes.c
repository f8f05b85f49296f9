#include "send/remotes.h"

#include <sys/stat.h>

#include "tests/unit/unit.h"

static char *dir;
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	dir = unit_dir();
	snprintf(path, sizeof path, "%s/remotes", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unit_remove_dir(dir);
	return 0;
}

static void put(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(0, chmod(path, mode));
}

static int load(struct qf_remotes *r, struct qf_err *e)
{
	struct qf_ctl c = QF_CTL_NONE;
	int rc;

	assert_int_equal(0, qf_ctl_open(&c, dir, e));
	rc = qf_remotes_load(&c, r, e);
	qf_ctl_close(&c);
	return rc;
}

/* What was understood, for comparing: HOST|PROTOCOL|OPTION|... */
static void show(const struct qf_remotes *r, struct qf_buf *out)
{
	for (size_t i = 0; i < r->n; i++) {
		qf_buf_addf(out, "%s%s|%s", i > 0 ? "\n" : "", r->v[i].host,
		    r->v[i].protocol);
		for (size_t k = 0; k < r->v[i].options.n; k++)
			qf_buf_addf(out, "|%s", r->v[i].options.v[k]);
	}
}

static void good_files(void **state)
{
	static const struct {
		const char *file, *means;
	} t[] = {
	    {"mx.example\n", "mx.example|smtp"},
	    {"mx.example qmqp", "mx.example|qmqp"},
	    {"smarthost.dom smtp port=2525 starttls user=user "
	     "pass='my pass phrase'\n",
		"smarthost.dom|smtp|port=2525|starttls|user=user|"
		"pass=my pass phrase"},
	    {"h smtp --port=25 --tls\n", "h|smtp|port=25|tls"},
	    {"h smtp ----port=25\n", "h|smtp|--port=25"},
	    {"h smtp -p25\n", "h|smtp|-p25"},
	    {"\n# a comment\n  \n\t# another\nh\n", "h|smtp"},
	    /* no comment later in a line */
	    {"h smtp # y\n", "h|smtp|#|y"},
	    {"a\n  b qmqp  \n\"c\" smtp\n", "a|smtp\nb|qmqp\nc|smtp"},
	    {"::1 smtp\n", "::1|smtp"},
	    {"h smtp pass=\"a\\\" b\" pass2=a\\ b x=a\"b c\"d\r\n",
		"h|smtp|pass=a\" b|pass2=a b|x=ab cd"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_remotes r = {0};
		struct qf_buf got = QF_BUF_INIT;
		struct qf_err e = {0};

		put(t[i].file, 0600);
		if (load(&r, &e) != 1)
			fail_msg("%s: %s", t[i].file, e.text);
		show(&r, &got);
		assert_string_equal(t[i].means, got.s);
		assert_false(r.exposed);
		qf_buf_free(&got);
		qf_remotes_free(&r);
	}
}

static void wrong_files(void **state)
{
	static const struct {
		const char *file;
		int line;
		const char *says;
	} t[] = {
	    {"h smtp pass='x\n", 1, "quote"},
	    {"ok\n\n# x\nh smtp pass=\"x\n", 4, "quote"},
	    {"h smtp x\\", 1, "backslash"},
	    {"ok\n'' smtp\n", 2, "host"},
	    {"'a b' smtp\n", 1, "host"},
	    {"h\xc3\xa9\n", 1, "host"},
	    {"h ''\n", 1, "protocol"},
	    {"h ../smtp\n", 1, "protocol"},
	    {"h a/b\n", 1, "protocol"},
	    {"h .\n", 1, "protocol"},
	    {"h 'a b'\n", 1, "protocol"},
	    {"h smtp ''\n", 1, "option"},
	    {"h smtp port=25 --\n", 1, "option"},
	    {"ok\nok\nh smtp '' port=1\nok\n", 3, "option"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_remotes r = {0};
		struct qf_err e = {0};
		char where[sizeof path + 16];

		put(t[i].file, 0600);
		snprintf(where, sizeof where, "%s:%d: ", path, t[i].line);
		assert_int_equal(QF_ECONF, load(&r, &e));
		assert_int_equal(QF_ECONF, e.rc);
		if (strncmp(where, e.text, strlen(where)) != 0 ||
		    strstr(e.text, t[i].says) == NULL)
			fail_msg("%s: %s", where, e.text);
		assert_int_equal(0, r.n);
		assert_null(r.v);
	}
}

static void no_remotes(void **state)
{
	struct qf_remotes r = {0};
	struct qf_err e;

	(void)state;
	put("h\n", 0600);
	assert_int_equal(1, load(&r, &e));
	put("# h\n\n", 0600);
	assert_int_equal(0, load(&r, &e));
	assert_int_equal(0, r.n);
	unlink(path);
	assert_int_equal(0, load(&r, &e));
	assert_int_equal(0, r.n);
}

static void modes(void **state)
{
	struct qf_remotes r = {0};
	struct qf_err e;

	(void)state;
	put("h\n", 0640);
	assert_int_equal(1, load(&r, &e));
	assert_false(r.exposed);
	put("h\n", 0644);
	assert_int_equal(1, load(&r, &e));
	assert_true(r.exposed);
	/* A good list does not outlive a file that anybody may change. */
	put("h\n", 0666);
	assert_int_equal(QF_ECONF, load(&r, &e));
	assert_int_equal(0, r.n);
	qf_remotes_free(&r);
}

static void routes(void **state)
{
	struct qf_remote r;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_remote_of_route(&r, "[::1]:2525", &e));
	assert_string_equal("::1", r.host);
	assert_string_equal("smtp", r.protocol);
	assert_int_equal(1, r.options.n);
	assert_string_equal("port=2525", r.options.v[0]);
	qf_remote_free(&r);
	assert_int_equal(0, qf_remote_of_route(&r, "mx.example", &e));
	assert_string_equal("port=25", r.options.v[0]);
	qf_remote_free(&r);
	assert_null(r.host);
	assert_int_equal(QF_EFORMAT, qf_remote_of_route(&r, "a b", &e));
	assert_null(r.host);
	qf_remote_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_files),
	    cmocka_unit_test(wrong_files),
	    cmocka_unit_test(no_remotes),
	    cmocka_unit_test(modes),
	    cmocka_unit_test(routes),
	};

	return cmocka_run_group_tests_name(
	    "remotes", tests, make_dir, remove_dir);
}
