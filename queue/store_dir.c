#include "queue/store_dir_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "queue/layout.h"

/* Names of the places, which of them are split, and what follows an id. */
static const struct {
	const char *name;
	bool split;
	const char *tail;
} places[] = {
    [QF_SD_MESS] = {"mess", true, ""},
    [QF_SD_INTD] = {"intd", false, ""},
    [QF_SD_TODO] = {"todo", false, ""},
    [QF_SD_INFO] = {"info", true, ""},
    [QF_SD_LOCAL] = {"local", true, ""},
    [QF_SD_REMOTE] = {"remote", true, ""},
    [QF_SD_BOUNCE] = {"bounce", false, ""},
    [QF_SD_ATTR] = {"attr", true, ""},
    [QF_SD_FAILED] = {"failed", false, ""},
    [QF_SD_HOLD] = {"hold", true, ""},
    [QF_SD_HELD] = {"hold", true, ".mess"},
};

enum {
	FOLDER_MODE = 0700, /* of attr and hold (queue/layout.c) */
	SWEEP_PAUSE = 76431 /* seconds, as qmail-send(8) has it */
};

static bool named_forced;

void qf_sd_force_named(bool on)
{
	named_forced = on;
}

bool qf_sd_named_forced(void)
{
	return named_forced;
}

bool qf_sd_is_id(const char *s)
{
	unsigned long long n;

	return *s >= '1' && *s <= '9' && strlen(s) < QF_ID_SIZE &&
	       qf_span_u64(qf_span(s), UINT64_MAX, &n);
}

bool qf_sd_is_failed_id(const char *s)
{
	char id[QF_ID_SIZE];
	const char *dot = strchr(s, '.');

	if (dot == NULL)
		return qf_sd_is_id(s);
	if (strlen(s) >= sizeof id || !qf_sd_is_id(dot + 1))
		return false;
	snprintf(id, sizeof id, "%.*s", (int)(dot - s), s);
	return qf_sd_is_id(id);
}

bool qf_sd_is_split(enum qf_sd_place place)
{
	return places[place].split;
}

const char *qf_sd_top(enum qf_sd_place place)
{
	return places[place].name;
}

void qf_sd_folder(char out[QF_SD_PATH], enum qf_sd_place place, const char *id)
{
	const char *name = places[place].name;

	if (places[place].split)
		snprintf(out, QF_SD_PATH, "%s/%llu", name,
		    strtoull(id, NULL, 10) % QF_QUEUE_SPLIT);
	else
		snprintf(out, QF_SD_PATH, "%s", name);
}

void qf_sd_path(char out[QF_SD_PATH], enum qf_sd_place place, const char *id)
{
	size_t n;

	qf_sd_folder(out, place, id);
	n = strlen(out);
	snprintf(out + n, QF_SD_PATH - n, "/%.*s%s", QF_ID_SIZE - 1, id,
	    places[place].tail);
}

bool qf_sd_exists(
    const struct qf_store *st, enum qf_sd_place place, const char *id)
{
	char path[QF_SD_PATH];
	struct stat sb;

	qf_sd_path(path, place, id);
	return fstatat(st->root, path, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

int qf_sd_dress(const struct qf_store *st, int fd, mode_t mode)
{
	if (st->give && fchown(fd, st->uid, st->gid) < 0)
		return -1;
	return fchmod(fd, mode);
}

int qf_sd_sync_folder(
    const struct qf_store *st, const char *folder, int rc, struct qf_err *e)
{
	int fd = openat(st->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return qf_fail_sys(
		    e, rc, "can not open %s/%s", st->dir, folder);
	if (qf_sync_dir(fd) < 0)
		ret = qf_fail_sys(
		    e, QF_EWRITE, "can not sync %s/%s", st->dir, folder);
	close(fd);
	return ret;
}

/* A folder and its name to disk; one that is there is left as it is. */
static int make_one(
    const struct qf_store *st, const char *folder, struct qf_err *e)
{
	int fd = -1, rc = 0;

	if (mkdirat(st->root, folder, FOLDER_MODE) < 0) {
		if (errno == EEXIST)
			return 0;
		return qf_fail_sys(
		    e, QF_EWRITE, "can not make %s/%s", st->dir, folder);
	}
	fd = openat(st->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || qf_sd_dress(st, fd, FOLDER_MODE) < 0)
		rc = qf_fail_sys(
		    e, QF_EWRITE, "can not set up %s/%s", st->dir, folder);
	qf_close(&fd);
	return rc;
}

int qf_sd_make_folder(const struct qf_store *st, enum qf_sd_place place,
    const char *id, struct qf_err *e)
{
	const char *top = qf_sd_top(place);
	char folder[QF_SD_PATH];
	struct stat sb;
	int rc;

	qf_sd_folder(folder, place, id);
	if (fstatat(st->root, folder, &sb, 0) == 0)
		return 0;
	if ((rc = make_one(st, top, e)) < 0 ||
	    (rc = qf_sd_sync_folder(st, ".", QF_EWRITE, e)) < 0 ||
	    (rc = make_one(st, folder, e)) < 0)
		return rc;
	return qf_sd_sync_folder(st, top, QF_EWRITE, e);
}

int qf_sd_remove(const struct qf_store *st, enum qf_sd_place place,
    const char *id, struct qf_err *e)
{
	char path[QF_SD_PATH];

	qf_sd_path(path, place, id);
	if (unlinkat(st->root, path, 0) < 0 && errno != ENOENT)
		return qf_fail_sys(
		    e, QF_EWRITE, "can not remove %s/%s", st->dir, path);
	return 0;
}

/* Can the folder that holds QUEUEDIR be entered? */
static bool home_is_there(const char *dir)
{
	char *home = qf_strdup(dir);
	size_t n = strlen(home);
	int fd;
	bool ok;

	while (n > 1 && home[n - 1] == '/')
		n--;
	while (n > 0 && home[n - 1] != '/')
		n--;
	while (n > 1 && home[n - 1] == '/')
		n--;
	home[n] = '\0';
	fd = open(n > 0 ? home : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && faccessat(fd, ".", X_OK, AT_EACCESS) == 0;
	qf_close(&fd);
	free(home);
	return ok;
}

static int open_root(struct qf_store *st, struct qf_err *e)
{
	int saved;

	st->root = openat(AT_FDCWD, st->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (st->root >= 0)
		return 0;
	saved = errno;
	if (!home_is_there(st->dir))
		return qf_fail(e, QF_EHOME,
		    "can not enter the folder that holds %s: %s", st->dir,
		    strerror(saved));
	errno = saved;
	return qf_fail_sys(e, QF_EQUEUE,
	    "can not enter %s (`qfrontctl queue init` makes a queue)", st->dir);
}

int qf_sd_find_owner(struct qf_store *st, struct qf_err *e)
{
	struct stat sb;

	if (fstatat(st->root, "mess", &sb, 0) < 0)
		return qf_fail_sys(
		    e, QF_EMESS, "can not look at %s/mess", st->dir);
	st->give = true;
	st->uid = sb.st_uid;
	st->gid = sb.st_gid;
	return 0;
}

/* Open for writing as well, so that it never reads as at its end when the
 * last writer has gone. */
static int open_trigger(struct qf_store *st, struct qf_err *e)
{
	struct stat sb;

	st->trigger = openat(st->root, "lock/trigger",
	    O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (st->trigger < 0 || fstat(st->trigger, &sb) < 0)
		return qf_fail_sys(
		    e, QF_EQUEUE, "can not open %s/lock/trigger", st->dir);
	if (!S_ISFIFO(sb.st_mode))
		return qf_fail(
		    e, QF_EQUEUE, "%s/lock/trigger is not a FIFO", st->dir);
	return 0;
}

int qf_sd_check_fixing(const struct qf_store *st, struct qf_err *e)
{
	struct stat sb;

	if (fstatat(st->root, QF_SD_FIXING, &sb, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return qf_fail(e, QF_EQUEUE,
	    "the repair of %s is not finished (" QF_SD_FIXING
	    "); run `qfrontctl queue fix`",
	    st->dir);
}

static void sweep(struct qf_store *st)
{
	qf_sd_sweep(st);
	st->next_sweep = qf_deadline_in((int64_t)SWEEP_PAUSE * 1000);
}

static int open_for_sending(struct qf_store *st, struct qf_err *e)
{
	int rc;

	if ((rc = qf_layout_check(st->dir, e)) < 0 ||
	    (rc = qf_sd_open_mutex(st, e)) < 0 ||
	    (rc = qf_sd_check_fixing(st, e)) < 0 ||
	    (rc = open_trigger(st, e)) < 0)
		return rc;
	sweep(st);
	return 0;
}

static void close_store(struct qf_store **stp)
{
	struct qf_store *st = *stp;

	if (st == NULL)
		return;
	qf_close(&st->root);
	qf_close(&st->mutex);
	qf_close(&st->trigger);
	qf_close(&st->guard);
	free(st->dir);
	free(st);
	*stp = NULL;
}

static int open_store(struct qf_store **out, const char *dir,
    enum qf_store_use use, const struct qf_store_settings *settings,
    struct qf_err *e)
{
	static const struct qf_store_settings defaults;
	struct qf_store *st = qf_alloc(sizeof *st);
	int rc;

	*st = (struct qf_store){
	    .root = -1, .mutex = -1, .trigger = -1, .guard = -1};
	st->dir = qf_strdup(dir);
	st->set = settings != NULL ? settings : &defaults;
	st->named = named_forced;
	*out = NULL;
	rc = open_root(st, e);
	if (rc == 0 && use == QF_STORE_INTAKE)
		rc = qf_sd_check_intake(st, e);
	if (rc == 0 && use != QF_STORE_INTAKE && geteuid() == 0)
		rc = qf_sd_find_owner(st, e);
	if (rc == 0 && use == QF_STORE_SEND)
		rc = open_for_sending(st, e);
	if (rc < 0)
		close_store(&st);
	*out = st;
	return rc;
}

/* A walk has 1 + QF_QUEUE_SPLIT steps: todo, then each folder of info; over
 * held messages each folder of hold, where there is one. 1, or 0 without. */
static int open_step(struct qf_store *st, struct qf_walk *walk,
    char folder[QF_SD_PATH], struct qf_err *e)
{
	int fd;

	if (walk->held)
		snprintf(folder, QF_SD_PATH, "hold/%d", walk->split);
	else if (walk->phase == 0)
		snprintf(folder, QF_SD_PATH, "todo");
	else
		snprintf(folder, QF_SD_PATH, "info/%d", walk->split);
	if (walk->dir != NULL)
		return 1;
	fd = openat(st->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && (walk->dir = fdopendir(fd)) == NULL)
		qf_close(&fd);
	if (walk->dir == NULL && walk->held && errno == ENOENT)
		return 0;
	if (walk->dir == NULL)
		return qf_fail_sys(
		    e, QF_EQUEUE, "can not read %s/%s", st->dir, folder);
	return 1;
}

static void walk_end(struct qf_store *st, struct qf_walk *walk)
{
	(void)st;
	if (walk->dir != NULL)
		closedir(walk->dir);
	*walk = (struct qf_walk){.held = walk->held};
}

static void leave_step(struct qf_walk *walk)
{
	if (walk->dir != NULL)
		closedir(walk->dir);
	walk->dir = NULL;
	if (!walk->held && walk->phase == 0)
		walk->phase = 1;
	else
		walk->split++;
}

static int next(struct qf_store *st, struct qf_walk *walk, char id[QF_ID_SIZE],
    struct qf_err *e)
{
	char folder[QF_SD_PATH];
	struct dirent *d;
	int rc;

	while (walk->split < QF_QUEUE_SPLIT) {
		if ((rc = open_step(st, walk, folder, e)) < 0)
			return rc;
		errno = 0;
		d = rc > 0 ? readdir(walk->dir) : NULL;
		if (d == NULL && errno != 0)
			return qf_fail_sys(e, QF_EQUEUE, "can not read %s/%s",
			    st->dir, folder);
		if (d == NULL) {
			leave_step(walk);
			continue;
		}
		/* With a todo file the state does not count yet, and the
		 * first step has named it. */
		if (!qf_sd_is_id(d->d_name) ||
		    (walk->phase == 1 &&
			qf_sd_exists(st, QF_SD_TODO, d->d_name)))
			continue;
		snprintf(id, QF_ID_SIZE, "%.*s", QF_ID_SIZE - 1, d->d_name);
		return 1;
	}
	return 0;
}

static int wait_fd(struct qf_store *st)
{
	return st->trigger;
}

static void wake(struct qf_store *st)
{
	qf_sd_pull_trigger(st);
}

static int wait_reset(struct qf_store *st, struct qf_err *e)
{
	char bytes[4096];
	ssize_t r = 1;

	if (st->mutex >= 0 && qf_deadline_poll(st->next_sweep) == 0)
		sweep(st);
	if (st->trigger < 0)
		return 0;
	/* Bounded: whoever keeps writing only causes another walk. */
	for (int i = 0; i < 32 && r > 0; i++)
		r = qf_read(st->trigger, bytes, sizeof bytes);
	if (r < 0 && errno != EAGAIN)
		return qf_fail_sys(
		    e, QF_EREAD, "can not read %s/lock/trigger", st->dir);
	return 0;
}

const struct qf_store_ops qf_store_dir = {
    .name = "dir",
    .open = open_store,
    .close = close_store,
    .begin = qf_sd_begin,
    .write = qf_sd_write,
    .prepare = qf_sd_prepare,
    .publish = qf_sd_publish,
    .abort = qf_sd_abort,
    .next = next,
    .walk_end = walk_end,
    .load = qf_sd_load,
    .message = qf_sd_message,
    .mark = qf_sd_mark,
    .note = qf_sd_note,
    .defer = qf_sd_defer,
    .fail = qf_sd_fail,
    .finish = qf_sd_finish,
    .claim = qf_sd_claim,
    .hold = qf_sd_hold,
    .release = qf_sd_release,
    .wake = wake,
    .wait_fd = wait_fd,
    .wait_reset = wait_reset,
};
