/*
 * Held messages that go on.
 */
#ifndef QF_TOOLS_RELEASE_H
#define QF_TOOLS_RELEASE_H

#include "frontend/handoff.h"
#include "tools/mailcmd.h"

/* Where the front end sends mail that passes: qf_next_free() it in any case.
 * QF_ECONF. */
int qf_release_choose(struct qf_next *next, struct qf_err *e);
/* One held message: prints what became of it. */
void qf_release(
    struct qf_mailcmd *cmd, struct qf_item *item, const struct qf_next *next);

#endif
