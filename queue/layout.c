#include "queue/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"

/* What tcpto holds: 64 entries of 16 bytes (qmail-tcpto(8)). */
enum {
	TCPTO_SIZE = 1024
};

const struct qf_layout_entry qf_layout[] = {
    {".", S_IFDIR, 0750, .split = false},
    {"pid", S_IFDIR, 0700, .split = false},
    {"mess", S_IFDIR, 0750, .split = true},
    {"intd", S_IFDIR, 0700, .split = false},
    {"todo", S_IFDIR, 0750, .split = false},
    {"info", S_IFDIR, 0700, .split = true},
    {"local", S_IFDIR, 0700, .split = true},
    {"remote", S_IFDIR, 0700, .split = true},
    {"bounce", S_IFDIR, 0700, .split = false},
    {"lock", S_IFDIR, 0750, .split = false},
    {"lock/trigger", S_IFIFO, 0622, .split = false},
    {"lock/sendmutex", S_IFREG, 0600, .split = false},
    {"lock/tcpto", S_IFREG, 0644, .split = false},
    {"attr", S_IFDIR, 0700, .split = true, .optional = true, .ours = true},
    {"hold", S_IFDIR, 0700, .split = true, .optional = true, .ours = true},
    {"failed", S_IFDIR, 0700, .split = false, .ours = true},
    {.path = NULL},
};
enum {
	LAYOUT_N = sizeof qf_layout / sizeof qf_layout[0] - 1
};

struct making {
	const char *dir;
	int root;
	uid_t uid;
	gid_t gid;
};

const char *qf_layout_kind_name(mode_t kind)
{
	switch (kind) {
	case S_IFDIR:
		return "folder";
	case S_IFIFO:
		return "FIFO";
	default:
		return "regular file";
	}
}

static int make_node(
    int root, const char *path, const struct qf_layout_entry *en)
{
	static const char zeros[TCPTO_SIZE];
	int fd, rc = 0;

	if (en->kind == S_IFDIR)
		return mkdirat(root, path, 0700);
	if (en->kind == S_IFIFO)
		return mkfifoat(root, path, 0600);
	fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (strcmp(path, "lock/tcpto") == 0)
		rc = qf_write_all(fd, zeros, sizeof zeros);
	if (rc == 0)
		rc = fsync(fd);
	if (rc < 0) {
		int saved = errno;

		unlinkat(root, path, 0);
		errno = saved;
	}
	close(fd);
	return rc;
}

/* Owner first: a change of owner may clear mode bits. */
static int dress_node(
    int root, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if (fchownat(root, path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return fchmodat(root, path, mode, 0);
}

int qf_layout_make(int root, const char *path, const struct qf_layout_entry *en,
    uid_t uid, gid_t gid)
{
	if (make_node(root, path, en) < 0)
		return -1;
	return dress_node(root, path, en->mode, uid, gid);
}

static int make_entry(const struct making *mk, const char *path,
    const struct qf_layout_entry *en, struct qf_err *e)
{
	struct stat st;

	if (fstatat(mk->root, path, &st, 0) == 0) {
		if ((st.st_mode & S_IFMT) == en->kind)
			return 0;
		return qf_fail(e, QF_EWRITE,
		    "%s/%s is in the way: it must be a %s; move it away",
		    mk->dir, path, qf_layout_kind_name(en->kind));
	}
	if (qf_layout_make(mk->root, path, en, mk->uid, mk->gid) < 0)
		return qf_fail_sys(
		    e, QF_EWRITE, "can not make %s/%s", mk->dir, path);
	return 0;
}

static int sync_folder(
    const struct making *mk, const char *path, struct qf_err *e)
{
	int fd = openat(mk->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || qf_sync_dir(fd) < 0)
		rc = qf_fail_sys(
		    e, QF_EWRITE, "can not sync %s/%s", mk->dir, path);
	qf_close(&fd);
	return rc;
}

static int make_all(const struct making *mk, struct qf_err *e)
{
	char path[64];
	int rc;

	for (size_t i = 1; i < LAYOUT_N; i++) {
		const struct qf_layout_entry *en = &qf_layout[i];

		if ((rc = make_entry(mk, en->path, en, e)) < 0)
			return rc;
		for (int n = 0; en->split && n < QF_QUEUE_SPLIT; n++) {
			snprintf(path, sizeof path, "%s/%d", en->path, n);
			if ((rc = make_entry(mk, path, en, e)) < 0)
				return rc;
		}
	}
	for (size_t i = LAYOUT_N; i-- > 0;)
		if (qf_layout[i].kind == S_IFDIR &&
		    (rc = sync_folder(mk, qf_layout[i].path, e)) < 0)
			return rc;
	return 0;
}

/* A message is named by the number of its file, which no other file may get
 * while it lives: does a second name leave the number as it is? */
static int check_numbers(const struct making *mk, struct qf_err *e)
{
	static const char first[] = "pid/init", second[] = "mess/0/init";
	struct stat one = {0}, two = {0};
	int fd, rc = 0;

	unlinkat(mk->root, first, 0);
	unlinkat(mk->root, second, 0);
	fd = openat(
	    mk->root, first, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &one) < 0 ||
	    linkat(mk->root, first, mk->root, second, 0) < 0 ||
	    fstatat(mk->root, second, &two, AT_SYMLINK_NOFOLLOW) < 0)
		rc = qf_fail_sys(
		    e, QF_EWRITE, "can not try a file in %s", mk->dir);
	else if (one.st_ino != two.st_ino)
		rc = qf_fail(e, QF_EWRITE,
		    "the file system of %s does not keep inode numbers: it "
		    "can not hold a queue",
		    mk->dir);
	unlinkat(mk->root, first, 0);
	unlinkat(mk->root, second, 0);
	qf_close(&fd);
	return rc;
}

int qf_layout_init(const char *dir, uid_t uid, gid_t gid, struct qf_err *e)
{
	struct making mk = {.dir = dir, .root = -1, .uid = uid, .gid = gid};
	bool made = mkdir(dir, 0700) == 0;
	int rc;

	if (!made && errno != EEXIST)
		return qf_fail_sys(e, QF_EWRITE, "can not make %s", dir);
	mk.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mk.root < 0)
		return qf_fail_sys(e, QF_EWRITE, "can not open %s", dir);
	if (made && dress_node(mk.root, ".", qf_layout[0].mode, uid, gid) < 0) {
		rc = qf_fail_sys(
		    e, QF_EWRITE, "can not set owner and mode of %s", dir);
		goto out;
	}
	if ((rc = make_all(&mk, e)) == 0 && made)
		rc = sync_folder(&mk, "..", e);
	if (rc == 0)
		rc = check_numbers(&mk, e);
out:
	close(mk.root);
	return rc;
}

static int check_entry(int root, const char *dir, const char *path,
    const struct qf_layout_entry *en, struct qf_err *e)
{
	struct stat st;

	if (fstatat(root, path, &st, 0) < 0) {
		if (en->optional && errno == ENOENT)
			return 0;
		return qf_fail_sys(e, QF_EQUEUE,
		    "no %s %s/%s (`qfrontctl queue init` makes it)",
		    qf_layout_kind_name(en->kind), dir, path);
	}
	if ((st.st_mode & S_IFMT) != en->kind)
		return qf_fail(e, QF_EQUEUE,
		    "%s/%s is not a %s; move it away and run "
		    "`qfrontctl queue init`",
		    dir, path, qf_layout_kind_name(en->kind));
	return 0;
}

static int check_all(int root, const char *dir, struct qf_err *e)
{
	char path[64];
	int rc;

	for (size_t i = 0; i < LAYOUT_N; i++) {
		const struct qf_layout_entry *en = &qf_layout[i];

		if ((rc = check_entry(root, dir, en->path, en, e)) < 0)
			return rc;
		for (int n = 0; en->split && n < QF_QUEUE_SPLIT; n++) {
			snprintf(path, sizeof path, "%s/%d", en->path, n);
			if ((rc = check_entry(root, dir, path, en, e)) < 0)
				return rc;
		}
	}
	return 0;
}

int qf_layout_check(const char *dir, struct qf_err *e)
{
	int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (root < 0)
		return qf_fail_sys(e, QF_EQUEUE,
		    "no queue in %s (`qfrontctl queue init` makes one)", dir);
	rc = check_all(root, dir, e);
	close(root);
	return rc;
}
