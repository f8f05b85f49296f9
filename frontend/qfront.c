/*
 * qfront: the program that QMAILQUEUE names.
 *
 * It starts once for each message, so its start is the cost: it needs the C
 * library alone, takes the message and the envelope into memory that nobody
 * can change any more, and hands them on. Its last act is an exec: the exit
 * code of what comes after is the caller's answer.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/spool.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"

static int fail(const char *event, const struct qf_err *e)
{
	qf_log_err(event, e);
	return qf_qqcode_of_error(e->rc);
}

/* NULLQUEUE and qmail-nullqueue: the message is read and forgotten. It beats
 * everything (qmail-queue-clients(7)). */
static int discard(void)
{
	struct qf_err e;

	if (qf_drain(STDIN_FILENO, &e) < 0 || qf_drain(STDOUT_FILENO, &e) < 0)
		return fail("message not read", &e);
	return 0;
}

/* Copies what fd gives into sealed memory and puts that in its place. */
static int take(int fd, struct qf_err *e)
{
	struct qf_spool s;
	int rc;

	if (qf_spool_open(&s, e) < 0)
		return e->rc;
	rc = qf_spool_fill(&s, fd, e);
	if (rc == 0)
		rc = qf_spool_finish(&s, e);
	if (rc == 0 && dup2(s.fd, fd) < 0)
		rc = qf_fail_sys(e, QF_EPIPE, "dup2");
	qf_spool_close(&s);
	return rc;
}

/* Without a daemon: the same chain, in a process of our own. */
static int run_once(char *name, char *const *next, size_t n)
{
	struct qf_buf path = QF_BUF_INIT;
	char **argv = qf_alloc((n + 6) * sizeof *argv);
	struct qf_err e;

	qf_dir_join(&path, QF_DIR_SBIN, "qfrontd");
	argv[0] = path.s;
	argv[1] = (char[]){"--once"};
	argv[2] = (char[]){"--as"};
	argv[3] = name;
	argv[4] = (char[]){"--"};
	for (size_t i = 0; i < n; i++)
		argv[5 + i] = next[i];
	execv(path.s, argv);
	qf_fail_sys(&e, QF_EEXEC, "can not execute %s", path.s);
	return fail("chain not run", &e);
}

/* The name that we were called by, without the folder. */
static char *own_name(char *called)
{
	static char none[] = "qfront";
	char *slash;

	if (called == NULL)
		return none;
	slash = strrchr(called, '/');
	return slash != NULL ? slash + 1 : called;
}

int main(int argc, char **argv)
{
	char *name = own_name(argv[0]);
	struct qf_err e;
	int rc;

	qf_alloc_exit_code(51);
	qf_qqguard_log("qfront");
	if (qf_qqguard_fd(STDIN_FILENO, &e) < 0 ||
	    qf_qqguard_fd(STDOUT_FILENO, &e) < 0)
		return fail("message not read", &e);
	qf_open_std();
	rc = qf_qqguard_start(&e);
	if (qf_env("NULLQUEUE") != NULL ||
	    (qf_env_trusted() && strcmp(name, "qmail-nullqueue") == 0))
		return discard();
	if (rc < 0)
		return fail("environment", &e);
	if (take(STDIN_FILENO, &e) < 0 || take(STDOUT_FILENO, &e) < 0)
		return fail("message not read", &e);
	return run_once(name, argv + 1, argc > 1 ? (size_t)argc - 1 : 0);
}
