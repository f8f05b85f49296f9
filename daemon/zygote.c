/*
 * qfrontd --role filter, qfrontd --role sign: loads the plugins of one
 * generation and forks its workers.
 *
 * Whatever a worker leaves behind when it ends comes to this process, which is
 * the reaper of its descendants, and is killed: also what left its process
 * group.
 */
#include "daemon/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/folders.h"
#include "daemon/roles.h"
#include "frontend/warm.h"
#include "frontend/worker.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"

extern char **environ;

enum {
	WORKERS_MAX = 4096
};

struct worker {
	struct worker *next;
	uint32_t id;
	struct qf_child child;
	char *folder; /* its TMPDIR */
};

struct zygote {
	struct qf_warm warm;
	bool secret;
	struct qf_strv places;
	struct worker *workers;
	size_t n;
	struct qf_folders folders;
	int signals;
};

/* What a worker needs when it has been forked. */
struct birth {
	struct zygote *z;
	int sock;
	const char *folder;
};

static int tell(const struct qf_zygote_note *note, const int *fd)
{
	struct qf_err e;

	return qf_fd_send(
	    QF_ROLE_FD, note, sizeof *note, fd, fd != NULL ? 1 : 0, &e);
}

/* Variables of ours that hold for every message, whatever its caller says. */
static void collect_places(struct qf_strv *out)
{
	static const char *const names[] = {"CONTROLDIR", "QUEUEDIR",
	    "PLUGINDIR", "PROTOCOLDIR", "QFRONT_SOCKET", "QFRONT_METRICS",
	    "QFRONT_LOG", "PATH"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = getenv(names[i]);
		struct qf_buf b = QF_BUF_INIT;

		if (value == NULL)
			continue;
		qf_buf_addf(&b, "%s=%s", names[i], value);
		qf_strv_add(out, b.s);
		qf_buf_free(&b);
	}
}

/* A generation that could have no workers must not come to serve. */
static int try_folder(struct zygote *z, struct qf_err *e)
{
	char *folder = qf_folders_make(&z->folders, 0, e);

	if (folder == NULL)
		return e->rc;
	qf_folders_remove(folder);
	free(folder);
	return 0;
}

static int live(void *arg)
{
	struct birth *b = arg;
	struct zygote *z = b->z;
	const struct qf_frontend_config *config = &z->warm.policy.config;
	const struct qf_confinement c = {
	    .memory = (uint64_t)config->workermemory << 20,
	    .new_privs = config->workernewprivs != 0,
	    .keys = z->secret};
	const int keep[] = {b->sock, z->warm.policy.ctl.fd};
	struct qf_buf tmp = QF_BUF_INIT;
	struct qf_err e;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* The zygote does not hear these, nor do programs that are started
	 * behind our back. */
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	qf_worker_shut_fds(keep, sizeof keep / sizeof *keep);
	setenv("TMPDIR", b->folder, 1);
	qf_buf_addf(&tmp, "TMPDIR=%s", b->folder);
	qf_strv_add(&z->places, tmp.s);
	qf_buf_free(&tmp);
	if (chdir(b->folder) < 0 || qf_confine(&c, &e) < 0) {
		qf_log_err("worker not confined", &e);
		return 1;
	}
	return qf_warm_serve(&z->warm, b->sock, ULONG_MAX, &z->places);
}

static int fork_worker(
    struct zygote *z, struct worker *w, int sock[2], struct qf_err *e)
{
	struct birth b = {.z = z, .sock = sock[1], .folder = w->folder};

	if (z->n >= WORKERS_MAX)
		return qf_fail(
		    e, QF_EFORK, "more than %d workers", WORKERS_MAX);
	return qf_child_fork(&w->child, live, &b, e);
}

static void add_worker(struct zygote *z, uint32_t id)
{
	struct worker *w = qf_alloc(sizeof *w);
	int sock[2] = {-1, -1};
	struct qf_zygote_note note = {.kind = QF_ZYGOTE_WORKER, .id = id};
	struct qf_err e = {0};

	*w = (struct worker){
	    .next = z->workers, .id = id, .child = QF_CHILD_NONE};
	w->folder = qf_folders_make(&z->folders, id, &e);
	if (w->folder == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0 ||
	    fork_worker(z, w, sock, &e) < 0) {
		if (e.rc == 0)
			qf_fail_sys(&e, QF_EPIPE, "socketpair");
		qf_log_err("no new worker", &e);
		note = (struct qf_zygote_note){
		    .kind = QF_ZYGOTE_GONE, .id = id, .status = 1 << 8};
		tell(&note, NULL);
		if (w->folder != NULL)
			qf_folders_remove(w->folder);
		free(w->folder);
		free(w);
	} else {
		z->workers = w;
		z->n++;
		note.pid = (int32_t)w->child.pid;
		tell(&note, &sock[0]);
	}
	qf_close(&sock[0]);
	qf_close(&sock[1]);
}

static void stop_worker(const struct zygote *z, uint32_t id)
{
	for (const struct worker *w = z->workers; w != NULL; w = w->next) {
		if (w->id == id)
			kill(-w->child.pid, SIGKILL);
	}
}

static struct worker **find_pid(struct zygote *z, pid_t pid)
{
	struct worker **at = &z->workers;

	while (*at != NULL && (*at)->child.pid != pid)
		at = &(*at)->next;
	return at;
}

static bool is_worker(void *arg, pid_t pid)
{
	return *find_pid(arg, pid) != NULL;
}

/* Kills what workers have left behind, wherever it hid: it is our child now. */
static void kill_strays(struct zygote *z)
{
	qf_child_kill_strays(is_worker, z);
}

static void bury(struct zygote *z, struct worker **at, int status)
{
	struct worker *w = *at;
	const struct qf_zygote_note note = {
	    .kind = QF_ZYGOTE_GONE, .id = w->id, .status = status};

	*at = w->next;
	z->n--;
	/* Its number is still that of its group. */
	kill(-w->child.pid, SIGKILL);
	qf_close(&w->child.pidfd);
	qf_folders_remove(w->folder);
	tell(&note, NULL);
	free(w->folder);
	free(w);
}

static void reap(struct zygote *z)
{
	struct signalfd_siginfo info;
	bool buried = false;
	int status;
	pid_t pid;

	while (read(z->signals, &info, sizeof info) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct worker **at = find_pid(z, pid);

		if (*at == NULL)
			continue;
		bury(z, at, status);
		buried = true;
	}
	if (buried)
		kill_strays(z);
}

/* False at the end of the socket. */
static bool hear(struct zygote *z)
{
	struct qf_zygote_note note;
	int fds[QF_FDPASS_MAX];
	size_t nfds;
	struct qf_err e;
	int n = qf_fd_recv(QF_ROLE_FD, &note, sizeof note, fds, &nfds, &e);

	for (size_t i = 0; n > 0 && i < nfds; i++)
		close(fds[i]);
	if (n != (int)sizeof note)
		return false;
	if (note.kind == QF_ZYGOTE_FORK)
		add_worker(z, note.id);
	else if (note.kind == QF_ZYGOTE_STOP)
		stop_worker(z, note.id);
	return true;
}

static int watch_children(struct zygote *z)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	z->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return z->signals < 0 ? -1 : prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void serve(struct zygote *z)
{
	struct pollfd p[] = {{.fd = QF_ROLE_FD, .events = POLLIN},
	    {.fd = z->signals, .events = POLLIN}};

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents != 0)
			reap(z);
		if (p[0].revents != 0 && !hear(z))
			return;
	}
}

static void end_workers(struct zygote *z)
{
	for (struct worker *w = z->workers; w != NULL; w = w->next)
		kill(-w->child.pid, SIGKILL);
	while (z->workers != NULL) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0 && errno != EINTR)
			break;
		if (pid > 0 && *find_pid(z, pid) != NULL)
			bury(z, find_pid(z, pid), status);
		kill_strays(z);
	}
}

/* From its first word to the end of the dispatcher. */
static int work(struct zygote *z, struct qf_zygote_note *note)
{
	note->digest = z->warm.policy.digest;
	if (watch_children(z) < 0 || tell(note, NULL) < 0)
		return 1;
	serve(z);
	end_workers(z);
	return 0;
}

int qf_zygote_main(int secret)
{
	struct zygote z = {.warm = QF_WARM_INIT,
	    .secret = secret != 0,
	    .folders = QF_FOLDERS_NONE};
	struct qf_zygote_note note = {
	    .kind = QF_ZYGOTE_READY, .uid = (uint32_t)geteuid()};
	int rc = 1;

	qf_log_open_env(
	    secret ? "qfrontd-sign" : "qfrontd-filter", QF_LOG_TO_STDERR);
	signal(SIGPIPE, SIG_IGN);
	/* Its workers run as the same user, and must not look into it. */
	prctl(PR_SET_DUMPABLE, 0);
	/* One that the master lost must not stay. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	collect_places(&z.places);
	qf_folders_sweep();
	if (try_folder(&z, &z.warm.problems.first) < 0 ||
	    qf_warm_open(&z.warm, secret ? QF_LIVE_SECRET : QF_LIVE_PLAIN) <
		0) {
		note.kind = QF_ZYGOTE_FAILED;
		snprintf(note.text, sizeof note.text, "%s",
		    z.warm.problems.first.text);
		tell(&note, NULL);
	} else {
		rc = work(&z, &note);
	}
	qf_folders_close(&z.folders);
	qf_warm_close(&z.warm);
	qf_strv_free(&z.places);
	return rc;
}
