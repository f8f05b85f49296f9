/*
 * Recipients that got a verdict of their own, on their way from a worker to
 * the dispatcher: for each different verdict the judgement and the addresses.
 */
#ifndef QF_FRONTEND_FATES_H
#define QF_FRONTEND_FATES_H

#include "frontend/host.h"

/* Appends those that are neither passed nor redirected; `env` is the envelope
 * that they were given for. */
void qf_fates_format(const struct qf_fates *f, const struct qf_envelope *env,
    struct qf_buf *out);

/* The next verdict, cut off *bytes: 1, 0 at the end, QF_EPROTO when the bytes
 * are none of ours. The recipients are added to `rcpts`, which starts empty,
 * as an envelope without sender. */
int qf_fates_next(struct qf_span *bytes, struct qf_judgement *j,
    struct qf_envelope *rcpts, struct qf_err *e);

#endif
