#include "frontend/handoff.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/paths.h"

enum {
	DEPTH_MAX = 8
};

/* Variables by which a caller asks for a filter (qmail-queue-clients(7),
 * qmail-queue(8)). An outside queue program may honour them. */
static const char *const filter_variables[] = {
    "QHPSI", "SPAMFILTER", "FILTERARGS", "DKIMSIGN", "DKIMVERIFY"};

/* A program as a variable or control file names it: the whole text when that
 * is an executable file, else words with quotes. */
static int split_program(
    struct qf_strv *argv, const char *text, const char *from, struct qf_err *e)
{
	struct qf_err why;

	if (access(text, X_OK) == 0) {
		qf_strv_add(argv, text);
		return 0;
	}
	if (qf_strv_split(argv, qf_span(text), &why) < 0)
		return qf_fail(e, QF_ECONF, "%s: %s", from, why.text);
	if (argv->n == 0)
		return qf_fail(e, QF_ECONF, "%s: names no program", from);
	return 0;
}

/* Our own queue runs no filters, whoever names it. */
static bool is_our_queue(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strcmp(slash != NULL ? slash + 1 : program, "qfront-queue") == 0;
}

static int check_filters(struct qf_err *e)
{
	for (size_t i = 0;
	     i < sizeof filter_variables / sizeof *filter_variables; i++) {
		const char *v = qf_env(filter_variables[i]);

		if (v != NULL && v[0] != '\0')
			return qf_fail(e, QF_ECONF,
			    "%s is set, but neither the chain nor our own "
			    "queue runs it; unset it, or name a queue program "
			    "that does",
			    filter_variables[i]);
	}
	return 0;
}

int qf_next_choose(struct qf_next *next, const char *control, char *const *argv,
    struct qf_err *e)
{
	struct qf_buf text = QF_BUF_INIT;
	const char *env = qf_env("QUEUEPROG");
	int rc = 0;

	*next = (struct qf_next){0};
	if (argv[0] != NULL) {
		for (; *argv != NULL; argv++)
			qf_strv_add(&next->argv, *argv);
	} else if (env != NULL && env[0] != '\0') {
		rc = split_program(&next->argv, env, "QUEUEPROG", e);
	} else if (control != NULL) {
		rc = split_program(
		    &next->argv, control, "control file queueprog", e);
	}
	if (rc == 0 && next->argv.n == 0) {
		qf_dir_join(&text, QF_DIR_SBIN, "qfront-queue");
		qf_strv_add(&next->argv, text.s);
	}
	next->builtin = rc == 0 && is_our_queue(next->argv.v[0]);
	if (next->builtin)
		rc = check_filters(e);
	qf_buf_free(&text);
	return rc;
}

void qf_next_free(struct qf_next *next)
{
	qf_strv_free(&next->argv);
}

int qf_next_check_depth(struct qf_err *e)
{
	const char *was = getenv("QFRONT_DEPTH");
	unsigned long long depth = 0;
	char now[24];

	if (was != NULL)
		qf_span_u64(qf_span(was), 1000, &depth);
	if (depth >= DEPTH_MAX)
		return qf_fail(e, QF_ECONF,
		    "the queue program that qfront calls calls qfront again "
		    "(%d times); check QUEUEPROG, queueprog and QMAILQUEUE",
		    DEPTH_MAX);
	snprintf(now, sizeof now, "%llu", depth + 1);
	setenv("QFRONT_DEPTH", now, 1);
	return 0;
}

/* Makes fd the standard descriptor `to`, with an offset of its own. */
static int put_fd(int fd, int to, struct qf_err *e)
{
	int own = qf_reopen(fd);

	if (own < 0 || dup2(own, to) < 0) {
		qf_fail_sys(e, QF_EPIPE, "descriptor %d", to);
		qf_close(&own);
		return QF_EPIPE;
	}
	qf_close(&own);
	return 0;
}

int qf_next_exec(
    const struct qf_next *next, int message, int envelope, struct qf_err *e)
{
	int high = -1;

	/* The envelope may sit on 0: move it out of the way first. */
	high = fcntl(envelope, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return qf_fail_sys(e, QF_EPIPE, "dup");
	if (put_fd(message, STDIN_FILENO, e) < 0 ||
	    put_fd(high, STDOUT_FILENO, e) < 0) {
		qf_close(&high);
		return QF_EPIPE;
	}
	unsetenv("QMAILQUEUE");
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	execvp(next->argv.v[0], next->argv.v);
	qf_fail_sys(e, QF_EEXEC, "can not execute %s", next->argv.v[0]);
	qf_close(&high);
	return QF_EEXEC;
}
