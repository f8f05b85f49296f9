#include "lib/base/undo.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static struct qf_undo *volatile top;
static struct sigaction before;
static pid_t owner; /* a copy of it has nothing to undo */

void qf_undo_all(void)
{
	for (struct qf_undo *u = top; u != NULL && getpid() == owner;
	     u = u->next)
		u->undo(u->arg);
}

static void on_term(int sig)
{
	qf_undo_all();
	if (before.sa_handler == SIG_DFL) {
		signal(sig, SIG_DFL);
		raise(sig);
	} else if (before.sa_handler != SIG_IGN) {
		before.sa_handler(sig);
	}
}

void qf_undo_push(struct qf_undo *u)
{
	struct sigaction sa = {.sa_handler = on_term};

	u->next = top;
	top = u;
	if (u->next != NULL)
		return;
	owner = getpid();
	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, &before);
}

void qf_undo_pop(struct qf_undo *u)
{
	assert(top == u);
	if (u->next == NULL)
		sigaction(SIGTERM, &before, NULL);
	top = u->next;
}
