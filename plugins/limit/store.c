#include "plugins/limit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "plugins/limit/counter.h"

enum {
	LOCK_STEP = 2,    /* milliseconds between two tries */
	SWEEP_AGE = 3600, /* seconds until a file is looked at again */
	NAME_SIZE = 32
};

/* The files in use, in memory. */
struct store_file {
	struct store_file *next;
	enum key key;
	unsigned number;
	struct file file;
};

/* The directory and those above it. */
static int make_dirs(const char *path)
{
	char *copy = qf_strdup(path), *at = copy;
	int rc = 0;

	while (rc == 0 && (at = strchr(at + 1, '/')) != NULL) {
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			rc = -1;
		*at = '/';
	}
	free(copy);
	if (rc == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		rc = -1;
	return rc;
}

/* Who can write there chooses who is limited. */
static int32_t check_owner(struct store *s, struct qf_err *e)
{
	struct stat st;

	if (fstat(s->dir, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "%s", s->path);
	s->owner = st.st_uid;
	if (st.st_uid != geteuid() && geteuid() != 0)
		return qf_fail(e, QF_EPERM,
		    "%s belongs to uid %ld, but mail runs as uid %ld here; "
		    "chown it, or set another dir",
		    s->path, (long)st.st_uid, (long)geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return qf_fail(e, QF_EPERM,
		    "%s can be written by others; chmod go-w it", s->path);
	return 0;
}

static int32_t take_lock(
    const struct store *s, int64_t patience, struct qf_err *e)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP * 1000000};
	int64_t end = qf_deadline_in(patience);

	while (flock(s->dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return qf_fail_sys(
			    e, QF_EWRITE, "%s: can not be locked", s->path);
		if (qf_clock_mono() >= end)
			return qf_fail(e, QF_ETIME,
			    "%s: another process holds the lock for too long",
			    s->path);
		nanosleep(&step, NULL);
	}
	return 0;
}

/* Finer than qf_clock_wall(). */
static int64_t wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * COUNTER_SECOND + t.tv_nsec;
}

int32_t store_open(
    struct store *s, const char *path, int64_t patience, struct qf_err *e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int32_t rc;

	*s = (struct store){.path = path};
	s->dir = open(path, flags);
	if (s->dir < 0 && errno == ENOENT && make_dirs(path) == 0)
		s->dir = open(path, flags);
	if (s->dir < 0) {
		qf_fail_sys(e, QF_EWRITE, "%s", path);
		return qf_err_context(e,
		    "the counters need a directory of uid %ld, mode 700",
		    (long)geteuid());
	}
	rc = check_owner(s, e);
	if (rc == 0)
		rc = take_lock(s, patience, e);
	if (rc < 0)
		qf_close(&s->dir);
	s->now = wall_clock();
	return rc;
}

void store_close(struct store *s)
{
	while (s->files != NULL) {
		struct store_file *next = s->files->next;

		file_free(&s->files->file);
		free(s->files);
		s->files = next;
	}
	qf_close(&s->dir); /* the lock goes with it */
}

static void file_name(enum key key, unsigned number, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s.%03u", key_name(key), number);
}

static struct store_file *find(
    const struct store *s, enum key key, unsigned number)
{
	struct store_file *f = s->files;

	while (f != NULL && (f->key != key || f->number != number))
		f = f->next;
	return f;
}

static int32_t load(
    struct store *s, struct file *f, const char *name, struct qf_err *e)
{
	int32_t rc = file_read(f, s->dir, name, s->now, e);

	if (rc < 0)
		return qf_err_context(e, "%s", s->path);
	s->damaged += f->damaged;
	s->forgotten += f->forgotten;
	return 0;
}

/* The file, loaded: NULL when it can not be. */
static struct store_file *get_file(
    struct store *s, enum key key, unsigned number, struct qf_err *e)
{
	struct store_file *f = find(s, key, number);
	char name[NAME_SIZE];

	if (f != NULL)
		return f;
	file_name(key, number, name);
	f = qf_alloc(sizeof *f);
	if (load(s, &f->file, name, e) < 0) {
		free(f);
		return NULL;
	}
	f->key = key;
	f->number = number;
	f->next = s->files;
	s->files = f;
	return f;
}

int32_t store_get(struct store *s, enum key key, const char *value,
    uint32_t per, struct file_entry **out, struct qf_err *e)
{
	uint64_t hash = key_hash(KEY_HASH, value, strlen(value));
	struct store_file *f = get_file(s, key, hash % STORE_FILES, e);
	unsigned before;

	if (f == NULL)
		return e->rc;
	before = f->file.forgotten;
	*out = file_get(&f->file, value, per);
	s->forgotten += f->file.forgotten - before;
	return 0;
}

static int32_t save(struct store *s, bool all, struct qf_err *e)
{
	for (const struct store_file *f = s->files; f != NULL; f = f->next) {
		char name[NAME_SIZE];

		if (!all && !f->file.bounded)
			continue;
		file_name(f->key, f->number, name);
		if (file_write(&f->file, s->dir, name, s->owner, e) < 0)
			return qf_err_context(e, "%s", s->path);
	}
	return 0;
}

int32_t store_save(struct store *s, struct qf_err *e)
{
	return save(s, true, e);
}

int32_t store_mend(struct store *s, struct qf_err *e)
{
	return save(s, false, e);
}

int32_t store_sweep(struct store *s, struct qf_err *e)
{
	uint64_t seconds = (uint64_t)(s->now / COUNTER_SECOND);
	unsigned number = (unsigned)(seconds % STORE_FILES);
	enum key key = (enum key)(seconds / STORE_FILES % KEY_KINDS);
	char name[NAME_SIZE];
	struct stat st;
	struct file f;
	int32_t rc;

	file_name(key, number, name);
	if (find(s, key, number) != NULL ||
	    fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (st.st_mtime <= (time_t)seconds &&
		st.st_mtime + SWEEP_AGE > (time_t)seconds))
		return 0;
	if (load(s, &f, name, e) < 0)
		return e->rc;
	rc = file_write(&f, s->dir, name, s->owner, e);
	file_free(&f);
	return rc < 0 ? qf_err_context(e, "%s", s->path) : 0;
}
