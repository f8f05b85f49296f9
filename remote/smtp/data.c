#include "remote/smtp/data.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum {
	LANES = 16
};

/* Bytes that are looked at together. */
typedef unsigned char lanes __attribute__((vector_size(LANES)));

/* Of bytes that are 0 or 255, one of them at least 255. */
static size_t first_set(uint64_t bytes)
{
	return (size_t)__builtin_ctzll(le64toh(bytes)) / 8;
}

/* Copies up to LANES bytes until an LF: how many there are before that. There
 * is room for LANES in any case. */
static size_t copy_to_lf(char *to, const char *p, const char *end)
{
	uint64_t half[2];
	size_t n = 0;
	lanes v;

	if (end - p < LANES) {
		for (; p + n < end && p[n] != '\n'; n++)
			to[n] = p[n];
		return n;
	}
	memcpy(&v, p, LANES);
	memcpy(to, &v, LANES);
	v = (lanes)(v == '\n');
	memcpy(half, &v, sizeof half);
	if (half[0] != 0)
		return first_set(half[0]);
	return half[1] != 0 ? 8 + first_set(half[1]) : LANES;
}

/* What is put goes behind *to, where there is room for it. */

static void put_cr(struct qf_smtp_data *d, char **to)
{
	memcpy(*to, "\r\n", 2);
	*to += 2;
	d->after_cr = true;
	d->mid_line = false;
}

/* Bytes without a CR. */
static void put_lines(
    struct qf_smtp_data *d, char **to, const char *p, const char *end)
{
	bool at_start = !d->mid_line, doubles = !d->plain;
	char *at = *to;

	if (p < end) {
		p += d->after_cr && *p == '\n';
		d->after_cr = false;
	}
	while (p < end) {
		size_t n;

		if (at_start && doubles && *p == '.')
			*at++ = '.';
		n = copy_to_lf(at, p, end);
		at += n;
		p += n;
		at_start = n < LANES && p < end;
		if (at_start) {
			*at++ = '\r';
			*at++ = '\n';
			p++;
		}
	}
	d->mid_line = !at_start;
	*to = at;
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
	qf_buf_reserve(out, 2 * in.n + LANES);
	to = out->s + out->len;
	while (p < end) {
		const char *cr = memchr(p, '\r', (size_t)(end - p));
		const char *stop = cr != NULL ? cr : end;

		put_lines(d, &to, p, stop);
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
