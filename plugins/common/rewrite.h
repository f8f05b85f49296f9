/*
 * Makes the message look like given bytes, for filters that hand back the
 * whole of it. Fields that are there already stay as they are, byte for byte;
 * what differs is deleted and inserted.
 *
 * The edits of a plugin can not make everything: no field without a space
 * after its colon, no line of the header that is no field, no CR. Such lines
 * are fine where they stood before. Where one is new, nothing is staged: the
 * message would be another than the filter's.
 */
#ifndef QFP_COMMON_REWRITE_H
#define QFP_COMMON_REWRITE_H

#include <qfront/plugin.h>

#include "lib/base/err.h"

/* fd is a regular file with the bytes. 0, also when there is nothing to edit;
 * QF_EFORMAT when edits can not make them, e->text has the reason; QF_EREAD,
 * or an error of the host. */
int rewrite_message(
    const struct qf_host *h, struct qf_msg *m, int fd, struct qf_err *e);

#endif
