#include "lib/base/syncs.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

enum {
	THREADS = QF_SYNC_ROUND - 1, /* beside the caller's */
	STACK_SIZE = 32768,          /* fsync() needs next to nothing */
};

/* A static stack saves each thread two mappings. */
static _Alignas(64) char stacks[THREADS][STACK_SIZE];

static void sync_one(struct qf_sync *s)
{
	s->error = fsync(s->fd) < 0 ? errno : 0;
}

static void *run_thread(void *arg)
{
	sync_one(arg);
	return NULL;
}

static bool start(pthread_t *thread, size_t i, struct qf_sync *s)
{
	pthread_attr_t attr;
	bool started;

	if (pthread_attr_init(&attr) != 0)
		return false;
	started = pthread_attr_setstack(&attr, stacks[i], STACK_SIZE) == 0 &&
		  pthread_create(thread, &attr, run_thread, s) == 0;
	pthread_attr_destroy(&attr);
	return started;
}

/* The first one in this thread, the others in threads of their own. */
static void sync_some(struct qf_sync *v, size_t n)
{
	pthread_t thread[THREADS];
	size_t started = 0;

	while (started + 1 < n &&
	       start(&thread[started], started, &v[started + 1]))
		started++;
	sync_one(&v[0]);
	for (size_t i = started + 1; i < n; i++)
		sync_one(&v[i]);
	for (size_t i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
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
