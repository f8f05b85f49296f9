/*
 * Linked into a qfront-queue and a qfrontctl that are broken on purpose: they
 * leave out every sync of a file and of a file system, and only do those of
 * folders. The crash tests must catch them.
 */
#include <sys/stat.h>
#include <unistd.h>

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_syncfs(int fd);

int __wrap_fsync(int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		return -1;
	return S_ISDIR(sb.st_mode) ? __real_fsync(fd) : 0;
}

int __wrap_fdatasync(int fd)
{
	return __wrap_fsync(fd);
}

int __wrap_syncfs(int fd)
{
	(void)fd;
	return 0;
}
