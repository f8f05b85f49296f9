#include "frontend/problem.h"

#include <stdarg.h>
#include <stdio.h>

int qf_problem(struct qf_problems *p, int rc, const char *fmt, ...)
{
	struct qf_err e = {.rc = rc};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, ap);
	va_end(ap);
	return qf_problem_err(p, &e);
}

int qf_problem_err(struct qf_problems *p, const struct qf_err *e)
{
	if (p->count++ == 0)
		p->first = *e;
	if (p->report != NULL)
		p->report(p->ctx, e->text);
	return e->rc;
}
