/*
 * The folders and files of a queue in qmail's layout, with their modes: one
 * table for making a queue and for checking one.
 */
#ifndef QF_QUEUE_LAYOUT_H
#define QF_QUEUE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum {
	QF_QUEUE_SPLIT = 23
}; /* folders below mess, info, local, remote */

/* One of its folders and files. */
struct qf_layout_entry {
	const char *path;
	mode_t kind; /* S_IFDIR, S_IFREG, S_IFIFO */
	mode_t mode;
	bool split;    /* with that many folders below it */
	bool optional; /* made when it is needed: an older queue lacks it */
	bool ours;     /* no other sender knows it */
};

/* A folder comes before what is in it; a NULL path ends the table. */
extern const struct qf_layout_entry qf_layout[];

/* Makes one that is missing, and nothing else, owned by uid and gid: 0, or -1
 * and errno. path is its own or that of a folder below it. */
int qf_layout_make(int root, const char *path, const struct qf_layout_entry *en,
    uid_t uid, gid_t gid);
const char *qf_layout_kind_name(mode_t kind);

/* Makes what is missing below dir (and dir itself), owned by uid and gid;
 * changes nothing that is there. QF_EWRITE. */
int qf_layout_init(const char *dir, uid_t uid, gid_t gid, struct qf_err *e);
/* The first thing that is missing or not of its kind: QF_EQUEUE. */
int qf_layout_check(const char *dir, struct qf_err *e);

#endif
