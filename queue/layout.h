/*
 * The folders and files of a queue in qmail's layout, with their modes: one
 * table for making a queue and for checking one.
 */
#ifndef QF_QUEUE_LAYOUT_H
#define QF_QUEUE_LAYOUT_H

#include <sys/types.h>

#include "lib/base/err.h"

enum {
	QF_QUEUE_SPLIT = 23
}; /* folders below mess, info, local, remote */

/* Makes what is missing below dir (and dir itself), owned by uid and gid;
 * changes nothing that is there. QF_EWRITE. */
int qf_layout_init(const char *dir, uid_t uid, gid_t gid, struct qf_err *e);
/* The first thing that is missing or not of its kind: QF_EQUEUE. */
int qf_layout_check(const char *dir, struct qf_err *e);

#endif
