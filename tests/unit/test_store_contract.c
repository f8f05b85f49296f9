/*
 * What every engine of the queue must do (store_contract.h), held against the
 * directory engine, with files that have no name at first and with qmail's
 * steps, and against the one in memory that other tests use.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

#include "lib/base/alloc.h"
#include "queue/layout.h"
#include "queue/store_dir_internal.h"
#include "tests/unit/store_contract.h"
#include "tests/unit/store_mem.h"

/* The directory engine: thousands of syncs, so in memory where that is. */

static bool make_in(const char *folder, char *dir, size_t size)
{
	struct qf_err e;

	snprintf(dir, size, "%s/test_store.XXXXXX", folder);
	return mkdtemp(dir) != NULL &&
	       qf_layout_init(dir, (uid_t)-1, (gid_t)-1, &e) == 0;
}

static bool make_dir(char *dir, size_t size)
{
	return make_in("/dev/shm", dir, size) || make_in(".", dir, size);
}

static bool make_named(char *dir, size_t size)
{
	qf_sd_force_named(true);
	return make_dir(dir, size);
}

static int remove_entry(
    const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(const char *dir)
{
	qf_sd_force_named(false);
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void crash_dir(struct qf_store **st)
{
	while ((*st)->intakes != NULL) {
		struct qf_intake *in = (*st)->intakes;

		(*st)->intakes = in->next;
		qf_close(&in->message);
		qf_close(&in->envelope);
		qf_close(&in->attrs);
		free(in);
	}
	qf_alloc_undo(NULL, NULL);
	qf_store_dir.close(st);
}

/* Whichever file tells the age. */
static void set_born_dir(const char *dir, const char *id, int64_t born)
{
	static const enum qf_sd_place places[] = {
	    QF_SD_TODO, QF_SD_INFO, QF_SD_HOLD};
	struct timespec ts[2] = {
	    {.tv_sec = (time_t)born}, {.tv_sec = (time_t)born}};
	char tail[QF_SD_PATH], path[256];

	for (size_t i = 0; i < UNIT_COUNT(places); i++) {
		qf_sd_path(tail, places[i], id);
		snprintf(path, sizeof path, "%s/%s", dir, tail);
		utimensat(AT_FDCWD, path, ts, 0);
	}
}

static void refuse_dir(const char *dir, bool on)
{
	char todo[160], aside[168];

	snprintf(todo, sizeof todo, "%s/todo", dir);
	snprintf(aside, sizeof aside, "%s.away", todo);
	assert_int_equal(0, on ? rename(todo, aside) : rename(aside, todo));
}

static int find_file(
    const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb;
	(void)ftw;
	return type == FTW_F && strstr(path, "/lock/") == NULL;
}

static bool is_empty_dir(const char *dir)
{
	return nftw(dir, find_file, 16, FTW_PHYS) == 0;
}

static bool failed_dir(const char *dir, const char *id, struct qf_buf *out)
{
	char tail[QF_SD_PATH], path[256];
	int fd;

	qf_sd_path(tail, QF_SD_FAILED, id);
	snprintf(path, sizeof path, "%s/%s", dir, tail);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	assert_int_equal(0, qf_read_all(fd, out, NULL));
	close(fd);
	return true;
}

static const struct contract_backend backends[] = {
    {"unnamed files", &qf_store_dir, make_dir, remove_dir, crash_dir,
	set_born_dir, refuse_dir, is_empty_dir, failed_dir},
    {"qmail's steps", &qf_store_dir, make_named, remove_dir, crash_dir,
	set_born_dir, refuse_dir, is_empty_dir, failed_dir},
    {"memory", &store_mem, store_mem_make, store_mem_remove, store_mem_crash,
	store_mem_set_born, store_mem_refuse, store_mem_is_empty,
	store_mem_failed},
};

/* One case over one engine. */
struct test {
	char name[96];
	const struct contract_backend *backend;
	const struct contract_case *one;
};

static void run_case(void **state)
{
	const struct test *t = *state;
	const char *complaint = contract_run(t->backend, t->one);

	if (complaint != NULL)
		fail_msg("%s", complaint);
}

static size_t add_tests(
    const struct contract_backend *b, struct test *test, size_t n)
{
	for (size_t i = 0; contract_themes[i] != NULL; i++) {
		for (size_t k = 0; contract_themes[i][k].name != NULL; k++) {
			const struct contract_case *one =
			    &contract_themes[i][k];

			test[n].backend = b;
			test[n].one = one;
			snprintf(test[n].name, sizeof test[n].name, "%s: %s",
			    b->name, one->name);
			n++;
		}
	}
	return n;
}

int main(void)
{
	static struct test test[400];
	static struct CMUnitTest unit[UNIT_COUNT(test)];
	size_t n = 0;

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return 99;
	for (size_t i = 0; i < UNIT_COUNT(backends); i++)
		n = add_tests(&backends[i], test, n);
	for (size_t i = 0; i < n; i++)
		unit[i] = (struct CMUnitTest){
		    test[i].name, run_case, NULL, NULL, &test[i]};
	return _cmocka_run_group_tests("store contract", unit, n, NULL, NULL);
}
