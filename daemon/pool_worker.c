#include "daemon/pool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/zygote.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/spool.h"

enum {
	TRIES_MAX = 3,      /* workers that end before they begin an errand */
	IDLE_MS = 60000,    /* a worker beyond those that the cores need */
	FAREWELL_MS = 5000, /* for one that retires to end */
	LAST_WORDS_MAX = 64 /* records that a worker leaves unread */
};

static void unlink_worker(struct qf_pool_worker *w)
{
	struct qf_pool_worker **at = &w->pool->workers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

struct qf_pool_worker *qf_pool_find(struct qf_pool *p, uint32_t id)
{
	struct qf_pool_worker *w = p->workers;

	while (w != NULL && w->id != id)
		w = w->next;
	return w;
}

struct qf_pool_worker *qf_pool_find_idle(struct qf_pool *p)
{
	struct qf_pool_worker *w = p->idle > 0 ? p->workers : NULL;

	while (w != NULL && w->state != QF_POOL_IDLE)
		w = w->next;
	return w;
}

static void close_socket(struct qf_pool_worker *w)
{
	qf_loop_remove(&w->watch);
	qf_close(&w->watch.fd);
	qf_cores_leave(w->pool->cores, &w->core);
}

/* Nothing more is expected of it; its errand ends when it is gone. */
static void kill_worker(struct qf_pool_worker *w, enum qf_pool_why why)
{
	if (w->state == QF_POOL_DYING)
		return;
	w->pool->idle -= w->state == QF_POOL_IDLE;
	w->state = QF_POOL_DYING;
	w->why = why;
	qf_loop_set_deadline(&w->watch, QF_NEVER);
	close_socket(w);
	qf_pool_tell_zygote(w, QF_ZYGOTE_STOP);
}

/* It ends by itself, at the end of its socket. */
static void retire_worker(struct qf_pool_worker *w)
{
	struct qf_err e;

	qf_count_add(QF_COUNT_RETIRED, 1);
	w->pool->idle -= w->state == QF_POOL_IDLE;
	w->state = QF_POOL_DYING;
	close_socket(w);
	w->watch.deadline = qf_deadline_in(FAREWELL_MS);
	if (qf_loop_add(w->pool->loop, &w->watch, false, &e) < 0)
		qf_log_err("worker not watched", &e);
}

static void become_idle(struct qf_pool_worker *w)
{
	struct qf_pool *p = w->pool;

	if (w->retire || w->jobs >= p->limits.messages) {
		retire_worker(w);
		return;
	}
	w->state = QF_POOL_IDLE;
	p->idle++;
	qf_loop_set_deadline(&w->watch, qf_deadline_in(IDLE_MS));
}

static bool has_begun(const struct qf_pool_worker *w)
{
	return w->errand != NULL && w->errand->work != NULL &&
	       w->errand->job.stage >= 0;
}

/* The stage that it was in is to blame: its message may go round that. */
static void blame_stage(
    struct qf_pool_worker *w, struct qf_errand *errand, int status)
{
	struct qf_job_result in = {.stage = errand->job.stage};
	bool late = w->why == QF_POOL_LATE;
	struct qf_err e;

	qf_log_scope(errand->caller.log_scope);
	qf_job_log_failure(&errand->job,
	    late                     ? QF_ETIME
	    : w->why == QF_POOL_LIED ? QF_EPROTO
				     : 0,
	    status);
	qf_log_scope(NULL);
	qf_fail(&e, QF_ECRASH, "a worker ended");
	qf_errand_finish(errand, late ? QF_ETIME : 0, &in, &e);
}

/* It has nothing to do any more: what it had. */
static struct qf_errand *take_errand(struct qf_pool_worker *w)
{
	struct qf_errand *errand = w->errand;

	w->errand = NULL;
	w->pool->strange -= qf_errand_is_strange(errand);
	return errand;
}

/* What a worker had that is gone. */
static void settle_errand(struct qf_pool_worker *w, int status)
{
	bool begun = has_begun(w);
	struct qf_errand *errand = take_errand(w);
	struct qf_err e;

	if (!begun && w->why == QF_POOL_UNKNOWN &&
	    errand->tries++ < TRIES_MAX) {
		qf_pool_requeue(w->pool, errand);
	} else if (w->why == QF_POOL_NO_CORE) {
		qf_log_scope(errand->caller.log_scope);
		qf_log(QF_LOG_ERROR, "no core in time",
		    QF_KS("kind", w->pool->name));
		qf_log_scope(NULL);
		qf_fail(&e, QF_ETIME, "no core became free in time");
		qf_errand_fail(errand, &e);
	} else if (w->why == QF_POOL_CUT) {
		qf_fail(&e, QF_EPIPE, "no descriptor left");
		qf_errand_fail(errand, &e);
	} else if (errand->work == NULL) {
		qf_fail(&e, w->why == QF_POOL_LATE ? QF_ETIME : QF_ECRASH,
		    "the message was not copied");
		qf_errand_fail(errand, &e);
	} else {
		blame_stage(w, errand, status);
	}
}

static void count_end(const struct qf_pool_worker *w, int status)
{
	if (w->why == QF_POOL_LATE)
		qf_count_add(QF_COUNT_LATE, 1);
	else if (status != 0 && w->why != QF_POOL_NO_CORE &&
		 w->why != QF_POOL_CUT && w->why != QF_POOL_UNWANTED)
		qf_count_add(QF_COUNT_DIED, 1);
}

static void bury(struct qf_pool_worker *w, int status)
{
	struct qf_pool *p = w->pool;

	p->starting -= w->state == QF_POOL_STARTING;
	p->idle -= w->state == QF_POOL_IDLE;
	close_socket(w);
	unlink_worker(w);
	p->n--;
	qf_gauge_add(p->gauge, -1);
	count_end(w, status);
	if (w->jobs == 0 && status != 0 && w->why == QF_POOL_UNKNOWN &&
	    !has_begun(w))
		p->failures++;
	if (w->errand != NULL)
		settle_errand(w, status);
	free(w);
	qf_pool_schedule_all(p);
}

/* The bytes, or why there are none. */
static bool is_copy(
    const struct qf_pool_worker *w, const struct qf_job_result *in, int n)
{
	const struct qf_report *r = &in->report;

	if (n != (int)sizeof *r || r->kind != QF_REPORT_RESULT)
		return false;
	if (r->error.rc < 0)
		return in->nfds == 0;
	return in->nfds == 1 && r->message_edited == 1 && r->error.rc == 0 &&
	       qf_spool_is_private(in->fds[0], w->pool->uid);
}

/* A result, or 0 to go on, or a negative code: nothing of ours. */
static int take_record(struct qf_pool_worker *w, int n, struct qf_err *e)
{
	struct qf_job_result *in = &w->in;
	struct qf_err *said = &in->report.error;

	if (w->errand->work != NULL)
		return qf_job_take(&w->errand->job, in, n, e);
	if (is_copy(w, in, n)) {
		said->text[sizeof said->text - 1] = '\0';
		return 1;
	}
	qf_job_close(in);
	return qf_fail(e, QF_EPROTO, "a worker sent nonsense");
}

/* It has waited for its turn, and may compute now. */
static void on_granted(void *arg)
{
	static const char turn = 1;
	struct qf_pool_worker *w = arg;

	w->told = true;
	if (send(w->watch.fd, &turn, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* its end comes as an event */
	qf_job_enter(&w->errand->job);
	qf_loop_set_deadline(&w->watch, w->errand->job.deadline);
}

/* A report of a job that goes on. */
static void take_progress(struct qf_pool_worker *w)
{
	const struct qf_report *r = &w->in.report;
	struct qf_cores *cores = w->pool->cores;

	w->retire |= r->kind == QF_REPORT_STAGE && r->trace.broken;
	if (r->kind != QF_REPORT_BEGIN)
		return;
	qf_loop_set_deadline(&w->watch, w->errand->job.deadline);
	if (w->errand->job.waits) {
		w->told = false;
		qf_cores_leave(cores, &w->core);
		qf_pool_schedule_all(w->pool);
	} else if (w->told) {
		/* One that lent its core does not ask for another one. */
		qf_cores_take(cores, &w->core);
	} else {
		/* Its stage's time begins when it has one. */
		qf_loop_set_deadline(&w->watch, w->errand->deadline);
		qf_cores_queue(cores, &w->core);
		qf_cores_grant(cores);
	}
}

static void take_result(struct qf_pool_worker *w)
{
	struct qf_errand *errand = take_errand(w);
	struct qf_job_result in = w->in;
	const struct qf_err *e = &in.report.error;
	bool good = errand->work != NULL || e->rc == 0;
	struct qf_pool *p = w->pool;

	w->jobs++;
	p->failures = 0;
	qf_cores_leave(p->cores, &w->core);
	become_idle(w);
	qf_errand_finish(errand, good ? 1 : e->rc, &in, e);
	qf_pool_schedule_all(p);
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
	if (n < 0 && e.sys == EMFILE) {
		/* Our trouble, and not its stage's. */
		kill_worker(w, QF_POOL_CUT);
		return;
	}
	if (n <= 0 || w->errand == NULL) {
		qf_job_close(&w->in);
		/* Its end says how it ended; one that speaks unasked is
		 * broken. */
		kill_worker(w, QF_POOL_UNKNOWN);
		return;
	}
	if (w->core.queued) {
		/* Whoever waits for its turn has nothing to say. */
		qf_job_close(&w->in);
		kill_worker(w, QF_POOL_LIED);
		return;
	}
	qf_log_scope(w->errand->caller.log_scope);
	rc = take_record(w, n, &e);
	qf_log_scope(NULL);
	if (rc == 0)
		take_progress(w);
	else if (rc > 0)
		take_result(w);
	else
		kill_worker(w, QF_POOL_LIED);
}

static void on_worker_late(struct qf_watch *watch, void *arg)
{
	struct qf_pool_worker *w = arg;
	struct qf_pool *p = w->pool;

	(void)watch;
	if (w->state == QF_POOL_BUSY) {
		kill_worker(w, w->core.queued ? QF_POOL_NO_CORE : QF_POOL_LATE);
	} else if (w->state == QF_POOL_DYING) {
		qf_pool_tell_zygote(w, QF_ZYGOTE_STOP);
	} else if (w->state == QF_POOL_IDLE) {
		if (p->n > (unsigned)p->cores->n)
			retire_worker(w);
		else
			qf_loop_set_deadline(
			    &w->watch, qf_deadline_in(IDLE_MS));
	}
}

void qf_pool_born(struct qf_pool_worker *w, pid_t pid, int fd)
{
	struct qf_pool *p = w->pool;
	struct qf_err e;

	if (w->state != QF_POOL_STARTING) {
		close(fd);
		return;
	}
	p->starting--;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	w->core =
	    (struct qf_core_user){.pid = pid, .granted = on_granted, .arg = w};
	w->watch = (struct qf_watch){.fd = fd,
	    .ready = on_worker,
	    .late = on_worker_late,
	    .arg = w,
	    .deadline = QF_NEVER};
	w->state = QF_POOL_BUSY;
	if (qf_loop_add(p->loop, &w->watch, false, &e) < 0) {
		qf_log_err("worker not watched", &e);
		kill_worker(w, QF_POOL_UNKNOWN);
		return;
	}
	become_idle(w);
	qf_pool_schedule_all(p);
}

void qf_pool_fork(struct qf_pool *p)
{
	struct qf_pool_worker *w = qf_alloc(sizeof *w);

	*w = (struct qf_pool_worker){.next = p->workers,
	    .pool = p,
	    .id = ++p->next_id,
	    .state = QF_POOL_STARTING,
	    .watch = {.fd = -1, .deadline = QF_NEVER}};
	p->workers = w;
	p->n++;
	p->starting++;
	qf_gauge_add(p->gauge, 1);
	qf_count_add(QF_COUNT_FORKED, 1);
	qf_pool_tell_zygote(w, QF_ZYGOTE_FORK);
}

void qf_pool_stop(struct qf_pool_worker *w)
{
	kill_worker(w, QF_POOL_UNWANTED);
}

void qf_pool_gone(struct qf_pool_worker *w, int status)
{
	struct qf_pool *p = w->pool;
	uint32_t id = w->id;

	/* It may have sent its result before. */
	for (size_t i = 0; i < LAST_WORDS_MAX && w != NULL &&
			   w->state == QF_POOL_BUSY && w->errand != NULL;
	     i++) {
		on_worker(&w->watch, w);
		w = qf_pool_find(p, id);
	}
	if (w != NULL)
		bury(w, status);
}

static int send_errand(
    struct qf_pool_worker *w, struct qf_errand *errand, struct qf_err *e)
{
	if (errand->work == NULL)
		return qf_task_send_copy(
		    w->watch.fd, errand->message, errand->max, e);
	return qf_task_send(
	    w->watch.fd, errand->work, &errand->caller, w->told, e);
}

void qf_pool_start(struct qf_pool_worker *w, struct qf_errand *errand)
{
	struct qf_pool *p = w->pool;
	struct qf_err e;

	p->idle--;
	w->state = QF_POOL_BUSY;
	w->errand = errand;
	errand->worker = w;
	p->strange += qf_errand_is_strange(errand);
	if (errand->work != NULL)
		qf_job_start(
		    &errand->job, errand->work, errand->observer, p->uid);
	w->told = !qf_errand_waits(errand);
	if (w->told)
		qf_cores_take(p->cores, &w->core);
	qf_loop_set_deadline(&w->watch, errand->deadline);
	if (send_errand(w, errand, &e) < 0)
		kill_worker(w, QF_POOL_UNKNOWN);
}

void qf_pool_drop(struct qf_pool *p, const struct qf_err *e)
{
	qf_gauge_add(p->gauge, -(int64_t)p->n);
	while (p->workers != NULL) {
		struct qf_pool_worker *w = p->workers;
		struct qf_errand *errand = w->errand;

		close_socket(w);
		p->workers = w->next;
		free(w);
		if (errand != NULL)
			qf_errand_fail(errand, e);
	}
	p->n = p->idle = p->starting = p->strange = 0;
}
