#include "plugins/dkim/say.h"

#include <stdarg.h>
#include <stdio.h>

void say(const struct qf_host *h, struct qf_msg *m, int32_t level,
    const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	h->log(m, NULL, level, text);
}
