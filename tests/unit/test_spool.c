#include "lib/base/spool.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>

static struct qf_err e;

static void fill(struct qf_spool *s, size_t n)
{
	static char chunk[1 << 20];

	for (; n > 0;) {
		size_t k = n < sizeof chunk ? n : sizeof chunk;

		for (size_t i = 0; i < k; i++)
			chunk[i] = (char)((s->size + i) % 251);
		assert_int_equal(0, qf_spool_write(s, chunk, k, &e));
		n -= k;
	}
}

/* Are they the bytes of fill()? */
static void check(int fd, size_t n)
{
	struct qf_map m;

	assert_int_equal(0, qf_map_fd(&m, fd, &e));
	assert_int_equal(n, m.n);
	for (size_t i = 0; i < n; i++) {
		if (m.p[i] != (char)(i % 251))
			fail_msg("byte %zu is wrong", i);
	}
	qf_map_free(&m);
}

static void test_memory(void **state)
{
	struct qf_spool s;

	(void)state;
	assert_int_equal(0, qf_spool_open(&s, &e));
	fill(&s, 1000);
	assert_false(qf_spool_is_private(s.fd, geteuid()));
	assert_int_equal(0, qf_spool_finish(&s, &e));
	assert_true(qf_spool_is_private(s.fd, geteuid()));
	assert_int_equal(0, lseek(s.fd, 0, SEEK_CUR));
	assert_int_equal(1000, s.size);
	check(s.fd, 1000);
	/* nobody changes it any more */
	assert_int_equal(QF_EWRITE, qf_spool_write(&s, "x", 1, &e));
	assert_int_equal(EPERM, e.sys);
	assert_int_equal(-1, ftruncate(s.fd, 0));
	assert_int_equal(-1, ftruncate(s.fd, 2000));
	qf_spool_close(&s);
	assert_int_equal(-1, s.fd);
	qf_spool_close(&s);
}

static void test_empty(void **state)
{
	struct qf_spool s;

	(void)state;
	assert_int_equal(0, qf_spool_open(&s, &e));
	assert_int_equal(0, qf_spool_finish(&s, &e));
	assert_int_equal(0, s.size);
	assert_true(qf_spool_is_private(s.fd, geteuid()));
	qf_spool_close(&s);
}

static void test_border(void **state)
{
	struct qf_spool s;
	struct stat st;
	int before = unit_open_fds();

	(void)state;
	assert_int_equal(0, qf_spool_open(&s, &e));
	fill(&s, QF_SPOOL_MEMORY);
	assert_false(s.in_file);
	fill(&s, 1);
	assert_true(s.in_file);
	fill(&s, 100000);
	assert_int_equal(0, qf_spool_finish(&s, &e));
	/* it can not be sealed, but nobody can write it */
	assert_true(qf_spool_is_private(s.fd, geteuid()));
	assert_int_equal(QF_EWRITE, qf_spool_write(&s, "x", 1, &e));
	assert_int_equal(0, lseek(s.fd, 0, SEEK_CUR));
	check(s.fd, QF_SPOOL_MEMORY + 100001);
	/* it has no name and belongs to us alone */
	assert_int_equal(0, fstat(s.fd, &st));
	assert_int_equal(0, st.st_nlink);
	assert_int_equal(0600, st.st_mode & 07777);
	/* somebody else's could be open for writing elsewhere */
	if (geteuid() == 0) {
		assert_int_equal(0, fchown(s.fd, 65534, (gid_t)-1));
		assert_false(qf_spool_is_private(s.fd, geteuid()));
	}
	qf_spool_close(&s);
	assert_int_equal(before, unit_open_fds());
}

static void test_fill(void **state)
{
	int fd = unit_file("abc", 3);
	struct qf_buf b = QF_BUF_INIT;
	struct qf_spool s;

	(void)state;
	assert_int_equal(0, qf_spool_open(&s, &e));
	assert_int_equal(0, qf_spool_write(&s, "x", 1, &e));
	assert_int_equal(0, qf_spool_fill(&s, fd, &e));
	close(fd);
	assert_int_equal(QF_EREAD, qf_spool_fill(&s, fd, &e));
	assert_int_equal(4, s.size);
	assert_int_equal(0, qf_spool_finish(&s, &e));
	unit_contents(s.fd, &b);
	assert_string_equal("xabc", b.s);
	qf_buf_free(&b);
	qf_spool_close(&s);
}

static void test_not_private(void **state)
{
	int fd = unit_file("abc", 3);

	(void)state;
	assert_false(qf_spool_is_private(fd, geteuid()));
	assert_false(qf_spool_is_private(-1, geteuid()));
	close(fd);
	/* read-only, but it has a name, so others can write it */
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_false(qf_spool_is_private(fd, geteuid()));
	close(fd);
	/* seals that leave a way to change it are not enough */
	fd = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(
	    0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	assert_false(qf_spool_is_private(fd, geteuid()));
	assert_int_equal(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	assert_true(qf_spool_is_private(fd, geteuid()));
	close(fd);
}

static void test_fill_file(void **state)
{
	struct qf_spool s;
	int file = unit_file("12345", 5), pair[2];

	(void)state;
	assert_int_equal(0, qf_spool_open(&s, &e));
	assert_int_equal(5, lseek(file, 0, SEEK_END));
	assert_int_equal(QF_ETOOLONG, qf_spool_fill_file(&s, file, 4, &e));
	assert_int_equal(0, s.size);
	assert_int_equal(0, qf_spool_fill_file(&s, file, 5, &e));
	assert_int_equal(5, s.size);
	qf_spool_close(&s);
	assert_int_equal(0, qf_spool_open(&s, &e));
	assert_int_equal(0, pipe(pair));
	assert_int_equal(QF_EREAD, qf_spool_fill_file(&s, pair[0], 5, &e));
	close(file);
	close(pair[0]);
	close(pair[1]);
	/* Some do not say how large they are. */
	file = open("/proc/self/maps", O_RDONLY);
	assert_true(file >= 0);
	assert_int_equal(QF_ETOOLONG, qf_spool_fill_file(&s, file, 5, &e));
	assert_int_equal(0, s.size);
	close(file);
	qf_spool_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_border),
	    cmocka_unit_test(test_fill),
	    cmocka_unit_test(test_not_private),
	    cmocka_unit_test(test_fill_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
