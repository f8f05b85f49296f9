#include "remote/smtp_data.h"

#include <string.h>

/* What is put goes behind *to, where there is room for it. */

static void put_run(
    struct qf_smtp_data *d, char **to, const char *p, const char *end)
{
	if (p == end)
		return;
	if (!d->mid_line && p[0] == '.' && !d->plain)
		*(*to)++ = '.';
	memcpy(*to, p, (size_t)(end - p));
	*to += end - p;
	d->after_cr = false;
	d->mid_line = true;
}

static void put_cr(struct qf_smtp_data *d, char **to)
{
	memcpy(*to, "\r\n", 2);
	*to += 2;
	d->after_cr = true;
	d->mid_line = false;
}

/* Lines of bytes without a CR, as far as they have ends: what is left. */
static const char *put_lines(
    struct qf_smtp_data *d, char **to, const char *p, const char *end)
{
	bool at_start = !d->mid_line, doubles = !d->plain;
	char *at = *to;
	const char *lf;

	if (p < end) {
		p += d->after_cr && *p == '\n';
		d->after_cr = false;
	}
	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (*p == '.' && at_start && doubles)
			*at++ = '.';
		memcpy(at, p, (size_t)(lf - p));
		at += lf - p;
		*at++ = '\r';
		*at++ = '\n';
		at_start = true;
		p = lf + 1;
	}
	d->mid_line = !at_start;
	*to = at;
	return p;
}

/* Most messages have no CR: they are looked through for one as a whole, and
 * not line by line. */
void qf_smtp_data_add(
    struct qf_smtp_data *d, struct qf_buf *out, struct qf_span in)
{
	const char *p = in.p, *end = in.p + in.n;
	char *to;

	if (in.n == 0)
		return;
	qf_buf_reserve(out, 2 * in.n);
	to = out->s + out->len;
	while (p < end) {
		const char *cr = memchr(p, '\r', (size_t)(end - p));
		const char *stop = cr != NULL ? cr : end;

		p = put_lines(d, &to, p, stop);
		put_run(d, &to, p, stop);
		if (cr != NULL)
			put_cr(d, &to);
		p = cr != NULL ? cr + 1 : end;
	}
	out->len = (size_t)(to - out->s);
	*to = '\0';
}

void qf_smtp_data_end(struct qf_smtp_data *d, struct qf_buf *out)
{
	if (d->mid_line)
		qf_buf_adds(out, "\r\n");
	if (!d->plain)
		qf_buf_adds(out, ".\r\n");
	*d = (struct qf_smtp_data){.plain = d->plain};
}
