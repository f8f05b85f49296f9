#include "plugins/common/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void lines_init(struct lines *l, const struct qf_host *h, struct qf_msg *m)
{
	*l = (struct lines){.h = h,
	    .m = m,
	    .name = "",
	    .line = QF_BUF_INIT_MAX(LINES_BYTES),
	    .last = QF_BUF_INIT};
}

void lines_free(struct lines *l)
{
	qf_buf_free(&l->line);
	qf_buf_free(&l->last);
}

void lines_say(const struct lines *l, int32_t level, const char *fmt, ...)
{
	struct qf_buf b = QF_BUF_INIT;
	char text[LINES_BYTES + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	qf_buf_addf(&b, "%s: %s", l->name, text);
	l->h->log(l->m, NULL, level, b.s);
	qf_buf_free(&b);
}

static bool is_complaint(const struct lines *l)
{
	size_t n = l->complainer != NULL ? strlen(l->complainer) : 0;

	return n > 0 && strncmp(l->line.s, l->complainer, n) == 0 &&
	       l->line.s[n] == ':';
}

static void end_line(struct lines *l)
{
	l->complained |= is_complaint(l);
	if (qf_span_trim(qf_buf_span(&l->line)).n > 0) {
		if (l->n++ < LINES_LOGGED)
			lines_say(l, QF_LOG_INFO, "%s", l->line.s);
		qf_buf_reset(&l->last);
		qf_buf_addspan(&l->last, qf_buf_span(&l->line));
	}
	qf_buf_reset(&l->line);
}

int lines_take(void *arg, struct qf_span bytes, struct qf_err *e)
{
	struct lines *l = arg;
	struct qf_span part;
	bool ends;

	(void)e;
	while (bytes.n > 0) {
		ends = qf_span_cut(&bytes, '\n', &part);
		if (!ends) {
			part = bytes;
			bytes.n = 0;
		}
		if (part.n > l->line.max - l->line.len)
			part.n = l->line.max - l->line.len;
		qf_buf_addspan(&l->line, part);
		if (ends)
			end_line(l);
	}
	return 0;
}

void lines_end(struct lines *l)
{
	end_line(l);
	if (l->n > LINES_LOGGED)
		lines_say(
		    l, QF_LOG_INFO, "%llu lines more", l->n - LINES_LOGGED);
}
