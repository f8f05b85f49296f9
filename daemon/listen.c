#include "daemon/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/io.h"

enum {
	INHERITED_FD = 3
};

static int get_option(int fd, int option)
{
	socklen_t size = sizeof option;
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value
								      : -1;
}

/* 1, 0 when there is none for us. */
static int inherit(struct qf_listener *l, struct qf_err *e)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	unsigned long long mine = 0;
	bool ours = pid != NULL && n != NULL &&
		    qf_span_u64(qf_span(pid), INT_MAX, &mine) &&
		    mine == (unsigned long long)getpid();
	bool one = ours && strcmp(n, "1") == 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!ours)
		return 0;
	if (!one || get_option(INHERITED_FD, SO_DOMAIN) != AF_UNIX ||
	    get_option(INHERITED_FD, SO_TYPE) != SOCK_SEQPACKET ||
	    get_option(INHERITED_FD, SO_ACCEPTCONN) != 1)
		return qf_fail(e, QF_EINVAL,
		    "socket activation must give one socket: write one "
		    "ListenSequentialPacket= with a path");
	fcntl(INHERITED_FD, F_SETFD, FD_CLOEXEC);
	l->fd = INHERITED_FD;
	return 1;
}

/* The folder is for the socket alone, so that it may be ours to make. */
static int make_folder(const char *path, struct qf_err *e)
{
	char *folder = qf_strdup(path), *slash = strrchr(folder, '/');
	int rc = 0;

	if (slash != NULL && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			rc = qf_fail_sys(e, QF_EPIPE, "mkdir %s", folder);
	}
	free(folder);
	return rc;
}

static int lock_place(struct qf_listener *l, const char *path, struct qf_err *e)
{
	struct qf_buf lock = QF_BUF_INIT;
	int rc = 0;

	qf_buf_addf(&lock, "%s.lock", path);
	l->lock = open(lock.s, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock < 0)
		rc = qf_fail_sys(e, QF_EPIPE, "%s", lock.s);
	else if (flock(l->lock, LOCK_EX | LOCK_NB) < 0)
		rc = qf_fail(e, QF_EPERM,
		    "another qfrontd is running on %s; stop it, or give "
		    "another --socket",
		    path);
	qf_buf_free(&lock);
	return rc;
}

static int bind_place(struct qf_listener *l, const char *path, struct qf_err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t was;
	int rc;

	if (strlen(path) >= sizeof at.sun_path)
		return qf_fail(e, QF_EINVAL, "%s: longer than %zu bytes", path,
		    sizeof at.sun_path - 1);
	strcpy(at.sun_path, path);
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return qf_fail_sys(e, QF_EPIPE, "socket");
	/* The lock says that nobody of ours listens there. */
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return qf_fail(e, QF_EINVAL,
		    "%s is there and is no socket; remove it, or give another "
		    "--socket",
		    path);
	if (unlink(path) < 0 && errno != ENOENT)
		return qf_fail_sys(e, QF_EPIPE, "unlink %s", path);
	was = umask(0111);
	rc = bind(l->fd, (const struct sockaddr *)&at, sizeof at);
	umask(was);
	if (rc < 0 || listen(l->fd, SOMAXCONN) < 0)
		return qf_fail_sys(e, QF_EPIPE, "%s", path);
	l->path = qf_strdup(path);
	return 0;
}

int qf_listen(struct qf_listener *l, const char *path, struct qf_err *e)
{
	int rc = inherit(l, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (make_folder(path, e) < 0 || lock_place(l, path, e) < 0)
		return e->rc;
	return bind_place(l, path, e);
}

void qf_listen_hide(struct qf_listener *l)
{
	if (l->path != NULL)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
}

void qf_listen_close(struct qf_listener *l)
{
	qf_listen_hide(l);
	qf_close(&l->fd);
	qf_close(&l->lock);
}
