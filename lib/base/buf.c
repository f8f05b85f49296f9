#include "lib/base/buf.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

char qf_buf_empty[1];

void qf_buf_reserve(struct qf_buf *b, size_t n)
{
	size_t want;

	if (b->cap != 0 && b->cap - b->len > n)
		return;
	want = b->len + n + 1;
	if (want < b->cap * 2)
		want = b->cap * 2;
	if (want < 64)
		want = 64;
	if (b->cap == 0) {
		b->s = qf_alloc(want);
	} else {
		b->s = qf_realloc(b->s, want);
	}
	b->cap = want;
}

int qf_buf_add(struct qf_buf *b, const void *p, size_t n)
{
	if (n > SIZE_MAX / 4 || (b->max != 0 && n > b->max - b->len))
		return QF_ETOOLONG;
	if (n == 0)
		return 0;
	qf_buf_reserve(b, n);
	memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = '\0';
	return 0;
}

int qf_buf_adds(struct qf_buf *b, const char *s)
{
	return qf_buf_add(b, s, strlen(s));
}

int qf_buf_addz(struct qf_buf *b, const char *s)
{
	return qf_buf_add(b, s, strlen(s) + 1);
}

int qf_buf_addc(struct qf_buf *b, char c)
{
	return qf_buf_add(b, &c, 1);
}

int qf_buf_addspan(struct qf_buf *b, struct qf_span s)
{
	return qf_buf_add(b, s.p, s.n);
}

int qf_buf_addf(struct qf_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || (b->max != 0 && (size_t)n > b->max - b->len))
		return QF_ETOOLONG;
	qf_buf_reserve(b, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void qf_buf_reset(struct qf_buf *b)
{
	b->len = 0;
	b->s[0] = '\0';
}

void qf_buf_free(struct qf_buf *b)
{
	if (b->cap != 0)
		free(b->s);
	b->s = qf_buf_empty;
	b->len = b->cap = 0;
}

char *qf_buf_detach(struct qf_buf *b)
{
	char *s;

	qf_buf_reserve(b, 0);
	s = b->s;
	b->s = qf_buf_empty;
	b->len = b->cap = 0;
	return s;
}

struct qf_span qf_buf_span(const struct qf_buf *b)
{
	return qf_span_n(b->s, b->len);
}

struct qf_span qf_span(const char *s)
{
	return qf_span_n(s, strlen(s));
}

struct qf_span qf_span_n(const char *p, size_t n)
{
	return (struct qf_span){.p = p, .n = n};
}

bool qf_span_eq(struct qf_span a, struct qf_span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool qf_span_ieq(struct qf_span a, struct qf_span b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	}
	return true;
}

bool qf_span_is(struct qf_span a, const char *s)
{
	return qf_span_eq(a, qf_span(s));
}

bool qf_span_iis(struct qf_span a, const char *s)
{
	return qf_span_ieq(a, qf_span(s));
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct qf_span qf_span_trim(struct qf_span s)
{
	while (s.n > 0 && is_white(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_white(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool qf_span_cut(struct qf_span *rest, char c, struct qf_span *head)
{
	const char *at = rest->n > 0 ? memchr(rest->p, c, rest->n) : NULL;

	if (at == NULL)
		return false;
	*head = qf_span_n(rest->p, (size_t)(at - rest->p));
	rest->n -= head->n + 1;
	rest->p = at + 1;
	return true;
}

bool qf_span_u64(
    struct qf_span s, unsigned long long max, unsigned long long *out)
{
	unsigned long long v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9 || d > max || v > (max - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

bool qf_span_size(struct qf_span s, unsigned long long *out)
{
	static const char suffixes[] = "kmg";
	unsigned shift = 0;

	for (unsigned i = 0; s.n > 1 && suffixes[i] != '\0'; i++) {
		if ((s.p[s.n - 1] | 0x20) == suffixes[i])
			shift = 10 * (i + 1);
	}
	if (shift != 0)
		s.n--;
	if (!qf_span_u64(s, ULLONG_MAX >> shift, out))
		return false;
	*out <<= shift;
	return true;
}

uint64_t qf_digest(uint64_t h, const void *p, size_t n)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * UINT64_C(1099511628211);
	return h;
}
