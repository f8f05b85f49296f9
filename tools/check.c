/*
 * qfrontctl check: everything that can be wrong in the configuration, before
 * mail meets it. Each problem is one line, FILE:LINE: what; what to do.
 *
 * The front end's files are checked here, others by the programs that read
 * them: `qfront-send --check`, `qfront-remote --check`.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/check.h"
#include "frontend/config.h"
#include "frontend/handoff.h"
#include "frontend/trust.h"
#include "frontend/users.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/ctl.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"
#include "lib/base/program.h"
#include "queue/layout.h"
#include "queue/settings.h"
#include "tools/command.h"

static void print_problem(void *ctx, const char *text)
{
	(void)ctx;
	printf("%s\n", text);
}

/* Is a daemon set up here, though it may not run just now? */
static bool has_daemon(const struct qf_ctl *ctl)
{
	const char *path = qf_socket_path();

	return (path != NULL && access(path, F_OK) == 0) ||
	       faccessat(ctl->fd, "daemonusers", F_OK, 0) == 0;
}

static void check_chain(const struct qf_ctl *ctl, const char *name,
    int64_t timeout_ms, struct qf_problems *p)
{
	size_t stages, before = p->count;

	qf_check_file(ctl, name, has_daemon(ctl), timeout_ms, &stages, p);
	if (p->count == before)
		printf("chain%s%s: %zu stage%s, in order\n",
		    name != NULL ? "-" : "", name != NULL ? name : "", stages,
		    stages == 1 ? "" : "s");
}

/* The chain, and those that QFRONT_CHAIN may name. */
static void check_chains(
    const struct qf_ctl *ctl, int64_t timeout_ms, struct qf_problems *p)
{
	int fd = openat(ctl->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *de;

	check_chain(ctl, NULL, timeout_ms, p);
	if (d == NULL) {
		qf_close(&fd);
		qf_problem(p, QF_ECONF, "%s: can not be listed", ctl->path);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (strncmp(de->d_name, "chain-", 6) == 0)
			check_chain(ctl, de->d_name + 6, timeout_ms, p);
	}
	closedir(d);
}

/* What is wrong with the choice of the queue program. */
static int check_program(const struct qf_next *next, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	int rc = qf_program_find(&path, next->argv.v[0], e);

	if (rc == 0 && access(path.s, X_OK) < 0)
		rc = qf_fail(e, QF_ECONF,
		    "%s: can not be executed; install it, or name another",
		    path.s);
	else if (rc == 0 && qf_next_is_loop(next))
		rc = qf_fail(e, QF_ECONF,
		    "%s is qfront itself and would call itself again; name "
		    "the queue program behind it",
		    next->argv.v[0]);
	qf_buf_free(&path);
	return rc;
}

/* The queue program, and the queue when it is ours. */
static void check_next(
    const struct qf_ctl *ctl, const char *queueprog, struct qf_problems *p)
{
	static char *const none[] = {NULL};
	struct qf_next next;
	struct qf_err e;

	if (qf_next_choose(&next, NULL, queueprog, none, &e) < 0) {
		qf_problem_err(p, &e);
	} else if (check_program(&next, &e) < 0) {
		if (next.variable != NULL)
			qf_err_context(&e, "%s", next.variable);
		else if (queueprog != NULL)
			qf_err_context(&e, "%s/queueprog:1", ctl->path);
		qf_problem_err(p, &e);
	} else if (next.builtin &&
		   qf_layout_check(qf_dir(QF_DIR_QUEUE), &e) < 0) {
		qf_problem(
		    p, QF_EQUEUE, "%s; run qfrontctl queue init", e.text);
	}
	qf_next_free(&next);
}

static void check_trust(const struct qf_ctl *ctl, struct qf_problems *p)
{
	struct qf_trust trust;
	struct qf_err e;

	if (qf_trust_load(&trust, ctl, &e) < 0)
		qf_problem_err(p, &e);
	qf_trust_free(&trust);
}

static void check_users(const struct qf_ctl *ctl, struct qf_problems *p)
{
	struct qf_err e;

	if (qf_users_check(ctl, &e) < 0)
		qf_problem_err(p, &e);
}

static void check_queue_settings(
    const struct qf_ctl *ctl, struct qf_problems *p)
{
	struct qf_queue_settings settings = {0};
	struct qf_err e;

	if (qf_queue_settings_read(&settings, ctl, &e) < 0 ||
	    qf_origins_check(ctl, &e) < 0)
		qf_problem_err(p, &e);
	else if (settings.store.sync != QF_SYNC_FULL)
		printf("%s/sync: a loss of power may take mail that was "
		       "accepted\n",
		    ctl->path);
	qf_queue_settings_free(&settings);
}

/* A program's own check, which prints the problems itself. */
static void check_by(const char *program, struct qf_problems *p)
{
	static const struct qf_child_fd fds[] = {
	    {STDOUT_FILENO, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
	struct qf_buf path = QF_BUF_INIT;
	struct qf_child child = QF_CHILD_NONE;
	struct qf_err e;
	int status = 0;

	qf_dir_join(&path, QF_DIR_SBIN, program);
	fflush(stdout);
	if (qf_child_start(&child,
		&(struct qf_child_spec){.path = path.s,
		    .argv = (char *[]){path.s, (char[]){"--check"}, NULL},
		    .fds = fds,
		    .nfds = sizeof fds / sizeof *fds},
		&e) < 0 ||
	    qf_child_wait(&child, QF_NEVER, &status, &e) < 0)
		qf_problem_err(p, &e);
	else if (status != 0)
		p->count++;
	qf_buf_free(&path);
}

static int run(int argc, char **argv)
{
	struct qf_problems problems = {.report = print_problem};
	struct qf_frontend_config config = {0};
	struct qf_ctl ctl;
	struct qf_err e;

	(void)argv;
	if (argc > 1)
		return QF_USAGE;
	if (qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), &e) < 0) {
		qf_problem_err(&problems, &e);
		return QF_FOUND;
	}
	if (qf_frontend_config_load(&config, &ctl, &e) < 0)
		qf_problem_err(&problems, &e);
	check_trust(&ctl, &problems);
	check_users(&ctl, &problems);
	check_chains(&ctl, config.timeoutchain * 1000, &problems);
	check_next(&ctl, config.queueprog, &problems);
	check_queue_settings(&ctl, &problems);
	check_by("qfront-send", &problems);
	check_by("qfront-remote", &problems);
	qf_frontend_config_free(&config);
	qf_ctl_close(&ctl);
	if (problems.count > 0)
		return QF_FOUND;
	printf("no problems found\n");
	return QF_DONE;
}

const struct qf_command qf_command_check = {
    .name = "check",
    .synopsis = "",
    .summary = "check chains, plugins, control files and queue",
    .run = run,
};
