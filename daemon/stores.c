#include "daemon/stores.h"

#include <stdlib.h>
#include <unistd.h>

#include "frontend/metrics.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"

struct qf_store_worker {
	struct qf_store_worker *next;
	struct qf_stores *stores;
	struct qf_watch watch;
	struct qf_commit_job *job;
};

static void schedule(struct qf_stores *s);

/* The job is over; its owner may submit the next one. */
static void finish(struct qf_store_worker *w, const struct qf_storeres *result)
{
	struct qf_commit_job *job = w->job;

	w->job = NULL;
	if (job == NULL)
		return;
	w->stores->busy--;
	job->done(job->arg, result);
}

static void drop(struct qf_store_worker *w)
{
	struct qf_store_worker **at = &w->stores->workers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	w->stores->n--;
	qf_gauge_set(QF_GAUGE_STORE, (int64_t)w->stores->n);
	qf_loop_remove(&w->watch);
	qf_close(&w->watch.fd);
	finish(w, NULL);
	free(w);
}

static void on_store(struct qf_watch *watch, void *arg)
{
	struct qf_store_worker *w = arg;
	struct qf_stores *s = w->stores;
	struct qf_storeres result;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e;

	n = qf_fd_recv(watch->fd, &result, sizeof result, fds, &nfds, &e);
	for (size_t i = 0; n > 0 && i < nfds; i++)
		close(fds[i]);
	if (n != (int)sizeof result || w->job == NULL)
		drop(w);
	else
		finish(w, &result);
	schedule(s);
}

void qf_stores_add(struct qf_stores *s, int fd)
{
	struct qf_store_worker *w = qf_alloc(sizeof *w);
	struct qf_err e;

	*w = (struct qf_store_worker){.next = s->workers,
	    .stores = s,
	    .watch = {.fd = fd, .ready = on_store, .deadline = QF_NEVER}};
	w->watch.arg = w;
	s->workers = w;
	s->n++;
	qf_gauge_set(QF_GAUGE_STORE, (int64_t)s->n);
	if (qf_loop_add(s->loop, &w->watch, false, &e) < 0) {
		qf_log_err("store worker not watched", &e);
		drop(w);
	}
	schedule(s);
}

static struct qf_store_worker *find_idle(struct qf_stores *s)
{
	struct qf_store_worker *w = s->workers;

	while (w != NULL && w->job != NULL)
		w = w->next;
	return w;
}

static void schedule(struct qf_stores *s)
{
	struct qf_store_worker *w;

	while (s->first != NULL && (w = find_idle(s)) != NULL) {
		struct qf_commit_job *job = s->first;
		struct qf_err e;

		/* One that is gone has not seen it. */
		if (qf_fd_send(w->watch.fd, &job->request, sizeof job->request,
			job->fds, job->nfds, &e) < 0) {
			drop(w);
			continue;
		}
		s->first = job->next;
		if (s->first == NULL)
			s->last = NULL;
		s->waiting--;
		s->busy++;
		w->job = job;
	}
}

void qf_stores_submit(struct qf_stores *s, struct qf_commit_job *job)
{
	job->next = NULL;
	if (s->last != NULL)
		s->last->next = job;
	else
		s->first = job;
	s->last = job;
	s->waiting++;
	schedule(s);
}

bool qf_stores_take_back(struct qf_stores *s, struct qf_commit_job *job)
{
	struct qf_commit_job **at = &s->first, *before = NULL;

	for (; *at != NULL && *at != job; at = &(*at)->next)
		before = *at;
	if (*at == NULL)
		return false;
	*at = job->next;
	if (s->last == job)
		s->last = before;
	s->waiting--;
	return true;
}

void qf_stores_close(struct qf_stores *s)
{
	while (s->workers != NULL)
		drop(s->workers);
}
