#include "frontend/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/paths.h"

static const char magic[4] = "QFmt";

/* What this process counts into, or NULL. */
static struct qf_metrics *shared;

enum {
	MODE = 0664,
	TAKEN_BY = 1,
	TAKEN = 2
};

/* Numbers. */

static void add(uint64_t *cell, uint64_t n)
{
	__atomic_fetch_add(cell, n, __ATOMIC_RELAXED);
}

static void add_time(struct qf_histogram *h, int64_t us)
{
	size_t i = 0;

	if (us < 0)
		us = 0;
	for (int64_t most = 100; i < QF_METRICS_BUCKETS - 1 && us > most;
	     most *= 2)
		i++;
	add(&h->bucket[i], 1);
	add(&h->sum, (uint64_t)us);
}

void qf_count_add(enum qf_count which, int64_t n)
{
	if (shared != NULL)
		add(&shared->count[which], (uint64_t)n);
}

void qf_gauge_set(enum qf_gauge which, int64_t value)
{
	if (shared != NULL)
		__atomic_store_n(
		    &shared->gauge[which], value, __ATOMIC_RELAXED);
}

void qf_gauge_add(enum qf_gauge which, int64_t n)
{
	if (shared != NULL)
		__atomic_fetch_add(&shared->gauge[which], n, __ATOMIC_RELAXED);
}

void qf_count_message(enum qf_way way, int code, int64_t us, int64_t bytes)
{
	if (shared == NULL)
		return;
	add(&shared->outcome[way][code & (QF_METRICS_CODES - 1)], 1);
	add_time(&shared->time[way], us);
	add(&shared->count[QF_COUNT_BYTES], (uint64_t)bytes);
}

void qf_count_instead(enum qf_way way, int code, int other)
{
	if (shared == NULL)
		return;
	add(&shared->outcome[way][code & (QF_METRICS_CODES - 1)], (uint64_t)-1);
	add(&shared->outcome[way][other & (QF_METRICS_CODES - 1)], 1);
}

void qf_metrics_reload_error(const char *text)
{
	if (shared != NULL)
		snprintf(shared->reload_error, sizeof shared->reload_error,
		    "%s", text);
}

/* Stages. */

static bool is_named(const struct qf_metrics_stage *s, const char *name)
{
	return strncmp(s->name, name, sizeof s->name - 1) == 0;
}

/* The place of this name, or the last one when none is left. */
static struct qf_metrics_stage *find_stage(const char *name)
{
	for (size_t i = 0; i < QF_METRICS_STAGES - 1; i++) {
		struct qf_metrics_stage *s = &shared->stage[i];
		uint32_t taken = __atomic_load_n(&s->taken, __ATOMIC_ACQUIRE);

		if (taken == 0 &&
		    __atomic_compare_exchange_n(&s->taken, &taken, TAKEN_BY,
			false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
			snprintf(s->name, sizeof s->name, "%s", name);
			__atomic_store_n(&s->taken, TAKEN, __ATOMIC_RELEASE);
			return s;
		}
		if (taken == TAKEN && is_named(s, name))
			return s;
	}
	return &shared->stage[QF_METRICS_STAGES - 1];
}

void qf_count_stage(const struct qf_stage *s, const struct qf_trace *t)
{
	struct qf_metrics_stage *place;

	if (shared == NULL)
		return;
	place = find_stage(s->name);
	if (t->skip != QF_SKIP_NONE) {
		add(&place->verdict[QF_METRICS_SKIPPED], 1);
		return;
	}
	add(&place->verdict[t->broken || t->class_ > QF_BROKEN ? QF_BROKEN
							       : t->class_],
	    1);
	add_time(&place->time, t->us);
}

/* The file. */

static bool is_ours(const struct qf_metrics *m)
{
	return memcmp(m->magic, magic, sizeof magic) == 0 &&
	       m->version == QF_METRICS_VERSION && m->size == sizeof *m;
}

static int refuse(struct qf_err *e, const char *path)
{
	return qf_fail(e, QF_EPROTO,
	    "%s: not of this version of qfront; remove it, or name another in "
	    "QFRONT_METRICS",
	    path);
}

/* An empty file becomes one of zeros with a head; who comes second finds it
 * done. */
static int make_ready(int fd, const char *path, struct qf_err *e)
{
	struct qf_metrics head = {
	    .version = QF_METRICS_VERSION, .size = sizeof head};
	struct stat st;

	memcpy(head.magic, magic, sizeof magic);
	if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_EWRITE, "%s", path);
	if (st.st_size == 0 && qf_write_all(fd, &head, sizeof head) < 0) {
		qf_fail_sys(e, QF_EWRITE, "%s", path);
		if (ftruncate(fd, 0) < 0)
			qf_err_context(e, "and not emptied");
		return e->rc;
	}
	flock(fd, LOCK_UN);
	return 0;
}

static int check(int fd, const char *path, struct qf_err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "%s", path);
	if (!S_ISREG(st.st_mode))
		return refuse(e, path);
	if (st.st_size == 0 && make_ready(fd, path, e) < 0)
		return e->rc;
	if (fstat(fd, &st) < 0 || st.st_size != sizeof(struct qf_metrics))
		return refuse(e, path);
	return 0;
}

static int map(int fd, const char *path, struct qf_err *e)
{
	struct qf_metrics *m;

	if (check(fd, path, e) < 0)
		return e->rc;
	m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		return qf_fail_sys(e, QF_EREAD, "%s", path);
	/* No worker of ours gets it. */
	if (!is_ours(m) || madvise(m, sizeof *m, MADV_DONTFORK) < 0) {
		munmap(m, sizeof *m);
		return refuse(e, path);
	}
	shared = m;
	return 0;
}

static int open_file(int flags, const char **path, struct qf_err *e)
{
	int fd;

	*path = qf_metrics_path();
	if (*path == NULL)
		return qf_fail(e, QF_ENOENT, "QFRONT_METRICS is not set");
	fd = open(*path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, MODE);
	if (fd < 0)
		return qf_fail_sys(e,
		    errno == ENOENT || errno == ENOTDIR ? QF_ENOENT : QF_EREAD,
		    "%s", *path);
	return fd;
}

int qf_metrics_open(struct qf_err *e)
{
	const char *path;
	int fd = open_file(O_RDWR, &path, e);
	int rc = fd < 0 ? fd : map(fd, path, e);

	qf_close(&fd);
	return rc;
}

void qf_metrics_close(void)
{
	if (shared != NULL)
		munmap(shared, sizeof *shared);
	shared = NULL;
}

int qf_metrics_own(uid_t uid, gid_t gid, struct qf_err *e)
{
	struct flock lock = {.l_type = F_WRLCK};
	const char *path;
	int fd = open_file(O_RDWR | O_CREAT, &path, e);

	if (fd < 0)
		return fd;
	/* The mask of whoever started us does not decide. */
	if (check(fd, path, e) == 0 && geteuid() == 0 &&
	    (fchown(fd, uid, gid) < 0 || fchmod(fd, MODE) < 0))
		qf_fail_sys(e, QF_EWRITE, "%s", path);
	else if (e->rc == 0 && fcntl(fd, F_SETLK, &lock) < 0)
		qf_fail_sys(
		    e, QF_EPERM, "%s: another daemon counts there", path);
	/* Never closed: the lock ends with us. */
	if (e->rc < 0)
		qf_close(&fd);
	return e->rc;
}

static void add_stage(
    struct qf_metrics_stage *to, const struct qf_metrics_stage *from)
{
	for (size_t i = 0; i < QF_METRICS_VERDICTS; i++)
		to->verdict[i] += from->verdict[i];
	for (size_t i = 0; i < QF_METRICS_BUCKETS; i++)
		to->time.bucket[i] += from->time.bucket[i];
	to->time.sum += from->time.sum;
}

/* Two that count a stage's first message at the same time may give it a place
 * each: they become one. A place whose name was never finished goes. */
static void join_stages(struct qf_metrics *m)
{
	const size_t last = QF_METRICS_STAGES - 1; /* for all others */
	size_t n = 0;

	for (size_t i = 0; i < last; i++) {
		const struct qf_metrics_stage s = m->stage[i];
		size_t at = 0;

		if (s.taken != TAKEN)
			continue;
		while (at < n && !is_named(&m->stage[at], s.name))
			at++;
		if (at < n)
			add_stage(&m->stage[at], &s);
		else
			m->stage[n++] = s;
	}
	memset(&m->stage[n], 0, (last - n) * sizeof m->stage[n]);
}

int qf_metrics_read(struct qf_metrics *out, pid_t *daemon, struct qf_err *e)
{
	struct flock lock = {.l_type = F_WRLCK};
	const char *path;
	int fd = open_file(O_RDONLY, &path, e);

	if (fd < 0)
		return fd;
	*daemon = 0;
	if (pread(fd, out, sizeof *out, 0) != (ssize_t)sizeof *out ||
	    !is_ours(out)) {
		qf_close(&fd);
		return refuse(e, path);
	}
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		*daemon = lock.l_pid;
	qf_close(&fd);
	out->reload_error[sizeof out->reload_error - 1] = '\0';
	for (size_t i = 0; i < QF_METRICS_STAGES; i++)
		out->stage[i].name[QF_METRICS_NAME - 1] = '\0';
	join_stages(out);
	return 0;
}
