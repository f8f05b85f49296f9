#include "daemon/pool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/zygote.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"

enum {
	FAILURES_MAX = 3, /* workers in a row that end at once */
	PAUSE_MS = 100,
	PAUSE_MAX_MS = 10000,
	WORTH_MS = 100,  /* that an errand must have left to be begun */
	STRANGE_PART = 4 /* of the workers: a quarter */
};

/* The zygote: it may wait for us to hear it, so we never wait for it. */

static void send_note(struct qf_pool_worker *w)
{
	const struct qf_zygote_note note = {.kind = w->untold, .id = w->id};
	struct qf_pool *p = w->pool;
	struct qf_err e = {0};

	if (qf_fd_send(p->zygote.fd, &note, sizeof note, NULL, 0, &e) < 0) {
		if (e.sys == EAGAIN) {
			p->stuck = true;
			qf_loop_want_write(&p->zygote, true);
			return;
		}
		/* Its end comes as an event. */
		qf_log_err("zygote not reached", &e);
	}
	w->untold = 0;
}

void qf_pool_tell_zygote(struct qf_pool_worker *w, uint32_t kind)
{
	w->untold = kind;
	if (!w->pool->gone && !w->pool->stuck)
		send_note(w);
}

static void tell_rest(struct qf_pool *p)
{
	struct qf_pool_worker *w = p->workers;

	p->stuck = false;
	for (; w != NULL && !p->stuck; w = w->next) {
		if (w->untold != 0)
			send_note(w);
	}
	if (!p->stuck)
		qf_loop_want_write(&p->zygote, false);
}

/* After failures the next fork has to wait. */
static bool may_fork(struct qf_pool *p)
{
	int64_t ms = PAUSE_MS;

	if (!p->ready || p->gone || p->n >= p->limits.workers)
		return false;
	if (p->failures < FAILURES_MAX)
		return true;
	if (p->pause.deadline != QF_NEVER)
		return false;
	for (unsigned i = FAILURES_MAX; i < p->failures && ms < PAUSE_MAX_MS;
	     i++)
		ms *= 2;
	qf_loop_set_deadline(&p->pause, qf_deadline_in(ms));
	return false;
}

static void on_pause_over(struct qf_watch *watch, void *arg)
{
	struct qf_pool *p = arg;

	(void)watch;
	if (p->errands.n > 0 && p->n < p->limits.workers) {
		qf_pool_fork(p);
		qf_pool_schedule_all(p);
	}
}

/* Errands. */

void qf_pool_requeue(struct qf_pool *p, struct qf_errand *errand)
{
	errand->worker = NULL;
	qf_errands_put_first(&p->errands, errand);
}

/* What nobody was promised yet. */
struct room {
	int cores;
	int strange; /* workers for what strangers have sent */
};

/* Nobody knows how long that takes to read: most workers are kept from it. */
static int room_for_strangers(const struct qf_pool *p)
{
	unsigned most = p->limits.workers / STRANGE_PART;

	return (int)(most > 0 ? most : 1) - (int)p->strange;
}

/* It will end in a moment, and would take a healthy worker with it. */
static bool is_over(const struct qf_errand *errand)
{
	int left = qf_deadline_poll(errand->deadline);

	return left >= 0 && left < WORTH_MS;
}

/* May it be begun? */
static bool is_next(
    const struct qf_pool *p, const struct qf_errand *errand, struct room *room)
{
	if (is_over(errand))
		return false;
	if (qf_errand_is_strange(errand))
		return room->strange-- > 0;
	if (qf_errand_waits(errand))
		return true;
	if (room->cores-- > 0)
		return true;
	qf_cores_want(p->cores);
	return false;
}

void qf_pool_schedule(struct qf_pool *p)
{
	struct qf_errand *errand = p->errands.first, *next;
	struct room room = {.strange = room_for_strangers(p)};
	unsigned without = 0;

	qf_cores_grant(p->cores);
	room.cores = p->cores->free;
	/* The rest of the line waits for workers, where no more may come. */
	while (errand != NULL && (p->idle > 0 || p->n < p->limits.workers)) {
		next = errand->next;
		if (is_next(p, errand, &room)) {
			struct qf_pool_worker *w = qf_pool_find_idle(p);

			if (w == NULL) {
				without++;
			} else {
				qf_errands_remove(&p->errands, errand);
				qf_pool_start(w, errand);
			}
		}
		errand = next;
	}
	while (p->starting < without && may_fork(p))
		qf_pool_fork(p);
}

void qf_pool_schedule_all(struct qf_pool *p)
{
	qf_pool_schedule(p);
	p->changed(p->arg);
}

void qf_pool_submit(struct qf_pool *p, struct qf_errand *errand)
{
	struct qf_err e;

	errand->pool = p;
	errand->worker = NULL;
	errand->tries = 0;
	errand->job.stage = -1;
	if (p->gone) {
		qf_fail(&e, QF_ECRASH, "the workers are gone: %s", p->text);
		qf_errand_fail(errand, &e);
		return;
	}
	qf_errands_append(&p->errands, errand);
	qf_pool_schedule(p);
}

bool qf_pool_take_back(struct qf_errand *errand)
{
	struct qf_pool *p = errand->pool;

	if (p == NULL)
		return false;
	if (errand->worker != NULL) {
		if (errand->work == NULL)
			qf_pool_stop(errand->worker);
		return false;
	}
	qf_errands_remove(&p->errands, errand);
	errand->pool = NULL;
	return true;
}

/* Its life. */

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
	qf_pool_drop(p, &e);
	while (p->errands.first != NULL) {
		struct qf_errand *errand = p->errands.first;

		qf_errands_remove(&p->errands, errand);
		qf_errand_fail(errand, &e);
	}
	qf_loop_remove(&p->errands.late);
	p->changed(p->arg);
}

/* The first messages find workers for all cores. */
static void become_ready(struct qf_pool *p, uid_t uid)
{
	p->ready = true;
	p->uid = uid;
	while (p->n < (unsigned)p->cores->n && may_fork(p))
		qf_pool_fork(p);
	qf_pool_schedule_all(p);
}

static void take_note(struct qf_pool *p, struct qf_zygote_note *note, int fd)
{
	struct qf_pool_worker *w = qf_pool_find(p, note->id);

	note->text[sizeof note->text - 1] = '\0';
	if (note->kind == QF_ZYGOTE_WORKER && w != NULL && fd >= 0) {
		qf_pool_born(w, note->pid, fd);
		return;
	}
	qf_close(&fd);
	switch (note->kind) {
	case QF_ZYGOTE_READY:
		p->digest = note->digest;
		become_ready(p, (uid_t)note->uid);
		break;
	case QF_ZYGOTE_FAILED:
		give_up(p, note->text);
		break;
	case QF_ZYGOTE_GONE:
		if (w != NULL)
			qf_pool_gone(w, note->status);
		break;
	default:
		break;
	}
}

static void on_zygote(struct qf_watch *watch, void *arg)
{
	struct qf_pool *p = arg;
	struct qf_zygote_note note;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e = {0};

	if (p->stuck)
		tell_rest(p);
	n = qf_fd_recv(watch->fd, &note, sizeof note, fds, &nfds, &e);
	/* A worker whose socket was lost ends by itself. */
	if (n < 0 && (e.sys == EAGAIN || e.sys == EMFILE))
		return;
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
	fcntl(zygote, F_SETFL, O_NONBLOCK);
	p->zygote = (struct qf_watch){
	    .fd = zygote, .ready = on_zygote, .arg = p, .deadline = QF_NEVER};
	p->pause = (struct qf_watch){
	    .fd = -1, .late = on_pause_over, .arg = p, .deadline = QF_NEVER};
	if (qf_loop_add(p->loop, &p->zygote, false, e) < 0 ||
	    qf_errands_open(&p->errands, p->name, p->loop, e) < 0)
		return e->rc;
	return qf_loop_add(p->loop, &p->pause, false, e);
}

void qf_pool_close(struct qf_pool *p)
{
	give_up(p, "the daemon is done with it");
	qf_close(&p->zygote.fd);
}
