/*
 * Results of authentication that the stages of a chain found: they are kept in
 * the share of the message, and written as one Authentication-Results field
 * when it is queued. Readers believe a field with our id, so those that came
 * with the message are removed.
 */
#ifndef QF_FRONTEND_RESULTS_H
#define QF_FRONTEND_RESULTS_H

#include <stdbool.h>

#include "frontend/share.h"
#include "lib/base/err.h"
#include "lib/mail/message.h"

/*
 * Removes the fields of the header that claim to be of the server `id`, once
 * for a message: the share remembers it. How many there were.
 */
size_t qf_results_strip(
    struct qf_message *m, struct qf_share *share, const char *id);

/*
 * Writes the message with the field of all results on top: 1 and a descriptor
 * that is the caller's, or 0 when there are none. QF_EREAD, QF_EWRITE, or
 * QF_EPROTO when a result in the share can not be written.
 */
int qf_results_write(const struct qf_share *share, const char *id, int message,
    int *out, struct qf_err *e);

bool qf_results_are_same(const struct qf_share *a, const struct qf_share *b);

#endif
