/*
 * A message as the bytes between DATA and the end of data: every line ends
 * in CR LF, a dot at the start of a line is doubled, `.` CR LF ends it (RFC
 * 5321 section 4.5.2).
 *
 * What must stay true: whatever the message holds, no CR or LF goes out but
 * as CR LF, and CR LF `.` CR LF only at the end. So LF, CR LF and a lone CR
 * are all line ends, and a dot is doubled after each of them; nothing in a
 * message can end it early or pass for a command, even to a server that
 * takes a bare CR or LF for a line end.
 */
#ifndef QF_REMOTE_SMTP_DATA_H
#define QF_REMOTE_SMTP_DATA_H

#include <stdbool.h>

#include "lib/base/buf.h"

/* Zeroed memory starts a message. */
struct qf_smtp_data {
	bool after_cr; /* the last byte was a CR; its line end is written */
	bool mid_line; /* bytes were written since the last line end */
	bool plain;    /* for BDAT: no dot is doubled, and none ends it */
};

/* Appends the next bytes of the message: at most twice their number. */
void qf_smtp_data_add(
    struct qf_smtp_data *d, struct qf_buf *out, struct qf_span in);
/* Appends the end: a line end where the last line has none, then the dot;
 * the next message starts as this one did. */
void qf_smtp_data_end(struct qf_smtp_data *d, struct qf_buf *out);

#endif
