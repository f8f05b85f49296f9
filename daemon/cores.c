#include "daemon/cores.h"

#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/procstat.h"

enum {
	LOOK_MS = 20 /* two clock ticks of the kernel */
};

static void append(struct qf_core_list *list, struct qf_core_user *u)
{
	u->next = NULL;
	u->before = list->last;
	if (list->last != NULL)
		list->last->next = u;
	else
		list->first = u;
	list->last = u;
}

static void unlink_user(struct qf_core_list *list, struct qf_core_user *u)
{
	if (u->before != NULL)
		u->before->next = u->next;
	else
		list->first = u->next;
	if (u->next != NULL)
		u->next->before = u->before;
	else
		list->last = u->before;
}

void qf_cores_take(struct qf_cores *c, struct qf_core_user *u)
{
	if (u->holds)
		return;
	qf_cores_leave(c, u);
	c->free--;
	u->holds = true;
	u->looked = 0;
	append(&c->holders, u);
}

void qf_cores_leave(struct qf_cores *c, struct qf_core_user *u)
{
	if (u->holds) {
		unlink_user(&c->holders, u);
		c->free++;
	} else if (u->queued) {
		unlink_user(&c->queue, u);
	}
	u->holds = u->queued = false;
}

void qf_cores_want(struct qf_cores *c)
{
	if (c->look.deadline == QF_NEVER)
		qf_loop_set_deadline(&c->look, qf_deadline_in(LOOK_MS));
}

void qf_cores_queue(struct qf_cores *c, struct qf_core_user *u)
{
	if (u->holds || u->queued)
		return;
	u->queued = true;
	append(&c->queue, u);
}

void qf_cores_grant(struct qf_cores *c)
{
	while (c->free > 0 && c->queue.first != NULL) {
		struct qf_core_user *u = c->queue.first;

		qf_cores_take(c, u);
		u->granted(u->arg);
	}
	if (c->queue.first != NULL)
		qf_cores_want(c);
}

/* Does it do nothing with its core? One that can not be seen is taken for such:
 * others must not wait for ever. */
static bool lies_idle(struct qf_core_user *u)
{
	int64_t now = qf_clock_mono_us(), since = u->looked, used = u->used;
	struct qf_procstat p = {0};
	struct qf_err e;

	if (qf_procstat_read(u->pid, &p, &e) < 0)
		p = (struct qf_procstat){.cpu_us = used};
	u->looked = now;
	u->used = p.cpu_us;
	return since != 0 && p.state != 'R' &&
	       p.cpu_us - used < (now - since) / 2;
}

static void on_look(struct qf_watch *watch, void *arg)
{
	struct qf_cores *c = arg;
	struct qf_core_user *u = c->holders.first;

	(void)watch;
	while (u != NULL) {
		struct qf_core_user *next = u->next;

		if (lies_idle(u))
			qf_cores_leave(c, u);
		u = next;
	}
	qf_cores_grant(c);
	/* Who still wants one says so again. */
	c->changed(c->arg);
}

int qf_cores_open(
    struct qf_cores *c, int n, struct qf_loop *loop, struct qf_err *e)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	c->n = n > 0 ? n : online > 0 ? (int)online : 1;
	c->free = c->n;
	c->look = (struct qf_watch){
	    .fd = -1, .late = on_look, .arg = c, .deadline = QF_NEVER};
	return qf_loop_add(loop, &c->look, false, e);
}
