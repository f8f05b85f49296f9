#include "send/wake.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

#include "lib/base/io.h"

int qf_wake_open(struct qf_wake *w, struct qf_err *e)
{
	sigset_t set;

	*w = (struct qf_wake)QF_WAKE_NONE;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	/* Whoever started us may have ignored it: then no child could be
	 * waited for. */
	signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    (w->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return qf_fail_sys(e, QF_EPIPE, "signalfd");
	return 0;
}

void qf_wake_read(struct qf_wake *w)
{
	struct signalfd_siginfo si;

	while (qf_read(w->fd, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			w->stop = true;
		else
			w->run = true;
	}
}

void qf_wake_close(struct qf_wake *w)
{
	qf_close(&w->fd);
}
