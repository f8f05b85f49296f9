/*
 * What the header of one MIME part says of it: for mime.c alone.
 */
#ifndef QF_MAIL_MIME_FIELD_H
#define QF_MAIL_MIME_FIELD_H

#include <qfront/plugin.h>
#include "lib/base/alloc.h"
#include "lib/mail/mime_param.h"
#include "lib/mail/mime_text.h"

/* What is used for each part again. Start with QF_MIME_READER_INIT. */
struct qf_mime_reader {
	struct qf_arena *arena; /* where strings of parts go */
	struct qf_charsets charsets;
	struct qf_params params;
	struct qf_buf scratch;
};

/* clang-format off */
#define QF_MIME_READER_INIT(a)                                                 \
	{.arena = (a), .params = QF_PARAMS_INIT, .scratch = QF_BUF_INIT}
/* clang-format on */

void qf_mime_reader_free(struct qf_mime_reader *r);

/*
 * Reads part->header: sets type, charset, encoding, name, id and flags of the
 * part. A part that does not say its type, or not so that it can be read, gets
 * `type`; one whose header is too long has none and QF_PART_LIMIT. *boundary is
 * that of a multipart, empty when there is none.
 */
void qf_mime_read_header(struct qf_mime_reader *r, struct qf_part *part,
    const char *type, struct qf_span *boundary);

#endif
