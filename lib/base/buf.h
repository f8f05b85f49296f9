/*
 * Byte strings that grow, and operations on spans.
 *
 * Invariants of struct qf_buf: s is never NULL; s[len] is NUL; len <= max
 * where max is not 0. Start with QF_BUF_INIT; zeroed memory will not do.
 */
#ifndef QF_BASE_BUF_H
#define QF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qfront/err.h>
#include <qfront/span.h>

struct qf_buf {
	char *s;
	size_t len, cap;
	size_t max; /* most bytes that it may hold; 0: no limit */
};

extern char qf_buf_empty[1]; /* what s points to before the first byte */

/* clang-format off */
#define QF_BUF_INIT {.s = qf_buf_empty}
#define QF_BUF_INIT_MAX(m) {.s = qf_buf_empty, .max = (m)}
/* clang-format on */

/* FNV-1a: h, the digest of what came before (at first QF_DIGEST), with these
 * bytes. Against accidents, not against intent. */
#define QF_DIGEST UINT64_C(14695981039346656037)
uint64_t qf_digest(uint64_t h, const void *p, size_t n);

/* Appends. 0, or QF_ETOOLONG with the buffer as it was. */
int qf_buf_add(struct qf_buf *b, const void *p, size_t n);
int qf_buf_adds(struct qf_buf *b, const char *s);
/* With its zero byte. */
int qf_buf_addz(struct qf_buf *b, const char *s);
int qf_buf_addc(struct qf_buf *b, char c);
int qf_buf_addspan(struct qf_buf *b, struct qf_span s);
int qf_buf_addf(struct qf_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for n more bytes at s + len, for reading into; no limit is checked. */
void qf_buf_reserve(struct qf_buf *b, size_t n);
void qf_buf_reset(struct qf_buf *b); /* empty, memory kept */
void qf_buf_free(struct qf_buf *b);  /* as after QF_BUF_INIT, max kept */
/* The bytes, for the caller to free(); the buffer is empty afterwards. */
char *qf_buf_detach(struct qf_buf *b);

struct qf_span qf_buf_span(const struct qf_buf *b);

struct qf_span qf_span(const char *s); /* up to the NUL */
struct qf_span qf_span_n(const char *p, size_t n);
bool qf_span_eq(struct qf_span a, struct qf_span b);
bool qf_span_ieq(struct qf_span a, struct qf_span b); /* ASCII, no case */
bool qf_span_is(struct qf_span a, const char *s);
bool qf_span_iis(struct qf_span a, const char *s);
/* Without white space (space, tab, CR, LF) at both ends. */
struct qf_span qf_span_trim(struct qf_span s);
/* Cuts the part before the first c off *rest (and c itself); false and an
 * unchanged *rest when there is no c. */
bool qf_span_cut(struct qf_span *rest, char c, struct qf_span *head);
/* Decimal digits only, whole span. False when it is none or above max. */
bool qf_span_u64(
    struct qf_span s, unsigned long long max, unsigned long long *out);
/* The same, or with k, M or G (either case) for powers of 1024. */
bool qf_span_size(struct qf_span s, unsigned long long *out);

#endif
