/*
 * Child processes: start one with exactly the descriptors it should have,
 * wait for it with a deadline, stop it and all it started.
 */
#ifndef QF_BASE_CHILD_H
#define QF_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

/* Descriptor `from` of ours becomes `to` in the child. */
struct qf_child_fd {
	int to, from;
};

/* A resource limit, soft and hard (setrlimit(2)): never above our own. */
struct qf_child_limit {
	int resource;
	uint64_t most;
};

/* Another user, with nothing of this process's rights. */
struct qf_child_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* all, gid among them */
	size_t ngroups;
};

struct qf_child_spec {
	const char *path; /* looked up nowhere: a path, not a name */
	char *const *argv;
	char *const *envp; /* NULL: ours */
	/* All that the child gets. Of 0, 1 and 2, what is not listed is
	 * /dev/null; everything else is closed. */
	const struct qf_child_fd *fds;
	size_t nfds;
	const struct qf_child_limit *limits;
	size_t nlimits;
	const struct qf_child_user *user; /* NULL: as this process */
	bool group; /* in a process group of its own, killed as one */
	bool bound; /* killed when this process ends first; not its group */
	bool deaf;  /* ignores HUP, INT and TERM, which its parent hears */
};

struct qf_child {
	pid_t pid; /* 0: none */
	int pidfd;
	bool group;
};

/* clang-format off */
#define QF_CHILD_NONE {.pid = 0, .pidfd = -1}
/* clang-format on */

/* Runs a program, with default signals. QF_EEXEC when it can not be executed
 * (e->sys says why), QF_EFORK, QF_EPIPE. */
int qf_child_start(
    struct qf_child *c, const struct qf_child_spec *spec, struct qf_err *e);
/* Runs a function in a copy of this process, in a group of its own; its result
 * is the exit code. TERM ends the whole group at once, and it does not outlive
 * this process. */
int qf_child_fork(
    struct qf_child *c, int (*run)(void *), void *arg, struct qf_err *e);

/* For loops of one's own that poll its pidfd among others: what poll() takes
 * until the deadline. Where the kernel has no pidfds these are short steps,
 * and qf_child_has_ended() is to be asked after each. */
int qf_child_poll(const struct qf_child *c, int64_t deadline);
/* The children of this process: how many, in an array that the caller frees. */
size_t qf_child_list(pid_t **out);
/* In a process that adopts orphans (PR_SET_CHILD_SUBREAPER): kills every child
 * that is_known() does not know. */
void qf_child_kill_strays(bool (*is_known)(void *arg, pid_t pid), void *arg);

/* Has it ended? Its status is still to be waited for. True without a child. */
bool qf_child_has_ended(const struct qf_child *c);

/* Waits until it has ended: 0 and the status of wait(2). QF_ETIME when the
 * deadline passes first; the child runs on and can be waited for again. What
 * it leaves behind in its group runs on too. */
int qf_child_wait(
    struct qf_child *c, int64_t deadline, int *status, struct qf_err *e);
/* Waits for its end until the deadline; then KILL, to it and to what there
 * still is of its group. Does nothing without a child. The status may be
 * NULL, here and below. */
void qf_child_finish(struct qf_child *c, int64_t deadline, int *status);
/* TERM to all of it, then finishes after grace_ms. */
void qf_child_stop(struct qf_child *c, int64_t grace_ms, int *status);

#endif
