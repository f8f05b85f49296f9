#include "remote/smtp_data.h"

#include <string.h>

/* Bytes before the first CR or LF. */
static size_t run_length(const char *p, size_t n)
{
	const char *lf = memchr(p, '\n', n);
	const char *cr;

	if (lf != NULL)
		n = (size_t)(lf - p);
	cr = memchr(p, '\r', n);
	return cr != NULL ? (size_t)(cr - p) : n;
}

static void add_line_end(struct qf_smtp_data *d, struct qf_buf *out, char c)
{
	bool is_second_half = c == '\n' && d->after_cr;

	d->after_cr = c == '\r';
	if (is_second_half)
		return;
	qf_buf_add(out, "\r\n", 2);
	d->mid_line = false;
}

static void add_run(
    struct qf_smtp_data *d, struct qf_buf *out, const char *p, size_t n)
{
	if (!d->mid_line && p[0] == '.' && !d->plain)
		qf_buf_addc(out, '.');
	qf_buf_add(out, p, n);
	d->after_cr = false;
	d->mid_line = true;
}

void qf_smtp_data_add(
    struct qf_smtp_data *d, struct qf_buf *out, struct qf_span in)
{
	while (in.n > 0) {
		size_t n = run_length(in.p, in.n);

		if (n > 0) {
			add_run(d, out, in.p, n);
		} else {
			add_line_end(d, out, in.p[0]);
			n = 1;
		}
		in.p += n;
		in.n -= n;
	}
}

void qf_smtp_data_end(struct qf_smtp_data *d, struct qf_buf *out)
{
	if (d->mid_line)
		qf_buf_adds(out, "\r\n");
	if (!d->plain)
		qf_buf_adds(out, ".\r\n");
	*d = (struct qf_smtp_data){.plain = d->plain};
}
