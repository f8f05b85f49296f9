/*
 * Linked into a qfront-queue that is broken on purpose: the name in todo/ is
 * made first, and then all is synced that should have been before. When it
 * exits nothing is missing; only what a power cut in between leaves is wrong.
 * The crash tests must catch it.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum {
	LATER_MAX = 1024
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int later[LATER_MAX]; /* descriptors that wait for their sync */
static int nlater;
static int named; /* the name is made: no sync waits any more */

int __real_fsync(int fd);
int __real_linkat(
    int from, const char *old, int to, const char *new, int flags);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_linkat(
    int from, const char *old, int to, const char *new, int flags);

int __wrap_fsync(int fd)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	if (named || nlater == LATER_MAX)
		ret = __real_fsync(fd);
	else if ((ret = dup(fd)) >= 0)
		later[nlater++] = ret;
	pthread_mutex_unlock(&lock);
	return ret < 0 ? -1 : 0;
}

int __wrap_fdatasync(int fd)
{
	return __wrap_fsync(fd);
}

int __wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
	int ret = __real_linkat(from, old, to, new, flags);

	if (ret < 0 || strncmp(new, "todo/", 5) != 0)
		return ret;
	pthread_mutex_lock(&lock);
	named = 1;
	while (ret == 0 && nlater > 0) {
		ret = __real_fsync(later[--nlater]);
		close(later[nlater]);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}
