/* The control files of those who put messages into the queue. */
#include "queue/settings.h"

#include "tests/unit/unit.h"

static char dir[] = "test_queue_settings.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	unsetenv("MIN_FREE");
	return setenv("CONTROLDIR", dir, 1);
}

static const char *path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* Without a text the file goes. */
static void control(const char *name, const char *text)
{
	FILE *f;

	if (text == NULL) {
		unlink(path_of(name));
		return;
	}
	f = fopen(path_of(name), "we");
	assert_non_null(f);
	assert_true(fprintf(f, "%s\n", text) > 0);
	assert_int_equal(fclose(f), 0);
}

static void loads(enum qf_store_sync sync, uint64_t bytes, uint64_t inodes)
{
	struct qf_queue_settings s = {0};
	struct qf_err e;

	if (qf_queue_settings_load(&s, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(s.store.sync, sync);
	assert_int_equal(s.store.free_bytes, bytes);
	assert_int_equal(s.store.free_inodes, inodes);
	qf_queue_settings_free(&s);
}

static void is_refused(const char *part)
{
	struct qf_queue_settings s = {.store = {.free_bytes = 77}};
	struct qf_err e = {0};

	assert_int_equal(qf_queue_settings_load(&s, &e), QF_ECONF);
	if (strstr(e.text, part) == NULL)
		fail_msg("`%s` does not say `%s`", e.text, part);
	assert_int_equal(s.store.free_bytes, 77);
}

static void test_files(void **state)
{
	(void)state;
	loads(QF_SYNC_FULL, 4194304, 1000);
	control("sync", "file");
	control("minfree", "12");
	control("mininodes", "0");
	loads(QF_SYNC_FILE, 12, 0);
	control("sync", "none");
	loads(QF_SYNC_NONE, 12, 0);
	control("sync", "maybe");
	is_refused("/sync:1: \"maybe\"");
	control("sync", "full");
	control("minfree", "1M");
	is_refused("/minfree:1: \"1M\"");
	control("minfree", "-1");
	is_refused("/minfree:1: \"-1\"");
	control("minfree", NULL);
	control("mininodes", NULL);
	control("sync", NULL);
	loads(QF_SYNC_FULL, 4194304, 1000);
}

static void test_variable(void **state)
{
	(void)state;
	control("minfree", "12");
	setenv("MIN_FREE", "34", 1);
	loads(QF_SYNC_FULL, 34, 1000);
	setenv("MIN_FREE", "34k", 1);
	is_refused("MIN_FREE=34k");
	setenv("MIN_FREE", "", 1);
	loads(QF_SYNC_FULL, 12, 1000);
	unsetenv("MIN_FREE");
	control("minfree", NULL);
}

/* As qmail-queue(8), it does without; what it can not read is a mistake. The
 * last test, since it takes the folder away. */
static void test_no_folder(void **state)
{
	(void)state;
	assert_int_equal(rmdir(dir), 0);
	loads(QF_SYNC_FULL, 4194304, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_variable),
	    cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests_name(
	    "queue_settings", tests, make_dir, NULL);
}
