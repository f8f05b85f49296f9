/*
 * Text of mail headers as UTF-8: charsets, encoded words (RFC 2047).
 *
 * What comes out is always valid UTF-8 without controls: U+FFFD stands for
 * what can not be decoded and for controls, a space for a tab.
 */
#ifndef QF_MAIL_MIME_TEXT_H
#define QF_MAIL_MIME_TEXT_H

#include "lib/base/buf.h"

/* Converters of the charsets that were needed so far: opening one is slow. Only
 * charsets that mail uses are known; others are taken for UTF-8, as ASCII is.
 * Zeroed memory is none. */
struct qf_charsets {
	void **open; /* iconv_t, by the table in mime_text.c */
};

void qf_charsets_free(struct qf_charsets *c);

/* Appends bytes of a charset. */
void qf_mime_text_add(struct qf_charsets *c, struct qf_span charset,
    struct qf_span bytes, struct qf_buf *out);
/* Appends text that may hold encoded words, wherever they stand: mail programs
 * put them into quotes and right beside other text. */
void qf_mime_words_add(
    struct qf_charsets *c, struct qf_span text, struct qf_buf *out);

#endif
