#include "tools/text.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/utf8.h"

static void add_clean(struct qf_buf *out, struct qf_span s, const char *kept)
{
	while (s.n > 0) {
		unsigned point;
		size_t n = qf_utf8_char(s.p, s.n, &point);
		bool keep =
		    n == 1 && *s.p != '\0' && strchr(kept, *s.p) != NULL;

		if (n == 0 || (qf_utf8_is_control(point) && !keep))
			qf_buf_addc(out, '?');
		else
			qf_buf_add(out, s.p, n);
		n += n == 0;
		s = qf_span_n(s.p + n, s.n - n);
	}
}

void qf_text_add(struct qf_buf *out, struct qf_span s)
{
	add_clean(out, s, "");
}

void qf_text_add_lines(struct qf_buf *out, struct qf_span s)
{
	add_clean(out, s, "\n\t");
}

void qf_text_add_age(struct qf_buf *out, int64_t seconds)
{
	static const struct {
		int64_t below, unit;
		char letter;
	} t[] = {
	    {120, 1, 's'},
	    {7200, 60, 'm'},
	    {172800, 3600, 'h'},
	    {INT64_MAX, 86400, 'd'},
	};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (seconds >= t[i].below && i + 1 < sizeof t / sizeof *t)
		i++;
	qf_buf_addf(
	    out, "%lld%c", (long long)(seconds / t[i].unit), t[i].letter);
}

/* Rounded up: what is there is never shown as nothing. */
void qf_text_add_size(struct qf_buf *out, uint64_t bytes)
{
	static const char units[] = "KMGT";
	size_t i = 0;

	if (bytes < 10240) {
		qf_buf_addf(out, "%llu", (unsigned long long)bytes);
		return;
	}
	bytes = (bytes + 1023) / 1024;
	while (bytes >= 10240 && units[i + 1] != '\0') {
		bytes = (bytes + 1023) / 1024;
		i++;
	}
	qf_buf_addf(out, "%llu%c", (unsigned long long)bytes, units[i]);
}

void qf_text_add_address(struct qf_buf *out, const char *addr)
{
	if (addr[0] == '\0')
		qf_buf_adds(out, "<>");
	qf_text_add(out, qf_span(addr));
}

void qf_text_add_header(struct qf_buf *out, const struct qf_message *m)
{
	for (size_t i = 0; i < m->nfields; i++)
		qf_buf_addspan(out, m->field[i].raw);
}

void qf_text_add_message(struct qf_buf *out, const struct qf_message *m)
{
	struct qf_span all = qf_span_n(m->map.p, m->map.n);

	if (isatty(STDOUT_FILENO))
		qf_text_add_lines(out, all);
	else
		qf_buf_addspan(out, all);
}
