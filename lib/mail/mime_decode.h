/*
 * The transfer encodings of MIME (RFC 2045 section 6), decoded as mail clients
 * do: whatever comes in, something comes out.
 */
#ifndef QF_MAIL_MIME_DECODE_H
#define QF_MAIL_MIME_DECODE_H

#include "lib/base/buf.h"

enum qf_encoding {
	QF_ENCODING_NONE, /* none given, 7bit, 8bit, binary */
	QF_ENCODING_BASE64,
	QF_ENCODING_QP,
	QF_ENCODING_OTHER
};

enum qf_encoding qf_encoding_find(struct qf_span name); /* no case */

/* Each appends what `in` stands for: 0, or QF_ETOOLONG by out->max. It is never
 * longer than `in`. */

/* Skips bytes that do not belong to the alphabet; ends at the first padding. */
int qf_base64_decode(struct qf_span in, struct qf_buf *out);
/* Leaves a `=` that starts nothing as it is; drops blanks at the ends of
 * lines, which only transport can have put there. Line ends stay. */
int qf_qp_decode(struct qf_span in, struct qf_buf *out);

/* The value of a hexadecimal digit, or -1. */
int qf_hex_digit(char c);

#endif
