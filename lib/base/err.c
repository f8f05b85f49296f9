#include "lib/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int qf_fail(struct qf_err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return rc;
	e->rc = rc;
	e->sys = 0;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return rc;
}

int qf_fail_sys(struct qf_err *e, int rc, const char *fmt, ...)
{
	int sys = errno;
	size_t n;
	va_list ap;

	if (e == NULL)
		return rc;
	e->rc = rc;
	e->sys = sys;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(sys));
	return rc;
}

int qf_err_context(struct qf_err *e, const char *fmt, ...)
{
	char was[sizeof e->text];
	size_t n;
	va_list ap;

	if (e == NULL)
		return 0;
	memcpy(was, e->text, sizeof was);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof e->text - n, ": %s", was);
	return e->rc;
}
