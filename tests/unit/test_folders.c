#include "daemon/folders.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>

static char *dir;

static size_t count(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static void leave_file(const char *folder)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/copy", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

static void make_dir(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(0, mkdir(path, 0700));
	leave_file(path);
}

static void test_life(void **state)
{
	struct qf_folders f = QF_FOLDERS_NONE;
	struct qf_err e;
	char *one, *two;

	(void)state;
	assert_int_equal(0, count());
	one = qf_folders_make(&f, 1, &e);
	two = qf_folders_make(&f, 2, &e);
	assert_non_null(one);
	assert_non_null(two);
	assert_string_not_equal(one, two);
	assert_int_equal(1, count());
	leave_file(one);
	leave_file(two);
	qf_folders_remove(one);
	assert_int_equal(-1, access(one, F_OK));
	assert_int_equal(0, access(two, F_OK));
	/* One that cleans up after others leaves it alone. */
	qf_folders_sweep();
	assert_int_equal(0, access(two, F_OK));
	/* It may be gone all the same. */
	qf_folders_remove(f.base);
	free(one);
	one = qf_folders_make(&f, 3, &e);
	assert_non_null(one);
	leave_file(one);
	qf_folders_close(&f);
	assert_int_equal(0, count());
	free(one);
	free(two);
}

static void test_sweep(void **state)
{
	struct qf_folders f = QF_FOLDERS_NONE;
	struct qf_err e;
	char *own = qf_folders_make(&f, 1, &e);

	(void)state;
	assert_non_null(own);
	make_dir("qfront-worker-abcdef");
	make_dir("qfront-workers");
	qf_folders_sweep();
	assert_int_equal(2, count());
	assert_int_equal(0, access(own, F_OK));
	/* As when its zygote is killed. */
	flock(f.lock, LOCK_UN);
	qf_folders_sweep();
	assert_int_equal(1, count());
	qf_folders_close(&f);
	free(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_life), cmocka_unit_test(test_sweep)};
	int rc;

	dir = unit_dir();
	setenv("TMPDIR", dir, 1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unit_remove_dir(dir);
	return rc;
}
