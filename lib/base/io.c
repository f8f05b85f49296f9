#include "lib/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/alloc.h"

ssize_t qf_read(int fd, void *p, size_t n)
{
	ssize_t r;

	do
		r = read(fd, p, n);
	while (r < 0 && errno == EINTR);
	return r;
}

int qf_write_all(int fd, const void *p, size_t n)
{
	const char *s = p;

	while (n > 0) {
		ssize_t w = write(fd, s, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

int qf_read_all(int fd, struct qf_buf *b, struct qf_err *e)
{
	char chunk[QF_IO_CHUNK];

	for (;;) {
		ssize_t r = qf_read(fd, chunk, sizeof chunk);

		if (r < 0)
			return qf_fail_sys(e, QF_EREAD, "read");
		if (r == 0)
			return 0;
		if (qf_buf_add(b, chunk, (size_t)r) < 0)
			return qf_fail(
			    e, QF_ETOOLONG, "more than %zu bytes", b->max);
	}
}

int qf_drain(int fd, struct qf_err *e)
{
	char chunk[QF_IO_CHUNK];
	ssize_t r;

	while ((r = qf_read(fd, chunk, sizeof chunk)) > 0)
		;
	return r < 0 ? qf_fail_sys(e, QF_EREAD, "read") : 0;
}

static bool close_at_end;

void qf_close_at_end(void)
{
	close_at_end = true;
}

void qf_close(int *fd)
{
	if (*fd >= 0 && !close_at_end)
		close(*fd);
	*fd = -1;
}

int qf_pipe(int p[2], struct qf_err *e)
{
	if (pipe2(p, O_CLOEXEC) < 0) {
		p[0] = p[1] = -1;
		return qf_fail_sys(e, QF_EPIPE, "pipe");
	}
	return 0;
}

void qf_open_std(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int qf_find_closed(int first, size_t n)
{
	struct pollfd *p = qf_alloc(n * sizeof *p);
	int closed = -1, rc;

	for (size_t i = 0; i < n; i++)
		p[i].fd = first + (int)i;
	do
		rc = poll(p, (nfds_t)n, 0);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		closed = first;
	for (size_t i = n; i > 0; i--) {
		if (p[i - 1].revents & POLLNVAL)
			closed = p[i - 1].fd;
	}
	free(p);
	return closed;
}

/* From first to last, both included. */
static void close_run(unsigned first, unsigned last)
{
	if (first > last)
		return;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
#endif
	if (last > (unsigned)sysconf(_SC_OPEN_MAX))
		last = (unsigned)sysconf(_SC_OPEN_MAX);
	for (unsigned fd = first; fd <= last; fd++)
		close((int)fd);
}

void qf_close_others(const int *keep, size_t n)
{
	unsigned from = STDERR_FILENO + 1;

	for (;;) {
		unsigned next = ~0u;

		for (size_t i = 0; i < n; i++) {
			if (keep[i] >= (int)from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		}
		if (next == ~0u)
			break;
		close_run(from, next - 1);
		from = next + 1;
	}
	close_run(from, ~0u);
}

int qf_reopen_own(int fd)
{
	char path[sizeof "/proc/self/fd/" + 3 * sizeof fd];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int qf_reopen(int fd)
{
	int copy = qf_reopen_own(fd);

	if (copy >= 0)
		return copy;
	/* Without /proc: the same description, set back to the start. */
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy >= 0 && lseek(copy, 0, SEEK_SET) < 0)
		qf_close(&copy);
	return copy;
}

bool qf_is_sound(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0;
}

int qf_sync_dir(int dirfd)
{
	return fsync(dirfd) == 0 && qf_is_sound(dirfd) ? 0 : -1;
}

int qf_map_fd(struct qf_map *m, int fd, struct qf_err *e)
{
	struct stat st;
	void *p;

	*m = (struct qf_map){.p = ""};
	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "fstat");
	if (!S_ISREG(st.st_mode))
		return qf_fail(e, QF_EREAD, "not a regular file");
	if (st.st_size == 0)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return qf_fail_sys(e, QF_EREAD, "mmap");
	m->p = p;
	m->n = (size_t)st.st_size;
	return 0;
}

void qf_map_free(struct qf_map *m)
{
	if (m->n > 0)
		munmap((void *)m->p, m->n);
	*m = (struct qf_map){.p = ""};
}
