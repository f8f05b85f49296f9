#include "lib/base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/io.h"

enum {
	TMPFS = 0x01021994, /* statfs(2); what memfds are on */
	SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
};

/* An unlinked file in TMPDIR, /var/tmp or /tmp: the first that will do. */
static int open_unlinked(void)
{
	const char *dir[] = {
	    getauxval(AT_SECURE) ? NULL : getenv("TMPDIR"), "/var/tmp", "/tmp"};
	int fd = -1;

	for (size_t i = 0; i < sizeof dir / sizeof *dir && fd < 0; i++) {
		if (dir[i] != NULL && dir[i][0] == '/')
			fd = open(dir[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	}
	if (fd < 0) {
		char name[] = "/tmp/qfront-XXXXXX";

		fd = mkostemp(name, O_CLOEXEC);
		if (fd >= 0)
			unlink(name);
	}
	return fd;
}

int qf_spool_open(struct qf_spool *s, struct qf_err *e)
{
	*s = (struct qf_spool)QF_SPOOL_INIT;
	s->fd = memfd_create("qfront-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd >= 0)
		return 0;
	s->in_file = true;
	s->fd = open_unlinked();
	if (s->fd < 0)
		return qf_fail_sys(e, QF_EWRITE,
		    "no place for the message in memory, TMPDIR, /var/tmp "
		    "or /tmp");
	return 0;
}

/* Moves what is in memory to a file. */
static int move_to_file(struct qf_spool *s, struct qf_err *e)
{
	struct qf_spool file = {.fd = open_unlinked(), .in_file = true};

	if (file.fd < 0)
		return qf_fail_sys(e, QF_EWRITE,
		    "no place for a large message in TMPDIR, /var/tmp or "
		    "/tmp");
	if (lseek(s->fd, 0, SEEK_SET) < 0 ||
	    qf_spool_fill(&file, s->fd, e) < 0) {
		close(file.fd);
		return qf_fail_sys(e, QF_EWRITE, "moving a large message");
	}
	close(s->fd);
	*s = file;
	return 0;
}

int qf_spool_write(
    struct qf_spool *s, const void *p, size_t n, struct qf_err *e)
{
	if (!s->in_file && s->size + n > QF_SPOOL_MEMORY &&
	    move_to_file(s, e) < 0)
		return QF_EWRITE;
	if (qf_write_all(s->fd, p, n) < 0)
		return qf_fail_sys(e, QF_EWRITE, "spooling the message");
	s->size += n;
	return 0;
}

static int too_large(uint64_t max, struct qf_err *e)
{
	return qf_fail(
	    e, QF_ETOOLONG, "more than %llu bytes", (unsigned long long)max);
}

static int fill(struct qf_spool *s, int from, uint64_t max, struct qf_err *e)
{
	char chunk[QF_IO_CHUNK];

	for (;;) {
		ssize_t r = qf_read(from, chunk, sizeof chunk);

		if (r < 0)
			return qf_fail_sys(e, QF_EREAD, "read");
		if (r == 0)
			return 0;
		if ((uint64_t)r > max - s->size)
			return too_large(max, e);
		if (qf_spool_write(s, chunk, (size_t)r, e) < 0)
			return QF_EWRITE;
	}
}

int qf_spool_fill(struct qf_spool *s, int from, struct qf_err *e)
{
	return fill(s, from, UINT64_MAX, e);
}

int qf_spool_fill_file(
    struct qf_spool *s, int from, uint64_t max, struct qf_err *e)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "a file");
	if (!S_ISREG(st.st_mode))
		return qf_fail(e, QF_EREAD, "not a regular file");
	if (lseek(from, 0, SEEK_SET) < 0)
		return qf_fail_sys(e, QF_EREAD, "a file");
	if ((uint64_t)st.st_size > max)
		return too_large(max, e);
	return fill(s, from, max, e);
}

int qf_spool_finish(struct qf_spool *s, struct qf_err *e)
{
	int reader;

	if (!s->in_file && fcntl(s->fd, F_ADD_SEALS, SEALS) < 0)
		return qf_fail_sys(e, QF_EWRITE, "sealing the message");
	if (!s->in_file)
		return lseek(s->fd, 0, SEEK_SET) < 0
			   ? qf_fail_sys(e, QF_EWRITE, "lseek")
			   : 0;
	reader = qf_reopen(s->fd);
	if (reader < 0)
		return qf_fail_sys(e, QF_EWRITE, "reopening the message");
	close(s->fd);
	s->fd = reader;
	return 0;
}

void qf_spool_close(struct qf_spool *s)
{
	qf_close(&s->fd);
	s->size = 0;
}

/* Of huge pages there may be none left when one is first touched. */
bool qf_spool_is_sealed(int fd)
{
	const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;

	return seals >= 0 && (seals & needed) == needed &&
	       fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS;
}

bool qf_spool_is_private(int fd, uid_t owner)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st = {0};

	if (qf_spool_is_sealed(fd))
		return true;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 &&
	       st.st_uid == owner && (flags & O_ACCMODE) == O_RDONLY;
}
