/*
 * lock/sendmutex: one sender a queue, and who else may change what is queued.
 *
 * A sender holds the lock that qmail-send(8) takes, flock(2). Ours says that
 * it knows claims by a record lock, fcntl(2), on the whole file; like that of
 * flock(2) it belongs to the open file, not to the process. Another
 * program that changes queued messages has a record lock on the first byte
 * only, so that two of them do not take each other for a sender, and the
 * flock(2) where no sender has it.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	WHOLE = 0, /* lengths of record locks */
	FIRST = 1,
	STRANGER_MS = 200, /* for which they are waited for */
	OTHER_MS = 5000
};

static int set_lock(int fd, int command, off_t len, short type)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_len = len};

	return fcntl(fd, command, &fl);
}

/* The length of somebody's record lock, or -1 when there is none. */
static off_t find_lock(int fd)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_GETLK, &fl) < 0 || fl.l_type == F_UNLCK)
		return -1;
	return fl.l_len;
}

static int open_file(const struct qf_store *st, struct qf_err *e)
{
	int fd = openat(st->root, "lock/sendmutex",
	    O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return qf_fail_sys(
		    e, QF_EQUEUE, "can not open %s/lock/sendmutex", st->dir);
	return fd;
}

static void pause_shortly(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
}

/* A program that only changes messages is waited for. */
static int take(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK || find_lock(fd) != FIRST)
		return -1;
	return flock(fd, LOCK_EX);
}

int qf_sd_open_mutex(struct qf_store *st, struct qf_err *e)
{
	if ((st->mutex = open_file(st, e)) < 0)
		return QF_EQUEUE;
	if (take(st->mutex) < 0) {
		if (errno == EWOULDBLOCK)
			return qf_fail(e, QF_EPERM,
			    "another sender runs on this queue "
			    "(%s/lock/sendmutex is locked)",
			    st->dir);
	} else if (set_lock(st->mutex, F_OFD_SETLKW, WHOLE, F_WRLCK) == 0) {
		return 0;
	}
	return qf_fail_sys(
	    e, QF_EQUEUE, "can not lock %s/lock/sendmutex", st->dir);
}

enum who {
	US,     /* the queue is ours */
	SENDER, /* our sender has it */
	OTHER,  /* a program as this one */
	STRANGER,
	TROUBLE /* errno */
};

static enum who try_guard(int fd)
{
	if (set_lock(fd, F_OFD_SETLK, FIRST, F_WRLCK) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return TROUBLE;
		return find_lock(fd) == WHOLE ? SENDER : OTHER;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return US;
	if (errno != EWOULDBLOCK ||
	    set_lock(fd, F_OFD_SETLK, FIRST, F_UNLCK) < 0)
		return TROUBLE;
	return STRANGER;
}

static int fail_guard(const struct qf_store *st, enum who who, struct qf_err *e)
{
	if (who == TROUBLE)
		return qf_fail_sys(
		    e, QF_EQUEUE, "can not lock %s/lock/sendmutex", st->dir);
	if (who == OTHER)
		return qf_fail(e, QF_EQUEUE,
		    "another qfrontctl is at work on %s; try again", st->dir);
	return qf_fail(e, QF_EQUEUE,
	    "another program's sender, such as qmail-send, runs on this queue "
	    "(%s/lock/sendmutex is locked); stop it first",
	    st->dir);
}

/* A sender of ours that starts looks like a stranger for a moment. */
static bool is_worth_waiting(enum who who, int64_t since)
{
	int64_t waited = qf_clock_mono() - since;

	return (who == STRANGER && waited < STRANGER_MS) ||
	       (who == OTHER && waited < OTHER_MS);
}

static int guard(struct qf_store *st, struct qf_err *e)
{
	int64_t since = qf_clock_mono();
	int fd = open_file(st, e);
	enum who who;

	if (fd < 0)
		return fd;
	while (is_worth_waiting(who = try_guard(fd), since))
		pause_shortly();
	if (who == US) {
		st->guard = fd;
		return 0;
	}
	if (who != SENDER)
		fail_guard(st, who, e);
	close(fd);
	return who == SENDER ? 0 : QF_EQUEUE;
}

int qf_sd_guard(struct qf_store *st, struct qf_err *e)
{
	if (st->mutex >= 0 || st->guard >= 0)
		return 0;
	return guard(st, e);
}
