/*
 * What the tests of the directory engine share: a queue of a test's own, and
 * looks at its files.
 */
#ifndef QF_TESTS_STORE_DIR_H
#define QF_TESTS_STORE_DIR_H

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/unit/unit.h"

#include "lib/base/clock.h"
#include "queue/layout.h"
#include "queue/store_dir_internal.h"

static const struct qf_store_ops *const ops = &qf_store_dir;
static char dir[64];

#define LITERAL(s) (s), sizeof(s) - 1

static inline int remove_entry(
    const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int setup_in(const char *folder)
{
	struct qf_err e = {0};

	snprintf(dir, sizeof dir, "%s/test_store.XXXXXX", folder);
	if (mkdtemp(dir) == NULL)
		return -1;
	return qf_layout_init(dir, (uid_t)-1, (gid_t)-1, &e);
}

/* A file system that gives a number again soon, as that of a disk may. */
static inline int setup_on_disk(void **state)
{
	(void)state;
	return setup_in(".");
}

/* In memory where that is: no sync takes long there. */
static inline int setup(void **state)
{
	return setup_in("/dev/shm") == 0 ? 0 : setup_on_disk(state);
}

static inline int setup_named(void **state)
{
	qf_sd_force_named(true);
	return setup(state);
}

static inline int setup_named_on_disk(void **state)
{
	qf_sd_force_named(true);
	return setup_on_disk(state);
}

static inline int teardown(void **state)
{
	(void)state;
	qf_sd_force_named(false);
	qf_clock_source(NULL);
	return nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct qf_store *open_as(enum qf_store_use use)
{
	struct qf_store *st = NULL;
	struct qf_err e = {0};

	if (ops->open(&st, dir, use, NULL, &e) != 0)
		fail_msg("%s", e.text);
	return st;
}

static const char *path_of(enum qf_sd_place place, const char *id)
{
	static char path[4][128];
	static unsigned at;
	char *p = path[at++ % 4];
	char tail[QF_SD_PATH];

	qf_sd_path(tail, place, id);
	snprintf(p, sizeof path[0], "%s/%s", dir, tail);
	return p;
}

static inline bool there(enum qf_sd_place place, const char *id)
{
	struct stat sb;

	return lstat(path_of(place, id), &sb) == 0;
}

static inline void put_file(const char *path, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(qf_write_all(fd, p, n), 0);
	close(fd);
}

static inline void check_file(const char *path, const char *want, size_t n)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(qf_read_all(fd, &b, &e), 0);
	assert_int_equal(b.len, n);
	assert_memory_equal(b.s, want, n);
	qf_buf_free(&b);
	close(fd);
}

/* All regular files but those of lock/. */
static unsigned nfiles;

static inline int count_entry(
    const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	(void)sb;
	(void)ftw;
	if (type == FTW_F && strstr(path, "/lock/") == NULL)
		nfiles++;
	return 0;
}

static unsigned count_files(void)
{
	nfiles = 0;
	assert_int_equal(nftw(dir, count_entry, 16, FTW_PHYS), 0);
	return nfiles;
}

static inline void set_times(const char *path, int64_t when)
{
	struct timespec ts[2] = {
	    {.tv_sec = (time_t)when}, {.tv_sec = (time_t)when}};

	assert_int_equal(utimensat(AT_FDCWD, path, ts, 0), 0);
}

static inline int64_t mtime_of(const char *path)
{
	struct stat sb;

	assert_int_equal(lstat(path, &sb), 0);
	return sb.st_mtime;
}

static inline void make_envelope(
    struct qf_envelope *env, const char *sender, const char *const *rcpt)
{
	assert_int_equal(qf_envelope_set_sender(env, qf_span(sender)), 0);
	for (; *rcpt != NULL; rcpt++)
		assert_int_equal(qf_envelope_add_rcpt(env, qf_span(*rcpt)), 0);
}

static const char *const three[] = {
    "a@x.example", "b@x.example", "c@x.example", NULL};
static const char text[] = "Subject: x\n\nhi\n";

/* Queues `text` for `rcpt`; leaves its number in id. */
static inline void queue_one(char id[QF_ID_SIZE], const char *const *rcpt)
{
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_intake *in = NULL;
	struct qf_err e = {0};

	make_envelope(&env, "s@x.example", rcpt);
	assert_int_equal(ops->begin(st, &in, &e), 0);
	assert_int_equal(ops->write(in, text, 5, &e), 0);
	assert_int_equal(ops->write(in, text + 5, sizeof text - 6, &e), 0);
	if (qf_store_commit(ops, &in, &env, 7, 4711, id, &e) != 0)
		fail_msg("%s", e.text);
	assert_null(in);
	qf_envelope_free(&env);
	ops->close(&st);
	assert_null(st);
}

static inline struct qf_item load_ok(struct qf_store *st, const char *id)
{
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e = {0};

	if (ops->load(st, id, &item, &e) != 0)
		fail_msg("%s", e.text);
	return item;
}

/* Takes a folder, or all below it, out of the way, or puts it back. */
static inline void move_folder(const char *folder, bool split, bool away)
{
	char here[128], aside[128];

	for (int n = 0; n < (split ? QF_QUEUE_SPLIT : 1); n++) {
		if (split)
			snprintf(here, sizeof here, "%s/%s/%d", dir, folder, n);
		else
			snprintf(here, sizeof here, "%s/%s", dir, folder);
		snprintf(aside, sizeof aside, "%.100s.away", here);
		assert_int_equal(
		    away ? rename(here, aside) : rename(aside, here), 0);
	}
}

#define BOTH(f)                                                                \
	cmocka_unit_test_setup_teardown(f, setup, teardown),                   \
	{                                                                      \
#f "_named", f, setup_named, teardown, NULL                    \
	}
#define BOTH_ON_DISK(f)                                                        \
	cmocka_unit_test_setup_teardown(f, setup_on_disk, teardown),           \
	{                                                                      \
#f "_named", f, setup_named_on_disk, teardown, NULL            \
	}
#define ONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
