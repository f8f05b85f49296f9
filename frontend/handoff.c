#include "frontend/handoff.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/paths.h"
#include "lib/base/program.h"

enum {
	DEPTH_MAX = 8
};

/* Variables by which a caller asks for a filter (qmail-queue-clients(7),
 * qmail-queue(8)). An outside queue program may honour them. */
static const char *const filter_variables[] = {
    "QHPSI", "SPAMFILTER", "FILTERARGS", "DKIMSIGN", "DKIMVERIFY"};

static int take_words(
    struct qf_strv *argv, const char *text, const char *from, struct qf_err *e)
{
	struct qf_err why;

	if (qf_program_words(argv, text, &why) < 0)
		return qf_fail(e, QF_ECONF, "%s: %s", from, why.text);
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Our own queue runs no filters but QHPSI, whoever names it. */
static bool is_our_queue(const char *program)
{
	return strcmp(base_name(program), "qfront-queue") == 0;
}

/* The variable that names the next program, or NULL. */
static const char *find_variable(const struct qf_personality *as)
{
	const char *const names[] = {
	    as != NULL ? as->queueprog : NULL, "QUEUEPROG"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *v = names[i] != NULL ? qf_env(names[i]) : NULL;

		if (v != NULL && v[0] != '\0')
			return names[i];
	}
	return NULL;
}

int qf_next_choose(struct qf_next *next, const struct qf_personality *as,
    const char *control, char *const *argv, struct qf_err *e)
{
	struct qf_buf text = QF_BUF_INIT;
	int rc = 0;

	*next = (struct qf_next){0};
	if (argv[0] != NULL && (as == NULL || !as->filters)) {
		for (; *argv != NULL; argv++)
			qf_strv_add(&next->argv, *argv);
	} else if ((next->variable = find_variable(as)) != NULL) {
		rc = take_words(
		    &next->argv, qf_env(next->variable), next->variable, e);
	} else if (control != NULL) {
		rc = take_words(
		    &next->argv, control, "control file queueprog", e);
	}
	if (rc == 0 && next->argv.n == 0) {
		qf_dir_join(&text, QF_DIR_SBIN, "qfront-queue");
		qf_strv_add(&next->argv, text.s);
	}
	next->builtin = rc == 0 && is_our_queue(next->argv.v[0]);
	qf_buf_free(&text);
	return rc;
}

/* Does the word name the file that is qfront? */
static bool is_qfront(const char *word)
{
	struct qf_buf self = QF_BUF_INIT, path = QF_BUF_INIT;
	struct stat a, b;
	bool same;

	qf_dir_join(&self, QF_DIR_SBIN, "qfront");
	same = qf_program_find(&path, word, NULL) == 0 &&
	       stat(path.s, &a) == 0 && stat(self.s, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	qf_buf_free(&self);
	qf_buf_free(&path);
	return same;
}

bool qf_next_is_loop(const struct qf_next *next)
{
	for (size_t i = 0; i < next->argv.n; i++) {
		const char *word = next->argv.v[i];
		const struct qf_personality *as;

		if (!is_qfront(word))
			return false;
		as = qf_builtin_find(base_name(word));
		if (as != NULL && as->ends)
			return false;
		if (as != NULL && as->filters)
			return true;
	}
	return true;
}

void qf_next_forget(const struct qf_strv *taken)
{
	for (size_t i = 0; i < taken->n; i++)
		unsetenv(taken->v[i]);
}

int qf_next_check_filters(
    const struct qf_next *next, bool scans, struct qf_err *e)
{
	if (!next->builtin)
		return 0;
	for (size_t i = 0;
	     i < sizeof filter_variables / sizeof *filter_variables; i++) {
		const char *v = qf_env(filter_variables[i]);

		if (scans && strcmp(filter_variables[i], "QHPSI") == 0)
			continue;
		if (v != NULL && v[0] != '\0')
			return qf_fail(e, QF_ECONF,
			    "%s is set, but neither the chain nor our own "
			    "queue runs it; unset it, or name a queue program "
			    "that does",
			    filter_variables[i]);
	}
	return 0;
}

void qf_next_free(struct qf_next *next)
{
	qf_strv_free(&next->argv);
}

int qf_next_depth(char out[24], struct qf_err *e)
{
	const char *was = getenv("QFRONT_DEPTH");
	unsigned long long depth = 0;

	if (was != NULL)
		qf_span_u64(qf_span(was), 1000, &depth);
	if (depth >= DEPTH_MAX)
		return qf_fail(e, QF_ECONF,
		    "the queue program that qfront calls calls qfront again "
		    "(%d times); check QUEUEPROG, queueprog and QMAILQUEUE",
		    DEPTH_MAX);
	snprintf(out, 24, "%llu", depth + 1);
	return 0;
}

int qf_next_check_depth(struct qf_err *e)
{
	char depth[24];

	if (qf_next_depth(depth, e) < 0)
		return e->rc;
	setenv("QFRONT_DEPTH", depth, 1);
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

void qf_next_hide(const struct qf_next *next)
{
	unsetenv("QMAILQUEUE");
	if (next->variable != NULL)
		unsetenv(next->variable);
}

void qf_next_reset_signals(void)
{
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}

/* Becomes the program, which has its descriptors. */
static int become(const struct qf_next *next, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;

	if (qf_program_find(&path, next->argv.v[0], e) < 0)
		return QF_EEXEC;
	qf_next_hide(next);
	qf_next_reset_signals();
	execvp(path.s, next->argv.v);
	qf_fail_sys(e, QF_EEXEC, "can not execute %s", path.s);
	qf_buf_free(&path);
	return QF_EEXEC;
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
	become(next, e);
	qf_close(&high);
	return QF_EEXEC;
}
