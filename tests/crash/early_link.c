/*
 * Linked into a qfront-queue that is broken on purpose: the name in todo/ is
 * made first, and then all is synced that should have been before. When it
 * exits nothing is missing; only what a power cut in between leaves is wrong.
 * The crash tests must catch it.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum {
	LATER_MAX = 1024
};

/* Nothing may be locked where syncs are made (lib/base/syncs.c). */
static int later[LATER_MAX]; /* descriptors that wait for their sync */
static atomic_int nlater;
static atomic_bool named; /* the name is made: no sync waits any more */

int __real_fsync(int fd);
int __real_linkat(
    int from, const char *old, int to, const char *new, int flags);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_linkat(
    int from, const char *old, int to, const char *new, int flags);

int __wrap_fsync(int fd)
{
	int i;

	if (named || (i = nlater++) >= LATER_MAX)
		return __real_fsync(fd);
	return (later[i] = dup(fd)) < 0 ? -1 : 0;
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
	named = true;
	for (int i = 0; ret == 0 && i < nlater && i < LATER_MAX; i++) {
		ret = __real_fsync(later[i]);
		close(later[i]);
	}
	nlater = 0;
	return ret;
}
