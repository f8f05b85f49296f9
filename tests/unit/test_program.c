#include "lib/base/program.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>

static char *dir;

static int set_up(void **state)
{
	(void)state;
	dir = unit_dir();
	return chdir(dir);
}

static int tear_down(void **state)
{
	(void)state;
	unit_remove_dir(dir);
	return chdir("/");
}

static void make_file(const char *name, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	close(fd);
}

static const char *words(const char *text)
{
	static char got[600];
	struct qf_strv v = {0};
	struct qf_err e;

	got[0] = '\0';
	if (qf_program_words(&v, text, &e) < 0) {
		assert_int_equal(QF_EFORMAT, e.rc);
		snprintf(got, sizeof got, "error: %s", e.text);
	}
	for (size_t i = 0; i < v.n; i++) {
		strcat(got, v.v[i]);
		strcat(got, "|");
	}
	qf_strv_free(&v);
	return got;
}

static void test_words(void **state)
{
	(void)state;
	make_file("a program", 0700);
	make_file("no program", 0600);
	assert_int_equal(0, mkdir("a folder", 0700));
	assert_string_equal("./a program|", words("./a program"));
	assert_string_equal("./no|program|", words("./no program"));
	assert_string_equal("./a|folder|", words("./a folder"));
	/* no path: not looked for here */
	assert_string_equal("a|program|", words("a program"));
	assert_string_equal(
	    "qmail-dkim|qmail queue|", words(" qmail-dkim  'qmail queue'"));
	assert_string_equal("error: names no program", words(" "));
	assert_string_equal("error: names no program", words(""));
	assert_string_equal("error: a ' quote is not closed", words("'x"));
}

/* Where the program is found, without the folder of this case; or "". */
static const char *find(const char *name)
{
	static char got[200];
	struct qf_buf path = QF_BUF_INIT;
	struct qf_err e;
	size_t n = strlen(dir);

	qf_buf_adds(&path, "x");
	got[0] = '\0';
	if (qf_program_find(&path, name, &e) < 0) {
		assert_int_equal(QF_EEXEC, e.rc);
		assert_string_equal("x", path.s);
	} else {
		n = strncmp(path.s + 1, dir, n) == 0 ? n : 0;
		snprintf(got, sizeof got, "%s", path.s + 1 + n);
	}
	qf_buf_free(&path);
	return got;
}

static void test_find(void **state)
{
	char env[300];

	(void)state;
	assert_int_equal(0, mkdir("one", 0700));
	assert_int_equal(0, mkdir("two", 0700));
	make_file("here", 0700);
	make_file("two/there", 0700);
	make_file("one/both", 0600);
	make_file("two/both", 0700);
	assert_int_equal(0, mkdir("one/folder", 0700));
	snprintf(env, sizeof env, "%s/one:%s/two", dir, dir);
	setenv("PATH", env, 1);
	assert_string_equal("/two/there", find("there"));
	assert_string_equal("/two/both", find("both"));
	assert_string_equal("", find("folder"));
	assert_string_equal("", find("here"));
	assert_string_equal("", find(""));
	/* with a slash as it stands, there or not */
	assert_string_equal("one/nothing", find("one/nothing"));
	/* an empty folder is this one */
	setenv("PATH", "/nowhere:", 1);
	assert_string_equal("./here", find("here"));
	setenv("PATH", ":/nowhere", 1);
	assert_string_equal("./here", find("here"));
	unsetenv("PATH");
	assert_string_equal("", find("here"));
	assert_true(strcmp(find("sh"), "/usr/bin/sh") == 0 ||
		    strcmp(find("sh"), "/bin/sh") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_words, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
