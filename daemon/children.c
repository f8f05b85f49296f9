#include "daemon/children.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/roles.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"

enum {
	PAUSE_MS = 100,
	PAUSE_MAX_MS = 10000,
	STEADY_MS = 60000
};

static struct qf_slot empty_slot(enum qf_role role)
{
	return (struct qf_slot){
	    .role = role, .child = QF_CHILD_NONE, .again = QF_NEVER};
}

void qf_children_init(struct qf_children *c)
{
	*c = (struct qf_children){.listener = -1};
	c->dispatcher = empty_slot(QF_ROLE_DISPATCHER);
	c->pickup = empty_slot(QF_ROLE_PICKUP);
	for (size_t i = 0; i < QF_STORES_MAX; i++)
		c->store[i] = empty_slot(QF_ROLE_STORE);
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++)
		c->zygote[i].child = (struct qf_child)QF_CHILD_NONE;
	c->ninherited = qf_child_list(&c->inherited);
}

void qf_children_free(struct qf_children *c)
{
	free(c->inherited);
}

/* Starts. */

static int start_program(const struct qf_children *c, enum qf_role role,
    struct qf_child *child, int sock, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	bool store = role == QF_ROLE_STORE;
	char *argv[] = {
	    NULL, (char[]){"--role"}, (char *)qf_role_name(role), NULL};
	char *const store_argv[] = {NULL, (char[]){"--serve"}, NULL};
	const struct qf_child_fd fds[] = {{STDERR_FILENO, STDERR_FILENO},
	    {QF_ROLE_FD, sock}, {QF_LISTEN_FD, c->listener}};
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
		.user = qf_users_of(c->users, role),
		.bound = true,
		.deaf = true},
	    e);
	if (rc == 0)
		qf_log(QF_LOG_INFO, "started",
		    QF_KS("role", qf_role_name(role)),
		    QF_KD("child", child->pid));
	qf_buf_free(&path);
	return rc;
}

/* Starts it with one end of a pair; the other end, or a code. */
static int start_role(const struct qf_children *c, enum qf_role role,
    struct qf_child *child, struct qf_err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return qf_fail_sys(e, QF_EPIPE, "socketpair");
	if (start_program(c, role, child, pair[1], e) < 0)
		qf_close(&pair[0]);
	qf_close(&pair[1]);
	return pair[0] >= 0 ? pair[0] : e->rc;
}

int64_t qf_longer_pause(int64_t ms)
{
	ms = ms == 0 ? PAUSE_MS : ms * 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

bool qf_was_steady(int64_t since)
{
	return qf_clock_mono() - since > STEADY_MS;
}

/* It is to be started again, but not at once and at once again. */
static void put_off(struct qf_slot *s)
{
	s->pause = qf_longer_pause(qf_was_steady(s->born) ? 0 : s->pause);
	s->again = qf_deadline_in(s->pause);
}

int qf_slot_start(struct qf_children *c, struct qf_slot *s)
{
	struct qf_err e;
	int sock = start_role(c, s->role, &s->child, &e);

	s->born = qf_clock_mono();
	s->again = QF_NEVER;
	if (sock < 0) {
		qf_log_err("role not started", &e);
		put_off(s);
		return -1;
	}
	return sock;
}

int qf_zygote_start(struct qf_children *c, enum qf_role role,
    uint32_t generation, struct qf_err *e)
{
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++) {
		struct qf_zygote_child *z = &c->zygote[i];

		if (z->child.pid != 0)
			continue;
		z->role = role;
		z->generation = generation;
		z->until = QF_NEVER;
		return start_role(c, role, &z->child, e);
	}
	return qf_fail(e, QF_EFORK,
	    "%d generations are still at work; wait for them",
	    QF_ZYGOTES_MAX / 2);
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

/* The child and role of a process of ours, or NULL. */
static struct qf_child *find(
    struct qf_children *c, pid_t pid, enum qf_role *role, struct qf_slot **slot)
{
	*slot = c->pickup.child.pid == pid ? &c->pickup : &c->dispatcher;
	for (size_t i = 0; (*slot)->child.pid != pid && i < c->nstores; i++)
		*slot = &c->store[i];
	*role = (*slot)->role;
	if ((*slot)->child.pid == pid)
		return &(*slot)->child;
	*slot = NULL;
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++) {
		*role = c->zygote[i].role;
		if (c->zygote[i].child.pid == pid)
			return &c->zygote[i].child;
	}
	return NULL;
}

/* Its place among those that were there before us, or NULL. */
static pid_t *find_inherited(struct qf_children *c, pid_t pid)
{
	for (size_t i = 0; i < c->ninherited; i++) {
		if (c->inherited[i] == pid)
			return &c->inherited[i];
	}
	return NULL;
}

static bool is_known(void *arg, pid_t pid)
{
	struct qf_slot *slot;
	enum qf_role role;

	return find(arg, pid, &role, &slot) != NULL ||
	       find_inherited(arg, pid) != NULL;
}

/* Somebody else may get its number. */
static void forget_inherited(struct qf_children *c, pid_t pid)
{
	pid_t *at = find_inherited(c, pid);

	if (at != NULL)
		*at = 0;
}

bool qf_children_reap(struct qf_children *c)
{
	struct qf_slot *slot;
	struct qf_child *child;
	enum qf_role role;
	bool dispatcher = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		child = find(c, pid, &role, &slot);
		if (child == NULL) {
			forget_inherited(c, pid);
			continue;
		}
		log_end(role, pid, status);
		qf_close(&child->pidfd);
		child->pid = 0;
		dispatcher |= role == QF_ROLE_DISPATCHER;
		if (slot != NULL)
			put_off(slot);
	}
	/* What a zygote that was killed has left behind. */
	qf_child_kill_strays(is_known, c);
	return dispatcher;
}

bool qf_children_any(const struct qf_children *c)
{
	bool any = c->dispatcher.child.pid != 0 || c->pickup.child.pid != 0;

	for (size_t i = 0; i < c->nstores; i++)
		any |= c->store[i].child.pid != 0;
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++)
		any |= c->zygote[i].child.pid != 0;
	return any;
}

static void kill_child(const struct qf_child *child)
{
	if (child->pid != 0)
		kill(child->pid, SIGKILL);
}

void qf_zygotes_end_by(
    struct qf_children *c, uint32_t generation, int64_t deadline)
{
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++) {
		struct qf_zygote_child *z = &c->zygote[i];

		if ((generation == 0 || z->generation == generation) &&
		    deadline < z->until)
			z->until = deadline;
	}
}

int64_t qf_zygotes_deadline(const struct qf_children *c)
{
	int64_t at = QF_NEVER;

	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++) {
		if (c->zygote[i].child.pid != 0 && c->zygote[i].until < at)
			at = c->zygote[i].until;
	}
	return at;
}

void qf_zygotes_kill_late(struct qf_children *c)
{
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++) {
		struct qf_zygote_child *z = &c->zygote[i];

		if (z->until == QF_NEVER || qf_deadline_poll(z->until) != 0)
			continue;
		z->until = QF_NEVER;
		kill_child(&z->child);
	}
}

void qf_children_kill(const struct qf_children *c)
{
	for (size_t i = 0; i < c->nstores; i++)
		kill_child(&c->store[i].child);
	for (size_t i = 0; i < QF_ZYGOTES_MAX; i++)
		kill_child(&c->zygote[i].child);
	kill_child(&c->pickup.child);
	kill_child(&c->dispatcher.child);
}
