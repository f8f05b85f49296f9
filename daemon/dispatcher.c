/*
 * qfrontd --role dispatcher: owns the requests, from the connection to the
 * answer. It loads no plugin, parses no message and holds no key.
 */
#include "daemon/dispatcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/request.h"
#include "daemon/roles.h"
#include "frontend/metrics.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"

enum {
	FDS_EACH = 48, /* that a request may hold: 16 groups and more */
	FDS_TYPICAL = 8,
	ACCEPTS = 64, /* connections that are taken in one go */
	ACCEPT_PAUSE_MS = 50,
	SLICE_MS = 10 /* between looks who had a core for long */
};

static void tell_master(uint32_t kind, uint32_t generation, const char *text)
{
	struct qf_role_note note = {.kind = kind, .generation = generation};
	struct qf_err e;

	snprintf(note.text, sizeof note.text, "%s", text);
	if (qf_fd_send(QF_ROLE_FD, &note, sizeof note, NULL, 0, &e) < 0)
		qf_log_err("master not reached", &e);
}

bool qf_dispatcher_believes(
    const struct qf_dispatcher *d, const struct qf_generation *g, uid_t uid)
{
	return uid == geteuid() || uid == d->store_uid ||
	       qf_trust_holds(&g->policy.trust, uid);
}

size_t qf_dispatcher_count(const struct qf_dispatcher *d, uid_t uid)
{
	size_t n = 0;

	for (struct qf_request *r = d->requests; r != NULL;
	     r = qf_request_next(r))
		n += qf_request_uid(r) == uid;
	return n;
}

/* What is in use now is freed when it no longer is. */
static void want_sweep(struct qf_dispatcher *d)
{
	qf_loop_set_deadline(&d->sweep, qf_clock_mono());
}

void qf_dispatcher_forget(struct qf_dispatcher *d, struct qf_request *r)
{
	struct qf_request *before = NULL, *at = d->requests;

	while (at != r) {
		before = at;
		at = qf_request_next(at);
	}
	if (before == NULL)
		d->requests = qf_request_next(r);
	else
		qf_request_link(before, qf_request_next(r));
	d->n--;
	if (d->draining != NULL || d->stopping)
		want_sweep(d);
}

/* Generations. */

static void switch_generation(struct qf_dispatcher *d)
{
	struct qf_generation *old = d->serving;

	d->serving = d->loading;
	d->loading = NULL;
	if (old != NULL) {
		old->next = d->draining;
		d->draining = old;
	}
	qf_log(QF_LOG_INFO, "serving", QF_KU("generation", d->serving->number));
	qf_count_add(QF_COUNT_LOADED, 1);
	qf_gauge_set(QF_GAUGE_GENERATION, d->serving->number);
	qf_gauge_set(QF_GAUGE_LOADED, (int64_t)time(NULL));
	qf_metrics_reload_error("");
	tell_master(QF_NOTE_READY, d->serving->number, "");
	want_sweep(d);
}

static void drop_loading(struct qf_dispatcher *d)
{
	struct qf_generation *g = d->loading;

	qf_log(QF_LOG_ERROR, "configuration not loaded",
	    QF_KU("generation", g->number), QF_KS("error", g->text));
	tell_master(
	    g->torn ? QF_NOTE_AGAIN : QF_NOTE_FAILED, g->number, g->text);
	qf_count_add(QF_COUNT_NOT_LOADED, 1);
	qf_metrics_reload_error(g->text);
	d->loading = NULL;
	g->next = d->draining;
	d->draining = g;
	want_sweep(d);
}

/* The generation that serves has lost a zygote: another one must come. */
static void replace_serving(struct qf_dispatcher *d)
{
	struct qf_generation *g = d->serving;

	qf_log(QF_LOG_ERROR, "workers lost", QF_KU("generation", g->number),
	    QF_KS("error", g->text));
	tell_master(QF_NOTE_WANT, g->number, g->text);
	/* Callers wait in the socket until then. */
	qf_loop_remove(&d->socket);
	d->serving = NULL;
	g->next = d->draining;
	d->draining = g;
	want_sweep(d);
}

/* All that have messages: the one that serves, then those that drain. */
static struct qf_generation *first_generation(const struct qf_dispatcher *d)
{
	return d->serving != NULL ? d->serving : d->draining;
}

static struct qf_generation *next_generation(
    const struct qf_dispatcher *d, const struct qf_generation *g)
{
	return g == d->serving ? d->draining : g->next;
}

static void on_changed(void *arg)
{
	struct qf_dispatcher *d = arg;

	if (d->serving != NULL && qf_generation_state(d->serving) < 0)
		replace_serving(d);
	if (d->loading != NULL) {
		int state = qf_generation_state(d->loading);

		if (state > 0)
			switch_generation(d);
		else if (state < 0)
			drop_loading(d);
	}
	for (struct qf_generation *g = first_generation(d); g != NULL;
	     g = next_generation(d, g)) {
		qf_pool_schedule(&g->filter);
		qf_pool_schedule(&g->sign);
	}
}

/* No core is free, and those who have one have had it for a while. */
static void on_slice(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;
	bool any = false;

	for (struct qf_generation *g = first_generation(d); g != NULL;
	     g = next_generation(d, g)) {
		any |= qf_pool_yield_cores(&g->filter);
		any |= qf_pool_yield_cores(&g->sign);
	}
	on_changed(d);
	if (any && watch->deadline == QF_NEVER)
		qf_loop_set_deadline(watch, qf_deadline_in(SLICE_MS));
}

static void load_generation(
    struct qf_dispatcher *d, uint32_t number, const int zygotes[2])
{
	if (d->loading != NULL) {
		snprintf(d->loading->text, sizeof d->loading->text,
		    "a newer one came");
		drop_loading(d);
	}
	d->loading = qf_generation_open(
	    number, d->loop, &d->cores, zygotes, on_changed, d);
	on_changed(d);
}

static void on_sweep(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;
	struct qf_generation **at = &d->draining;

	(void)watch;
	if (d->serving != NULL && d->socket.loop == NULL && !d->stopping &&
	    qf_loop_add(d->loop, &d->socket, false, NULL) < 0)
		qf_log(QF_LOG_ERROR, "socket not watched",
		    QF_KU("requests", d->n));
	while (*at != NULL) {
		struct qf_generation *g = *at;

		if (g->messages > 0) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		qf_log(QF_LOG_INFO, "drained", QF_KU("generation", g->number));
		qf_generation_free(g);
	}
	if (d->stopping && d->n == 0)
		qf_loop_stop(d->loop);
}

/* The master. */

static void stop(struct qf_dispatcher *d)
{
	d->stopping = true;
	/* Who has connected is served; the others find nobody. */
	for (int i = 0; i < ACCEPTS && d->socket.loop != NULL; i++)
		d->socket.ready(&d->socket, d);
	qf_loop_remove(&d->socket);
	qf_close(&d->socket.fd);
	qf_log(QF_LOG_INFO, "stopping", QF_KU("requests", d->n));
	want_sweep(d);
}

static void take_note(struct qf_dispatcher *d, const struct qf_role_note *note,
    int *fds, size_t nfds)
{
	if (note->kind == QF_NOTE_GENERATION && nfds == 2) {
		d->store_uid = (uid_t)note->store_uid;
		load_generation(d, note->generation, fds);
		fds[0] = fds[1] = -1;
	} else if (note->kind == QF_NOTE_STORE && nfds == 1) {
		qf_stores_add(&d->stores, fds[0]);
		fds[0] = -1;
	} else if (note->kind == QF_NOTE_STOP) {
		stop(d);
	}
}

static void on_master(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;
	struct qf_role_note note;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e;

	n = qf_fd_recv(watch->fd, &note, sizeof note, fds, &nfds, &e);
	if (n != (int)sizeof note) {
		qf_log(QF_LOG_ERROR, "the master is gone",
		    QF_KU("requests", d->n));
		qf_loop_stop(d->loop);
		return;
	}
	take_note(d, &note, fds, nfds);
	for (size_t i = 0; i < nfds; i++)
		qf_close(&fds[i]);
}

/* The socket. */

static void on_socket(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;

	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(
		    watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			qf_request_open(d, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE) {
			/* Not again and again: some must end first. */
			qf_log(QF_LOG_ERROR, "no descriptor left",
			    QF_KU("requests", d->n));
			qf_loop_remove(watch);
			qf_loop_set_deadline(
			    &d->sweep, qf_deadline_in(ACCEPT_PAUSE_MS));
		}
		return;
	}
}

/* As many descriptors as we may have, and the requests that they are for. */
static void count_fds(struct qf_dispatcher *d)
{
	struct rlimit r = {.rlim_cur = 1024};

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	d->fds_left = r.rlim_cur > 2 * FDS_EACH
			  ? (size_t)(r.rlim_cur - 2 * FDS_EACH) / FDS_TYPICAL
			  : 1;
}

static unsigned count_cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

/* What a dispatcher before us left is no longer so. */
static void reset_gauges(void)
{
	for (int i = 0; i < QF_GAUGES; i++)
		qf_gauge_set((enum qf_gauge)i, 0);
	qf_gauge_set(QF_GAUGE_STARTED, (int64_t)time(NULL));
}

static int open_all(struct qf_dispatcher *d, struct qf_err *e)
{
	if (qf_loop_open(&d->loop, e) < 0)
		return e->rc;
	d->master = (struct qf_watch){.fd = QF_ROLE_FD,
	    .ready = on_master,
	    .arg = d,
	    .deadline = QF_NEVER};
	d->socket = (struct qf_watch){.fd = QF_LISTEN_FD,
	    .ready = on_socket,
	    .arg = d,
	    .deadline = QF_NEVER};
	d->sweep = (struct qf_watch){
	    .fd = -1, .late = on_sweep, .arg = d, .deadline = QF_NEVER};
	d->stores.loop = d->loop;
	d->cores.free = count_cores();
	d->cores.slice = (struct qf_watch){
	    .fd = -1, .late = on_slice, .arg = d, .deadline = QF_NEVER};
	fcntl(QF_LISTEN_FD, F_SETFL, O_NONBLOCK);
	fcntl(QF_LISTEN_FD, F_SETFD, FD_CLOEXEC);
	fcntl(QF_ROLE_FD, F_SETFD, FD_CLOEXEC);
	if (qf_loop_add(d->loop, &d->master, false, e) < 0)
		return e->rc;
	if (qf_loop_add(d->loop, &d->cores.slice, false, e) < 0)
		return e->rc;
	return qf_loop_add(d->loop, &d->sweep, false, e);
}

int qf_dispatcher_main(void)
{
	struct qf_dispatcher d = {0};
	struct qf_err e;

	qf_log_open_env("qfrontd", QF_LOG_TO_STDERR);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Its memory is nobody's to look into: it passes messages. */
	prctl(PR_SET_DUMPABLE, 0);
	count_fds(&d);
	if (qf_metrics_open(&e) < 0 && e.rc != QF_ENOENT)
		qf_log_err("nothing is counted", &e);
	reset_gauges();
	if (open_all(&d, &e) < 0 || qf_loop_run(d.loop, &e) < 0) {
		qf_log_err("dispatcher failed", &e);
		return 1;
	}
	return d.stopping ? 0 : 1;
}
