#include "lib/base/syncs.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * A thread that only ever waits in fsync() needs no more than a stack, which
 * clone(2) gives it in one call; with pthread_create() it is eight. It has the
 * thread-local storage of its parent, so it must not do anything else: all
 * that the two could take from each other is errno, when both fail.
 */
enum {
	HELPERS = QF_SYNC_ROUND - 1, /* beside the caller */
	STACK_SIZE = 32768,
	FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
		CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
	FUTEX_WAIT = 0 /* futex(2); musl has no header of it */
};

struct helper {
	_Alignas(64) char stack[STACK_SIZE];
	atomic_int runs; /* the kernel makes it 0, and wakes who waits for it */
};

static struct helper helpers[HELPERS];

static void sync_one(struct qf_sync *s)
{
	s->error = fsync(s->fd) < 0 ? errno : 0;
}

static int help(void *arg)
{
	sync_one(arg);
	return 0;
}

static bool start(struct helper *h, struct qf_sync *s)
{
	atomic_store(&h->runs, 1);
	return clone(help, h->stack + STACK_SIZE, FLAGS, s, NULL, NULL,
		   &h->runs) >= 0;
}

static void join(struct helper *h)
{
	while (atomic_load(&h->runs) != 0)
		syscall(SYS_futex, &h->runs, FUTEX_WAIT, 1, NULL);
}

/* The first one here, the others by helpers. */
static void sync_some(struct qf_sync *v, size_t n)
{
	size_t started = 0;

	while (started + 1 < n && start(&helpers[started], &v[started + 1]))
		started++;
	sync_one(&v[0]);
	for (size_t i = started + 1; i < n; i++)
		sync_one(&v[i]);
	for (size_t i = 0; i < started; i++)
		join(&helpers[i]);
}

void qf_sync_all(struct qf_sync *v, size_t n)
{
	while (n > 0) {
		size_t some = n < QF_SYNC_ROUND ? n : QF_SYNC_ROUND;

		sync_some(v, some);
		v += some;
		n -= some;
	}
}
