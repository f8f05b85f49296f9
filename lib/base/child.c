#include "lib/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

extern char **environ;

enum {
	FDS_MAX = 16,
	LOOK_MS = 10 /* between two looks at a child without pidfd */
};

static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++) {
		if (sig != SIGKILL && sig != SIGSTOP)
			signal(sig, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Moves the descriptors to their places. Sources are first copied above all
 * targets, so that no target overwrites a source still to come; so is the
 * pipe that reports errors, which stays open whatever fails here.
 */
static int place_fds(const struct qf_child_spec *spec, int *report)
{
	int top = STDERR_FILENO;
	int high[FDS_MAX], keep[FDS_MAX + 1];
	bool given[3] = {false, false, false};
	int null, moved;

	if (spec->nfds > FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < spec->nfds; i++) {
		if (spec->fds[i].to > top)
			top = spec->fds[i].to;
		if (spec->fds[i].to <= STDERR_FILENO)
			given[spec->fds[i].to] = true;
	}
	moved = fcntl(*report, F_DUPFD_CLOEXEC, top + 1);
	if (moved < 0)
		return -1;
	*report = moved;
	for (size_t i = 0; i < spec->nfds; i++) {
		high[i] = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, top + 1);
		if (high[i] < 0)
			return -1;
	}
	/* Not close-on-exec: it may be one of 0, 1 and 2 itself. */
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (!given[fd] && (null < 0 || dup2(null, fd) < 0))
			return -1;
	}
	for (size_t i = 0; i < spec->nfds; i++) {
		if (dup2(high[i], spec->fds[i].to) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->nfds; i++)
		keep[i] = spec->fds[i].to;
	keep[spec->nfds] = *report;
	qf_close_others(keep, spec->nfds + 1);
	return 0;
}

/* Set last: what we are may be over the limit already. */
static int set_limits(const struct qf_child_spec *spec)
{
	for (size_t i = 0; i < spec->nlimits; i++) {
		const struct qf_child_limit *l = &spec->limits[i];
		struct rlimit now;

		if (getrlimit(l->resource, &now) < 0)
			return -1;
		if (now.rlim_max > l->most)
			now.rlim_max = l->most;
		now.rlim_cur = now.rlim_max;
		if (setrlimit(l->resource, &now) < 0)
			return -1;
	}
	return 0;
}

/* All of it, or none: what stays root by halves is worse than what does not
 * start. */
static int change_user(const struct qf_child_user *u)
{
	if (u == NULL)
		return 0;
	if (setgroups(u->ngroups, u->groups) < 0 ||
	    setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return -1;
	if (u->uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int bind_to(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	/* It may have ended before. */
	if (getppid() != parent)
		kill(getpid(), SIGKILL);
	return 0;
}

static void ignore_terminal(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
}

/* Becomes the program, or reports why not. */
static void become(const struct qf_child_spec *spec, pid_t parent, int report)
{
	int why;

	if (spec->group)
		setpgid(0, 0);
	/* A change of user takes back what was said to happen at the parent's
	 * death. */
	if (place_fds(spec, &report) == 0 && change_user(spec->user) == 0 &&
	    (!spec->bound || bind_to(parent) == 0)) {
		default_signals();
		if (spec->deaf)
			ignore_terminal();
		if (set_limits(spec) == 0)
			execve(spec->path, spec->argv,
			    spec->envp != NULL ? spec->envp : environ);
	}
	why = errno;
	/* A program that was never there has no exit code. */
	if (qf_write_all(report, &why, sizeof why) < 0)
		kill(getpid(), SIGKILL);
	_exit(127);
}

/* A caller that ignores SIGCHLD leaves that to us (execve(2)), and children
 * would end without a status. */
static void want_status(void)
{
	struct sigaction sa;

	if (sigaction(SIGCHLD, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
		signal(SIGCHLD, SIG_DFL);
}

static void born(struct qf_child *c, pid_t pid, bool group)
{
	c->pid = pid;
	c->group = group;
#ifdef SYS_pidfd_open
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
#else
	c->pidfd = -1;
#endif
	if (c->pidfd >= 0)
		fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
	/* The child does the same: whoever comes first. */
	if (group)
		setpgid(pid, pid);
}

int qf_child_start(
    struct qf_child *c, const struct qf_child_spec *spec, struct qf_err *e)
{
	int p[2], why = 0;
	pid_t pid, parent = getpid();

	*c = (struct qf_child)QF_CHILD_NONE;
	if (qf_pipe(p, e) < 0)
		return QF_EPIPE;
	want_status();
	pid = fork();
	if (pid < 0) {
		close(p[0]);
		close(p[1]);
		return qf_fail_sys(e, QF_EFORK, "fork");
	}
	if (pid == 0)
		become(spec, parent, p[1]);
	close(p[1]);
	born(c, pid, spec->group);
	/* The pipe closes by itself when the exec succeeds. */
	if (qf_read(p[0], &why, sizeof why) == (ssize_t)sizeof why) {
		int status;

		close(p[0]);
		if (qf_child_wait(c, QF_NEVER, &status, NULL) < 0)
			c->pid = 0;
		errno = why;
		return qf_fail_sys(
		    e, QF_EEXEC, "can not execute %s", spec->path);
	}
	close(p[0]);
	return 0;
}

/* Takes the whole group along. Without a group of its own it goes alone. */
static void end_group(int sig)
{
	(void)sig;
	kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}

/* Nobody else would end a copy whose parent was killed. */
static void die_with(pid_t parent)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	signal(SIGTERM, end_group);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
}

int qf_child_fork(
    struct qf_child *c, int (*run)(void *), void *arg, struct qf_err *e)
{
	pid_t pid, parent = getpid();

	*c = (struct qf_child)QF_CHILD_NONE;
	want_status();
	pid = fork();
	if (pid < 0)
		return qf_fail_sys(e, QF_EFORK, "fork");
	if (pid == 0) {
		setpgid(0, 0);
		die_with(parent);
		_exit(run(arg));
	}
	born(c, pid, true);
	return 0;
}

/* Takes the status, waiting for it; that of a child that somebody else took
 * is an exit code of 127. */
static void reap(struct qf_child *c, int *status)
{
	int st = 0;
	pid_t r;

	if (c->pid == 0)
		return;
	do
		r = waitpid(c->pid, &st, 0);
	while (r < 0 && errno == EINTR);
	if (status != NULL)
		*status = r < 0 ? 0x7f00 : st;
	c->pid = 0;
	qf_close(&c->pidfd);
}

int qf_child_poll(const struct qf_child *c, int64_t deadline)
{
	int left = qf_deadline_poll(deadline);

	return c->pidfd < 0 && (left < 0 || left > LOOK_MS) ? LOOK_MS : left;
}

/* Has it ended, without taking the status: 1, 0, or -1 for no child. */
static int peek(const struct qf_child *c)
{
	siginfo_t info = {0};

	if (c->pid == 0 ||
	    waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -1;
	return info.si_pid != 0;
}

bool qf_child_has_ended(const struct qf_child *c)
{
	return peek(c) != 0;
}

/* Waits for its end without taking the status, so that its number still
 * stands for it: 0, QF_ETIME, QF_EBUG. */
static int await_end(struct qf_child *c, int64_t deadline, struct qf_err *e)
{
	for (;;) {
		struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
		bool late = qf_deadline_poll(deadline) == 0;
		int ended = peek(c);

		if (ended < 0)
			return qf_fail(e, QF_EBUG, "no such child");
		if (ended > 0)
			return 0;
		if (late)
			return qf_fail(e, QF_ETIME, "timed out");
		if (poll(&p, 1, qf_child_poll(c, deadline)) < 0 &&
		    errno != EINTR)
			return qf_fail_sys(e, QF_ENOMEM, "poll");
	}
}

int qf_child_wait(
    struct qf_child *c, int64_t deadline, int *status, struct qf_err *e)
{
	int rc = await_end(c, deadline, e);

	if (rc == 0 || rc == QF_EBUG)
		reap(c, status);
	return rc;
}

void qf_child_finish(struct qf_child *c, int64_t deadline, int *status)
{
	if (c->pid == 0)
		return;
	if (await_end(c, deadline, NULL) != QF_EBUG)
		kill(c->group ? -c->pid : c->pid, SIGKILL);
	reap(c, status);
}

void qf_child_stop(struct qf_child *c, int64_t grace_ms, int *status)
{
	if (c->pid == 0)
		return;
	kill(c->group ? -c->pid : c->pid, SIGTERM);
	qf_child_finish(c, qf_deadline_in(grace_ms), status);
}

size_t qf_child_list(pid_t **out)
{
	char path[64];
	size_t n = 0;
	FILE *f;
	int pid;

	*out = NULL;
	snprintf(
	    path, sizeof path, "/proc/self/task/%ld/children", (long)getpid());
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fscanf(f, "%d", &pid) == 1) {
		*out = qf_realloc_array(*out, n + 1, sizeof **out);
		(*out)[n++] = pid;
	}
	fclose(f);
	return n;
}

void qf_child_kill_strays(bool (*is_known)(void *arg, pid_t pid), void *arg)
{
	pid_t *v;
	size_t n = qf_child_list(&v);

	for (size_t i = 0; i < n; i++) {
		if (!is_known(arg, v[i]))
			kill(v[i], SIGKILL);
	}
	free(v);
}
