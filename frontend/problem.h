/*
 * Mistakes in the configuration, each named FILE:LINE: what is wrong; what to
 * do. Where mail is at stake the first one decides (and defers the mail);
 * `qfrontctl check` wants them all. So whoever reads configuration reports
 * what it finds here and goes on reading.
 */
#ifndef QF_FRONTEND_PROBLEM_H
#define QF_FRONTEND_PROBLEM_H

#include <stddef.h>

#include "lib/base/err.h"

struct qf_problems {
	size_t count;
	struct qf_err first; /* .rc 0 while there is none */
	/* Called with each; may be NULL. */
	void (*report)(void *ctx, const char *text);
	void *ctx;
};

/* Reports one: rc is what it means for a message (QF_ECONF, QF_EPLUGIN, ...);
 * returns it. */
int qf_problem(struct qf_problems *p, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same from an error. */
int qf_problem_err(struct qf_problems *p, const struct qf_err *e);

#endif
