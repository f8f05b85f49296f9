/*
 * max-action=: what a stage may do to a message at most, whatever its plugin
 * wants.
 */
#ifndef QF_FRONTEND_CAP_H
#define QF_FRONTEND_CAP_H

#include "frontend/host.h"

/* The field that is put on a message which a stage would have refused and may
 * only tag, or which passed a stage that broke. */
#define QF_TAG_FIELD "X-Qfront-Tag"

/* Holds a call's verdict, the verdicts of single recipients and what it has
 * staged against the cap of its stage, and lowers what goes beyond. True when
 * it did. */
bool qf_cap_apply(
    const struct qf_stage *s, struct qf_msg *m, struct qf_judgement *j);

/* Marks a message that goes on without the stage, which broke. */
void qf_cap_mark_passed(
    const struct qf_stage *s, struct qf_txn *t, const struct qf_judgement *j);

#endif
