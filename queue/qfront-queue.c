/*
 * qfront-queue: qmail-queue(8) over the store.
 *
 * Reads a message from descriptor 0, then its envelope from descriptor 1, and
 * exits 0 once both are on disk. The exit code is the whole answer; what went
 * wrong is for the log, since a caller may read descriptor 2.
 */
#include <signal.h>
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

static int copy_message(struct qf_intake *in, struct qf_err *e)
{
	static char chunk[QF_IO_CHUNK];
	ssize_t n;

	while ((n = qf_read(STDIN_FILENO, chunk, sizeof chunk)) > 0) {
		int rc = store->write(in, chunk, (size_t)n, e);

		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return qf_fail_sys(e, QF_EREAD, "can not read the message");
	return 0;
}

/* Once it has begun it ends: the alarm must not turn a message that is queued
 * into a failure. */
static int commit(
    struct qf_intake **in, const struct qf_envelope *env, struct qf_err *e)
{
	char id[QF_ID_SIZE];
	sigset_t alarms;
	int rc;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarms, NULL);
	rc = store->commit(in, env, (long)getuid(), (long)getpid(), id, e);
	if (rc < 0)
		return rc;
	/* Too little memory to log it is no reason to say it failed. */
	qf_alloc_exit_code(0);
	qf_log(QF_LOG_INFO, "queued", QF_KS("id", id),
	    QF_KS("from", qf_envelope_sender(env)), QF_KU("rcpts", env->nrcpt),
	    QF_KD("qp", getpid()));
	return 0;
}

static int take_message(struct qf_store *st, struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf received = QF_BUF_INIT;
	struct qf_intake *in = NULL;
	int rc;

	/* Before there is a file: looking up the user may end the process. */
	qf_received_now(&received, getuid());
	if ((rc = store->begin(st, &in, e)) < 0 ||
	    (rc = store->write(in, received.s, received.len, e)) < 0 ||
	    (rc = copy_message(in, e)) < 0 ||
	    (rc = qf_envelope_read(&env, STDOUT_FILENO, e)) < 0)
		goto out;
	rc = commit(&in, &env, e);
out:
	store->abort(&in);
	qf_buf_free(&received);
	qf_envelope_free(&env);
	return rc;
}

static int run(struct qf_err *e)
{
	struct qf_store *st = NULL;
	int rc;

	if ((rc = qf_qqguard_fd(STDIN_FILENO, e)) < 0 ||
	    (rc = qf_qqguard_fd(STDOUT_FILENO, e)) < 0)
		return rc;
	qf_open_std();
	if ((rc = qf_qqguard_start(e)) < 0 ||
	    (rc = store->open(&st, qf_dir(QF_DIR_QUEUE), QF_STORE_INTAKE, e)) <
		0)
		return rc;
	rc = take_message(st, e);
	store->close(&st);
	return rc;
}

int main(void)
{
	struct qf_err e = {0};

	qf_alloc_exit_code(51);
	umask(033);
	set_signals();
	qf_log_open_env("qfront-queue",
	    isatty(STDERR_FILENO) ? QF_LOG_TO_STDERR : QF_LOG_TO_SYSLOG);
	if (run(&e) == 0)
		return 0;
	qf_log_err("message not queued", &e);
	return qf_qqcode_of_error(e.rc);
}
