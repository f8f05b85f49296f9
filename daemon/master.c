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
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/listen.h"
#include "daemon/roles.h"
#include "daemon/users.h"
#include "frontend/config.h"
#include "frontend/metrics.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/notify.h"
#include "lib/base/paths.h"

enum {
	STORES_DEFAULT = 4,
	STORES_MAX = 64,
	QUIET_MS = 300, /* after the last change of a control file */
	PAUSE_MS = 100,
	PAUSE_MAX_MS = 10000,
	STEADY_MS = 60000, /* who lived so long did not fail at once */
	DRAIN_MS = 300000,
	END_MS = 10000,   /* for what has nothing left to do */
	LOAD_MS = 120000, /* signatures of viruses take their time */
	ZYGOTES_MAX = 64
};

/* A process that is to be there. */
struct slot {
	enum qf_role role;
	struct qf_child child;
	int64_t born, again; /* when to start it; QF_NEVER while it runs */
	int64_t pause;
};

/* One that may end. */
struct zygote {
	enum qf_role role;
	uint32_t generation;
	struct qf_child child;
};

struct master {
	const char *socket_path;
	int ready_fd;
	size_t nstores;
	struct qf_listener listener;
	struct qf_ctl ctl;
	struct qf_users users;
	struct slot dispatcher, pickup, store[STORES_MAX];
	struct zygote zygote[ZYGOTES_MAX];
	int control; /* to the dispatcher */
	int signals, changes;
	uint32_t generation;
	int64_t reload_at, reload_pause, drain_until;
	int64_t load_until; /* QF_NEVER: no generation is loading */
	bool again;         /* one more when it has loaded */
	bool served, stopping, failed;
};

/* Children. */

static int start_program(struct master *m, enum qf_role role,
    struct qf_child *child, int sock, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	bool store = role == QF_ROLE_STORE;
	char *argv[] = {
	    NULL, (char[]){"--role"}, (char *)qf_role_name(role), NULL};
	char *const store_argv[] = {NULL, (char[]){"--serve"}, NULL};
	const struct qf_child_fd fds[] = {{STDERR_FILENO, STDERR_FILENO},
	    {QF_ROLE_FD, sock}, {QF_LISTEN_FD, m->listener.fd}};
	int rc;

	if (store)
		memcpy(argv, store_argv, sizeof store_argv);
	qf_dir_join(&path, QF_DIR_SBIN, store ? "qfront-queue" : "qfrontd");
	argv[0] = path.s;
	rc = qf_child_start(child,
	    &(struct qf_child_spec){.path = path.s,
		.argv = argv,
		.fds = fds,
		.nfds = role == QF_ROLE_DISPATCHER ? 3 : 2,
		.user = qf_users_of(&m->users, role),
		.bound = true},
	    e);
	if (rc == 0)
		qf_log(QF_LOG_INFO, "started",
		    QF_KS("role", qf_role_name(role)),
		    QF_KD("child", child->pid));
	qf_buf_free(&path);
	return rc;
}

/* Starts it with one end of a pair; the other end, or a code. */
static int start_role(struct master *m, enum qf_role role,
    struct qf_child *child, struct qf_err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return qf_fail_sys(e, QF_EPIPE, "socketpair");
	if (start_program(m, role, child, pair[1], e) < 0)
		qf_close(&pair[0]);
	qf_close(&pair[1]);
	return pair[0] >= 0 ? pair[0] : e->rc;
}

static void tell_dispatcher(struct master *m, uint32_t kind,
    uint32_t generation, const int *fds, size_t n)
{
	const struct qf_role_note note = {
	    .kind = kind, .generation = generation};
	struct qf_err e;

	if (m->control >= 0 &&
	    qf_fd_send(m->control, &note, sizeof note, fds, n, &e) < 0)
		qf_log_err("dispatcher not reached", &e);
}

/* It is to be started again, but not at once and at once again. */
static void put_off(struct slot *s)
{
	if (s->born != 0 && qf_clock_mono() - s->born > STEADY_MS)
		s->pause = 0;
	s->pause = s->pause == 0 ? PAUSE_MS : s->pause * 2;
	if (s->pause > PAUSE_MAX_MS)
		s->pause = PAUSE_MAX_MS;
	s->again = qf_deadline_in(s->pause);
}

static int start_slot(struct master *m, struct slot *s)
{
	struct qf_err e;
	int sock = start_role(m, s->role, &s->child, &e);

	s->born = qf_clock_mono();
	s->again = QF_NEVER;
	if (sock < 0) {
		qf_log_err("role not started", &e);
		put_off(s);
	}
	return sock;
}

static void start_store(struct master *m, struct slot *s)
{
	int sock = start_slot(m, s);

	if (sock >= 0)
		tell_dispatcher(m, QF_NOTE_STORE, 0, &sock, 1);
	qf_close(&sock);
}

static bool has_drop(void)
{
	struct qf_buf path = QF_BUF_INIT;
	struct stat st;
	bool found;

	qf_dir_join(&path, QF_DIR_QUEUE, "drop");
	found = stat(path.s, &st) == 0 && S_ISDIR(st.st_mode);
	qf_buf_free(&path);
	return found;
}

/* Only where there is something to take up; each generation looks again. */
static void start_pickup(struct master *m)
{
	int sock;

	m->pickup.again = QF_NEVER;
	if (!has_drop())
		return;
	sock = start_slot(m, &m->pickup);
	if (sock >= 0)
		tell_dispatcher(m, QF_NOTE_PICKUP, 0, &sock, 1);
	qf_close(&sock);
}

static struct zygote *free_place(struct master *m)
{
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		if (m->zygote[i].child.pid == 0)
			return &m->zygote[i];
	}
	return NULL;
}

static int start_zygote(struct master *m, enum qf_role role, struct qf_err *e)
{
	struct zygote *z = free_place(m);

	if (z == NULL)
		return qf_fail(e, QF_EFORK,
		    "%d generations are still at work; wait for them",
		    ZYGOTES_MAX / 2);
	z->role = role;
	z->generation = m->generation;
	return start_role(m, role, &z->child, e);
}

static void start_generation(struct master *m, const char *why)
{
	int pair[2] = {-1, -1};
	struct qf_err e;

	m->generation++;
	m->reload_at = QF_NEVER;
	if (m->pickup.child.pid == 0 && m->pickup.again == QF_NEVER)
		start_pickup(m);
	qf_log(QF_LOG_INFO, "loading", QF_KU("generation", m->generation),
	    QF_KS("why", why));
	pair[0] = start_zygote(m, QF_ROLE_FILTER, &e);
	if (pair[0] >= 0)
		pair[1] = start_zygote(m, QF_ROLE_SIGN, &e);
	if (pair[1] < 0) {
		qf_log_err("generation not started", &e);
		m->reload_at = qf_deadline_in(PAUSE_MAX_MS);
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
	m->control = start_slot(m, &m->dispatcher);
	if (m->control < 0)
		return;
	for (size_t i = 0; i < m->nstores; i++) {
		if (m->store[i].child.pid == 0)
			start_store(m, &m->store[i]);
	}
	start_generation(m, "start");
}

/* Ends. */

static void log_end(enum qf_role role, pid_t pid, int status)
{
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	qf_log(well ? QF_LOG_INFO : QF_LOG_ERROR, "ended",
	    QF_KS("role", qf_role_name(role)), QF_KD("child", pid),
	    QF_KD("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
	    QF_KD("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

static void forget_child(struct qf_child *c)
{
	qf_close(&c->pidfd);
	c->pid = 0;
}

static void kill_all(struct master *m, int sig)
{
	for (size_t i = 0; i < m->nstores; i++) {
		if (m->store[i].child.pid != 0)
			kill(m->store[i].child.pid, sig);
	}
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		if (m->zygote[i].child.pid != 0)
			kill(m->zygote[i].child.pid, sig);
	}
	if (m->pickup.child.pid != 0)
		kill(m->pickup.child.pid, sig);
	if (m->dispatcher.child.pid != 0)
		kill(m->dispatcher.child.pid, sig);
}

static bool is_role(void *arg, pid_t pid)
{
	const struct master *m = arg;
	bool known =
	    pid == m->dispatcher.child.pid || pid == m->pickup.child.pid;

	for (size_t i = 0; i < m->nstores; i++)
		known |= pid == m->store[i].child.pid;
	for (size_t i = 0; i < ZYGOTES_MAX; i++)
		known |= pid == m->zygote[i].child.pid;
	return known;
}

static bool has_children(const struct master *m)
{
	bool any = m->dispatcher.child.pid != 0 || m->pickup.child.pid != 0;

	for (size_t i = 0; i < m->nstores; i++)
		any |= m->store[i].child.pid != 0;
	for (size_t i = 0; i < ZYGOTES_MAX; i++)
		any |= m->zygote[i].child.pid != 0;
	return any;
}

static void dispatcher_ended(struct master *m)
{
	qf_close(&m->control);
	m->load_until = QF_NEVER;
	if (m->stopping) {
		/* The others end when they find nobody to talk to. */
		m->drain_until = qf_deadline_in(END_MS);
		return;
	}
	/* The others talk to one that is no more. A store and the pickup end by
	 * themselves when they have done what they do. */
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		if (m->zygote[i].child.pid != 0)
			kill(m->zygote[i].child.pid, SIGKILL);
	}
	put_off(&m->dispatcher);
}

static void slot_ended(struct master *m, struct slot *s, int status)
{
	log_end(s->role, s->child.pid, status);
	forget_child(&s->child);
	if (!m->stopping)
		put_off(s);
}

static void child_ended(struct master *m, pid_t pid, int status)
{
	if (pid == m->dispatcher.child.pid) {
		log_end(QF_ROLE_DISPATCHER, pid, status);
		forget_child(&m->dispatcher.child);
		dispatcher_ended(m);
		return;
	}
	if (pid == m->pickup.child.pid)
		slot_ended(m, &m->pickup, status);
	for (size_t i = 0; i < m->nstores; i++) {
		if (pid == m->store[i].child.pid)
			slot_ended(m, &m->store[i], status);
	}
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		if (pid != m->zygote[i].child.pid)
			continue;
		log_end(m->zygote[i].role, pid, status);
		forget_child(&m->zygote[i].child);
	}
}

static void reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(m, pid, status);
	/* What a zygote that was killed has left behind. */
	qf_child_kill_strays(is_role, m);
}

static void stop(struct master *m)
{
	if (m->stopping) { /* told twice */
		kill_all(m, SIGKILL);
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
		m->reload_at = qf_clock_mono();
	m->again = false;
}

static void say_ready(struct master *m, uint32_t generation)
{
	char text[128];

	snprintf(text, sizeof text, "READY=1\nSTATUS=serving generation %u",
	    generation);
	qf_notify(text);
	m->served = true;
	m->reload_pause = 0;
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

/* A zygote is gone: another one, after a while when that happens again. */
static void want_generation(struct master *m)
{
	m->reload_at = qf_deadline_in(m->reload_pause);
	m->reload_pause = m->reload_pause == 0 ? PAUSE_MS : m->reload_pause * 2;
	if (m->reload_pause > PAUSE_MAX_MS)
		m->reload_pause = PAUSE_MAX_MS;
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
	else if (note.kind == QF_NOTE_WANT && !m->stopping)
		want_generation(m);
}

/* Changes of the control files. */

static void watch_changes(struct master *m)
{
	const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
				IN_DELETE | IN_CREATE;
	const char *control = qf_dir(QF_DIR_CONTROL);
	struct qf_buf plugins = QF_BUF_INIT;

	m->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	qf_buf_addf(&plugins, "%s/plugins", control);
	if (m->changes < 0 ||
	    inotify_add_watch(m->changes, control, events) < 0)
		qf_log(QF_LOG_WARN,
		    "changes are not seen; send SIGHUP after one",
		    QF_KS("error", strerror(errno)));
	if (m->changes >= 0) {
		inotify_add_watch(m->changes, plugins.s, events);
		inotify_add_watch(m->changes, qf_dir(QF_DIR_PLUGINS), events);
	}
	qf_buf_free(&plugins);
}

static void see_changes(struct master *m)
{
	char events[4096];

	while (read(m->changes, events, sizeof events) > 0)
		;
	if (!m->stopping)
		m->reload_at = qf_deadline_in(QUIET_MS);
}

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
	reap(m);
}

/* The dispatcher hears of it by the end of the zygotes. */
static void give_up_loading(struct master *m)
{
	m->load_until = QF_NEVER;
	qf_log(QF_LOG_ERROR, "generation did not load in time; killed",
	    QF_KU("generation", m->generation), QF_KD("ms", LOAD_MS));
	for (size_t i = 0; i < ZYGOTES_MAX; i++) {
		if (m->zygote[i].child.pid != 0 &&
		    m->zygote[i].generation == m->generation)
			kill(m->zygote[i].child.pid, SIGKILL);
	}
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_deadline(const struct master *m)
{
	int64_t at = sooner(m->reload_at, m->drain_until);

	if (m->stopping)
		return m->drain_until;
	at = sooner(sooner(at, m->dispatcher.again), m->load_until);
	if (m->control >= 0)
		at = sooner(at, m->pickup.again);
	for (size_t i = 0; i < m->nstores && m->control >= 0; i++)
		at = sooner(at, m->store[i].again);
	return at;
}

static bool is_due(int64_t at)
{
	return at != QF_NEVER && qf_deadline_poll(at) == 0;
}

static void do_what_is_due(struct master *m)
{
	if (m->stopping) {
		if (is_due(m->drain_until)) {
			m->drain_until = QF_NEVER;
			stop(m);
		}
		return;
	}
	if (is_due(m->dispatcher.again))
		start_dispatcher(m);
	for (size_t i = 0; i < m->nstores && m->control >= 0; i++) {
		if (is_due(m->store[i].again))
			start_store(m, &m->store[i]);
	}
	if (is_due(m->pickup.again) && m->control >= 0)
		start_pickup(m);
	if (is_due(m->load_until))
		give_up_loading(m);
	if (is_due(m->reload_at)) {
		m->reload_at = QF_NEVER;
		reload(m, "changed files");
	}
}

static void serve(struct master *m)
{
	while (!m->stopping || has_children(m)) {
		struct pollfd p[] = {{.fd = m->signals, .events = POLLIN},
		    {.fd = m->changes, .events = POLLIN},
		    {.fd = m->control, .events = POLLIN}};

		if (poll(p, 3, qf_deadline_poll(next_deadline(m))) < 0 &&
		    errno != EINTR)
			break;
		if (p[1].revents != 0)
			see_changes(m);
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
			if (take_number(option, value, 1, STORES_MAX, &n) < 0)
				return -1;
			m->nstores = (size_t)n;
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
	    .nstores = STORES_DEFAULT,
	    .listener = QF_LISTENER_NONE,
	    .ctl = QF_CTL_NONE,
	    .dispatcher = {.role = QF_ROLE_DISPATCHER,
		.child = QF_CHILD_NONE,
		.again = QF_NEVER},
	    .pickup = {.role = QF_ROLE_PICKUP,
		.child = QF_CHILD_NONE,
		.again = QF_NEVER},
	    .control = -1,
	    .signals = -1,
	    .changes = -1,
	    .reload_at = QF_NEVER,
	    .drain_until = QF_NEVER,
	    .load_until = QF_NEVER};
	for (size_t i = 0; i < STORES_MAX; i++)
		m->store[i] = (struct slot){.role = QF_ROLE_STORE,
		    .child = QF_CHILD_NONE,
		    .again = QF_NEVER};
	for (size_t i = 0; i < ZYGOTES_MAX; i++)
		m->zygote[i].child = (struct qf_child)QF_CHILD_NONE;
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
	own_metrics(m);
	watch_changes(m);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
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
	qf_ctl_close(&m.ctl);
	qf_users_free(&m.users);
	return code;
}
