/*
 * A library for LD_PRELOAD: a program that forgets to sync. NOSYNC says what:
 * `file`, `dir` or `all`. The test has to notice it.
 *
 * The calls are made directly: what this defines can not be called here.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool forgets(int fd)
{
	const char *what = getenv("NOSYNC");
	struct stat st;

	if (what == NULL || fstat(fd, &st) < 0)
		return false;
	return strcmp(what, "all") == 0 ||
	       strcmp(what, S_ISDIR(st.st_mode) ? "dir" : "file") == 0;
}

int fsync(int fd)
{
	return forgets(fd) ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return forgets(fd) ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
	return forgets(fd) ? 0 : (int)syscall(SYS_syncfs, fd);
}

/* Else it would begin what a sync ends. */
int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
	if (forgets(fd))
		return 0;
	return (int)syscall(SYS_sync_file_range, fd, at, n, flags);
}
