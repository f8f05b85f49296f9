#include "plugins/qhpsi/file.h"

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
	struct scan_file *f = arg;

	unlink(f->path);
	rmdir(f->folder);
}

/* In TMPDIR, /var/tmp or /tmp: the first that will do. */
static int make_folder(struct scan_file *f, struct qf_err *e)
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

static int copy(int from, int to, struct qf_err *e)
{
	char chunk[QF_IO_CHUNK];
	ssize_t r;

	while ((r = qf_read(from, chunk, sizeof chunk)) > 0) {
		if (qf_write_all(to, chunk, (size_t)r) < 0)
			return qf_fail_sys(e, QF_EWRITE, "temporary file");
	}
	return r < 0 ? qf_fail_sys(e, QF_EREAD, "message") : 0;
}

static int fill(const struct scan_file *f, int fd, struct qf_err *e)
{
	int from = qf_reopen(fd), to, rc;

	if (from < 0)
		return qf_fail_sys(e, QF_EREAD, "message");
	to = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0) {
		close(from);
		return qf_fail_sys(e, QF_EWRITE, "%s", f->path);
	}
	rc = copy(from, to, e);
	if (close(to) < 0 && rc == 0)
		rc = qf_fail_sys(e, QF_EWRITE, "temporary file");
	close(from);
	return rc;
}

int scan_file_make(struct scan_file *f, int fd, struct qf_err *e)
{
	int rc;

	f->folder[0] = f->path[0] = '\0';
	f->undo = (struct qf_undo){.undo = take_back, .arg = f};
	qf_undo_push(&f->undo);
	rc = make_folder(f, e);
	if (rc == 0)
		rc = fill(f, fd, e);
	if (rc < 0)
		scan_file_remove(f);
	return rc;
}

void scan_file_remove(struct scan_file *f)
{
	take_back(f);
	qf_undo_pop(&f->undo);
}
