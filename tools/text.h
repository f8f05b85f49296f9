/*
 * Text from outside, for people to read: on a terminal no byte of it may do
 * anything but be seen.
 */
#ifndef QF_TOOLS_TEXT_H
#define QF_TOOLS_TEXT_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/mail/message.h"

/* Appends it with `?` for controls and for what is no UTF-8. */
void qf_text_add(struct qf_buf *out, struct qf_span s);
/* The same, but for line ends and tabs, which stay. */
void qf_text_add_lines(struct qf_buf *out, struct qf_span s);

/* An address, the empty one as `<>`. */
void qf_text_add_address(struct qf_buf *out, const char *addr);

/* The header, as it stands. */
void qf_text_add_header(struct qf_buf *out, const struct qf_message *m);
/* The bytes themselves, unless a person looks at them: on a terminal. */
void qf_text_add_message(struct qf_buf *out, const struct qf_message *m);

/* A time span as `12s`, `5m`, `3h` or `40d`; bytes as `512`, `12K` or `3M`. */
void qf_text_add_age(struct qf_buf *out, int64_t seconds);
void qf_text_add_size(struct qf_buf *out, uint64_t bytes);

#endif
