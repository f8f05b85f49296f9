/*
 * qfrontd --role pickup: takes up what qfront-drop(8) has left in drop/, as
 * soon as it is there. It reads no message itself: each has a process of its
 * own (daemon/takeup.h), so that none can stop the others.
 *
 * It takes nothing new when the dispatcher hangs up, and ends when what has
 * begun is over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/roles.h"
#include "daemon/takeup.h"
#include "lib/base/alloc.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "queue/drop.h"

enum {
	JOBS = 4,
	PAUSE_MS = 60 * 1000,
	PAUSE_MAX_MS = 3600 * 1000,
	WALK_MS = 3600 * 1000, /* for what was missed, and for litter */
	ENTRIES_MAX = 65536    /* more are seen when these are through */
};

/* A file that was begun and is still there. */
struct entry {
	char id[QF_DROP_ID_SIZE];
	int64_t due; /* QF_NEVER: in a job, or not again */
	int64_t pause;
};

struct job {
	struct qf_child child;
	char id[QF_DROP_ID_SIZE];
	int folder;
};

struct pickup {
	int folder, changes;
	DIR *walk;  /* through the folder, or NULL */
	bool again; /* one more walk is needed */
	bool stopping;
	int64_t walk_at;
	struct entry *v; /* in the order of their ids */
	size_t n, cap;
	struct job job[JOBS];
};

/* Entries. */

/* Where it is, or belongs. */
static size_t place_of(const struct pickup *p, const char *id)
{
	size_t from = 0, to = p->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(p->v[mid].id, id) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct entry *find(const struct pickup *p, const char *id)
{
	size_t i = place_of(p, id);

	return i < p->n && strcmp(p->v[i].id, id) == 0 ? &p->v[i] : NULL;
}

static struct entry *add(struct pickup *p, const char *id)
{
	size_t i = place_of(p, id);

	if (p->n == p->cap) {
		p->cap = p->cap == 0 ? 16 : p->cap * 2;
		p->v = qf_realloc_array(p->v, p->cap, sizeof *p->v);
	}
	memmove(&p->v[i + 1], &p->v[i], (p->n - i) * sizeof *p->v);
	p->n++;
	p->v[i] = (struct entry){.due = QF_NEVER};
	memcpy(p->v[i].id, id, QF_DROP_ID_SIZE);
	return &p->v[i];
}

static void forget(struct pickup *p, const struct entry *en)
{
	size_t i = (size_t)(en - p->v);

	p->n--;
	memmove(&p->v[i], &p->v[i + 1], (p->n - i) * sizeof *p->v);
}

static struct entry *first_due(const struct pickup *p)
{
	struct entry *first = NULL;

	for (size_t i = 0; i < p->n; i++) {
		if (first == NULL || p->v[i].due < first->due)
			first = &p->v[i];
	}
	return first;
}

/* The folder. */

static bool start_walk(struct pickup *p)
{
	int fd;

	if (!p->again)
		return false;
	p->again = false;
	fd = openat(p->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->walk = fd >= 0 ? fdopendir(fd) : NULL;
	if (p->walk == NULL) {
		qf_log(QF_LOG_ERROR, "drop/ not read",
		    QF_KS("error", strerror(errno)));
		qf_close(&fd);
	}
	return p->walk != NULL;
}

static void end_walk(struct pickup *p)
{
	if (p->walk != NULL)
		closedir(p->walk);
	p->walk = NULL;
}

/* The next one that has never been begun, or NULL. */
static struct entry *next_new(struct pickup *p)
{
	while (p->n < ENTRIES_MAX && (p->walk != NULL || start_walk(p))) {
		const struct dirent *d = readdir(p->walk);

		if (d == NULL) {
			end_walk(p);
			continue;
		}
		qf_drop_sweep(p->folder, d->d_name);
		if (qf_drop_is_id(d->d_name) && find(p, d->d_name) == NULL)
			return add(p, d->d_name);
	}
	return NULL;
}

static struct entry *next_entry(struct pickup *p)
{
	struct entry *en = first_due(p);

	if (en != NULL && qf_deadline_poll(en->due) == 0)
		return en;
	return next_new(p);
}

/* Jobs. */

static int run_job(void *arg)
{
	const struct job *j = arg;

	return (int)qf_takeup(j->folder, j->id);
}

static void put_off(struct entry *en)
{
	en->pause = en->pause == 0 ? PAUSE_MS : en->pause * 2;
	if (en->pause > PAUSE_MAX_MS)
		en->pause = PAUSE_MAX_MS;
	en->due = qf_deadline_in(en->pause);
}

static void start_job(const struct pickup *p, struct job *j, struct entry *en)
{
	struct qf_err e;

	en->due = QF_NEVER;
	memcpy(j->id, en->id, sizeof j->id);
	j->folder = p->folder;
	if (qf_child_fork(&j->child, run_job, j, &e) < 0) {
		qf_log_err("message not taken up now", &e);
		put_off(en);
	}
}

static void end_job(struct pickup *p, struct job *j)
{
	struct entry *en = find(p, j->id);
	int status = -1, code;

	qf_child_finish(&j->child, QF_NEVER, &status);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (code == QF_TAKEUP_OVER) {
		forget(p, en);
	} else if (code != QF_TAKEUP_STUCK) {
		if (code != QF_TAKEUP_LATER)
			qf_log(QF_LOG_ERROR, "taking up a message broke off",
			    QF_KS("drop", j->id), QF_KD("status", status));
		put_off(en);
	}
}

static struct job *idle_job(struct pickup *p)
{
	for (size_t i = 0; i < JOBS; i++) {
		if (p->job[i].child.pid == 0)
			return &p->job[i];
	}
	return NULL;
}

static bool is_busy(const struct pickup *p)
{
	for (size_t i = 0; i < JOBS; i++) {
		if (p->job[i].child.pid != 0)
			return true;
	}
	return false;
}

static void start_jobs(struct pickup *p)
{
	struct entry *en;
	struct job *j;

	while (!p->stopping && (j = idle_job(p)) != NULL &&
	       (en = next_entry(p)) != NULL)
		start_job(p, j, en);
}

/* The loop. */

static int64_t next_deadline(struct pickup *p)
{
	const struct entry *en = first_due(p);

	if (p->stopping || idle_job(p) == NULL)
		return QF_NEVER;
	return en != NULL && en->due < p->walk_at ? en->due : p->walk_at;
}

static void see_changes(struct pickup *p)
{
	char events[4096];

	while (read(p->changes, events, sizeof events) > 0)
		;
	p->again = true;
}

static void wait_for_news(struct pickup *p)
{
	struct pollfd fds[2 + JOBS] = {
	    {.fd = p->stopping ? -1 : QF_ROLE_FD, .events = POLLIN},
	    {.fd = p->changes, .events = POLLIN}};
	int64_t deadline = next_deadline(p);
	int left = qf_deadline_poll(deadline);

	for (size_t i = 0; i < JOBS; i++) {
		const struct qf_child *c = &p->job[i].child;

		fds[2 + i] = (struct pollfd){.fd = c->pidfd, .events = POLLIN};
		if (c->pid != 0 && c->pidfd < 0)
			left = qf_child_poll(c, deadline);
	}
	if (poll(fds, 2 + JOBS, left) < 0)
		return;
	/* Nothing is ever said there. */
	p->stopping |= fds[0].revents != 0;
	if (fds[1].revents != 0)
		see_changes(p);
	if (qf_deadline_poll(p->walk_at) == 0) {
		p->again = true;
		p->walk_at = qf_deadline_in(WALK_MS);
	}
	for (size_t i = 0; i < JOBS; i++) {
		struct job *j = &p->job[i];

		if (j->child.pid != 0 && qf_child_has_ended(&j->child))
			end_job(p, j);
	}
}

static int open_folder(struct pickup *p, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	int rc = 0;

	qf_dir_join(&path, QF_DIR_QUEUE, "drop");
	p->folder = open(path.s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (p->folder < 0 || p->changes < 0 ||
	    inotify_add_watch(
		p->changes, path.s, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		rc = qf_fail_sys(e, QF_EQUEUE, "%s", path.s);
	qf_buf_free(&path);
	return rc;
}

int qf_pickup_main(void)
{
	struct pickup p = {.again = true, .walk_at = qf_deadline_in(WALK_MS)};
	struct qf_err e;

	qf_log_open_env("qfrontd", QF_LOG_TO_STDERR);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Its memory is nobody's to look into: it passes messages. */
	prctl(PR_SET_DUMPABLE, 0);
	fcntl(QF_ROLE_FD, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < JOBS; i++)
		p.job[i].child = (struct qf_child)QF_CHILD_NONE;
	if (open_folder(&p, &e) < 0) {
		qf_log_err("pickup failed", &e);
		return 1;
	}
	while (!p.stopping || is_busy(&p)) {
		start_jobs(&p);
		wait_for_news(&p);
	}
	end_walk(&p);
	free(p.v);
	qf_close(&p.changes);
	qf_close(&p.folder);
	return 0;
}
