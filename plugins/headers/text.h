/*
 * The value of a field as a rule gives it: text with places to fill in,
 * %{KEY}. What is filled in comes from strangers, so it is cleaned of
 * everything that could end a field or start another one.
 */
#ifndef QF_HEADERS_TEXT_H
#define QF_HEADERS_TEXT_H

#include "plugins/common/rules.h"

/* RFC 5322 section 2.1.1: no line of a header is longer. */
enum {
	TEXT_LINE_MAX = 998
};

struct text {
	struct text_part *part;
	size_t n;
};

/* 0, QF_ECONF with the mistake reported, QF_ENOMEM. */
int32_t text_parse(
    struct text *t, const struct rules_place *at, struct qf_span s);
void text_free(struct text *t);
/* How many bytes are there whatever is filled in. */
size_t text_literals(const struct text *t);

/* Fills it in for a message, at most room bytes: 1, 0 when a key is absent
 * that the text can not do without, or a negative code. */
int32_t text_fill(const struct text *t, const struct qf_host *h,
    struct qf_msg *m, size_t room, char out[TEXT_LINE_MAX + 1]);

#endif
