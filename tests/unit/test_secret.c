#include "remote/auth/secret.h"

#include <pthread.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

static char *dir;

static int make_dir(void **state)
{
	(void)state;
	dir = unit_dir();
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unit_remove_dir(dir);
	return 0;
}

/* The path of a file with these bytes; valid until the next call. */
static const char *file(const char *bytes, size_t n, mode_t mode)
{
	static char path[200];
	int fd;

	snprintf(path, sizeof path, "%s/secret", dir);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, bytes, n));
	assert_int_equal(0, fchmod(fd, mode));
	close(fd);
	return path;
}

static void first_lines(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *secret; /* NULL: QF_ECONF */
		const char *why;
	} cases[] = {
	    {"pass word\n", 10, "pass word", NULL},
	    {"pass word", 9, "pass word", NULL},
	    {" p \r\nmore\n", 10, " p ", NULL},
	    {"p\n\0\0", 4, "p", NULL},
	    {"p\xc3\xa4ss\n", 6, "p\xc3\xa4ss", NULL},
	    {"", 0, NULL, "pass-file: %s: its first line is empty"},
	    {"\n", 1, NULL, "its first line is empty"},
	    {"\r\nx\n", 4, NULL, "its first line is empty"},
	    {"a\0b\n", 4, NULL, "holds a zero byte"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const char *path = file(cases[i].bytes, cases[i].n, 0600);
		struct qf_secret s = QF_SECRET_INIT;
		struct qf_err e = {0};
		int rc = qf_secret_read(&s, "pass-file", path, &e);

		assert_int_equal(cases[i].secret != NULL ? 0 : QF_ECONF, rc);
		if (rc == 0)
			assert_string_equal(cases[i].secret, s.bytes.s);
		else
			assert_int_equal(0, s.bytes.len);
		if (i == 5)
			assert_non_null(strstr(e.text, path));
		else if (rc < 0)
			assert_non_null(strstr(e.text, cases[i].why));
		qf_secret_free(&s);
	}
}

static void lengths(void **state)
{
	struct qf_secret s = QF_SECRET_INIT;
	char *bytes = malloc(1 << 20);
	struct qf_err e;

	(void)state;
	memset(bytes, 'x', 1 << 20);
	memcpy(bytes + QF_SECRET_MAX, "\r\n", 2);
	assert_int_equal(0,
	    qf_secret_read(&s, "f", file(bytes, QF_SECRET_MAX + 2, 0600), &e));
	assert_int_equal(QF_SECRET_MAX, s.bytes.len);
	memcpy(bytes + QF_SECRET_MAX, "x\n", 2);
	assert_int_equal(QF_ECONF,
	    qf_secret_read(&s, "f", file(bytes, QF_SECRET_MAX + 2, 0600), &e));
	assert_non_null(strstr(e.text, "is longer than 8192 bytes"));
	assert_int_equal(0, s.bytes.len);
	memset(bytes, 'x', 1 << 20);
	assert_int_equal(
	    QF_ECONF, qf_secret_read(&s, "f", file(bytes, 1 << 20, 0600), &e));
	assert_non_null(strstr(e.text, "is longer than 8192 bytes"));
	qf_secret_free(&s);
	free(bytes);
}

static void modes(void **state)
{
	static const struct {
		mode_t mode;
		int rc;
		bool exposed;
	} cases[] = {
	    {0600, 0, false},
	    {0400, 0, false},
	    {0640, 0, false},
	    {0644, 0, true},
	    {0444, 0, true},
	    {0660, QF_ECONF, false},
	    {0602, QF_ECONF, false},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_secret s = QF_SECRET_INIT;
		struct qf_err e = {0};

		assert_int_equal(cases[i].rc,
		    qf_secret_read(&s, "f", file("x\n", 2, cases[i].mode), &e));
		assert_int_equal(cases[i].exposed, s.exposed);
		if (cases[i].rc < 0)
			assert_non_null(strstr(e.text, "chmod go-w"));
		qf_secret_free(&s);
	}
}

static void what_is_no_file(void **state)
{
	struct qf_secret s = QF_SECRET_INIT;
	struct qf_err e;

	(void)state;
	assert_int_equal(
	    QF_ECONF, qf_secret_read(&s, "pass-file", "/nowhere/at/all", &e));
	assert_string_equal(
	    "pass-file: /nowhere/at/all: No such file or directory", e.text);
	assert_int_equal(QF_ECONF, qf_secret_read(&s, "pass-file", dir, &e));
	assert_non_null(strstr(e.text, "neither a file nor a pipe"));
	assert_int_equal(
	    QF_ECONF, qf_secret_read(&s, "pass-file", "/dev/zero", &e));
	assert_non_null(strstr(e.text, "neither a file nor a pipe"));
	qf_secret_free(&s);
}

/* pipes */

static void *write_late(void *arg)
{
	int fd = open(arg, O_WRONLY | O_CLOEXEC);

	for (const char *p = "from a pipe\n"; *p != '\0'; p++)
		(void)qf_write_all(fd, p, 1);
	close(fd);
	return NULL;
}

static void a_pipe_with_a_writer(void **state)
{
	struct qf_secret s = QF_SECRET_INIT;
	struct qf_err e;
	pthread_t writer;
	char path[200];

	(void)state;
	snprintf(path, sizeof path, "%s/pipe", dir);
	assert_int_equal(0, mkfifo(path, 0600));
	assert_int_equal(0, pthread_create(&writer, NULL, write_late, path));
	assert_int_equal(0, qf_secret_read(&s, "f", path, &e));
	assert_string_equal("from a pipe", s.bytes.s);
	pthread_join(writer, NULL);
	qf_secret_free(&s);
}

/* Each look at the clock is an hour later. */
static int64_t hasty(int which)
{
	static int64_t now;

	(void)which;
	return now += INT64_C(3600000000);
}

static void a_pipe_without_a_writer(void **state)
{
	struct qf_secret s = QF_SECRET_INIT;
	struct qf_err e;
	char path[200];

	(void)state;
	snprintf(path, sizeof path, "%s/lonely", dir);
	assert_int_equal(0, mkfifo(path, 0600));
	qf_clock_source(hasty);
	assert_int_equal(QF_ETIME, qf_secret_read(&s, "f", path, &e));
	qf_clock_source(NULL);
	assert_non_null(strstr(e.text, "nobody writes into this pipe"));
	qf_secret_free(&s);
}

/* of two options, one */

static void one_of_two_options(void **state)
{
	struct qf_secret s = QF_SECRET_INIT;
	const char *value = "given";
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_secret_take(&value, "pass", NULL, &s, &e));
	assert_string_equal("given", value);
	assert_int_equal(
	    QF_EINVAL, qf_secret_take(&value, "pass", "/x", &s, &e));
	assert_string_equal(
	    "options pass and pass-file are both given: keep one", e.text);
	value = NULL;
	assert_int_equal(
	    0, qf_secret_take(&value, "pass", file("p\n", 2, 0600), &s, &e));
	assert_string_equal("p", value);
	value = NULL;
	assert_int_equal(QF_ECONF,
	    qf_secret_take(&value, "oauth-token", "/nowhere", &s, &e));
	assert_non_null(strstr(e.text, "oauth-token-file: /nowhere: No such"));
	assert_null(value);
	qf_secret_free(&s);
}

static void hiding(void **state)
{
	static const struct {
		const char *text, *secret, *want;
	} cases[] = {
	    {"a secret here", "secret", "a *** here"},
	    {"secretsecret", "secret", "******"},
	    {"secre", "secret", "secre"},
	    {"sesecret", "secret", "se***"},
	    {"abc", "abc", "abc"},
	    {"", "secret", ""},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_buf b = QF_BUF_INIT;

		qf_buf_adds(&b, cases[i].text);
		qf_secret_hide(&b, qf_span(cases[i].secret));
		assert_string_equal(cases[i].want, b.s);
		qf_secret_wipe(&b);
		assert_int_equal(0, b.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(first_lines),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(modes),
	    cmocka_unit_test(what_is_no_file),
	    cmocka_unit_test(a_pipe_with_a_writer),
	    cmocka_unit_test(a_pipe_without_a_writer),
	    cmocka_unit_test(one_of_two_options),
	    cmocka_unit_test(hiding),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
