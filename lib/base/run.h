/*
 * A program run to its end, while what it writes is read and its deadline
 * watched. It is in a process group of its own; nothing of the group is left
 * when qf_run() returns, or when TERM ends this process meanwhile.
 */
#ifndef QF_BASE_RUN_H
#define QF_BASE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/child.h"
#include "lib/base/err.h"

/* A descriptor of the child that is a pipe to us. */
struct qf_run_out {
	int to; /* its number in the child */
	/* Receives what is written there: 0, or a code that ends the run. */
	int (*take)(void *arg, struct qf_span bytes, struct qf_err *e);
	void *arg;
	/* The program's end is not enough: whoever else holds the pipe may
	 * still write to it, and is waited for. */
	bool to_eof;
	int also; /* another number for it in the child, or 0 */
};

enum {
	QF_RUN_OUTS = 4
};

struct qf_run {
	/* group and bound are taken as set. */
	struct qf_child_spec child;
	const struct qf_run_out *out;
	size_t nout; /* QF_RUN_OUTS at most */
	int64_t deadline;
};

/* 0 and the status of wait(2), once all output is taken. QF_ETIME after the
 * deadline, a code of take(), QF_EEXEC, QF_EFORK, QF_EPIPE. */
int qf_run(const struct qf_run *run, int *status, struct qf_err *e);

#endif
