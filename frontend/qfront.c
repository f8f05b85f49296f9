/*
 * qfront: the program that QMAILQUEUE names.
 *
 * It starts once for each message, so its start is the cost: it needs the C
 * library alone, takes the message and the envelope into memory that nobody
 * can change any more, and asks the daemon what becomes of them. Without a
 * daemon, and where another queue program comes next, its last act is an exec:
 * the exit code of what comes after is the caller's answer.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/client.h"
#include "frontend/dialect.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/program.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"

extern char **environ;

enum {
	/* qfrontd --deliver: the connection, then pairs. Callers read texts on
	 * lower ones. */
	DELIVER_FD = 16,
	DELIVER_FDS = 1 + 2 * QF_ANSWER_GROUPS_MAX
};

static int fail(const char *event, const struct qf_err *e)
{
	qf_qqguard_log("qfront");
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

/* Makes fd the descriptor `to`, which an exec keeps, at its start. */
static int put(int fd, int to, struct qf_err *e)
{
	if (lseek(fd, 0, SEEK_SET) < 0 || dup2(fd, to) < 0)
		return qf_fail_sys(e, QF_EPIPE, "descriptor %d", to);
	return 0;
}

/* Becomes `qfrontd MODE`, with words behind. */
static int become_qfrontd(
    char *const *options, size_t n, char *const *words, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	size_t nwords = 0, at = 1;
	char **argv;

	while (words[nwords] != NULL)
		nwords++;
	argv = qf_alloc((n + nwords + 3) * sizeof *argv);
	qf_dir_join(&path, QF_DIR_SBIN, "qfrontd");
	argv[0] = path.s;
	for (size_t i = 0; i < n; i++)
		argv[at++] = options[i];
	argv[at++] = (char[]){"--"};
	for (size_t i = 0; i < nwords; i++)
		argv[at++] = words[i];
	execv(path.s, argv);
	return qf_fail_sys(e, QF_EEXEC, "can not execute %s", path.s);
}

/* Without a daemon: the same chain, in a process of our own. */
static int run_once(const struct qf_client *c)
{
	char *options[] = {
	    (char[]){"--once"}, (char[]){"--as"}, (char *)c->name};
	struct qf_err e;

	qf_open_std();
	if (put(c->message, STDIN_FILENO, &e) == 0 &&
	    put(c->envelope, STDOUT_FILENO, &e) == 0)
		become_qfrontd(options, 3, c->argv, &e);
	return fail("chain not run", &e);
}

/* In the caller's own words, on the descriptor where it reads them. */
static int answer(const struct qf_answer *a)
{
	struct qf_judgement j = {.class_ = a->class_, .category = a->category};

	memcpy(j.status, a->status, sizeof j.status);
	memcpy(j.text, a->text, sizeof j.text);
	signal(SIGPIPE, SIG_IGN);
	return qf_dialect_answer((enum qf_dialect)a->dialect, &j, a->code);
}

/* The environment as the chain leaves it for what comes next. */
static void change_environment(const struct qf_answered *a)
{
	struct qf_span unset = a->unset, set = a->set;
	const char *s;

	unsetenv("QMAILQUEUE");
	while (qf_ask_next(&unset, &s))
		unsetenv(s);
	while (qf_ask_next(&set, &s))
		putenv((char *)s);
}

static char **words_of(struct qf_span words)
{
	struct qf_span rest = words;
	const char *s;
	size_t n = 0;
	char **argv;

	while (qf_ask_next(&rest, &s))
		n++;
	argv = qf_alloc((n + 1) * sizeof *argv);
	for (size_t i = 0; qf_ask_next(&words, &s); i++)
		argv[i] = (char *)s;
	return argv;
}

/* Whoever reads it has an offset of his own. */
static int put_own(int fd, int to, struct qf_err *e)
{
	int own = qf_reopen(fd);

	if (own < 0 || dup2(own, to) < 0)
		return qf_fail_sys(e, QF_EPIPE, "descriptor %d", to);
	return 0;
}

/* One message for another queue program, in the caller's context. */
static int become_next(const struct qf_client *c, char **argv, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	bool as_sent = (c->answer.head.as_sent & 1) != 0;

	if (c->nfds != (as_sent ? 1u : 2u))
		return qf_fail(e, QF_EPROTO, "qfrontd: descriptors missing");
	if (put_own(as_sent ? c->message : c->fds[0], STDIN_FILENO, e) < 0 ||
	    put_own(c->fds[as_sent ? 0 : 1], STDOUT_FILENO, e) < 0 ||
	    qf_program_find(&path, argv[0], e) < 0)
		return e->rc;
	signal(SIGPIPE, SIG_DFL);
	execv(path.s, argv);
	return qf_fail_sys(e, QF_EEXEC, "can not execute %s", path.s);
}

/* Not where ERROR_FD has the caller's text go. */
static int deliver_fd(void)
{
	const char *moved = qf_env("ERROR_FD");
	unsigned long long fd;

	if (moved != NULL && qf_span_u64(qf_span(moved), INT_MAX, &fd) &&
	    fd >= DELIVER_FD && fd < DELIVER_FD + DELIVER_FDS)
		return DELIVER_FD + DELIVER_FDS;
	return DELIVER_FD;
}

/* Several, or some that stay with the daemon: more than a thin client does. The
 * connection and all messages and envelopes get descriptors in a row. */
static int become_deliver(
    const struct qf_client *c, char **argv, struct qf_err *e)
{
	const struct qf_answer *h = &c->answer.head;
	int first = deliver_fd(), above = first + DELIVER_FDS;
	char sock[24], groups[24], held[24], dialect[24];
	char *options[] = {(char[]){"--deliver"}, sock, groups, held, dialect};
	int high[DELIVER_FDS];
	size_t n = 0, at = 0;

	snprintf(sock, sizeof sock, "%d", first);
	snprintf(groups, sizeof groups, "%u", h->groups);
	snprintf(held, sizeof held, "%u", h->held);
	snprintf(dialect, sizeof dialect, "%u", h->dialect);
	if (h->groups > QF_ANSWER_GROUPS_MAX)
		return qf_fail(e, QF_EPROTO, "qfrontd: too many messages");
	high[n++] = fcntl(c->sock, F_DUPFD_CLOEXEC, above);
	for (uint32_t i = 0; i < h->groups; i++) {
		bool as_sent = (h->as_sent >> i & 1) != 0;

		if (c->nfds < at + (as_sent ? 1 : 2))
			return qf_fail(
			    e, QF_EPROTO, "qfrontd: descriptors missing");
		high[n++] = fcntl(as_sent ? c->message : c->fds[at++],
		    F_DUPFD_CLOEXEC, above);
		high[n++] = fcntl(c->fds[at++], F_DUPFD_CLOEXEC, above);
	}
	for (size_t i = 0; i < n; i++) {
		if (high[i] < 0 || dup2(high[i], first + (int)i) < 0)
			return qf_fail_sys(e, QF_EPIPE, "dup");
	}
	return become_qfrontd(options, 5, argv, e);
}

static int queue(const struct qf_client *c)
{
	const struct qf_answer *h = &c->answer.head;
	char **argv = words_of(c->answer.words);
	struct qf_err e;

	qf_open_std();
	change_environment(&c->answer);
	if (argv[0] == NULL)
		qf_fail(&e, QF_EPROTO, "qfrontd: no queue program");
	else if (h->groups == 1 && h->held == 0)
		become_next(c, argv, &e);
	else
		become_deliver(c, argv, &e);
	return fail("message not handed over", &e);
}

/* The name that we were called by, without the folder. */
static const char *own_name(const char *called)
{
	const char *slash = called != NULL ? strrchr(called, '/') : NULL;

	if (slash != NULL)
		return slash + 1;
	return called != NULL ? called : "qfront";
}

static int ask(struct qf_client *c)
{
	struct qf_err e;
	int rc = qf_client_ask(c, &e);

	if (rc < 0) {
		int code = fail("message not accepted", &e);

		return code != 0 ? code : 81;
	}
	if (rc == 0)
		return run_once(c);
	switch (c->answer.head.kind) {
	case QF_ANSWER_DONE:
		return 0;
	case QF_ANSWER_REFUSED:
		return answer(&c->answer.head);
	case QF_ANSWER_QUEUE:
		return queue(c);
	default:
		qf_fail(&e, QF_EPROTO, "qfrontd: an answer of no known kind");
		return fail("message not accepted", &e);
	}
}

int main(int argc, char **argv)
{
	static char *none[] = {NULL};
	struct qf_client c = {.socket = qf_socket_path(),
	    .name = own_name(argv[0]),
	    .argv = argc > 0 ? argv + 1 : none,
	    .environment = environ,
	    .envelope = STDOUT_FILENO,
	    .sock = -1};
	struct qf_err e;
	int rc;

	qf_alloc_exit_code(51);
	rc = qf_qqguard_clock(&e);
	if (qf_env("NULLQUEUE") != NULL ||
	    (qf_env_trusted() && strcmp(c.name, "qmail-nullqueue") == 0))
		return discard();
	if (rc < 0)
		return fail("environment", &e);
	c.message = qf_client_seal(STDIN_FILENO, &e);
	if (c.message < 0)
		return fail("message not read", &e);
	if (c.socket != NULL)
		return ask(&c);
	c.envelope = qf_client_seal(STDOUT_FILENO, &e);
	return c.envelope < 0 ? fail("message not read", &e) : run_once(&c);
}
