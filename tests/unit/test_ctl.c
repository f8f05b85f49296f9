#include "lib/base/ctl.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>

static char *dir;
static struct qf_ctl ctl;
static struct qf_err e;

static int set_up(void **state)
{
	(void)state;
	umask(022);
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

static void put(const char *name, const char *p, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, p, n));
	close(fd);
}

static void puts_file(const char *name, const char *s)
{
	put(name, s, strlen(s));
}

static void mode(const char *name, mode_t bits)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(0, chmod(path, bits));
}

/* The text names what the argument says, below the control directory. */
static void expect_text(const char *name, const char *what)
{
	char start[128];

	snprintf(start, sizeof start, "%s/%s", dir, name);
	assert_int_equal(QF_ECONF, e.rc);
	assert_memory_equal(start, e.text, strlen(start));
	assert_non_null(strstr(e.text, what));
}

static void test_directory(void **state)
{
	struct qf_ctl c;
	char path[128];

	(void)state;
	assert_int_equal(QF_ECONF, qf_ctl_open(&c, "/nonexistent/x", &e));
	assert_non_null(strstr(e.text, "/nonexistent/x"));
	assert_int_equal(-1, c.fd);
	puts_file("file", "");
	snprintf(path, sizeof path, "%s/file", dir);
	assert_int_equal(QF_ECONF, qf_ctl_open(&c, path, &e));
	assert_int_equal(0, chmod(dir, 0777));
	assert_int_equal(QF_ECONF, qf_ctl_open(&c, dir, &e));
	assert_non_null(strstr(e.text, "chmod go-w"));
	assert_int_equal(0, chmod(dir, 0750));
	assert_int_equal(0, qf_ctl_open(&c, dir, &e));
	qf_ctl_close(&c);
	qf_ctl_close(&c);
}

static void test_file(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char path[128];

	(void)state;
	assert_int_equal(0, qf_ctl_file(&ctl, "none", &b, &e));
	puts_file("f", "a\nb\n");
	assert_int_equal(1, qf_ctl_file(&ctl, "f", &b, &e));
	snprintf(path, sizeof path, "%s/f", dir);
	assert_int_equal(1, qf_ctl_file(&ctl, path, &b, &e));
	assert_string_equal("a\nb\na\nb\n", b.s);

	for (mode_t bit = 02; bit <= 020; bit <<= 3) {
		mode("f", 0644 | bit);
		assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "f", &b, &e));
		expect_text("f: ", "chmod go-w");
		assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, path, &b, &e));
		expect_text("f: ", "chmod go-w");
	}
	snprintf(path, sizeof path, "%s/folder", dir);
	assert_int_equal(0, mkdir(path, 0700));
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "folder", &b, &e));
	expect_text("folder: ", "regular");
	/* no writer, and it does not wait for one */
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(0, mkfifo(path, 0600));
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "fifo", &b, &e));
	expect_text("fifo: ", "regular");
	snprintf(path, sizeof path, "%s/f/x", dir);
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "f/x", &b, &e));
	assert_string_equal("a\nb\na\nb\n", b.s);
	qf_buf_free(&b);
	/* a limit of the caller's */
	b.max = 3;
	mode("f", 0600);
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "f", &b, &e));
	expect_text("f: ", "more than 3 bytes");
	qf_buf_free(&b);
}

static void test_owner(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char path[128];

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can give files away */
	puts_file("f", "x");
	snprintf(path, sizeof path, "%s/f", dir);
	assert_int_equal(0, chown(path, 12345, 12345));
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "f", &b, &e));
	expect_text("f: ", "uid 12345");
	/* the owner of the directory may own files in it */
	assert_int_equal(0, chown(dir, 12345, 12345));
	qf_ctl_close(&ctl);
	assert_int_equal(0, qf_ctl_open(&ctl, dir, &e));
	assert_int_equal(1, qf_ctl_file(&ctl, "f", &b, &e));
	qf_buf_free(&b);
}

static void link_file(const char *name, const char *to)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(0, symlink(to, path));
}

static void test_links(void **state)
{
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	puts_file("there", "text");
	link_file("good", "there");
	assert_int_equal(1, qf_ctl_file(&ctl, "good", &b, &e));
	link_file("bad", "nowhere");
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "bad", &b, &e));
	expect_text("bad", "a link to what is not there");
	link_file("folder", "nowhere");
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "folder/x", &b, &e));
	expect_text("folder", "a link to what is not there");
	link_file("loop", "loop");
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "loop", &b, &e));
	expect_text("loop", "");
	qf_buf_free(&b);
}

static void test_folders(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/sub", dir);
	assert_int_equal(0, qf_ctl_file(&ctl, "sub/file", &b, &e));
	assert_int_equal(0, mkdir(path, 0755));
	assert_int_equal(0, qf_ctl_file(&ctl, "sub/file", &b, &e));
	puts_file("sub/file", "text");
	assert_int_equal(1, qf_ctl_file(&ctl, "sub/file", &b, &e));
	mode("sub", 0775);
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "sub/file", &b, &e));
	expect_text("sub", "others can write it");
	/* whether the file is there or not */
	assert_int_equal(QF_ECONF, qf_ctl_file(&ctl, "sub/none", &b, &e));
	mode("sub", 0755);
	qf_buf_free(&b);
}

static void test_value(void **state)
{
	static const struct {
		const char *file;
		int rc;
		const char *value;
	} c[] = {
	    {"", 0, ""},
	    {"\n", 0, ""},
	    {" \t\r\nsecond\n", 0, ""},
	    {"one", 1, "one"},
	    {" one two \r\nthree\n", 1, "one two"},
	    {"#no comment\n", 1, "#no comment"},
	};
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	assert_int_equal(0, qf_ctl_value(&ctl, "none", &b, &e));
	for (size_t i = 0; i < UNIT_COUNT(c); i++) {
		qf_buf_reset(&b);
		puts_file("f", c[i].file);
		assert_int_equal(c[i].rc, qf_ctl_value(&ctl, "f", &b, &e));
		assert_string_equal(c[i].value, b.s);
	}
	qf_buf_reset(&b);
	put("f", "a\0b\n", 4);
	assert_int_equal(QF_ECONF, qf_ctl_value(&ctl, "f", &b, &e));
	expect_text("f:1: ", "zero byte");
	assert_int_equal(0, b.len);
	qf_buf_free(&b);
}

static void test_lines(void **state)
{
	struct qf_lines l = QF_LINES_INIT;

	(void)state;
	assert_int_equal(0, qf_ctl_lines(&ctl, "none", &l, &e));
	puts_file("f", "# x\n\n one \r\n\t\ntwo # y\n  # z\nthree");
	assert_int_equal(1, qf_ctl_lines(&ctl, "f", &l, &e));
	assert_int_equal(3, l.n);
	assert_true(qf_span_is(l.v[0].s, "one"));
	assert_int_equal(3, l.v[0].number);
	assert_true(qf_span_is(l.v[1].s, "two # y"));
	assert_int_equal(5, l.v[1].number);
	assert_true(qf_span_is(l.v[2].s, "three"));
	assert_int_equal(7, l.v[2].number);
	qf_lines_free(&l);
	puts_file("f", "");
	assert_int_equal(1, qf_ctl_lines(&ctl, "f", &l, &e));
	assert_int_equal(0, l.n);
	qf_lines_free(&l);
	put("f", "a\nb\0c\n", 6);
	assert_int_equal(QF_ECONF, qf_ctl_lines(&ctl, "f", &l, &e));
	expect_text("f:2: ", "zero byte");
	assert_int_equal(0, l.n);
	mode("f", 0666);
	assert_int_equal(QF_ECONF, qf_ctl_lines(&ctl, "f", &l, &e));
	qf_lines_free(&l);
}

struct settings {
	char *host, *path;
	long long pause;
};

static const struct qf_ctl_item table[] = {
    {"host", QF_CTL_STRING, offsetof(struct settings, host), "localhost", 0, 0,
	"a host"},
    {"path", QF_CTL_STRING, offsetof(struct settings, path), NULL, 0, 0,
	"a path"},
    {"pause", QF_CTL_NUMBER, offsetof(struct settings, pause), "60", 0, 1000,
	"seconds"},
    {0},
};

static void test_load(void **state)
{
	static const char *const bad[] = {"x\n", "60s\n", "-1\n", "1001\n",
	    "99999999999999999999\n", "1 2\n"};
	struct settings s = {0};

	(void)state;
	assert_int_equal(0, qf_ctl_load(&ctl, table, &s, &e));
	assert_string_equal("localhost", s.host);
	assert_null(s.path);
	assert_int_equal(60, s.pause);
	puts_file("host", "other\n");
	puts_file("path", "/x\n");
	puts_file("pause", " 1000 \n");
	assert_int_equal(0, qf_ctl_load(&ctl, table, &s, &e));
	assert_string_equal("other", s.host);
	assert_string_equal("/x", s.path);
	assert_int_equal(1000, s.pause);
	/* empty is unset */
	puts_file("path", "\n");
	assert_int_equal(0, qf_ctl_load(&ctl, table, &s, &e));
	assert_null(s.path);
	/* a mistake leaves all as it was */
	puts_file("host", "third\n");
	for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
		puts_file("pause", bad[i]);
		assert_int_equal(QF_ECONF, qf_ctl_load(&ctl, table, &s, &e));
		expect_text("pause:1: ", "number from 0 to 1000");
		assert_string_equal("other", s.host);
		assert_int_equal(1000, s.pause);
	}
	qf_ctl_unload(table, &s);
	assert_null(s.host);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_directory),
	    CASE(test_file),
	    CASE(test_owner),
	    CASE(test_links),
	    CASE(test_folders),
	    CASE(test_value),
	    CASE(test_lines),
	    CASE(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
