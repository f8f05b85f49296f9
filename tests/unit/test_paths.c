#include "lib/base/paths.h"

#include "tests/unit/unit.h"

#include <sys/wait.h>

/* A directory is chosen once in the life of a process: each case has its
 * own, which writes what it finds to a file. */
static void in_process(void (*run)(struct qf_buf *), struct qf_buf *out)
{
	int file = unit_file("", 0), status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct qf_buf b = QF_BUF_INIT;

		run(&b);
		_exit(qf_write_all(file, b.s, b.len) == 0 ? 0 : 1);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_int_equal(0, status);
	qf_buf_reset(out);
	unit_contents(file, out);
	close(file);
}

static void absolute(struct qf_buf *b)
{
	setenv("CONTROLDIR", "/some/control", 1);
	qf_buf_adds(b, qf_dir(QF_DIR_CONTROL));
	/* later changes do not count */
	setenv("CONTROLDIR", "/other", 1);
	qf_buf_addf(b, " %s ", qf_dir(QF_DIR_CONTROL));
	qf_dir_join(b, QF_DIR_CONTROL, "chain");
}

static void relative(struct qf_buf *b)
{
	setenv("QUEUEDIR", "q", 1);
	if (chdir("/usr") == 0)
		qf_buf_adds(b, qf_dir(QF_DIR_QUEUE));
	if (chdir("/") == 0)
		qf_buf_addf(b, " %s", qf_dir(QF_DIR_QUEUE));
}

static void compiled(struct qf_buf *b)
{
	static const char *const names[] = {
	    "CONTROLDIR", "QUEUEDIR", "PLUGINDIR", "PROTOCOLDIR"};

	for (size_t i = 0; i < UNIT_COUNT(names); i++)
		unsetenv(names[i]);
	/* empty is unset */
	setenv("CONTROLDIR", "", 1);
	for (int dir = QF_DIR_CONTROL; dir <= QF_DIR_SBIN; dir++)
		qf_buf_addf(b, "%s\n", qf_dir((enum qf_dir)dir));
}

static void test_directories(void **state)
{
	struct qf_buf got = QF_BUF_INIT;
	struct qf_span rest, line;
	int n = 0;

	(void)state;
	in_process(absolute, &got);
	assert_string_equal(
	    "/some/control /some/control /some/control/chain", got.s);
	in_process(relative, &got);
	assert_string_equal("/usr/q /usr/q", got.s);
	in_process(compiled, &got);
	for (rest = qf_buf_span(&got); qf_span_cut(&rest, '\n', &line); n++)
		assert_int_equal('/', line.p[0]);
	assert_int_equal(7, n);
	assert_non_null(strstr(got.s, "/qfront\n"));
	assert_non_null(strstr(got.s, "/qfront/plugins\n"));
	assert_non_null(strstr(got.s, "/qfront/protocols\n"));
	assert_non_null(strstr(got.s, "/qfront/compat\n"));
	qf_buf_free(&got);
}

/* Copies this program below a root, to where programs are installed: started
 * there, it finds the other directories below that root. */
static void test_root(void **state)
{
	struct qf_buf dirs = QF_BUF_INIT, command = QF_BUF_INIT;
	struct qf_span rest, sbin = {0};
	char exe[4096] = "", got[4096] = "", *root;
	FILE *p;

	(void)state;
	assert_true(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
	in_process(compiled, &dirs);
	for (rest = qf_buf_span(&dirs); qf_span_cut(&rest, '\n', &sbin);)
		;
	root = unit_dir();
	qf_buf_addf(&command,
	    "cd '%s' && mkdir -p .%.*s && cp '%s' .%.*s/program && "
	    ".%.*s/program --sbin",
	    root, (int)sbin.n, sbin.p, exe, (int)sbin.n, sbin.p, (int)sbin.n,
	    sbin.p);
	p = popen(command.s, "r");
	assert_non_null(p);
	assert_non_null(fgets(got, sizeof got, p));
	assert_int_equal(0, pclose(p));
	qf_buf_reset(&command);
	qf_buf_addf(&command, "%s%.*s\n", root, (int)sbin.n, sbin.p);
	assert_string_equal(command.s, got);
	qf_buf_free(&command);
	qf_buf_free(&dirs);
	unit_remove_dir(root);
}

static void test_env(void **state)
{
	(void)state;
	assert_true(qf_env_trusted());
	setenv("QF_UNIT_VARIABLE", "x", 1);
	assert_string_equal("x", qf_env("QF_UNIT_VARIABLE"));
	unsetenv("QF_UNIT_VARIABLE");
	assert_null(qf_env("QF_UNIT_VARIABLE"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_directories),
	    cmocka_unit_test(test_root),
	    cmocka_unit_test(test_env),
	};

	if (argc == 2 && strcmp(argv[1], "--sbin") == 0)
		return puts(qf_dir(QF_DIR_SBIN)) < 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
