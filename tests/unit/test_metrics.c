#include "frontend/metrics.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <sys/wait.h>

static char *folder, path[256];
static struct qf_err e;
static struct qf_metrics m;
static pid_t owner;

static int set_up(void **state)
{
	(void)state;
	folder = unit_dir();
	snprintf(path, sizeof path, "%s/metrics", folder);
	e = (struct qf_err){0};
	return setenv("QFRONT_METRICS", path, 1);
}

static int tear_down(void **state)
{
	(void)state;
	qf_metrics_close();
	unit_remove_dir(folder);
	return 0;
}

static void write_file(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(n, fwrite(bytes, 1, n, f));
	fclose(f);
}

static void open_new(void)
{
	write_file("", 0);
	assert_int_equal(0, qf_metrics_open(&e));
}

static void count(const char *name, uint32_t class_, bool broken, int64_t us)
{
	const struct qf_stage s = {.name = (char *)name};
	const struct qf_trace t = {
	    .class_ = class_, .broken = broken, .us = us};

	qf_count_stage(&s, &t);
}

static void test_nothing_without_a_file(void **state)
{
	(void)state;
	qf_count_message(QF_WAY_WARM, 0, 1, 1);
	count("a", QF_PASS, false, 1);
	assert_int_equal(QF_ENOENT, qf_metrics_open(&e));
	assert_int_equal(QF_ENOENT, qf_metrics_read(&m, &owner, &e));
	setenv("QFRONT_METRICS", "none", 1);
	assert_int_equal(QF_ENOENT, qf_metrics_open(&e));
}

static void test_counts(void **state)
{
	(void)state;
	open_new();
	qf_count_message(QF_WAY_COLD, 0, 50, 1000);
	qf_count_message(QF_WAY_COLD, 0, 100, 0);
	qf_count_message(QF_WAY_WARM, 31, 101, 24);
	qf_count_instead(QF_WAY_COLD, 0, 71);
	qf_count_add(QF_COUNT_DIED, 3);
	qf_gauge_set(QF_GAUGE_REQUESTS, 7);
	qf_gauge_add(QF_GAUGE_REQUESTS, -9);
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	assert_int_equal(1, m.outcome[QF_WAY_COLD][0]);
	assert_int_equal(1, m.outcome[QF_WAY_COLD][71]);
	assert_int_equal(1, m.outcome[QF_WAY_WARM][31]);
	assert_int_equal(2, m.time[QF_WAY_COLD].bucket[0]);
	assert_int_equal(150, m.time[QF_WAY_COLD].sum);
	assert_int_equal(1, m.time[QF_WAY_WARM].bucket[1]);
	assert_int_equal(1024, m.count[QF_COUNT_BYTES]);
	assert_int_equal(3, m.count[QF_COUNT_DIED]);
	assert_int_equal(-2, m.gauge[QF_GAUGE_REQUESTS]);
	assert_int_equal(0, owner);
}

static void test_stages(void **state)
{
	(void)state;
	open_new();
	count("size", QF_PASS, false, 1);
	count("size", QF_REJECT, false, INT64_MAX);
	count("size@two", QF_PASS, true, -5);
	/* what a worker says is not believed */
	count("size", 4000000000u, false, 1);
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	assert_string_equal("size", m.stage[0].name);
	assert_int_equal(1, m.stage[0].verdict[QF_PASS]);
	assert_int_equal(1, m.stage[0].verdict[QF_REJECT]);
	assert_int_equal(1, m.stage[0].verdict[QF_BROKEN]);
	assert_int_equal(1, m.stage[0].time.bucket[QF_METRICS_BUCKETS - 1]);
	assert_string_equal("size@two", m.stage[1].name);
	assert_int_equal(1, m.stage[1].verdict[QF_BROKEN]);
	assert_int_equal(1, m.stage[1].time.bucket[0]);
}

static void test_more_stages_than_places(void **state)
{
	char name[100];
	uint64_t n = 0;

	(void)state;
	open_new();
	for (int i = 0; i < 2 * QF_METRICS_STAGES; i++) {
		snprintf(name, sizeof name, "%d-%0*d", i, i % 80 + 1, 0);
		count(name, QF_PASS, false, 1);
	}
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	for (size_t i = 0; i < QF_METRICS_STAGES; i++)
		n += m.stage[i].verdict[QF_PASS];
	assert_int_equal(2 * QF_METRICS_STAGES, n);
	assert_true(m.stage[QF_METRICS_STAGES - 1].verdict[QF_PASS] > 100);
}

/* As two leave it that counted the first message of a stage at once, and one
 * that was killed while it wrote the name. */
static void test_places_of_one_name(void **state)
{
	(void)state;
	open_new();
	count("one", QF_PASS, false, 1);
	count("two", QF_PASS, false, 500);
	count("three", QF_REJECT, false, 1);
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	m.stage[3] = m.stage[2];
	memcpy(m.stage[1].name, "one", sizeof "one");
	m.stage[2].taken = 1;
	write_file((const char *)&m, sizeof m);
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	assert_string_equal("one", m.stage[0].name);
	assert_int_equal(2, m.stage[0].verdict[QF_PASS]);
	assert_int_equal(501, m.stage[0].time.sum);
	assert_string_equal("three", m.stage[1].name);
	assert_int_equal(1, m.stage[1].verdict[QF_REJECT]);
	assert_string_equal("", m.stage[2].name);
	assert_int_equal(0, m.stage[3].taken);
}

/* No number of one is lost to another. */
static void test_many_count_at_once(void **state)
{
	enum {
		PROCESSES = 4,
		TIMES = 20000
	};
	int status;

	(void)state;
	open_new();
	qf_metrics_close();
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		if (qf_metrics_open(&e) < 0)
			_exit(1);
		for (int k = 0; k < TIMES; k++) {
			qf_count_message(QF_WAY_WARM, 0, k, 1);
			count(k % 2 ? "odd" : "even", QF_PASS, false, 1);
		}
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(0, status);
	}
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	assert_int_equal(PROCESSES * TIMES, m.outcome[QF_WAY_WARM][0]);
	assert_int_equal(PROCESSES * TIMES / 2, m.stage[0].verdict[QF_PASS]);
	assert_int_equal(PROCESSES * TIMES / 2, m.stage[1].verdict[QF_PASS]);
	assert_int_equal(0, m.stage[2].verdict[QF_PASS]);
}

static void test_a_file_of_others(void **state)
{
	static char bytes[sizeof m + 1];

	(void)state;
	write_file("short", 5);
	assert_int_equal(QF_EPROTO, qf_metrics_open(&e));
	assert_int_equal(QF_EPROTO, qf_metrics_read(&m, &owner, &e));
	assert_non_null(strstr(e.text, path));
	write_file(bytes, sizeof m);
	assert_int_equal(QF_EPROTO, qf_metrics_open(&e));
	assert_int_equal(QF_EPROTO, qf_metrics_read(&m, &owner, &e));
	write_file(bytes, sizeof bytes);
	assert_int_equal(QF_EPROTO, qf_metrics_open(&e));
	unlink(path);
	assert_int_equal(0, symlink("/etc/passwd", path));
	assert_int_equal(QF_EREAD, qf_metrics_open(&e));
	unlink(path);
	assert_int_equal(0, mkfifo(path, 0600));
	assert_int_equal(QF_EPROTO, qf_metrics_open(&e));
}

static void test_a_worker_can_not_count(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	open_new();
	pid = fork();
	if (pid == 0) {
		/* The memory is not there, and this forgets it. */
		qf_metrics_close();
		qf_count_add(QF_COUNT_DIED, 1);
		_exit(0);
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(0, status);
	qf_count_add(QF_COUNT_LATE, 1);
	assert_int_equal(0, qf_metrics_read(&m, &owner, &e));
	assert_int_equal(0, m.count[QF_COUNT_DIED]);
	assert_int_equal(1, m.count[QF_COUNT_LATE]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_nothing_without_a_file),
	    CASE(test_counts),
	    CASE(test_stages),
	    CASE(test_more_stages_than_places),
	    CASE(test_places_of_one_name),
	    CASE(test_many_count_at_once),
	    CASE(test_a_file_of_others),
	    CASE(test_a_worker_can_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
