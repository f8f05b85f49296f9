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
#include "lib/base/paths.h"

enum {
	FDS_EACH = 8, /* that a request holds, as a rule */
	FDS_KEPT = QF_FDPASS_MAX + 2 * QF_STOREREQ_FDS_MAX,
	ACCEPTS = 64, /* connections that are taken in one go */
	ACCEPT_PAUSE_MS = 50
};

static void tell_master(uint32_t kind, uint32_t generation, const char *text)
{
	struct qf_role_note note = {.kind = kind, .generation = generation};
	struct qf_err e;

	snprintf(note.text, sizeof note.text, "%s", text);
	if (qf_fd_send(QF_ROLE_FD, &note, sizeof note, NULL, 0, &e) < 0)
		qf_log_err("master not reached", &e);
}

bool qf_dispatcher_believes(const struct qf_dispatcher *d, uid_t uid)
{
	return uid == 0 || uid == geteuid() || uid == d->store_uid ||
	       (d->serving != NULL &&
		   qf_trust_holds(&d->serving->policy.trust, uid));
}

/* What is in use now is freed when it no longer is. */
static void want_sweep(struct qf_dispatcher *d)
{
	qf_loop_set_deadline(&d->sweep, qf_clock_mono());
}

void qf_dispatcher_ended(struct qf_dispatcher *d)
{
	if (d->draining != NULL || d->stopping || d->socket.loop == NULL)
		want_sweep(d);
}

/* Generations. */

static void switch_generation(struct qf_dispatcher *d)
{
	struct qf_generation *old = d->serving;

	d->serving = d->loading;
	d->loading = NULL;
	d->failed = false;
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
	if (d->serving == NULL) {
		d->failed = true;
		tell_master(QF_NOTE_WANT, g->number, g->text);
	}
	want_sweep(d);
}

/* The generation that serves has lost a zygote: another one must come. */
static void replace_serving(struct qf_dispatcher *d)
{
	struct qf_generation *g = d->serving;

	qf_log(QF_LOG_ERROR, "workers lost", QF_KU("generation", g->number),
	    QF_KS("error", g->text));
	tell_master(QF_NOTE_WANT, g->number, g->text);
	qf_gauge_set(QF_GAUGE_GENERATION, 0);
	/* Callers wait in the sockets until it is there, or has failed. */
	qf_loop_remove(&d->socket);
	qf_loop_remove(&d->pickup);
	d->failed = false;
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

/* Callers come in while there is room for them, and an answer. */
static void open_doors(struct qf_dispatcher *d)
{
	struct qf_watch *doors[] = {&d->socket, &d->pickup};
	struct qf_err e;

	if (d->stopping || d->n >= d->most ||
	    (d->serving == NULL && !d->failed))
		return;
	for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
		struct qf_watch *w = doors[i];

		if (w->fd >= 0 && w->loop == NULL &&
		    qf_loop_add(d->loop, w, false, &e) < 0)
			qf_log_err("callers not heard", &e);
	}
}

static void on_sweep(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;
	struct qf_generation **at = &d->draining;

	(void)watch;
	open_doors(d);
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

/* The pickup. */

static void drop_pickup(struct qf_dispatcher *d)
{
	qf_loop_remove(&d->pickup);
	qf_close(&d->pickup.fd);
}

static void take_pickup(struct qf_dispatcher *d, int fd)
{
	drop_pickup(d);
	d->pickup.fd = fd;
	want_sweep(d);
}

static void on_pickup(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;
	struct qf_pickup_note note;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e;

	n = qf_fd_recv(watch->fd, &note, sizeof note, fds, &nfds, &e);
	if (n == (int)sizeof note && nfds == 1) {
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
		qf_request_open(d, fds[0], &note);
		return;
	}
	for (size_t i = 0; i < nfds; i++)
		qf_close(&fds[i]);
	drop_pickup(d);
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
	/* It finishes what has begun; the rest is safe where it is. */
	drop_pickup(d);
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
	} else if (note->kind == QF_NOTE_PICKUP && nfds == 1) {
		take_pickup(d, fds[0]);
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

/* Not now: some must end first. */
static void close_door(struct qf_dispatcher *d)
{
	qf_loop_remove(&d->socket);
	qf_loop_set_deadline(&d->sweep, qf_deadline_in(ACCEPT_PAUSE_MS));
}

static void on_socket(struct qf_watch *watch, void *arg)
{
	struct qf_dispatcher *d = arg;

	for (int i = 0; i < ACCEPTS && d->n < d->most; i++) {
		int fd = accept4(
		    watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			qf_request_open(d, fd, NULL);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE) {
			qf_log(QF_LOG_ERROR, "no descriptor left",
			    QF_KU("requests", d->n));
			close_door(d);
		}
		return;
	}
	if (d->n >= d->most)
		close_door(d);
}

/* As many descriptors as we may have, and the connections that they are for.
 * Some are kept: a record that comes without its descriptors is lost. */
static void count_fds(struct qf_dispatcher *d)
{
	struct rlimit r = {.rlim_cur = 1024};

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	d->most = r.rlim_cur > FDS_KEPT
		      ? (size_t)(r.rlim_cur - FDS_KEPT) / FDS_EACH
		      : 1;
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
	d->pickup = (struct qf_watch){
	    .fd = -1, .ready = on_pickup, .arg = d, .deadline = QF_NEVER};
	d->sweep = (struct qf_watch){
	    .fd = -1, .late = on_sweep, .arg = d, .deadline = QF_NEVER};
	d->stores.loop = d->loop;
	d->cores.changed = on_changed;
	d->cores.arg = d;
	fcntl(QF_LISTEN_FD, F_SETFL, O_NONBLOCK);
	fcntl(QF_LISTEN_FD, F_SETFD, FD_CLOEXEC);
	fcntl(QF_ROLE_FD, F_SETFD, FD_CLOEXEC);
	if (qf_loop_add(d->loop, &d->master, false, e) < 0)
		return e->rc;
	if (qf_cores_open(&d->cores, 0, d->loop, e) < 0)
		return e->rc;
	return qf_loop_add(d->loop, &d->sweep, false, e);
}

/* When the last message is done. */
static void close_all(struct qf_dispatcher *d)
{
	struct qf_generation *g = d->serving;

	d->serving = NULL;
	if (g != NULL)
		qf_generation_free(g);
	g = d->loading;
	d->loading = NULL;
	if (g != NULL)
		qf_generation_free(g);
	while ((g = d->draining) != NULL) {
		d->draining = g->next;
		qf_generation_free(g);
	}
	qf_stores_close(&d->stores);
	drop_pickup(d);
	qf_loop_close(d->loop);
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
	/* Before callers' variables are the environment. */
	qf_dir_settle();
	if (qf_metrics_open(&e) < 0 && e.rc != QF_ENOENT)
		qf_log_err("nothing is counted", &e);
	reset_gauges();
	if (open_all(&d, &e) < 0 || qf_loop_run(d.loop, &e) < 0) {
		qf_log_err("dispatcher failed", &e);
		return 1;
	}
	if (!d.stopping)
		return 1;
	close_all(&d);
	return 0;
}
