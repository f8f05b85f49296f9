#include "daemon/closer.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/alloc.h"

struct closing {
	struct closing *next;
	uid_t uid;
	size_t n;
	int fds[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct closing *list;

size_t qf_closing(uid_t uid)
{
	size_t n = 0;

	pthread_mutex_lock(&lock);
	for (const struct closing *c = list; c != NULL; c = c->next)
		n += c->uid == uid;
	pthread_mutex_unlock(&lock);
	return n;
}

static void enlist(struct closing *c)
{
	pthread_mutex_lock(&lock);
	c->next = list;
	list = c;
	pthread_mutex_unlock(&lock);
}

static void strike_out(const struct closing *c)
{
	struct closing **at = &list;

	pthread_mutex_lock(&lock);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_mutex_unlock(&lock);
}

static void *run(void *arg)
{
	struct closing *c = arg;

	for (size_t i = 0; i < c->n; i++)
		close(c->fds[i]);
	strike_out(c);
	free(c);
	return NULL;
}

/* Signals are the main thread's. */
static int start(struct closing *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, was;
	int rc;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	rc = pthread_create(&thread, &attr, run, c);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	pthread_attr_destroy(&attr);
	return rc == 0 ? 0 : -1;
}

/* Is it memory? Asking that waits for nobody. */
static bool is_quick(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

void qf_close_apart(uid_t uid, int *fds, size_t n)
{
	struct closing *c = qf_alloc(sizeof *c + n * sizeof *c->fds);

	*c = (struct closing){.uid = uid};
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0 && is_quick(fds[i]))
			close(fds[i]);
		else if (fds[i] >= 0)
			c->fds[c->n++] = fds[i];
		fds[i] = -1;
	}
	if (c->n == 0) {
		free(c);
		return;
	}
	enlist(c);
	/* Better late than never. */
	if (start(c) < 0)
		run(c);
}
