#include "queue/drop.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

static char *dir;
static int folder;

static int setup(void **state)
{
	(void)state;
	dir = unit_dir();
	folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	qf_clock_source(NULL);
	close(folder);
	unit_remove_dir(dir);
	return 0;
}

/* How many names there are. */
static int count(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static int keep(const char *message, size_t nmessage, const char *envelope,
    size_t nenvelope, char id[QF_DROP_ID_SIZE], struct qf_err *e)
{
	int m = unit_file(message, nmessage),
	    v = unit_file(envelope, nenvelope);
	int rc = qf_drop_write(dir, m, v, id, e);

	close(m);
	close(v);
	return rc;
}

static const char text[] = "Subject: x\n\nhi\0\n";
static const char envelope[] = "Fa@x.example\0Tb@y.example\0Tc@y.example\0";

#define TEXT     text, sizeof text - 1
#define ENVELOPE envelope, sizeof envelope

static void put(const char *name, const char *p, size_t n)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, p, n));
	close(fd);
}

static void check_read(const char *id, const char *message, size_t n)
{
	struct qf_dropped d;
	struct qf_err e = {0};
	struct qf_buf got = QF_BUF_INIT;

	if (qf_drop_read(folder, id, &d, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(geteuid(), d.uid);
	assert_string_equal("a@x.example", qf_envelope_sender(&d.envelope));
	assert_int_equal(2, d.envelope.nrcpt);
	assert_string_equal("c@y.example", qf_envelope_rcpt(&d.envelope, 1));
	assert_true(qf_spool_is_private(d.message.fd, geteuid()));
	unit_contents(d.message.fd, &got);
	assert_int_equal(n, got.len);
	assert_memory_equal(message, got.s, n);
	qf_buf_free(&got);
	qf_dropped_free(&d);
}

static int read_rc(const char *name, struct qf_err *e)
{
	struct qf_dropped d;
	int rc = qf_drop_read(folder, name, &d, e);

	qf_dropped_free(&d);
	return rc;
}

static void test_round_trip(void **state)
{
	static char large[QF_SPOOL_MEMORY + 7];
	static const size_t sizes[] = {
	    0, 1, QF_IO_CHUNK, QF_IO_CHUNK + 1, QF_SPOOL_MEMORY, sizeof large};
	char id[QF_DROP_ID_SIZE];
	struct qf_err e = {0};
	struct stat st;
	int before = unit_open_fds();

	(void)state;
	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (char)(i * 7 + i / 253);
	assert_int_equal(0, keep(TEXT, ENVELOPE, id, &e));
	assert_true(qf_drop_is_id(id));
	assert_int_equal(0, fstatat(folder, id, &st, 0));
	assert_int_equal(S_IFREG | 0644, st.st_mode);
	check_read(id, TEXT);
	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		assert_int_equal(0, keep(large, sizes[i], ENVELOPE, id, &e));
		check_read(id, large, sizes[i]);
		assert_int_equal(0, qf_drop_remove(folder, id, &e));
	}
	assert_int_equal(1, count());
	assert_int_equal(before, unit_open_fds());
}

static void test_attributes(void **state)
{
	static const char with[] = "Fa\0Tb\0\0NOTIFY=NEVER\0HOLD=x\0ROUTE=y";
	char id[QF_DROP_ID_SIZE];
	struct qf_dropped d;
	struct qf_err e = {0};

	(void)state;
	assert_int_equal(0, keep(TEXT, with, sizeof with, id, &e));
	assert_int_equal(0, qf_drop_read(folder, id, &d, &e));
	assert_int_equal(1, d.envelope.attrs.list.n);
	assert_string_equal("NOTIFY=NEVER", d.envelope.attrs.list.v[0]);
	qf_dropped_free(&d);
}

/* Whatever is missing at its end or added to it, and whatever changes in its
 * first line, it is no message. */
static void test_unsound(void **state)
{
	char id[QF_DROP_ID_SIZE];
	struct qf_buf bytes = QF_BUF_INIT;
	struct qf_err e = {0};
	size_t head;
	int fd;

	(void)state;
	assert_int_equal(0, keep(TEXT, ENVELOPE, id, &e));
	fd = openat(folder, id, O_RDONLY);
	assert_int_equal(0, qf_read_all(fd, &bytes, &e));
	close(fd);
	for (size_t n = 0; n < bytes.len; n++) {
		put("cut", bytes.s, n);
		assert_int_equal(QF_EFORMAT, read_rc("cut", &e));
	}
	head = bytes.len - (sizeof text - 1) - sizeof envelope;
	for (size_t i = 0; i < head; i++) {
		bytes.s[i]++;
		put("changed", bytes.s, bytes.len);
		assert_int_equal(QF_EFORMAT, read_rc("changed", &e));
		bytes.s[i]--;
	}
	/* The envelope is one, and all of it. */
	bytes.s[head + sizeof text - 1] = 'X';
	put("changed", bytes.s, bytes.len);
	assert_int_equal(QF_EFORMAT, read_rc("changed", &e));
	assert_non_null(strstr(e.text, "drop/changed: envelope: byte 0x58"));
	bytes.s[head + sizeof text - 1] = 'F';
	put("whole", bytes.s, bytes.len);
	check_read("whole", TEXT);
	qf_buf_addc(&bytes, '\0');
	put("longer", bytes.s, bytes.len);
	assert_int_equal(QF_EFORMAT, read_rc("longer", &e));
	qf_buf_free(&bytes);
}

static void test_no_file_of_one_name(void **state)
{
	char id[QF_DROP_ID_SIZE];
	struct qf_err e = {0};

	(void)state;
	assert_int_equal(0, keep(TEXT, ENVELOPE, id, &e));
	assert_int_equal(0, symlinkat(id, folder, "link"));
	assert_int_equal(QF_EFORMAT, read_rc("link", &e));
	assert_int_equal(0, mkfifoat(folder, "fifo", 0644));
	assert_int_equal(QF_EFORMAT, read_rc("fifo", &e));
	assert_int_equal(0, mkdirat(folder, "folder", 0755));
	assert_int_equal(QF_EFORMAT, read_rc("folder", &e));
	assert_int_equal(QF_ENOENT, read_rc("nothing", &e));
	check_read(id, TEXT);
	assert_int_equal(0, linkat(folder, id, folder, "second", 0));
	assert_int_equal(QF_EFORMAT, read_rc(id, &e));
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *envelope;
		size_t n;
		int rc;
	} t[] = {
	    {"", 0, QF_EREAD},
	    {"Fa\0Tb\0", 6, QF_EREAD},
	    {"Fa\0Xb\0", 7, QF_EFORMAT},
	    {"Ta\0", 4, QF_EFORMAT},
	};
	char id[QF_DROP_ID_SIZE];
	struct qf_buf big = QF_BUF_INIT;
	struct qf_err e = {0};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++)
		assert_int_equal(
		    t[i].rc, keep(TEXT, t[i].envelope, t[i].n, id, &e));
	qf_buf_add(&big, "Fa", 3);
	for (size_t i = 0; i < 1003; i++)
		qf_buf_addc(&big, i == 0 ? 'T' : 'x');
	qf_buf_add(&big, "x\0", 3);
	assert_int_equal(QF_ETOOLONG, keep(TEXT, big.s, big.len, id, &e));
	qf_buf_reset(&big);
	qf_buf_add(&big, "Fa", 3);
	while (big.len < QF_DROP_ENVELOPE_MAX)
		qf_buf_add(&big, "Tsomebody@somewhere.example", 28);
	qf_buf_addc(&big, '\0');
	assert_int_equal(QF_ENOMEM, keep(TEXT, big.s, big.len, id, &e));
	qf_buf_free(&big);
	assert_int_equal(QF_EREAD, qf_drop_write(dir, folder, folder, id, &e));
	assert_int_equal(0, count());
	assert_int_equal(QF_EQUEUE, qf_drop_write("/nothing", 0, 0, id, &e));
}

static void test_a_file_that_may_not_grow(void **state)
{
	static char large[QF_IO_CHUNK];
	struct rlimit was, small;
	char id[QF_DROP_ID_SIZE];
	struct qf_err e = {0};
	int m = unit_file(large, sizeof large), v = unit_file(ENVELOPE);

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &was));
	small = was;
	small.rlim_cur = 4096;
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &small));
	assert_int_equal(QF_EWRITE, qf_drop_write(dir, m, v, id, &e));
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &was));
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(0, count());
	close(m);
	close(v);
}

static void test_ids(void **state)
{
	static const char *const none[] = {"", ".", "0123456789abcde",
	    "0123456789abcdef0", ".0123456789abcdef", "0123456789ABCDEF",
	    "0123456789abcdef.bad", "0123456789abcdeg"};

	(void)state;
	assert_true(qf_drop_is_id("0123456789abcdef"));
	for (size_t i = 0; i < UNIT_COUNT(none); i++)
		assert_false(qf_drop_is_id(none[i]));
}

static int64_t in_37_hours(int which)
{
	(void)which;
	return time(NULL) + 37 * 3600;
}

static void test_afterwards(void **state)
{
	static const char left[] = ".0123456789abcdef";
	char id[QF_DROP_ID_SIZE], aside[40];
	struct qf_err e = {0};
	struct stat st;

	(void)state;
	assert_int_equal(0, keep(TEXT, ENVELOPE, id, &e));
	put(left, TEXT);
	qf_drop_sweep(folder, left);
	assert_int_equal(0, fstatat(folder, left, &st, 0));
	qf_clock_source(in_37_hours);
	qf_drop_sweep(folder, left);
	assert_int_equal(-1, fstatat(folder, left, &st, 0));
	/* A message is never too old. */
	qf_drop_sweep(folder, id);
	assert_int_equal(0, fstatat(folder, id, &st, 0));
	assert_int_equal(0, qf_drop_set_aside(folder, id, "bad", &e));
	snprintf(aside, sizeof aside, "%s.bad", id);
	assert_int_equal(0, fstatat(folder, aside, &st, 0));
	assert_int_equal(QF_EWRITE, qf_drop_set_aside(folder, id, "bad", &e));
	assert_int_equal(QF_EWRITE, qf_drop_remove(folder, id, &e));
	assert_int_equal(1, count());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unsound, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_no_file_of_one_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_what_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_a_file_that_may_not_grow, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_afterwards, setup, teardown),
	    cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
