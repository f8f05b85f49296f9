#include "frontend/policy.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>

static char *dir;

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(0, fchmod(fileno(f), 0644));
	fclose(f);
}

static void remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(0, unlink(path));
}

static uint64_t digest(void)
{
	struct qf_policy policy = QF_POLICY_INIT;
	struct qf_problems problems = {0};
	uint64_t h;

	if (qf_policy_load(&policy, &problems) < 0)
		fail_msg("%s", problems.first.text);
	h = policy.digest;
	qf_policy_free(&policy);
	return h;
}

/* Whatever part of a configuration is another one, its digest is. */
static void test_digest(void **state)
{
	static const struct {
		const char *file, *text;
	} changes[] = {
	    {"chain", "nothing a=b"},
	    {"chain", "nothing a=c"},
	    {"chain", ""},
	    {"chain-x", "nothing a=b"},
	    {"chain-y", "nothing a=b"},
	    {"split", "spam bounce"},
	    {"trusted-users", "4711"},
	    {"timeoutchain", "17"},
	    {"workersmax", "17"},
	    {"queueprog", "/bin/true"},
	};
	uint64_t seen[UNIT_COUNT(changes) + 1];
	size_t n = 0;

	(void)state;
	seen[n++] = digest();
	assert_true(seen[0] == digest());
	for (size_t i = 0; i < UNIT_COUNT(changes); i++) {
		write_file(changes[i].file, changes[i].text);
		seen[n] = digest();
		assert_true(seen[n] == digest());
		for (size_t k = 0; k < n; k++)
			assert_true(seen[k] != seen[n]);
		n++;
	}
	/* And what is as it was before has the same again. */
	for (size_t i = 0; i < UNIT_COUNT(changes); i++) {
		if (i == 0 || strcmp(changes[i].file, changes[i - 1].file) != 0)
			remove_file(changes[i].file);
	}
	assert_true(digest() == seen[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_digest)};
	int rc;

	dir = unit_dir();
	setenv("CONTROLDIR", dir, 1);
	setenv("PLUGINDIR", dir, 1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unit_remove_dir(dir);
	return rc;
}
