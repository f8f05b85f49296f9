/*
 * Replies of an SMTP server (RFC 5321 section 4.2), from bytes that come in
 * any pieces. What is kept is printable and bounded, whatever the server
 * sends, so it can stand in logs and bounces.
 *
 * A reply is lines `CODE-text`, the last one `CODE text`, `CODE ` or `CODE`;
 * lines end in CR LF, or a bare LF. All lines carry one code, 200 to 599.
 */
#ifndef QF_REMOTE_SMTP_REPLY_H
#define QF_REMOTE_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	QF_REPLY_LINE_MAX = 12288, /* bytes of a line, without its end; what RFC
				    * 4954 allows a challenge */
	QF_REPLY_TEXT_MAX = 512,   /* bytes of a reply as one line */
	QF_REPLY_LINES_MAX = 100,
	QF_REPLY_TOTAL_MAX = 65536 /* bytes of a reply */
};

struct qf_smtp_reply {
	int code;           /* of its lines; 0 before the first */
	bool complete;      /* the last line is there */
	bool bare;          /* ... and is the code alone */
	struct qf_buf text; /* of all lines, each with an LF after it */
	/* Inside: */
	struct qf_buf line; /* as far as it came */
	size_t lines, bytes;
};

/* clang-format off */
#define QF_SMTP_REPLY_INIT { \
	.text = QF_BUF_INIT, \
	.line = QF_BUF_INIT_MAX(QF_REPLY_LINE_MAX) }
/* clang-format on */

/* Empty again, memory kept. */
void qf_smtp_reply_reset(struct qf_smtp_reply *r);
void qf_smtp_reply_free(struct qf_smtp_reply *r);

/* No byte of a reply has come. */
bool qf_smtp_reply_is_empty(const struct qf_smtp_reply *r);

/* Takes bytes from the front of *in, up to the end of one reply: 1 when it is
 * complete, 0 when more must come, QF_EPROTO when it is none (the error quotes
 * it); after 1 or QF_EPROTO reset it before the next. */
int qf_smtp_reply_feed(
    struct qf_smtp_reply *r, struct qf_span *in, struct qf_err *e);

/* The next line of text from *at = 0: true, or false at the end. */
bool qf_smtp_reply_next(
    const struct qf_smtp_reply *r, size_t *at, struct qf_span *line);

/* Appends `CODE text`, all lines on one, at most QF_REPLY_TEXT_MAX bytes. */
void qf_smtp_reply_format(const struct qf_smtp_reply *r, struct qf_buf *out);
/* Appends its lines as the server wrote them, `CODE-text` and at last `CODE
 * text`, each with an LF, at most max bytes; of what is no reply, the line
 * that was not understood. */
void qf_smtp_reply_lines(
    const struct qf_smtp_reply *r, size_t max, struct qf_buf *out);
/* Makes of such lines what qf_smtp_reply_format() does. */
void qf_smtp_reply_flatten(struct qf_span lines, struct qf_buf *out);

/* Appends s with `?` for every byte that is not printable ASCII; a tab
 * becomes a space. */
void qf_smtp_add_printable(struct qf_buf *out, struct qf_span s);

#endif
