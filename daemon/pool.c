#include "daemon/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/zygote.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/spool.h"

enum {
	TRIES_MAX = 3, /* workers that end before they begin an errand */
	SLICE_MS = 30, /* of a core, while others wait for it */
	PAUSE_MS = 100,
	PAUSE_MAX_MS = 10000,
	IDLE_MS = 60000,    /* a worker beyond those that the cores need */
	LAST_WORDS_MAX = 64 /* records that a worker leaves unread */
};

enum state {
	STARTING,
	IDLE,
	BUSY,
	DYING /* to be reported gone by its zygote */
};

struct qf_pool_worker {
	struct qf_pool_worker *next;
	struct qf_pool *pool;
	uint32_t id;
	enum state state;
	struct qf_watch watch;
	struct qf_errand *errand;
	bool core;                          /* it holds one, */
	int64_t core_since;                 /* since then */
	bool told;                          /* it knows of one */
	bool queued;                        /* it waits for one */
	struct qf_pool_worker *next_queued; /* in qf_cores */
	unsigned long jobs;
	bool retire;
	int why; /* it is dying: as the errand's rc */
	struct qf_job_result in;
};

static void schedule_all(struct qf_pool *p);

static void tell_zygote(struct qf_pool *p, uint32_t kind, uint32_t id)
{
	const struct qf_zygote_note note = {.kind = kind, .id = id};
	struct qf_err e;

	if (!p->gone &&
	    qf_fd_send(p->zygote.fd, &note, sizeof note, NULL, 0, &e) < 0)
		qf_log_err("zygote not reached", &e);
}

/* Cores. */

static void release_core(struct qf_pool_worker *w)
{
	if (w->core)
		w->pool->cores->free++;
	w->core = false;
}

static void take_core(struct qf_pool_worker *w)
{
	struct qf_cores *cores = w->pool->cores;

	w->core = w->told = true;
	w->core_since = qf_clock_mono();
	if (--cores->free == 0)
		qf_loop_set_deadline(&cores->slice, qf_deadline_in(SLICE_MS));
}

bool qf_pool_yield_cores(struct qf_pool *p)
{
	int64_t now = qf_clock_mono();
	bool any = false;

	for (struct qf_pool_worker *w = p->workers; w != NULL; w = w->next) {
		if (w->core && now - w->core_since >= SLICE_MS)
			release_core(w);
		any |= w->core;
	}
	return any;
}

static void leave_queue(struct qf_pool_worker *w)
{
	struct qf_pool_worker **at = &w->pool->cores->first, *last = NULL;

	if (!w->queued)
		return;
	for (; *at != NULL && *at != w; at = &(*at)->next_queued)
		last = *at;
	if (*at == w)
		*at = w->next_queued;
	if (w->pool->cores->last == w)
		w->pool->cores->last = last;
	w->queued = false;
}

/* The stage that it has begun may run now. */
static void grant_core(struct qf_pool_worker *w)
{
	static const char turn = 1;

	take_core(w);
	if (send(w->watch.fd, &turn, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* its end comes as an event */
	qf_job_enter(&w->errand->job);
	qf_loop_set_deadline(&w->watch, w->errand->job.deadline);
}

static void want_core(struct qf_pool_worker *w)
{
	struct qf_cores *cores = w->pool->cores;

	/* Its stage's time begins when it has one. */
	qf_loop_set_deadline(&w->watch, w->errand->deadline);
	w->queued = true;
	w->next_queued = NULL;
	if (cores->last != NULL)
		cores->last->next_queued = w;
	else
		cores->first = w;
	cores->last = w;
}

static void grant_cores(struct qf_cores *cores)
{
	while (cores->free > 0 && cores->first != NULL) {
		struct qf_pool_worker *w = cores->first;

		leave_queue(w);
		grant_core(w);
	}
}

/* Workers. */

static void unlink_worker(struct qf_pool_worker *w)
{
	struct qf_pool_worker **at = &w->pool->workers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

static struct qf_pool_worker *find_worker(struct qf_pool *p, uint32_t id)
{
	struct qf_pool_worker *w = p->workers;

	while (w != NULL && w->id != id)
		w = w->next;
	return w;
}

/* Gives the errand back to its owner, who may submit the next one. */
static void finish_errand(struct qf_errand *errand, int rc,
    struct qf_job_result *in, const struct qf_err *e)
{
	errand->worker = NULL;
	errand->pool = NULL;
	errand->done(errand->arg, rc, in, e);
	qf_job_close(in);
}

static void close_socket(struct qf_pool_worker *w)
{
	qf_loop_remove(&w->watch);
	qf_close(&w->watch.fd);
	leave_queue(w);
	release_core(w);
}

/* Nothing more is expected of it; its errand ends when it is gone. */
static void kill_worker(struct qf_pool_worker *w, int why)
{
	if (w->state == DYING)
		return;
	w->pool->idle -= w->state == IDLE;
	w->state = DYING;
	w->why = why;
	qf_loop_set_deadline(&w->watch, QF_NEVER);
	close_socket(w);
	tell_zygote(w->pool, QF_ZYGOTE_STOP, w->id);
}

/* It ends by itself, at the end of its socket. */
static void retire_worker(struct qf_pool_worker *w)
{
	qf_count_add(QF_COUNT_RETIRED, 1);
	w->pool->idle -= w->state == IDLE;
	w->state = DYING;
	close_socket(w);
}

static void become_idle(struct qf_pool_worker *w)
{
	struct qf_pool *p = w->pool;

	if (w->retire || w->jobs >= p->limits.messages) {
		retire_worker(w);
		return;
	}
	w->state = IDLE;
	p->idle++;
	qf_loop_set_deadline(&w->watch, qf_deadline_in(IDLE_MS));
}

static void requeue(struct qf_pool *p, struct qf_errand *errand)
{
	errand->worker = NULL;
	errand->next = p->first;
	p->first = errand;
	if (p->last == NULL)
		p->last = errand;
	p->waiting++;
}

/* Its process has ended, and its zygote has said how. */
static void worker_gone(struct qf_pool_worker *w, int status)
{
	struct qf_pool *p = w->pool;
	struct qf_errand *errand = w->errand;
	struct qf_job_result none = {.stage = -1};
	struct qf_err e;

	p->starting -= w->state == STARTING;
	p->idle -= w->state == IDLE;
	close_socket(w);
	unlink_worker(w);
	p->n--;
	qf_gauge_add(p->gauge, -1);
	if (w->why == QF_ETIME)
		qf_count_add(QF_COUNT_LATE, 1);
	else if (status != 0)
		qf_count_add(QF_COUNT_DIED, 1);
	if (w->jobs == 0 && status != 0 && w->why != QF_ETIME)
		p->failures++;
	if (errand != NULL) {
		bool begun = errand->work != NULL && errand->job.stage >= 0;

		none.stage = errand->job.stage;
		if (!begun && w->why == 0 && errand->tries++ < TRIES_MAX) {
			requeue(p, errand);
		} else if (errand->work == NULL) {
			qf_fail(&e, QF_ECRASH, "the message was not copied");
			finish_errand(errand, QF_ECRASH, &none, &e);
		} else {
			qf_log_scope(errand->caller.log_scope);
			qf_job_log_failure(&errand->job, w->why, status);
			qf_log_scope(NULL);
			qf_fail(&e, QF_ECRASH, "a worker ended");
			finish_errand(errand, w->why == QF_ETIME ? QF_ETIME : 0,
			    &none, &e);
		}
	}
	free(w);
	schedule_all(p);
}

/* A result, or 0 to go on, or a negative code: nothing of ours. */
static int take_record(struct qf_pool_worker *w, int n, struct qf_err *e)
{
	struct qf_errand *errand = w->errand;
	struct qf_job_result *in = &w->in;
	const struct qf_report *r = &in->report;

	if (errand->work != NULL)
		return qf_job_take(&errand->job, in, n, e);
	if (n == (int)sizeof *r && r->kind == QF_REPORT_RESULT &&
	    in->nfds == 1 && r->message_edited == 1 && r->error.rc == 0 &&
	    qf_spool_is_private(in->fds[0], w->pool->uid))
		return 1;
	qf_job_close(in);
	return qf_fail(e, QF_EREAD, "the message was not copied");
}

/* A report of a job that goes on. */
static void take_progress(struct qf_pool_worker *w)
{
	const struct qf_report *r = &w->in.report;
	struct qf_pool *p = w->pool;

	w->retire |= r->kind == QF_REPORT_STAGE && r->trace.broken;
	if (r->kind != QF_REPORT_BEGIN)
		return;
	qf_loop_set_deadline(&w->watch, w->errand->job.deadline);
	if (w->errand->job.waits) {
		w->told = false;
		release_core(w);
		schedule_all(p);
	} else if (w->told) {
		/* One that had to yield goes on without. */
		if (!w->core && p->cores->free > 0)
			take_core(w);
	} else {
		want_core(w);
		grant_cores(p->cores);
	}
}

static void take_result(
    struct qf_pool_worker *w, int rc, const struct qf_err *e)
{
	struct qf_errand *errand = w->errand;
	struct qf_job_result in = w->in;
	struct qf_pool *p = w->pool;

	w->errand = NULL;
	w->jobs++;
	p->failures = 0;
	release_core(w);
	become_idle(w);
	finish_errand(errand, rc, &in, e);
	schedule_all(p);
}

static void on_worker(struct qf_watch *watch, void *arg)
{
	struct qf_pool_worker *w = arg;
	struct qf_err e = {0};
	int n, rc;

	(void)watch;
	w->in.nfds = 0;
	n = qf_fd_recv(w->watch.fd, &w->in.report, sizeof w->in.report,
	    w->in.fds, &w->in.nfds, &e);
	if (n < 0 && e.sys == EAGAIN)
		return;
	if (n <= 0 || w->errand == NULL) {
		qf_job_close(&w->in);
		/* Its end says how it ended; one that speaks unasked is
		 * broken. */
		kill_worker(w, 0);
		return;
	}
	qf_log_scope(w->errand->caller.log_scope);
	rc = take_record(w, n, &e);
	qf_log_scope(NULL);
	if (rc == 0)
		take_progress(w);
	else if (rc > 0)
		take_result(w, rc, &e);
	else
		kill_worker(w, QF_EPROTO);
}

static void on_worker_late(struct qf_watch *watch, void *arg)
{
	struct qf_pool_worker *w = arg;
	struct qf_pool *p = w->pool;

	(void)watch;
	if (w->state == BUSY) {
		kill_worker(w, QF_ETIME);
	} else if (w->state == IDLE) {
		if (p->n > p->limits.workers / 16 + 2)
			retire_worker(w);
		else
			qf_loop_set_deadline(
			    &w->watch, qf_deadline_in(IDLE_MS));
	}
}

static void worker_born(struct qf_pool *p, uint32_t id, int fd)
{
	struct qf_pool_worker *w = find_worker(p, id);
	struct qf_err e;

	if (w == NULL || w->state != STARTING) {
		close(fd);
		return;
	}
	p->starting--;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	w->watch = (struct qf_watch){.fd = fd,
	    .ready = on_worker,
	    .late = on_worker_late,
	    .arg = w,
	    .deadline = QF_NEVER};
	w->state = BUSY;
	if (qf_loop_add(p->loop, &w->watch, false, &e) < 0) {
		qf_log_err("worker not watched", &e);
		kill_worker(w, 0);
		return;
	}
	become_idle(w);
	schedule_all(p);
}

static void fork_worker(struct qf_pool *p)
{
	struct qf_pool_worker *w = qf_alloc(sizeof *w);

	*w = (struct qf_pool_worker){.next = p->workers,
	    .pool = p,
	    .id = ++p->next_id,
	    .state = STARTING,
	    .watch = {.fd = -1, .deadline = QF_NEVER}};
	p->workers = w;
	p->n++;
	p->starting++;
	qf_gauge_add(p->gauge, 1);
	qf_count_add(QF_COUNT_FORKED, 1);
	tell_zygote(p, QF_ZYGOTE_FORK, w->id);
}

/* After failures the next fork has to wait. */
static bool may_fork(struct qf_pool *p)
{
	int64_t ms = PAUSE_MS;

	if (!p->ready || p->gone || p->n >= p->limits.workers ||
	    p->starting >= p->waiting)
		return false;
	if (p->failures < TRIES_MAX)
		return true;
	if (p->pause.deadline != QF_NEVER)
		return false;
	for (unsigned i = TRIES_MAX; i < p->failures && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	qf_loop_set_deadline(&p->pause, qf_deadline_in(ms));
	return false;
}

static void on_pause_over(struct qf_watch *watch, void *arg)
{
	struct qf_pool *p = arg;

	(void)watch;
	if (p->waiting > 0 && p->n < p->limits.workers) {
		fork_worker(p);
		schedule_all(p);
	}
}

/* Errands. */

static bool waits(const struct qf_errand *errand)
{
	const struct qf_work *w = errand->work;
	const struct qf_stage *s;

	if (w == NULL)
		return true;
	s = &w->chain->stage[w->from];
	return s->noted && (s->flags & QF_FLAG_NETWORK) != 0;
}

static struct qf_pool_worker *idle_worker(struct qf_pool *p)
{
	struct qf_pool_worker *w = p->idle > 0 ? p->workers : NULL;

	while (w != NULL && w->state != IDLE)
		w = w->next;
	return w;
}

static int send_errand(
    struct qf_pool_worker *w, struct qf_errand *errand, struct qf_err *e)
{
	if (errand->work == NULL)
		return qf_task_send_copy(
		    w->watch.fd, errand->message, errand->deadline, e);
	return qf_task_send(
	    w->watch.fd, errand->work, &errand->caller, w->core, e);
}

static void start_errand(struct qf_pool_worker *w, struct qf_errand *errand)
{
	struct qf_pool *p = w->pool;
	struct qf_err e;

	p->idle--;
	w->state = BUSY;
	w->errand = errand;
	errand->worker = w;
	if (errand->work != NULL)
		qf_job_start(
		    &errand->job, errand->work, errand->observer, p->uid);
	w->told = false;
	if (!waits(errand)) {
		take_core(w);
	}
	qf_loop_set_deadline(&w->watch, errand->deadline);
	if (send_errand(w, errand, &e) < 0)
		kill_worker(w, 0);
}

void qf_pool_schedule(struct qf_pool *p)
{
	struct qf_errand **at = &p->first, *before = NULL;

	grant_cores(p->cores);
	while (*at != NULL) {
		struct qf_errand *errand = *at;
		struct qf_pool_worker *w;

		if (p->cores->free == 0 && !waits(errand)) {
			before = errand;
			at = &errand->next;
			continue;
		}
		w = idle_worker(p);
		if (w == NULL) {
			while (may_fork(p))
				fork_worker(p);
			return;
		}
		*at = errand->next;
		if (p->last == errand)
			p->last = before;
		p->waiting--;
		start_errand(w, errand);
	}
}

/* Whose core became free is not known to the other pools. */
static void schedule_all(struct qf_pool *p)
{
	qf_pool_schedule(p);
	p->changed(p->arg);
}

void qf_pool_submit(struct qf_pool *p, struct qf_errand *errand)
{
	struct qf_job_result none = {.stage = -1};
	struct qf_err e;

	errand->pool = p;
	errand->worker = NULL;
	errand->next = NULL;
	errand->tries = 0;
	errand->job.stage = -1;
	if (p->gone) {
		qf_fail(&e, QF_ECRASH, "the workers are gone: %s", p->text);
		finish_errand(errand, QF_ECRASH, &none, &e);
		return;
	}
	if (p->last != NULL)
		p->last->next = errand;
	else
		p->first = errand;
	p->last = errand;
	p->waiting++;
	qf_pool_schedule(p);
}

bool qf_pool_take_back(struct qf_errand *errand)
{
	struct qf_pool *p = errand->pool;
	struct qf_errand **at, *before = NULL;

	if (p == NULL || errand->worker != NULL)
		return false;
	for (at = &p->first; *at != errand; at = &(*at)->next)
		before = *at;
	*at = errand->next;
	if (p->last == errand)
		p->last = before;
	p->waiting--;
	errand->pool = NULL;
	return true;
}

/* The zygote. */

/* Nobody works here any more. */
static void give_up(struct qf_pool *p, const char *why)
{
	struct qf_err e;

	if (p->gone)
		return;
	p->gone = true;
	p->ready = false;
	snprintf(p->text, sizeof p->text, "%s", why);
	qf_loop_remove(&p->zygote);
	qf_loop_remove(&p->pause);
	qf_fail(&e, QF_ECRASH, "the workers are gone: %s", why);
	qf_gauge_add(p->gauge, -(int64_t)p->n);
	while (p->workers != NULL) {
		struct qf_pool_worker *w = p->workers;
		struct qf_job_result none = {.stage = -1};
		struct qf_errand *errand = w->errand;

		close_socket(w);
		p->workers = w->next;
		free(w);
		if (errand != NULL)
			finish_errand(errand, QF_ECRASH, &none, &e);
	}
	p->n = p->idle = p->starting = 0;
	while (p->first != NULL) {
		struct qf_errand *errand = p->first;
		struct qf_job_result none = {.stage = -1};

		p->first = errand->next;
		p->waiting--;
		finish_errand(errand, QF_ECRASH, &none, &e);
	}
	p->last = NULL;
	p->changed(p->arg);
}

static void take_note(struct qf_pool *p, struct qf_zygote_note *note, int fd)
{
	struct qf_pool_worker *w;

	note->text[sizeof note->text - 1] = '\0';
	switch (note->kind) {
	case QF_ZYGOTE_READY:
		p->ready = true;
		p->uid = (uid_t)note->uid;
		p->digest = note->digest;
		schedule_all(p);
		break;
	case QF_ZYGOTE_FAILED:
		give_up(p, note->text);
		break;
	case QF_ZYGOTE_WORKER:
		if (fd >= 0)
			worker_born(p, note->id, fd);
		return;
	case QF_ZYGOTE_GONE:
		w = find_worker(p, note->id);
		/* It may have sent its result before. */
		for (size_t i = 0; i < LAST_WORDS_MAX && w != NULL &&
				   w->state == BUSY && w->errand != NULL;
		     i++) {
			on_worker(&w->watch, w);
			w = find_worker(p, note->id);
		}
		if (w != NULL)
			worker_gone(w, note->status);
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void on_zygote(struct qf_watch *watch, void *arg)
{
	struct qf_pool *p = arg;
	struct qf_zygote_note note;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e;

	n = qf_fd_recv(watch->fd, &note, sizeof note, fds, &nfds, &e);
	if (n != (int)sizeof note) {
		give_up(p, "its zygote has ended");
		return;
	}
	for (size_t i = 1; i < nfds; i++)
		close(fds[i]);
	take_note(p, &note, nfds > 0 ? fds[0] : -1);
}

int qf_pool_open(struct qf_pool *p, int zygote, struct qf_err *e)
{
	p->zygote = (struct qf_watch){
	    .fd = zygote, .ready = on_zygote, .arg = p, .deadline = QF_NEVER};
	p->pause = (struct qf_watch){
	    .fd = -1, .late = on_pause_over, .arg = p, .deadline = QF_NEVER};
	if (qf_loop_add(p->loop, &p->zygote, false, e) < 0)
		return e->rc;
	return qf_loop_add(p->loop, &p->pause, false, e);
}

void qf_pool_close(struct qf_pool *p)
{
	give_up(p, "the daemon is done with it");
	qf_close(&p->zygote.fd);
}
