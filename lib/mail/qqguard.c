#include "lib/mail/qqguard.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/undo.h"

static const int bug_signals[] = {
    SIGILL, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGSYS};

static volatile sig_atomic_t committed;
static bool held; /* by qf_qqguard_hold() */

static void die_late(int sig)
{
	(void)sig;
	if (committed)
		return;
	qf_undo_all();
	_exit(52);
}

void qf_qqguard_commit(void)
{
	committed = 1;
}

static void die_of_bug(int sig)
{
	(void)sig;
	qf_undo_all();
	_exit(81);
}

static void set_bug_signals(void (*handler)(int))
{
#ifndef __SANITIZE_ADDRESS__ /* it has handlers of its own, which report */
	for (size_t i = 0; i < sizeof bug_signals / sizeof *bug_signals; i++)
		signal(bug_signals[i], handler);
#else
	(void)handler;
	(void)bug_signals;
#endif
}

/* The clock must tick whatever the caller blocks. */
static void hear_clock(void)
{
	sigset_t late;

	signal(SIGALRM, die_late);
	if (held)
		return;
	sigemptyset(&late);
	sigaddset(&late, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &late, NULL);
}

static int read_death(unsigned long long *seconds, struct qf_err *e)
{
	const char *death = qf_env("DEATH");

	*seconds = QF_DEATH_DEFAULT;
	if (death == NULL ||
	    (qf_span_u64(qf_span(death), QF_DEATH_MAX, seconds) &&
		*seconds > 0))
		return 0;
	*seconds = QF_DEATH_DEFAULT;
	return qf_fail(e, QF_ECONF, "DEATH=%s: give seconds, 1 to %d", death,
	    QF_DEATH_MAX);
}

/* One that runs already, of the program that became us, goes on. */
static void start_clock(unsigned seconds)
{
	unsigned left = alarm(seconds);

	if (left > 0 && left < seconds)
		alarm(left);
}

int qf_qqguard_clock(struct qf_err *e)
{
	unsigned long long seconds;
	int rc = read_death(&seconds, e);

	hear_clock();
	start_clock((unsigned)seconds);
	return rc;
}

int64_t qf_qqguard_left(void)
{
	struct itimerval it;

	if (getitimer(ITIMER_REAL, &it) < 0 ||
	    (it.it_value.tv_sec == 0 && it.it_value.tv_usec == 0))
		return QF_NEVER;
	return (int64_t)it.it_value.tv_sec * 1000 + it.it_value.tv_usec / 1000;
}

int qf_qqguard_start(struct qf_err *e)
{
	unsigned long long seconds;
	int rc = read_death(&seconds, e);

	set_bug_signals(die_of_bug);
	/* Errors of writing come as errors. */
	if (!held) {
		signal(SIGPIPE, SIG_IGN);
		signal(SIGXFSZ, SIG_IGN);
	}
	hear_clock();
	start_clock((unsigned)seconds);
	return rc;
}

/* Blocked, they wait for ever: one call for all, in the place of one each. */
void qf_qqguard_hold(void)
{
	static const int waiting[] = {SIGHUP, SIGINT, SIGQUIT, SIGVTALRM,
	    SIGPROF, SIGXCPU, SIGXFSZ, SIGPIPE};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++)
		sigaddset(&mask, waiting[i]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	held = true;
}

void qf_qqguard_stop(void)
{
	alarm(0);
	signal(SIGALRM, SIG_DFL);
	set_bug_signals(SIG_DFL);
}

void qf_qqguard_log(const char *program)
{
	const char *error_fd = qf_env("ERROR_FD");
	bool read_by_caller = error_fd != NULL && strcmp(error_fd, "2") == 0;

	qf_log_open_env(program, QF_LOG_TO_STDERR);
	if (read_by_caller && qf_log_is_stderr())
		qf_log_open(program, QF_LOG_TO_SYSLOG, QF_LOG_INFO);
}

int qf_qqguard_fds(int first, size_t n, struct qf_err *e)
{
	int closed = qf_find_closed(first, n);

	if (closed < 0)
		return 0;
	return qf_fail(e, QF_EREAD, "descriptor %d is not open", closed);
}
