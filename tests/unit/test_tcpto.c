#include "lib/net/tcpto.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

#define T0 INT64_C(1700000000) /* 0x6553f100 */

struct world {
	char *dir;
	char path[100];
	struct qf_tcpto t;
};

static int make_world(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->dir = unit_dir();
	snprintf(w->path, sizeof w->path, "%s/lock", w->dir);
	assert_int_equal(0, mkdir(w->path, 0700));
	strcat(w->path, "/tcpto");
	assert_int_equal(0, qf_tcpto_open(&w->t, w->dir, NULL));
	*state = w;
	return 0;
}

static int end_world(void **state)
{
	struct world *w = *state;

	qf_tcpto_close(&w->t);
	unit_remove_dir(w->dir);
	free(w);
	return 0;
}

static struct qf_ip ip(const char *text)
{
	struct qf_ip a;

	assert_true(qf_ip_parse(&a, qf_span(text)));
	return a;
}

static void timed_out(struct world *w, const char *text, int64_t when)
{
	struct qf_ip a = ip(text);

	qf_tcpto_note(&w->t, &a, true, when);
}

static void answered(struct world *w, const char *text)
{
	struct qf_ip a = ip(text);

	qf_tcpto_note(&w->t, &a, false, T0);
}

static bool is_dead(struct world *w, const char *text, int64_t now, unsigned c)
{
	struct qf_ip a = ip(text);

	return qf_tcpto_is_dead(&w->t, &a, now, c);
}

static void read_whole(const char *path, struct qf_buf *out)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(0, qf_read_all(fd, out, NULL));
	close(fd);
}

/* The file has this size, starts with these bytes, and is else 0. */
static void assert_file(
    const char *path, size_t size, const void *bytes, size_t n)
{
	struct qf_buf b = QF_BUF_INIT;

	read_whole(path, &b);
	assert_int_equal(size, b.len);
	assert_memory_equal(bytes, b.s, n);
	for (size_t i = n; i < b.len; i++)
		assert_int_equal(0, b.s[i]);
	qf_buf_free(&b);
}

static void write_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, p, n));
	close(fd);
}

/* As qmail writes it. */
static void bytes_of_ipv4(void **state)
{
	struct world *w = *state;
	static const unsigned char want[] = {192, 0, 2, 1, 2, 0, 0, 0, 0x78,
	    0xf1, 0x53, 0x65, 0, 0, 0, 0, 192, 0, 2, 2, 1, 0, 0, 0, 0x01, 0xf1,
	    0x53, 0x65, 0, 0, 0, 0};

	timed_out(w, "192.0.2.1", T0);
	timed_out(w, "192.0.2.2", T0 + 1);
	timed_out(w, "192.0.2.1", T0 + 119); /* too soon to count */
	timed_out(w, "192.0.2.1", T0 + 120);
	assert_file(w->path, 1024, want, sizeof want);
}

static void bytes_of_ipv6(void **state)
{
	struct world *w = *state;
	static const unsigned char want[] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0x00, 0xf1, 0x53, 0x65, 0, 0, 0,
	    0, 0, 0, 0, 0};

	timed_out(w, "2001:db8::1", T0);
	assert_int_equal(-1, access(w->path, F_OK));
	strcat(w->path, "6");
	assert_file(w->path, 2048, want, sizeof want);
}

static void counting(void **state)
{
	struct world *w = *state;
	static const unsigned char ten[] = {192, 0, 2, 1, 10, 0, 0, 0};
	static const unsigned char none[] = {192, 0, 2, 1, 0, 0, 0, 0};
	struct qf_buf b = QF_BUF_INIT;

	for (int i = 0; i < 20; i++)
		timed_out(w, "192.0.2.1", T0 + i * 120);
	read_whole(w->path, &b);
	assert_memory_equal(ten, b.s, sizeof ten);
	qf_buf_reset(&b);
	answered(w, "192.0.2.1");
	read_whole(w->path, &b);
	assert_memory_equal(none, b.s, sizeof none);
	qf_buf_free(&b);
	assert_false(is_dead(w, "192.0.2.1", T0 + 20 * 120, 0));
}

static void who_is_dead(void **state)
{
	static const char *const addresses[] = {"192.0.2.1", "2001:db8::1"};
	struct world *w = *state;

	for (size_t i = 0; i < UNIT_COUNT(addresses); i++) {
		const char *a = addresses[i];

		assert_false(is_dead(w, a, T0, 0));
		timed_out(w, a, T0 - 200);
		assert_false(is_dead(w, a, T0, 0));
		timed_out(w, a, T0);
		assert_true(is_dead(w, a, T0, 0));
		assert_true(is_dead(w, a, T0 + 60 * 64 - 1, 0));
		assert_false(is_dead(w, a, T0 + 60 * 64, 0));
		assert_true(is_dead(w, a, T0 + 60 * 64, 1));
		assert_true(is_dead(w, a, T0 + 91 * 64 - 1, 31));
		assert_false(is_dead(w, a, T0 + 60 * 64, 32));
		/* the clock was set back */
		assert_false(is_dead(w, a, T0 - 1, 0));
	}
	assert_false(is_dead(w, "192.0.2.2", T0, 0));
}

/* All 64 are taken: the one that is oldest goes. */
static void full(void **state)
{
	struct world *w = *state;
	struct qf_tcpto_entry all[2 * QF_TCPTO_RECORDS];
	struct qf_ip seven = ip("192.0.2.7");
	char text[20];

	for (int i = 0; i < 65; i++) {
		snprintf(text, sizeof text, "192.0.2.%d", i);
		timed_out(w, text, T0 + (i == 7 ? -5 : i));
	}
	assert_int_equal(64, qf_tcpto_list(&w->t, all, NULL));
	for (int i = 0; i < 64; i++)
		assert_false(qf_ip_eq(&all[i].ip, &seven));
	assert_int_equal(64, all[7].ip.b[3]);
	assert_int_equal(T0 + 64, all[7].when);
}

static void damaged(void **state)
{
	struct world *w = *state;
	static const unsigned char want[] = {
	    192, 0, 2, 9, 1, 0, 0, 0, 0x00, 0xf1, 0x53, 0x65};
	struct {
		size_t n, at;
		char byte;
	} cases[] = {
	    {0, 0, 0},       /* empty */
	    {100, 0, 'x'},   /* short */
	    {1008, 0, 'x'},  /* by one record */
	    {2000, 0, 'x'},  /* long */
	    {1024, 4, 11},   /* counts that nobody makes */
	    {1024, 1023, 1}, /* bytes that nobody sets */
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_tcpto_entry all[2 * QF_TCPTO_RECORDS];
		char bytes[2000] = {192, 0, 2, 1, 5};

		bytes[cases[i].at] = cases[i].byte;
		write_file(w->path, bytes, cases[i].n);
		assert_int_equal(0, qf_tcpto_list(&w->t, all, NULL));
		assert_false(is_dead(w, "192.0.2.1", 100, 0));
		timed_out(w, "192.0.2.9", T0);
		assert_file(w->path, 1024, want, sizeof want);
	}
}

/* Nothing that is wrong with the files stops anything. */
static void in_the_way(void **state)
{
	struct world *w = *state;
	struct qf_tcpto_entry all[2 * QF_TCPTO_RECORDS];
	struct qf_tcpto nowhere;
	struct qf_ip a = ip("192.0.2.1");
	struct qf_err e;
	int fd;

	assert_int_equal(0, mkdir(w->path, 0700));
	timed_out(w, "192.0.2.1", T0);
	assert_false(is_dead(w, "192.0.2.1", T0, 0));
	assert_int_equal(0, rmdir(w->path));
	assert_int_equal(0, symlink("elsewhere", w->path));
	timed_out(w, "192.0.2.1", T0);
	assert_int_equal(QF_EREAD, qf_tcpto_list(&w->t, all, &e));
	assert_int_equal(QF_EWRITE, qf_tcpto_clear(&w->t, &e));
	assert_int_equal(0, unlink(w->path));
	/* somebody holds it */
	timed_out(w, "192.0.2.1", T0 - 200);
	timed_out(w, "192.0.2.1", T0);
	fd = open(w->path, O_RDONLY);
	assert_int_equal(0, flock(fd, LOCK_EX));
	assert_false(is_dead(w, "192.0.2.1", T0, 0));
	timed_out(w, "192.0.2.1", T0);
	close(fd);
	assert_true(is_dead(w, "192.0.2.1", T0, 0));
	/* no queue */
	assert_int_equal(
	    QF_EQUEUE, qf_tcpto_open(&nowhere, "/nonexistent", &e));
	assert_string_equal(
	    "/nonexistent/lock: No such file or directory", e.text);
	qf_tcpto_note(&nowhere, &a, true, T0);
	assert_false(qf_tcpto_is_dead(&nowhere, &a, T0, 0));
	qf_tcpto_close(&nowhere);
}

static void clearing(void **state)
{
	struct world *w = *state;
	struct qf_tcpto_entry all[2 * QF_TCPTO_RECORDS];

	assert_int_equal(0, qf_tcpto_clear(&w->t, NULL));
	assert_int_equal(-1, access(w->path, F_OK)); /* it makes none */
	timed_out(w, "192.0.2.1", T0);
	timed_out(w, "2001:db8::1", T0);
	assert_int_equal(2, qf_tcpto_list(&w->t, all, NULL));
	assert_int_equal(1, all[0].count);
	assert_int_equal(T0, all[1].when);
	assert_int_equal(0, qf_tcpto_clear(&w->t, NULL));
	assert_file(w->path, 1024, "", 0);
	assert_int_equal(0, qf_tcpto_list(&w->t, all, NULL));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_world, end_world)
	const struct CMUnitTest tests[] = {
	    CASE(bytes_of_ipv4),
	    CASE(bytes_of_ipv6),
	    CASE(counting),
	    CASE(who_is_dead),
	    CASE(full),
	    CASE(damaged),
	    CASE(in_the_way),
	    CASE(clearing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
