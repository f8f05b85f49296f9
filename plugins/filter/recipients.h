/*
 * The envelope of a message as a whole: read from the host, and changed into
 * another by the fewest edits.
 */
#ifndef QFP_FILTER_RECIPIENTS_H
#define QFP_FILTER_RECIPIENTS_H

#include <qfront/plugin.h>

#include "lib/mail/envelope.h"

/* 0 or an error of the host. */
int recipients_read(
    const struct qf_host *h, struct qf_msg *m, struct qf_envelope *out);

/*
 * Stages what makes `from`, which is the message's, into `to`. A recipient that
 * both have is not touched; new ones come after those that stay, in their
 * order. Returns a class: QF_PASS, or QF_DISCARD when nobody is left; or an
 * error of the host, with e filled.
 */
int recipients_apply(const struct qf_host *h, struct qf_msg *m,
    const struct qf_envelope *from, const struct qf_envelope *to,
    struct qf_err *e);

#endif
