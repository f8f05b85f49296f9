/*
 * An index of the parts of a message (RFC 2045, 2046): what stands where, and
 * what it says of itself. The message is one span that stays where it is; the
 * index points into it. It takes time linear in the bytes, whatever they are.
 *
 * Part 0 is the message; a multipart comes before its parts, an attached
 * message before its own. Lines end at LF, CR LF or a lone CR, which the next
 * server gets as a line end. A line is a boundary when nothing but blanks
 * follows on it, as mail clients have it; one that goes on otherwise makes its
 * multipart malformed, so that nobody trusts the index where others may
 * see other parts.
 *
 * Nothing that a message holds is an error. Where it exceeds a limit the part
 * stays closed and has QF_PART_LIMIT, and so have all parts around it: looking
 * at part 0 tells whether the index is complete.
 */
#ifndef QF_MAIL_MIME_H
#define QF_MAIL_MIME_H

#include <qfront/plugin.h>
#include "lib/base/alloc.h"
#include "lib/base/buf.h"

enum {
	QF_MIME_DEPTH_MAX = 32, /* of a part; part 0 has depth 0 */
	QF_MIME_PARTS_MAX = 10000,
	QF_MIME_HEADER_MAX = 256 << 10, /* bytes of the header of one part */
	QF_MIME_BOUNDARY_MAX = 256,     /* RFC 2046 allows 70 */
	QF_MIME_DECODED_MAX = 256 << 20 /* bytes, of all parts together */
};

struct qf_mime_bytes {
	char *p;
	size_t n;
};

/* Zeroed memory is an index of nothing. */
struct qf_mime {
	struct qf_part *part;
	size_t n, cap;
	struct qf_mime_bytes *decoded; /* per part, of those asked for */
	size_t decoded_total;
	struct qf_arena arena; /* the strings of the parts */
};

/* Borrows the message as long as the index is used. */
void qf_mime_index(struct qf_mime *m, struct qf_span message);
void qf_mime_free(struct qf_mime *m); /* leaves it empty */

/*
 * The body of a part without its transfer encoding; a body without one, and
 * that of a multipart, is given as it stands. Valid until qf_mime_free().
 * QF_EINVAL without such a part, QF_EFORMAT when the encoding is not known,
 * QF_ETOOLONG beyond QF_MIME_DECODED_MAX.
 */
int qf_mime_decoded(struct qf_mime *m, size_t index, struct qf_span *out);

#endif
