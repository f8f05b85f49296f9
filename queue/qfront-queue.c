/*
 * qfront-queue: qmail-queue(8) over the store.
 *
 * Reads a message from descriptor 0, then its envelope from descriptor 1, and
 * exits 0 once both are on disk. The exit code is the whole answer; what went
 * wrong is for the log, since a caller may read descriptor 2.
 *
 * With --groups N it takes N messages, on descriptors of their own, and queues
 * all of them or none: the front end calls it so when one message has become
 * several.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"
#include "queue/received.h"
#include "queue/store.h"

enum {
	GROUPS_MAX = 64,
	GROUPS_FD = 3 /* of the first message */
};

/* One message: where it comes from, and what is needed to log it. */
struct group {
	int message_fd, envelope_fd;
	struct qf_envelope env;
};

struct job {
	struct group *group;
	struct qf_intake **in;
	char (*id)[QF_ID_SIZE];
	size_t n;
};

static const struct qf_store_ops *const store = &qf_store_dir;

/* A message that is half read is none: what asks politely to end waits until
 * it is whole, and errors of writing come as errors. */
static void set_signals(void)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGVTALRM,
	    SIGPROF, SIGXCPU, SIGXFSZ, SIGPIPE};
	sigset_t none;

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* How many messages: 0 and one for a call as qmail-queue is called, whatever
 * its arguments are. */
static int parse_arguments(
    int argc, char **argv, struct job *job, struct qf_err *e)
{
	unsigned long long n = 0;

	job->n = 1;
	if (argc < 2 || strcmp(argv[1], "--groups") != 0)
		return 0;
	if (argc != 3 || !qf_span_u64(qf_span(argv[2]), GROUPS_MAX, &n) ||
	    n == 0)
		return qf_fail(e, QF_EINVAL,
		    "--groups needs one number from 1 to %d", GROUPS_MAX);
	job->n = (size_t)n;
	return 1;
}

static void make_groups(struct job *job, bool groups)
{
	job->group = qf_realloc_array(NULL, job->n, sizeof *job->group);
	job->in = qf_alloc(job->n * sizeof *job->in);
	job->id = qf_alloc(job->n * sizeof *job->id);
	for (size_t i = 0; i < job->n; i++) {
		int fd = groups ? GROUPS_FD + 2 * (int)i : STDIN_FILENO;

		job->group[i] = (struct group){fd, fd + 1, QF_ENVELOPE_INIT};
	}
}

static void free_groups(struct job *job)
{
	for (size_t i = 0; i < job->n; i++)
		qf_envelope_free(&job->group[i].env);
	free(job->group);
	free(job->in);
	free(job->id);
}

static int check_fds(const struct job *job, struct qf_err *e)
{
	for (size_t i = 0; i < job->n; i++) {
		int rc = qf_qqguard_fd(job->group[i].message_fd, e);

		if (rc == 0)
			rc = qf_qqguard_fd(job->group[i].envelope_fd, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int copy_message(struct qf_intake *in, int fd, struct qf_err *e)
{
	static char chunk[QF_IO_CHUNK];
	ssize_t n;

	while ((n = qf_read(fd, chunk, sizeof chunk)) > 0) {
		int rc = store->write(in, chunk, (size_t)n, e);

		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return qf_fail_sys(e, QF_EREAD, "can not read the message");
	return 0;
}

static int take_message(struct qf_store *st, struct group *g,
    struct qf_intake **in, struct qf_err *e)
{
	struct qf_buf received = QF_BUF_INIT;
	int rc;

	/* Before there is a file: looking up the user may end the process. */
	qf_received_now(&received, getuid());
	if ((rc = store->begin(st, in, e)) == 0 &&
	    (rc = store->write(*in, received.s, received.len, e)) == 0 &&
	    (rc = copy_message(*in, g->message_fd, e)) == 0)
		rc = qf_envelope_read(&g->env, g->envelope_fd, e);
	qf_buf_free(&received);
	return rc;
}

static void log_group(const struct group *g, const char *id)
{
	const char *why = qf_attrs_get(&g->env.attrs, "HOLD");

	if (why != NULL)
		qf_log(QF_LOG_INFO, "held", QF_KS("id", id),
		    QF_KS("from", qf_envelope_sender(&g->env)),
		    QF_KU("rcpts", g->env.nrcpt), QF_KD("qp", getpid()),
		    QF_KS("reason", why));
	else
		qf_log(QF_LOG_INFO, "queued", QF_KS("id", id),
		    QF_KS("from", qf_envelope_sender(&g->env)),
		    QF_KU("rcpts", g->env.nrcpt), QF_KD("qp", getpid()));
}

/* Once it has begun it ends: the alarm must not turn messages that are queued
 * into a failure. */
static int commit(struct job *job, struct qf_err *e)
{
	sigset_t alarms;
	int rc = 0;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarms, NULL);
	for (size_t i = 0; i < job->n && rc == 0; i++)
		rc = store->prepare(job->in[i], &job->group[i].env,
		    (long)getuid(), (long)getpid(), e);
	if (rc == 0)
		rc = store->publish(job->in, job->n, job->id, e);
	if (rc < 0)
		return rc;
	/* Too little memory to log it is no reason to say it failed. */
	qf_alloc_exit_code(0);
	for (size_t i = 0; i < job->n; i++)
		log_group(&job->group[i], job->id[i]);
	return 0;
}

static int take_all(struct qf_store *st, struct job *job, struct qf_err *e)
{
	int rc = 0;

	for (size_t i = 0; i < job->n && rc == 0; i++)
		rc = take_message(st, &job->group[i], &job->in[i], e);
	if (rc == 0)
		rc = commit(job, e);
	for (size_t i = 0; i < job->n; i++)
		store->abort(&job->in[i]);
	return rc;
}

static int run(struct job *job, struct qf_err *e)
{
	struct qf_store *st = NULL;
	int rc = check_fds(job, e);

	if (rc < 0)
		return rc;
	qf_open_std();
	if ((rc = qf_qqguard_start(e)) < 0 ||
	    (rc = store->open(&st, qf_dir(QF_DIR_QUEUE), QF_STORE_INTAKE, e)) <
		0)
		return rc;
	rc = take_all(st, job, e);
	store->close(&st);
	return rc;
}

int main(int argc, char **argv)
{
	struct job job = {0};
	struct qf_err e = {0};
	int rc;

	qf_alloc_exit_code(51);
	umask(033);
	set_signals();
	qf_log_open_env("qfront-queue",
	    isatty(STDERR_FILENO) ? QF_LOG_TO_STDERR : QF_LOG_TO_SYSLOG);
	if ((rc = parse_arguments(argc, argv, &job, &e)) >= 0) {
		make_groups(&job, rc > 0);
		rc = run(&job, &e);
		free_groups(&job);
	}
	if (rc < 0)
		qf_log_err("message not queued", &e);
	return qf_qqcode_of_error(rc);
}
