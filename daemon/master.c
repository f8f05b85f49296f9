/*
 * The master of qfrontd (daemon/roles.h): starts the roles, and starts them
 * again. It reads no mail.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/changes.h"
#include "daemon/children.h"
#include "daemon/listen.h"
#include "daemon/roles.h"
#include "frontend/config.h"
#include "frontend/metrics.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/notify.h"
#include "lib/base/paths.h"
#include "queue/drop.h"

enum {
	STORES_DEFAULT = 4,
	DRAIN_MS = 300000,
	END_MS = 10000, /* for what has nothing left to do */
	TRIES_MAX = 5,
	LOAD_MS = 120000,   /* signatures of viruses take their time */
	NO_PLACE_MS = 10000 /* until older generations may have ended */
};

struct master {
	const char *socket_path;
	int ready_fd;
	struct qf_listener listener;
	struct qf_ctl ctl;
	struct qf_users users;
	struct qf_children children;
	struct qf_changes changes;
	int control; /* to the dispatcher */
	int signals;
	uint32_t generation;
	int64_t reload_at, reload_pause, drain_until;
	const char *reload_why;
	unsigned tries; /* in a row in which the files were not at rest */
	int64_t try_pause;
	int64_t served_at;  /* since when the last one serves */
	int64_t load_until; /* QF_NEVER: no generation is loading */
	bool again;         /* one more when it has loaded */
	bool served, stopping, failed;
};

/* Starts. */

static void tell_dispatcher(struct master *m, uint32_t kind,
    uint32_t generation, const int *fds, size_t n)
{
	const struct qf_users *u = &m->users;
	const struct qf_role_note note = {.kind = kind,
	    .generation = generation,
	    .store_uid = u->change ? (uint32_t)u->of[QF_ROLE_STORE].uid
				   : (uint32_t)geteuid()};
	struct qf_err e;

	if (m->control >= 0 &&
	    qf_fd_send(m->control, &note, sizeof note, fds, n, &e) < 0)
		qf_log_err("dispatcher not reached", &e);
}

static void start_store(struct master *m, struct qf_slot *s)
{
	int sock = qf_slot_start(&m->children, s);

	if (sock >= 0)
		tell_dispatcher(m, QF_NOTE_STORE, 0, &sock, 1);
	qf_close(&sock);
}

/* Only where there is something to take up; each generation looks again. */
static void start_pickup(struct master *m)
{
	struct qf_slot *s = &m->children.pickup;
	int sock;

	s->again = QF_NEVER;
	if (!qf_drop_is_there())
		return;
	sock = qf_slot_start(&m->children, s);
	if (sock >= 0)
		tell_dispatcher(m, QF_NOTE_PICKUP, 0, &sock, 1);
	qf_close(&sock);
}

static void reload_in(struct master *m, int64_t ms, const char *why)
{
	m->reload_at = qf_deadline_in(ms);
	m->reload_why = why;
}

/* A service manager waits for the end of each reload. */
static void say_not_started(const struct master *m, const struct qf_err *e)
{
	char text[640];

	qf_log_err("generation not started", e);
	snprintf(text, sizeof text, "READY=1\nSTATUS=generation %u failed: %s",
	    m->generation, e->text);
	if (m->served)
		qf_notify(text);
}

static void start_generation(struct master *m, const char *why)
{
	int pair[2] = {-1, -1};
	struct qf_err e;

	m->generation++;
	m->reload_at = QF_NEVER;
	if (m->children.pickup.child.pid == 0 &&
	    m->children.pickup.again == QF_NEVER)
		start_pickup(m);
	/* What changes from now on is for the next one. */
	qf_changes_watch(&m->changes);
	qf_log(QF_LOG_INFO, "loading", QF_KU("generation", m->generation),
	    QF_KS("why", why));
	pair[0] =
	    qf_zygote_start(&m->children, QF_ROLE_FILTER, m->generation, &e);
	if (pair[0] >= 0)
		pair[1] = qf_zygote_start(
		    &m->children, QF_ROLE_SIGN, m->generation, &e);
	if (pair[1] < 0) {
		say_not_started(m, &e);
		reload_in(m, NO_PLACE_MS, why);
	} else {
		tell_dispatcher(m, QF_NOTE_GENERATION, m->generation, pair, 2);
		m->load_until = qf_deadline_in(LOAD_MS);
	}
	qf_close(&pair[0]);
	qf_close(&pair[1]);
}

/* All that the dispatcher needs comes anew with it. */
static void start_dispatcher(struct master *m)
{
	m->control = qf_slot_start(&m->children, &m->children.dispatcher);
	if (m->control < 0)
		return;
	for (size_t i = 0; i < m->children.nstores; i++) {
		if (m->children.store[i].child.pid == 0)
			start_store(m, &m->children.store[i]);
	}
	start_generation(m, "start");
}

/* Ends. */

static void dispatcher_ended(struct master *m)
{
	qf_close(&m->control);
	m->load_until = QF_NEVER;
	if (m->stopping)
		/* The others end when they find nobody to talk to. */
		m->drain_until = qf_deadline_in(END_MS);
	else
		/* The others see the end of their sockets too. A store does
		 * first what it has; a zygote cleans up after its workers. */
		qf_zygotes_end_by(&m->children, 0, qf_deadline_in(END_MS));
}

static void stop(struct master *m)
{
	if (m->stopping) { /* told twice */
		qf_children_kill(&m->children);
		return;
	}
	m->stopping = true;
	m->drain_until = qf_deadline_in(DRAIN_MS);
	qf_notify("STOPPING=1");
	qf_listen_hide(&m->listener);
	tell_dispatcher(m, QF_NOTE_STOP, 0, NULL, 0);
}

/* Notes of the dispatcher. */

/* It serves, or has failed: the next one may come. */
static void loaded(struct master *m, uint32_t generation)
{
	if (generation != m->generation)
		return;
	m->load_until = QF_NEVER;
	if (m->again)
		reload_in(m, 0, "told while one was loading");
	m->again = false;
}

static void say_ready(struct master *m, uint32_t generation)
{
	char text[128];

	snprintf(text, sizeof text, "READY=1\nSTATUS=serving generation %u",
	    generation);
	qf_notify(text);
	m->served = true;
	m->served_at = qf_clock_mono();
	m->tries = 0;
	if (m->ready_fd >= 0 && qf_write_all(m->ready_fd, "\n", 1) < 0)
		qf_log(QF_LOG_WARN, "nobody reads --ready-fd",
		    QF_KD("fd", m->ready_fd));
	qf_close(&m->ready_fd);
}

static void say_failed(struct master *m, const struct qf_role_note *note)
{
	char text[640];

	snprintf(text, sizeof text, "READY=1\nSTATUS=generation %u failed: %s",
	    note->generation, note->text);
	if (m->served) {
		qf_notify(text);
		return;
	}
	fprintf(stderr, "qfrontd: %s\n", note->text);
	m->failed = true;
	stop(m);
}

/* What it read was changed meanwhile. Files that do so all the time are no
 * configuration. */
static void try_again(struct master *m, const struct qf_role_note *note)
{
	if (m->tries == TRIES_MAX) {
		m->tries = 0;
		say_failed(m, note);
		return;
	}
	m->try_pause = qf_longer_pause(m->tries++ == 0 ? 0 : m->try_pause);
	reload_in(m, m->try_pause, "read while they changed");
	if (m->served)
		qf_notify("READY=1");
}

/* A zygote is gone: another one, after a while when that happens again. */
static void want_generation(struct master *m)
{
	if (qf_was_steady(m->served_at))
		m->reload_pause = 0;
	qf_log(QF_LOG_WARN, "another generation is needed",
	    QF_KD("pause_ms", m->reload_pause));
	reload_in(m, m->reload_pause, "workers lost");
	m->reload_pause = qf_longer_pause(m->reload_pause);
}

static void hear_dispatcher(struct master *m)
{
	struct qf_role_note note;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e;

	n = qf_fd_recv(m->control, &note, sizeof note, fds, &nfds, &e);
	for (size_t i = 0; n > 0 && i < nfds; i++)
		close(fds[i]);
	if (n != (int)sizeof note) {
		/* Its end is told by SIGCHLD. */
		qf_close(&m->control);
		return;
	}
	note.text[sizeof note.text - 1] = '\0';
	if (note.kind != QF_NOTE_WANT)
		loaded(m, note.generation);
	if (note.kind == QF_NOTE_READY)
		say_ready(m, note.generation);
	else if (note.kind == QF_NOTE_FAILED)
		say_failed(m, &note);
	else if (note.kind == QF_NOTE_AGAIN && !m->stopping)
		try_again(m, &note);
	else if (note.kind == QF_NOTE_WANT && !m->stopping)
		want_generation(m);
}

/* Reload. */

static void reload(struct master *m, const char *why)
{
	char text[96];

	if (m->control < 0)
		return;
	if (m->load_until != QF_NEVER) {
		m->again = true;
		return;
	}
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    qf_clock_mono_us());
	if (m->served)
		qf_notify(text);
	start_generation(m, why);
}

/* The loop. */

static void hear_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof info) > 0) {
		if (info.ssi_signo == SIGHUP && !m->stopping)
			reload(m, "SIGHUP");
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			stop(m);
	}
	if (qf_children_reap(&m->children))
		dispatcher_ended(m);
}

/* The dispatcher hears of it by the end of the zygotes. */
static void give_up_loading(struct master *m)
{
	m->load_until = QF_NEVER;
	qf_log(QF_LOG_ERROR, "generation did not load in time; killed",
	    QF_KU("generation", m->generation), QF_KD("ms", LOAD_MS));
	qf_zygotes_end_by(&m->children, m->generation, qf_clock_mono());
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_deadline(const struct master *m)
{
	const struct qf_children *c = &m->children;
	int64_t at = sooner(m->reload_at, m->changes.at);

	if (m->stopping)
		return m->drain_until;
	at = sooner(sooner(at, c->dispatcher.again), m->load_until);
	at = sooner(at, qf_zygotes_deadline(c));
	if (m->control >= 0)
		at = sooner(at, c->pickup.again);
	for (size_t i = 0; i < c->nstores && m->control >= 0; i++)
		at = sooner(at, c->store[i].again);
	return at;
}

static bool is_due(int64_t at)
{
	return at != QF_NEVER && qf_deadline_poll(at) == 0;
}

static void do_what_is_due(struct master *m)
{
	struct qf_children *c = &m->children;

	if (m->stopping) {
		if (is_due(m->drain_until)) {
			m->drain_until = QF_NEVER;
			stop(m);
		}
		return;
	}
	if (is_due(c->dispatcher.again))
		start_dispatcher(m);
	for (size_t i = 0; i < c->nstores && m->control >= 0; i++) {
		if (is_due(c->store[i].again))
			start_store(m, &c->store[i]);
	}
	if (is_due(c->pickup.again) && m->control >= 0)
		start_pickup(m);
	if (is_due(m->load_until))
		give_up_loading(m);
	qf_zygotes_kill_late(c);
	if (is_due(m->reload_at)) {
		m->reload_at = QF_NEVER;
		reload(m, m->reload_why);
	}
	if (is_due(m->changes.at)) {
		m->changes.at = QF_NEVER;
		reload(m, "changed files");
	}
}

static void serve(struct master *m)
{
	while (!m->stopping || qf_children_any(&m->children)) {
		struct pollfd p[] = {{.fd = m->signals, .events = POLLIN},
		    {.fd = m->changes.fd, .events = POLLIN},
		    {.fd = m->control, .events = POLLIN}};

		if (poll(p, 3, qf_deadline_poll(next_deadline(m))) < 0 &&
		    errno != EINTR)
			break;
		if (p[1].revents != 0)
			qf_changes_see(&m->changes);
		if (p[2].revents != 0)
			hear_dispatcher(m);
		if (p[0].revents != 0)
			hear_signals(m);
		do_what_is_due(m);
	}
}

static int watch_signals(struct master *m, struct qf_err *e)
{
	static const int heard[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
		signal(heard[i], SIG_DFL);
		sigaddset(&set, heard[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return m->signals < 0 ? qf_fail_sys(e, QF_EPIPE, "signalfd") : 0;
}

static int configure(struct master *m, struct qf_err *e)
{
	struct qf_frontend_config config = {0};

	if (qf_ctl_open(&m->ctl, qf_dir(QF_DIR_CONTROL), e) < 0 ||
	    qf_frontend_config_load(&config, &m->ctl, e) < 0)
		return e->rc;
	if (config.log != NULL)
		setenv("QFRONT_LOG", config.log, 0);
	qf_log_open_env("qfrontd", QF_LOG_TO_STDERR);
	qf_log_export();
	qf_frontend_config_free(&config);
	return qf_users_load(&m->users, &m->ctl, e);
}

/* Options. */

static int take_number(
    const char *option, const char *value, long min, long max, long *out)
{
	unsigned long long n;

	if (value == NULL ||
	    !qf_span_u64(qf_span(value), (unsigned long long)max, &n) ||
	    (long)n < min) {
		fprintf(stderr, "qfrontd: %s needs a number from %ld to %ld\n",
		    option, min, max);
		return -1;
	}
	*out = (long)n;
	return 0;
}

static int take_options(struct master *m, char **argv)
{
	long n;

	for (argv++; *argv != NULL; argv += 2) {
		const char *option = argv[0], *value = argv[1];

		if (strcmp(option, "--socket") == 0 && value != NULL) {
			m->socket_path = value;
		} else if (strcmp(option, "--ready-fd") == 0) {
			if (take_number(option, value, 3, INT_MAX, &n) < 0)
				return -1;
			m->ready_fd = (int)n;
			fcntl(m->ready_fd, F_SETFD, FD_CLOEXEC);
		} else if (strcmp(option, "--store-workers") == 0) {
			if (take_number(option, value, 1, QF_STORES_MAX, &n) <
			    0)
				return -1;
			m->children.nstores = (size_t)n;
		} else {
			fprintf(stderr,
			    "qfrontd: %s: no such option, or nothing after "
			    "it; see qfrontd(8)\n",
			    option);
			return -1;
		}
	}
	return 0;
}

static void init(struct master *m)
{
	*m = (struct master){.ready_fd = -1,
	    .listener = QF_LISTENER_NONE,
	    .ctl = QF_CTL_NONE,
	    .changes = {.fd = -1, .at = QF_NEVER},
	    .control = -1,
	    .signals = -1,
	    .reload_at = QF_NEVER,
	    .drain_until = QF_NEVER,
	    .load_until = QF_NEVER};
	qf_children_init(&m->children);
	m->children.users = &m->users;
	m->children.nstores = STORES_DEFAULT;
}

/* Without them mail goes on as well. */
static void own_metrics(struct master *m)
{
	const struct qf_child_user *u = &m->users.of[QF_ROLE_DISPATCHER];
	struct qf_err e = {0};

	if (qf_metrics_own(u->uid, u->gid, &e) < 0 && e.rc != QF_ENOENT)
		qf_log_err("nothing is counted", &e);
}

static int run(struct master *m)
{
	struct qf_err e;

	if (configure(m, &e) < 0 || watch_signals(m, &e) < 0 ||
	    qf_listen(&m->listener, m->socket_path, &e) < 0) {
		fprintf(stderr, "qfrontd: %s\n", e.text);
		return e.rc == QF_ECONF ? 78 : 1;
	}
	/* Clients of our own go by the same door. */
	setenv("QFRONT_SOCKET", m->socket_path, 1);
	m->children.listener = m->listener.fd;
	own_metrics(m);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Where all roles are one user, nobody else takes what it holds. */
	prctl(PR_SET_DUMPABLE, 0);
	start_dispatcher(m);
	serve(m);
	return m->failed ? 78 : 0;
}

int qf_master_main(int argc, char **argv)
{
	struct master m;
	int code;

	(void)argc;
	init(&m);
	qf_notify_open();
	if (take_options(&m, argv) < 0)
		return 64;
	if (m.socket_path == NULL)
		m.socket_path = qf_socket_path();
	if (m.socket_path == NULL) {
		fputs("qfrontd: no place for the socket: give --socket, or "
		      "set QFRONT_SOCKET\n",
		    stderr);
		return 64;
	}
	code = run(&m);
	qf_listen_close(&m.listener);
	qf_children_free(&m.children);
	qf_ctl_close(&m.ctl);
	qf_users_free(&m.users);
	return code;
}
