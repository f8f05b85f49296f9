#include "lib/mail/scanfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/paths.h"

/* In the handler of a signal. */
static void take_back(void *arg)
{
	struct qf_scanfile *f = arg;

	unlink(f->path);
	rmdir(f->folder);
}

void qf_scanfile_remove(struct qf_scanfile *f)
{
	if (f->undo.undo == NULL)
		return;
	qf_close(&f->fd);
	take_back(f);
	qf_undo_pop(&f->undo);
	f->undo.undo = NULL;
}

static int fail(struct qf_scanfile *f, struct qf_err *e)
{
	int rc = qf_fail_sys(e, QF_EWRITE, "temporary file");

	qf_scanfile_remove(f);
	return rc;
}

/* In TMPDIR, /var/tmp or /tmp: the first that will do. */
static int make_folder(struct qf_scanfile *f, struct qf_err *e)
{
	const char *places[] = {qf_env("TMPDIR"), "/var/tmp", "/tmp"};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (places[i] == NULL || places[i][0] != '/')
			continue;
		if ((size_t)snprintf(f->folder, sizeof f->folder,
			"%s/qfront-scan-XXXXXX", places[i]) >= sizeof f->folder)
			continue;
		if (mkdtemp(f->folder) == NULL)
			continue;
		snprintf(f->path, sizeof f->path, "%s/message", f->folder);
		return 0;
	}
	return qf_fail_sys(e, QF_EWRITE,
	    "no place for a temporary file in TMPDIR, /var/tmp or /tmp");
}

int qf_scanfile_open(struct qf_scanfile *f, struct qf_err *e)
{
	f->folder[0] = f->path[0] = '\0';
	f->fd = -1;
	f->undo = (struct qf_undo){.undo = take_back, .arg = f};
	qf_undo_push(&f->undo);
	if (make_folder(f, e) < 0) {
		qf_scanfile_remove(f);
		return e->rc;
	}
	f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return f->fd < 0 ? fail(f, e) : 0;
}

int qf_scanfile_write(
    struct qf_scanfile *f, const void *p, size_t n, struct qf_err *e)
{
	return qf_write_all(f->fd, p, n) < 0 ? fail(f, e) : 0;
}

int qf_scanfile_finish(struct qf_scanfile *f, struct qf_err *e)
{
	int fd = f->fd;

	f->fd = -1;
	return close(fd) < 0 ? fail(f, e) : 0;
}

static int fill(struct qf_scanfile *f, int from, struct qf_err *e)
{
	char chunk[QF_IO_CHUNK];
	ssize_t r;

	while ((r = qf_read(from, chunk, sizeof chunk)) > 0) {
		if (qf_scanfile_write(f, chunk, (size_t)r, e) < 0)
			return e->rc;
	}
	if (r == 0)
		return qf_scanfile_finish(f, e);
	qf_fail_sys(e, QF_EREAD, "message");
	qf_scanfile_remove(f);
	return e->rc;
}

int qf_scanfile_make(struct qf_scanfile *f, int fd, struct qf_err *e)
{
	int from = qf_reopen(fd), rc;

	f->undo.undo = NULL;
	if (from < 0)
		return qf_fail_sys(e, QF_EREAD, "message");
	rc = qf_scanfile_open(f, e);
	if (rc == 0)
		rc = fill(f, from, e);
	close(from);
	return rc;
}
