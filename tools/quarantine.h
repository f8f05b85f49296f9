/*
 * Shared by the files of `qfrontctl quarantine`.
 */
#ifndef QF_TOOLS_QUARANTINE_H
#define QF_TOOLS_QUARANTINE_H

#include <stdbool.h>

#include "queue/store.h"

struct qf_quarantine {
	const struct qf_store_ops *ops;
	struct qf_store *store;
	bool json, message; /* --json, --message */
	char *const *id;    /* NULL-terminated, of the command line */
	int found;          /* what the command ends with */
};

/* Prints what went wrong with one message; the command goes on and ends with
 * QF_FOUND. */
void qf_quarantine_complain(struct qf_quarantine *q, const struct qf_err *e);
/* A held message: false, and it complained, when there is none. */
bool qf_quarantine_load(
    struct qf_quarantine *q, const char *id, struct qf_item *item);

/* quarantine_show.c: QF_DONE, QF_FOUND or QF_TROUBLE. */
int qf_quarantine_list(struct qf_quarantine *q);
int qf_quarantine_show(struct qf_quarantine *q);

#endif
