#include "queue/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"

enum {
	/* The folder keeps others out; its owner is one of them to a file. */
	FILE_MODE = 0644,
	NAME_TRIES = 8,
	/* Seconds: a writer is dead by then (lib/mail/qqguard.h). */
	OLD = 129600,
	PATH_SIZE = 40
};

/* Of one length, so that it can be written last. */
#define HEAD "qfront-drop 1 message=%020" PRIu64 " envelope=%020" PRIu64 "\n"

enum {
	AT_MESSAGE = sizeof "qfront-drop 1 message=" - 1,
	DIGITS = 20,
	AT_ENVELOPE = AT_MESSAGE + DIGITS + sizeof " envelope=" - 1,
	HEAD_SIZE = AT_ENVELOPE + DIGITS + 1
};

static void format_head(
    char out[HEAD_SIZE + 1], uint64_t message, uint64_t envelope)
{
	snprintf(out, HEAD_SIZE + 1, HEAD, message, envelope);
}

/* Writing. */

struct writer {
	const char *path;
	int folder; /* O_PATH: who writes there may not read it */
	int fd;
	uint64_t size;        /* of the message */
	char name[PATH_SIZE]; /* that the file has by now, or empty */
};

static int fail_step(
    const struct writer *w, int rc, const char *what, struct qf_err *e)
{
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG ||
	    errno == EIO)
		rc = QF_EWRITE;
	else if (errno == ENOMEM)
		rc = QF_ENOMEM;
	return qf_fail_sys(e, rc, "%s in %s", what, w->path);
}

static void undo(void *arg)
{
	struct writer *w = arg;

	if (w->name[0] != '\0')
		unlinkat(w->folder, w->name, 0);
	w->name[0] = '\0';
}

static int make_id(char id[QF_DROP_ID_SIZE])
{
	uint64_t n;

	if (getrandom(&n, sizeof n, 0) != (ssize_t)sizeof n)
		return -1;
	snprintf(id, QF_DROP_ID_SIZE, "%016" PRIx64, n);
	return 0;
}

static void fd_path(char out[PATH_SIZE], int fd)
{
	snprintf(out, PATH_SIZE, "/proc/self/fd/%d", fd);
}

/* A file without a name: a writer that is killed leaves nothing. */
static int open_unnamed(struct writer *w)
{
	char path[PATH_SIZE];

	w->fd = openat(w->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	fd_path(path, w->fd);
	if (w->fd >= 0 && faccessat(AT_FDCWD, path, F_OK, 0) < 0)
		qf_close(&w->fd);
	return w->fd;
}

/* Where that can not be, one whose name is no id. */
static int open_named(struct writer *w)
{
	char id[QF_DROP_ID_SIZE];

	if (make_id(id) < 0)
		return -1;
	snprintf(w->name, sizeof w->name, ".%s", id);
	w->fd = openat(w->folder, w->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (w->fd < 0)
		w->name[0] = '\0';
	return w->fd;
}

static int open_file(struct writer *w, struct qf_err *e)
{
	w->folder = open(w->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->folder < 0)
		return qf_fail_sys(e, QF_EQUEUE,
		    "%s: no folder for qfront-drop(8), or not for us", w->path);
	if (open_unnamed(w) < 0 && open_named(w) < 0)
		return fail_step(w, QF_EQUEUE, "can not make a file", e);
	if (fchmod(w->fd, FILE_MODE) < 0 ||
	    lseek(w->fd, HEAD_SIZE, SEEK_SET) < 0)
		return fail_step(w, QF_EWRITE, "can not set up a file", e);
	return 0;
}

static int copy_message(struct writer *w, int from, struct qf_err *e)
{
	static char chunk[QF_IO_CHUNK];
	ssize_t n;

	while ((n = qf_read(from, chunk, sizeof chunk)) > 0) {
		if (qf_write_all(w->fd, chunk, (size_t)n) < 0)
			return fail_step(
			    w, QF_EWRITE, "can not write a message", e);
		w->size += (uint64_t)n;
	}
	if (n < 0)
		return qf_fail_sys(e, QF_EREAD, "can not read the message");
	return 0;
}

static int write_envelope(
    struct writer *w, const struct qf_buf *bytes, struct qf_err *e)
{
	char head[HEAD_SIZE + 1];

	if (bytes->len > QF_DROP_ENVELOPE_MAX)
		return qf_fail(e, QF_ENOMEM,
		    "envelope: longer than %d bytes; send it to fewer at a "
		    "time",
		    QF_DROP_ENVELOPE_MAX);
	format_head(head, w->size, bytes->len);
	if (qf_write_all(w->fd, bytes->s, bytes->len) < 0 ||
	    lseek(w->fd, 0, SEEK_SET) < 0 ||
	    qf_write_all(w->fd, head, HEAD_SIZE) < 0)
		return fail_step(w, QF_EWRITE, "can not write an envelope", e);
	return 0;
}

static int copy_envelope(struct writer *w, int from, struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf bytes = QF_BUF_INIT;
	int rc = qf_envelope_read(&env, from, e);

	if (rc == 0) {
		/* A caller holds and routes nothing. */
		qf_attrs_remove_ours(&env.attrs);
		qf_envelope_format_attrs(&env, &bytes);
		rc = write_envelope(w, &bytes, e);
	}
	qf_buf_free(&bytes);
	qf_envelope_free(&env);
	return rc;
}

/* Never in the place of another. */
static int give_name(struct writer *w, const char *id)
{
	char path[PATH_SIZE];

	fd_path(path, w->fd);
	if (w->name[0] == '\0')
		return linkat(AT_FDCWD, path, w->folder, id, AT_SYMLINK_FOLLOW);
	return renameat2(w->folder, w->name, w->folder, id, RENAME_NOREPLACE);
}

static int name_file(struct writer *w, char id[QF_DROP_ID_SIZE])
{
	for (int i = 0; i < NAME_TRIES; i++) {
		if (make_id(id) < 0)
			return -1;
		if (give_name(w, id) == 0) {
			snprintf(w->name, sizeof w->name, "%s", id);
			return 0;
		}
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/* Who may not read a folder can not sync it by itself: all of the disk then. */
static int sync_name(const struct writer *w)
{
	int fd = openat(w->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 ? qf_sync_dir(fd) : syncfs(w->fd);

	qf_close(&fd);
	return rc;
}

/* Once it has begun it ends: the alarm must not turn a message that is there
 * into a failure. */
static int publish(struct writer *w, char id[QF_DROP_ID_SIZE], struct qf_err *e)
{
	sigset_t alarms;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarms, NULL);
	if (fsync(w->fd) < 0)
		return fail_step(w, QF_EWRITE, "can not sync a message", e);
	if (name_file(w, id) < 0)
		return fail_step(w, QF_EQUEUE, "can not name a message", e);
	if (sync_name(w) < 0)
		return fail_step(w, QF_EWRITE, "can not sync a name", e);
	w->name[0] = '\0'; /* not ours to remove any more */
	return 0;
}

int qf_drop_write(const char *folder, int message, int envelope,
    char id[QF_DROP_ID_SIZE], struct qf_err *e)
{
	struct writer w = {.path = folder, .folder = -1, .fd = -1};
	int rc;

	qf_alloc_undo(undo, &w);
	if ((rc = open_file(&w, e)) == 0 &&
	    (rc = copy_message(&w, message, e)) == 0 &&
	    (rc = copy_envelope(&w, envelope, e)) == 0)
		rc = publish(&w, id, e);
	undo(&w);
	qf_alloc_undo(NULL, NULL);
	qf_close(&w.fd);
	qf_close(&w.folder);
	return rc;
}

/* Reading. */

bool qf_drop_is_there(void)
{
	struct qf_buf path = QF_BUF_INIT;
	struct stat st;
	bool found;

	qf_dir_join(&path, QF_DIR_QUEUE, "drop");
	found = stat(path.s, &st) == 0 && S_ISDIR(st.st_mode);
	qf_buf_free(&path);
	return found;
}

bool qf_drop_is_id(const char *name)
{
	return strlen(name) == QF_DROP_ID_SIZE - 1 &&
	       strspn(name, "0123456789abcdef") == QF_DROP_ID_SIZE - 1;
}

static int unsound(const char *name, const char *what, struct qf_err *e)
{
	return qf_fail(e, QF_EFORMAT, "drop/%s: %s", name, what);
}

static int open_sound(
    int folder, const char *name, struct stat *st, struct qf_err *e)
{
	int fd = openat(folder, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && (errno == ELOOP || errno == ENXIO))
		return unsound(name, "no regular file", e);
	if (fd < 0)
		return qf_fail_sys(
		    e, errno == ENOENT ? QF_ENOENT : QF_EREAD, "drop/%s", name);
	if (fstat(fd, st) < 0)
		qf_fail_sys(e, QF_EREAD, "drop/%s", name);
	else if (!S_ISREG(st->st_mode))
		unsound(name, "no regular file", e);
	else if (st->st_nlink != 1)
		unsound(name, "it has another name", e);
	else
		return fd;
	close(fd);
	return e->rc;
}

/* As format_head() writes it, and of a file of this length. */
static bool parse_head(const char head[HEAD_SIZE], off_t length,
    uint64_t *message, uint64_t *envelope)
{
	unsigned long long m, v, size = (unsigned long long)length;
	char again[HEAD_SIZE + 1];

	if (!qf_span_u64(qf_span_n(head + AT_MESSAGE, DIGITS), size, &m) ||
	    !qf_span_u64(qf_span_n(head + AT_ENVELOPE, DIGITS), size, &v))
		return false;
	format_head(again, m, v);
	*message = m;
	*envelope = v;
	return memcmp(head, again, HEAD_SIZE) == 0 && m <= size - HEAD_SIZE &&
	       v == size - HEAD_SIZE - m;
}

/* Exactly n bytes: to the spool, or at p. */
static int take(int fd, uint64_t n, struct qf_spool *to, char *p,
    const char *name, struct qf_err *e)
{
	char chunk[QF_IO_CHUNK];

	while (n > 0) {
		size_t want = n < sizeof chunk ? (size_t)n : sizeof chunk;
		ssize_t r = qf_read(fd, p != NULL ? p : chunk, want);

		if (r < 0)
			return qf_fail_sys(e, QF_EREAD, "drop/%s", name);
		if (r == 0)
			return unsound(name, "it ends early", e);
		if (p != NULL)
			p += r;
		else if (qf_spool_write(to, chunk, (size_t)r, e) < 0)
			return e->rc;
		n -= (uint64_t)r;
	}
	return 0;
}

static int take_envelope(int fd, uint64_t n, struct qf_dropped *out,
    const char *name, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc;

	if (n > QF_DROP_ENVELOPE_MAX)
		return unsound(name, "its envelope is too long", e);
	qf_buf_reserve(&bytes, (size_t)n);
	rc = take(fd, n, NULL, bytes.s, name, e);
	if (rc == 0) {
		struct qf_span all = qf_span_n(bytes.s, (size_t)n);
		struct qf_err why;

		if (qf_envelope_parse(&out->envelope, all, &why) < 0)
			rc = unsound(name, why.text, e);
	}
	qf_buf_free(&bytes);
	return rc;
}

static int take_all(int fd, const struct stat *st, struct qf_dropped *out,
    const char *name, struct qf_err *e)
{
	char head[HEAD_SIZE];
	uint64_t message, envelope;

	if (st->st_size < HEAD_SIZE)
		return unsound(name, "it ends early", e);
	if (take(fd, HEAD_SIZE, NULL, head, name, e) < 0)
		return e->rc;
	if (!parse_head(head, st->st_size, &message, &envelope))
		return unsound(
		    name, "its first line is another, or its length", e);
	if (qf_spool_open(&out->message, e) < 0 ||
	    take(fd, message, &out->message, NULL, name, e) < 0 ||
	    take_envelope(fd, envelope, out, name, e) < 0)
		return e->rc;
	return qf_spool_finish(&out->message, e);
}

int qf_drop_read(
    int folder, const char *name, struct qf_dropped *out, struct qf_err *e)
{
	struct stat st;
	int fd, rc;

	*out = (struct qf_dropped)QF_DROPPED_INIT;
	fd = open_sound(folder, name, &st, e);
	if (fd < 0)
		return fd;
	out->uid = st.st_uid;
	rc = take_all(fd, &st, out, name, e);
	close(fd);
	return rc;
}

void qf_dropped_free(struct qf_dropped *d)
{
	qf_spool_close(&d->message);
	qf_envelope_free(&d->envelope);
}

/* Afterwards. */

int qf_drop_remove(int folder, const char *id, struct qf_err *e)
{
	if (unlinkat(folder, id, 0) < 0 || qf_sync_dir(folder) < 0)
		return qf_fail_sys(e, QF_EWRITE, "can not remove drop/%s", id);
	return 0;
}

int qf_drop_set_aside(
    int folder, const char *id, const char *why, struct qf_err *e)
{
	char to[PATH_SIZE];

	snprintf(to, sizeof to, "%s.%s", id, why);
	if (renameat(folder, id, folder, to) < 0 || qf_sync_dir(folder) < 0)
		return qf_fail_sys(
		    e, QF_EWRITE, "can not rename drop/%s to %s", id, to);
	return 0;
}

void qf_drop_sweep(int folder, const char *name)
{
	struct stat st;

	if (name[0] == '.' && qf_drop_is_id(name + 1) &&
	    fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_mtime < qf_clock_wall() - OLD)
		unlinkat(folder, name, 0);
}
