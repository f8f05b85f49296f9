/*
 * Linked into a qfront-queue that is broken on purpose: it leaves out every
 * sync of a file and only does those of folders. The crash tests must catch it.
 */
#include <sys/stat.h>
#include <unistd.h>

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

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
