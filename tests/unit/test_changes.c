#include "daemon/changes.h"

#include "tests/unit/unit.h"

#include <poll.h>
#include <sys/stat.h>

#include "lib/base/clock.h"

static int64_t now; /* milliseconds */
static char *dir;

static int64_t clock_of_test(int which)
{
	return which == 'm' ? now * 1000 : now / 1000;
}

static void write_file(const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

/* Is there something to see? The kernel has it ready when the call that made
 * it returns. */
static bool sees(struct qf_changes *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	if (poll(&p, 1, 0) != 1)
		return false;
	qf_changes_see(c);
	return true;
}

static void test_changes(void **state)
{
	struct qf_changes c = {.fd = -1, .at = QF_NEVER};
	char path[256];
	int64_t first;

	(void)state;
	qf_changes_watch(&c);
	assert_false(sees(&c));
	assert_true(c.at == QF_NEVER);
	/* Soon after the last one. */
	write_file("chain");
	assert_true(sees(&c));
	first = now;
	assert_true(c.at > now);
	now = c.at - 1;
	write_file("chain");
	assert_true(sees(&c));
	assert_true(c.at > now + 1);
	/* But not ever later. */
	while (now < c.at) {
		assert_true(now < first + 3000);
		write_file("chain");
		assert_true(sees(&c));
		now += 100;
	}
	assert_int_equal(first + 3000, c.at);
	/* Then all of it again; what was not there before is seen too. */
	snprintf(path, sizeof path, "%s/plugins", dir);
	assert_int_equal(0, mkdir(path, 0755));
	qf_changes_watch(&c);
	assert_true(c.at == QF_NEVER);
	assert_false(sees(&c));
	write_file("plugins/size");
	assert_true(sees(&c));
	assert_int_equal(0, chmod(path, 0700));
	assert_true(sees(&c));
	close(c.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes)};
	int rc;

	dir = unit_dir();
	setenv("CONTROLDIR", dir, 1);
	setenv("PLUGINDIR", dir, 1);
	now = 1000000;
	qf_clock_source(clock_of_test);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unit_remove_dir(dir);
	return rc;
}
