#include "plugins/limit/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

__attribute__((format(printf, 3, 4))) static int32_t fail(
    struct store *s, int32_t rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->error, sizeof s->error, fmt, ap);
	va_end(ap);
	return rc;
}

static int32_t fail_file(struct store *s, int32_t rc, const char *name)
{
	return fail(s, rc, "%s/%s: %s", s->path, name,
	    rc == QF_ENOMEM ? "out of memory" : strerror(errno));
}

/* The directory and those above it. */
static int make_dirs(const char *path)
{
	char *copy = strdup(path), *at = copy;
	int rc = copy != NULL ? 0 : -1;

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
static int32_t check_owner(struct store *s)
{
	struct stat st;

	if (fstat(s->dir, &st) < 0)
		return fail(s, QF_EREAD, "%s: %s", s->path, strerror(errno));
	if (st.st_uid != geteuid())
		return fail(s, QF_EPERM,
		    "%s belongs to uid %ld, but mail runs as uid %ld here; "
		    "chown it, or set another dir",
		    s->path, (long)st.st_uid, (long)geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(s, QF_EPERM,
		    "%s can be written by others; chmod go-w it", s->path);
	return 0;
}

static int64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int32_t take_lock(struct store *s, int64_t patience)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP * 1000000};
	int64_t end = milliseconds() + patience;

	while (flock(s->dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(s, QF_EWRITE, "%s: can not be locked: %s",
			    s->path, strerror(errno));
		if (milliseconds() >= end)
			return fail(s, QF_ETIME,
			    "%s: another process holds the lock for too long",
			    s->path);
		nanosleep(&step, NULL);
	}
	return 0;
}

static int64_t wall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * COUNTER_SECOND + t.tv_nsec;
}

int32_t store_open(struct store *s, const char *path, int64_t patience)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int32_t rc;

	*s = (struct store){.path = path};
	s->dir = open(path, flags);
	if (s->dir < 0 && errno == ENOENT && make_dirs(path) == 0)
		s->dir = open(path, flags);
	if (s->dir < 0)
		return fail(s, QF_EWRITE,
		    "%s: %s; make it for uid %ld, mode 700", path,
		    strerror(errno), (long)geteuid());
	rc = check_owner(s);
	if (rc == 0)
		rc = take_lock(s, patience);
	if (rc < 0)
		close(s->dir);
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
	close(s->dir); /* the lock goes with it */
}

static void file_name(enum key key, unsigned number, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s.%02u", key_name(key), number);
}

static struct store_file *find(
    const struct store *s, enum key key, unsigned number)
{
	struct store_file *f = s->files;

	while (f != NULL && (f->key != key || f->number != number))
		f = f->next;
	return f;
}

static int32_t load(struct store *s, struct file *f, const char *name)
{
	int32_t rc = file_read(f, s->dir, name, s->now);

	s->damaged += f->damaged;
	s->forgotten += f->forgotten;
	f->forgotten = 0;
	return rc < 0 ? fail_file(s, rc, name) : 0;
}

/* The file, loaded: NULL and *rc on failure. */
static struct store_file *get_file(
    struct store *s, enum key key, unsigned number, int32_t *rc)
{
	struct store_file *f = find(s, key, number);
	char name[NAME_SIZE];

	if (f != NULL)
		return f;
	file_name(key, number, name);
	f = calloc(1, sizeof *f);
	*rc =
	    f != NULL ? load(s, &f->file, name) : fail_file(s, QF_ENOMEM, name);
	if (*rc < 0) {
		if (f != NULL)
			file_free(&f->file);
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
    uint32_t per, struct file_entry **out)
{
	uint64_t hash = key_hash(KEY_HASH, value, strlen(value));
	int32_t rc = 0;
	struct store_file *f = get_file(s, key, hash % STORE_FILES, &rc);

	if (f == NULL)
		return rc;
	*out = file_get(&f->file, value, per);
	s->forgotten += f->file.forgotten;
	f->file.forgotten = 0;
	return *out != NULL ? 0 : fail_file(s, QF_ENOMEM, key_name(key));
}

static int32_t save(struct store *s, bool all)
{
	for (const struct store_file *f = s->files; f != NULL; f = f->next) {
		char name[NAME_SIZE];
		int32_t rc;

		if (!all && !f->file.bounded)
			continue;
		file_name(f->key, f->number, name);
		rc = file_write(&f->file, s->dir, name);
		if (rc < 0)
			return fail_file(s, rc, name);
	}
	return 0;
}

int32_t store_save(struct store *s)
{
	return save(s, true);
}

int32_t store_mend(struct store *s)
{
	return save(s, false);
}

int32_t store_sweep(struct store *s)
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
	rc = load(s, &f, name);
	if (rc == 0) {
		rc = file_write(&f, s->dir, name);
		if (rc < 0)
			fail_file(s, rc, name);
	}
	file_free(&f);
	return rc;
}
