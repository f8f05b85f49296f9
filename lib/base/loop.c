#include "lib/base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	EVENTS = 64
};

struct qf_loop {
	int epoll;
	bool stopped;
	/* A heap: the next deadline first. */
	struct qf_watch **heap;
	size_t n, cap;
	/* What is being handed out; a removed watch is taken out of it. */
	struct epoll_event event[EVENTS];
	int nevents;
};

int qf_loop_open(struct qf_loop **out, struct qf_err *e)
{
	struct qf_loop *loop = qf_alloc(sizeof *loop);

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return qf_fail_sys(e, QF_EPIPE, "epoll");
	}
	*out = loop;
	return 0;
}

void qf_loop_close(struct qf_loop *loop)
{
	qf_close(&loop->epoll);
	free(loop->heap);
	free(loop);
}

/* Puts w where it belongs at or above place i (from 1). */
static size_t sift_up(struct qf_loop *loop, struct qf_watch *w, size_t i)
{
	for (; i > 1 && loop->heap[i / 2 - 1]->deadline > w->deadline; i /= 2) {
		loop->heap[i - 1] = loop->heap[i / 2 - 1];
		loop->heap[i - 1]->place = i;
	}
	loop->heap[i - 1] = w;
	w->place = i;
	return i;
}

static void sift_down(struct qf_loop *loop, struct qf_watch *w, size_t i)
{
	for (;;) {
		size_t next = 2 * i;

		if (next > loop->n)
			break;
		if (next < loop->n &&
		    loop->heap[next]->deadline < loop->heap[next - 1]->deadline)
			next++;
		if (loop->heap[next - 1]->deadline >= w->deadline)
			break;
		loop->heap[i - 1] = loop->heap[next - 1];
		loop->heap[i - 1]->place = i;
		i = next;
	}
	loop->heap[i - 1] = w;
	w->place = i;
}

static void push(struct qf_loop *loop, struct qf_watch *w)
{
	if (loop->n == loop->cap) {
		loop->cap = loop->cap == 0 ? 64 : loop->cap * 2;
		loop->heap =
		    qf_realloc_array(loop->heap, loop->cap, sizeof *loop->heap);
	}
	loop->n++;
	sift_up(loop, w, loop->n);
}

static void pull(struct qf_loop *loop, struct qf_watch *w)
{
	size_t i = w->place;
	struct qf_watch *last = loop->heap[loop->n - 1];

	loop->n--;
	w->place = 0;
	if (last != w)
		sift_down(loop, last, sift_up(loop, last, i));
}

void qf_loop_set_deadline(struct qf_watch *w, int64_t deadline)
{
	if (w->loop == NULL || w->deadline == deadline) {
		w->deadline = deadline;
		return;
	}
	if (w->place != 0)
		pull(w->loop, w);
	w->deadline = deadline;
	if (deadline != QF_NEVER)
		push(w->loop, w);
}

int qf_loop_add(
    struct qf_loop *loop, struct qf_watch *w, bool hangups, struct qf_err *e)
{
	struct epoll_event ev = {
	    .events = hangups ? EPOLLRDHUP : EPOLLIN, .data.ptr = w};

	w->events = ev.events;
	if (w->fd >= 0 && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, w->fd, &ev) < 0)
		return qf_fail_sys(e, QF_EPIPE, "epoll_ctl");
	w->loop = loop;
	w->place = 0;
	if (w->deadline != QF_NEVER)
		push(loop, w);
	return 0;
}

void qf_loop_want_write(struct qf_watch *w, bool wanted)
{
	struct epoll_event ev = {.data.ptr = w};

	if (w->loop == NULL)
		return;
	w->events &= ~(uint32_t)EPOLLOUT;
	w->events |= wanted ? EPOLLOUT : 0;
	ev.events = w->events;
	/* Fails for what is not watched only. */
	epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev);
}

void qf_loop_remove(struct qf_watch *w)
{
	struct qf_loop *loop = w->loop;

	if (loop == NULL)
		return;
	if (w->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	if (w->place != 0)
		pull(loop, w);
	for (int i = 0; i < loop->nevents; i++) {
		if (loop->event[i].data.ptr == w)
			loop->event[i].data.ptr = NULL;
	}
	w->loop = NULL;
}

static void hand_out_late(struct qf_loop *loop)
{
	while (loop->n > 0 && !loop->stopped &&
	       qf_deadline_poll(loop->heap[0]->deadline) == 0) {
		struct qf_watch *w = loop->heap[0];

		pull(loop, w);
		w->deadline = QF_NEVER;
		w->late(w, w->arg);
	}
}

int qf_loop_step(struct qf_loop *loop, struct qf_err *e)
{
	int left = loop->n > 0 ? qf_deadline_poll(loop->heap[0]->deadline) : -1;
	int n = epoll_wait(loop->epoll, loop->event, EVENTS, left);

	if (n < 0 && errno != EINTR)
		return qf_fail_sys(e, QF_EPIPE, "epoll_wait");
	loop->nevents = n < 0 ? 0 : n;
	for (int i = 0; i < loop->nevents && !loop->stopped; i++) {
		struct qf_watch *w = loop->event[i].data.ptr;

		if (w != NULL)
			w->ready(w, w->arg);
	}
	loop->nevents = 0;
	hand_out_late(loop);
	return 0;
}

int qf_loop_run(struct qf_loop *loop, struct qf_err *e)
{
	int rc = 0;

	while (rc == 0 && !loop->stopped)
		rc = qf_loop_step(loop, e);
	return rc;
}

void qf_loop_stop(struct qf_loop *loop)
{
	loop->stopped = true;
}
