/*
 * A message as spans over a read-only mapping, with an index of its header
 * and edits that copy nothing.
 *
 * The pieces always add up to the message: header fields in order (a line of
 * the header that is no field is a piece of its own, marked malformed), the
 * separator, the runs of the body. Without edits they are, byte for byte,
 * what was read. Lines end in LF, as qmail keeps messages; a CR before it
 * belongs to the line.
 *
 * The header ends at the first empty line (which may hold a lone CR) or at
 * the end of the message, so a text without any empty line is all header. A
 * line that starts with space or tab continues the field before it; as the
 * first line it is malformed. So are a line without a colon, an mbox `From `
 * line, and a name with anything but printable ASCII.
 */
#ifndef QF_MAIL_MESSAGE_H
#define QF_MAIL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/io.h"
#include "lib/base/spool.h"

/* Most fields that a header may have: memory for the index is bounded. */
enum {
	QF_HEADER_MAX = 1000000
};

struct qf_header_field {
	struct qf_span raw;   /* with its line ends */
	struct qf_span name;  /* without the colon; empty when malformed */
	struct qf_span value; /* after the colon, without the last LF; all of
			       * the line when malformed */
	bool malformed;
};

struct qf_message {
	int fd; /* what it was opened on, borrowed */
	struct qf_map map;
	struct qf_arena arena; /* bytes that edits brought in */
	struct qf_header_field *field;
	size_t nfields;
	struct qf_span separator; /* the empty line, or nothing */
	struct qf_span *body;     /* runs */
	size_t nbody;
	uint64_t size;       /* bytes of all pieces */
	uint32_t generation; /* 0: as read; grows with each apply that edits */
};

/* Maps and indexes the regular file or memfd fd, which must not shrink while
 * it is open. QF_EREAD, or QF_ENOMEM above QF_HEADER_MAX. */
int qf_message_open(struct qf_message *m, int fd, struct qf_err *e);
void qf_message_close(struct qf_message *m);

/* All bytes in order, from *at = 0: true and the next run, false at the end.
 * Pieces that follow each other in memory come as one run. */
bool qf_message_next(
    const struct qf_message *m, size_t *at, struct qf_span *out);
/* Writes all pieces: 0 or QF_EWRITE. */
int qf_message_write(const struct qf_message *m, int fd, struct qf_err *e);

/* All pieces in a spool of their own, opened here and finished: 0, or QF_EWRITE
 * with the spool closed. */
int qf_message_spool(
    const struct qf_message *m, struct qf_spool *out, struct qf_err *e);

/* Where the line of s that holds `from` ends: at a CR or LF, or at s.n. Takes
 * time for what it passes only, whichever of the two ends lines. */
size_t qf_line_end(struct qf_span s, size_t from);

/* The first field of that name (no case) at or after `from`, or -1. */
long qf_message_find(
    const struct qf_message *m, struct qf_span name, size_t from);

/*
 * The message with every line end as CR LF, as SMTP sends it: a lone CR or LF
 * becomes CR LF, a last line without an end gets one (an empty message stays
 * empty). A state machine over the pieces; zeroed memory starts it.
 */
struct qf_crlf {
	size_t piece;        /* next piece */
	struct qf_span rest; /* of the current one */
	bool after_cr; /* the last byte taken was a CR, its end is written */
	bool mid_line; /* bytes were given since the last line end */
};

/* Next run: true, or false at the end. It points into the message or to a
 * constant. */
bool qf_message_crlf_next(
    const struct qf_message *m, struct qf_crlf *it, struct qf_span *out);

/* Fills all of *f from the bytes of one field. */
void qf_header_field_set(struct qf_header_field *f, struct qf_span raw);

#endif
