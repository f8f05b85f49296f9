/*
 * Litter: files that a writer left when it was killed, or when the power
 * failed, before its message counted as queued. qmail-clean(8) has the same
 * rule: nothing names them, and they are older than any writer may live.
 */
#include "queue/store_dir_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "queue/layout.h"

struct sweep {
	const struct qf_store *st;
	int dirfd;
	const char *name;
};

static DIR *open_dir(const struct qf_store *st, const char *folder)
{
	int fd = openat(st->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL)
		qf_close(&fd);
	return dir;
}

/* A file that is still written to, or that was read since, is not old. */
static bool is_old(const struct sweep *sw)
{
	int64_t limit = qf_clock_wall() - QF_SD_OSSIFIED;
	struct stat sb;

	return fstatat(sw->dirfd, sw->name, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(sb.st_mode) && sb.st_atime < limit &&
	       sb.st_mtime < limit;
}

static void sweep_pid(const struct sweep *sw)
{
	if (is_old(sw))
		unlinkat(sw->dirfd, sw->name, 0);
}

static bool is_named(const struct qf_store *st, const char *id)
{
	return qf_sd_exists(st, QF_SD_TODO, id) ||
	       qf_sd_exists(st, QF_SD_INFO, id) ||
	       qf_sd_exists(st, QF_SD_HOLD, id);
}

/* The message file goes last: while it is there, its id is not given to
 * another message. */
static void sweep_mess(const struct sweep *sw)
{
	static const enum qf_sd_place order[] = {QF_SD_BOUNCE, QF_SD_INTD,
	    QF_SD_LOCAL, QF_SD_REMOTE, QF_SD_ATTR, QF_SD_MESS};
	struct qf_err e;

	/* Twice: its name may be moving from one place to another. */
	if (!qf_sd_is_id(sw->name) || !is_old(sw) ||
	    is_named(sw->st, sw->name) || is_named(sw->st, sw->name))
		return;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		if (qf_sd_remove(sw->st, order[i], sw->name, &e) < 0)
			return;
}

static void sweep_intd(const struct sweep *sw)
{
	struct qf_err e;

	if (qf_sd_is_id(sw->name) && is_old(sw) &&
	    !qf_sd_exists(sw->st, QF_SD_TODO, sw->name) &&
	    !qf_sd_exists(sw->st, QF_SD_MESS, sw->name))
		qf_sd_remove(sw->st, QF_SD_INTD, sw->name, &e);
}

/* Somebody may be about to hold it again, by that name: who does has claimed
 * the message. */
static void sweep_second_name(const struct qf_store *st, const char *id)
{
	char path[QF_SD_PATH];
	struct qf_err e;
	int fd;

	qf_sd_path(path, QF_SD_MESS, id);
	fd = openat(
	    st->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && qf_sd_lock(st, id, fd, path, &e) == 0 &&
	    !qf_sd_exists(st, QF_SD_HOLD, id))
		qf_sd_remove(st, QF_SD_HELD, id, &e);
	qf_close(&fd);
}

/* The bytes of a held message, without an envelope: they never were held, or
 * they are released or deleted. A queued message has another name. */
static void sweep_hold(const struct sweep *sw)
{
	static const enum qf_sd_place order[] = {QF_SD_INTD, QF_SD_LOCAL,
	    QF_SD_REMOTE, QF_SD_BOUNCE, QF_SD_ATTR, QF_SD_HELD};
	static const char tail[] = ".mess";
	size_t n = strlen(sw->name);
	char id[QF_ID_SIZE];
	struct qf_err e;

	if (n < sizeof tail || n - sizeof tail + 1 >= sizeof id ||
	    strcmp(sw->name + n - sizeof tail + 1, tail) != 0)
		return;
	memcpy(id, sw->name, n - sizeof tail + 1);
	id[n - sizeof tail + 1] = '\0';
	if (!qf_sd_is_id(id) || !is_old(sw) ||
	    qf_sd_exists(sw->st, QF_SD_HOLD, id))
		return;
	if (qf_sd_exists(sw->st, QF_SD_MESS, id)) {
		sweep_second_name(sw->st, id);
		return;
	}
	if (is_named(sw->st, id) || is_named(sw->st, id))
		return;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		if (qf_sd_remove(sw->st, order[i], id, &e) < 0)
			return;
}

static bool is_new(const char *name)
{
	size_t n = strlen(name), tail = sizeof QF_SD_NEW - 1;

	return n > tail && strcmp(name + n - tail, QF_SD_NEW) == 0;
}

/* Another sender removed its message; or they were to replace others. */
static void sweep_attr(const struct sweep *sw)
{
	struct qf_err e;

	if (!is_old(sw))
		return;
	if (is_new(sw->name))
		unlinkat(sw->dirfd, sw->name, 0);
	else if (qf_sd_is_id(sw->name) &&
		 !qf_sd_exists(sw->st, QF_SD_MESS, sw->name) &&
		 !qf_sd_exists(sw->st, QF_SD_HELD, sw->name))
		qf_sd_remove(sw->st, QF_SD_ATTR, sw->name, &e);
}

static void sweep_folder(const struct qf_store *st, const char *folder,
    void (*visit)(const struct sweep *))
{
	DIR *dir = open_dir(st, folder);
	struct sweep sw = {.st = st};
	struct dirent *d;

	if (dir == NULL)
		return;
	sw.dirfd = dirfd(dir);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		sw.name = d->d_name;
		visit(&sw);
	}
	closedir(dir);
}

static void sweep_split(const struct qf_store *st, const char *name,
    void (*visit)(const struct sweep *))
{
	char folder[QF_SD_PATH];

	for (int n = 0; n < QF_QUEUE_SPLIT; n++) {
		snprintf(folder, sizeof folder, "%s/%d", name, n);
		sweep_folder(st, folder, visit);
	}
}

/* Nothing depends on it: what can not be removed stays until the next time. */
void qf_sd_sweep(const struct qf_store *st)
{
	sweep_folder(st, "pid", sweep_pid);
	sweep_split(st, "mess", sweep_mess);
	sweep_folder(st, "intd", sweep_intd);
	sweep_split(st, "hold", sweep_hold);
	sweep_split(st, "attr", sweep_attr);
}
