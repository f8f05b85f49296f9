/*
 * Shared by the files of `qfrontctl quarantine`.
 */
#ifndef QF_TOOLS_QUARANTINE_H
#define QF_TOOLS_QUARANTINE_H

#include <stdbool.h>

#include "tools/mailcmd.h"

/* A held message: false, and it complained, when there is none. */
bool qf_quarantine_load(
    struct qf_mailcmd *q, const char *id, struct qf_item *item);

/* quarantine_show.c: QF_DONE, QF_FOUND or QF_TROUBLE. */
int qf_quarantine_list(struct qf_mailcmd *q);
int qf_quarantine_show(struct qf_mailcmd *q);

#endif
