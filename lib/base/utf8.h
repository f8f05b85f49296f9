/*
 * UTF-8, as RFC 3629 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef QF_BASE_UTF8_H
#define QF_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include <qfront/span.h>

/* The character at p, of at most n bytes (n > 0): its length, 1 to 4, and its
 * code point; 0 when there is none, and *point is 0. */
size_t qf_utf8_char(const char *p, size_t n, unsigned *point);
bool qf_utf8_is_valid(struct qf_span s);
/* C0, DEL, C1, and the separators of lines and paragraphs. */
bool qf_utf8_is_control(unsigned point);

#endif
