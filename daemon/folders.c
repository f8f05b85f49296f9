#include "daemon/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"

enum {
	TREE_FDS = 8 /* open at a time while a folder is removed */
};

static const char prefix[] = "qfront-worker-";

static const char *place(void)
{
	const char *tmp = getenv("TMPDIR");

	return tmp != NULL && tmp[0] == '/' ? tmp : "/tmp";
}

static int remove_one(
    const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	remove(path);
	return 0;
}

void qf_folders_remove(const char *path)
{
	nftw(path, remove_one, TREE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Locks it, when it is ours and nobody has it: the descriptor, or -1. */
static int take(int dir, const char *name)
{
	int fd =
	    openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
			   flock(fd, LOCK_EX | LOCK_NB) < 0))
		qf_close(&fd);
	return fd;
}

void qf_folders_sweep(void)
{
	DIR *dir = opendir(place());
	const struct dirent *d;

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		struct qf_buf path = QF_BUF_INIT;
		int fd;

		if (strncmp(d->d_name, prefix, sizeof prefix - 1) != 0)
			continue;
		fd = take(dirfd(dir), d->d_name);
		qf_buf_addf(&path, "%s/%s", place(), d->d_name);
		if (fd >= 0)
			qf_folders_remove(path.s);
		qf_close(&fd);
		qf_buf_free(&path);
	}
	if (dir != NULL)
		closedir(dir);
}

/* Makes the zygote's own. Somebody may sweep it away before it is locked: then
 * another one. */
static int make_base(struct qf_folders *f, struct qf_err *e)
{
	struct stat st = {.st_nlink = 0};

	while (st.st_nlink == 0) {
		struct qf_buf b = QF_BUF_INIT;

		qf_close(&f->lock);
		free(f->base);
		f->base = NULL;
		qf_buf_addf(&b, "%s/%sXXXXXX", place(), prefix);
		if (mkdtemp(b.s) == NULL) {
			qf_fail_sys(e, QF_EWRITE,
			    "%s: user %ld can make no folders for workers "
			    "there; see TMPDIR",
			    place(), (long)geteuid());
			qf_buf_free(&b);
			return e->rc;
		}
		f->base = qf_buf_detach(&b);
		f->lock = open(f->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (f->lock < 0 && errno == ENOENT)
			continue;
		if (f->lock < 0 || flock(f->lock, LOCK_EX) < 0 ||
		    fstat(f->lock, &st) < 0) {
			qf_fail_sys(e, QF_EWRITE, "%s", f->base);
			qf_folders_close(f);
			return e->rc;
		}
	}
	return 0;
}

char *qf_folders_make(struct qf_folders *f, uint32_t id, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;

	/* What cleans TMPDIR up may have taken the zygote's own away. */
	if ((f->base == NULL || access(f->base, X_OK) < 0) &&
	    make_base(f, e) < 0)
		return NULL;
	qf_buf_addf(&b, "%s/%" PRIu32, f->base, id);
	if (mkdir(b.s, 0700) < 0) {
		qf_fail_sys(e, QF_EWRITE, "%s", b.s);
		qf_buf_free(&b);
		return NULL;
	}
	return qf_buf_detach(&b);
}

void qf_folders_close(struct qf_folders *f)
{
	if (f->base != NULL)
		qf_folders_remove(f->base);
	free(f->base);
	f->base = NULL;
	qf_close(&f->lock);
}
