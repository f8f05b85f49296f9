/*
 * The counters of all processes of a host: a directory of files, KEY.NNN, each
 * with the values whose hash is NNN. One lock, on the directory, is held from
 * open to close.
 */
#ifndef QF_LIMIT_STORE_H
#define QF_LIMIT_STORE_H

#include "plugins/limit/file.h"
#include "plugins/limit/key.h"

enum {
	STORE_FILES = 256 /* for each key */
};

struct store {
	int dir;
	const char *path;
	uid_t owner; /* of the directory: root counts for others too */
	int64_t now; /* the time, as counter.h has it */
	struct store_file *files;    /* that are loaded */
	unsigned damaged, forgotten; /* as in struct file, of all */
};

/* Makes the directory if it must, and takes the lock, waiting for it no longer
 * than `patience` milliseconds: 0, QF_ETIME, QF_EPERM, QF_EREAD or QF_EWRITE.
 * The time is taken when the lock is there, so that it never runs backwards
 * from one process to the next. Close it only when it was opened. */
int32_t store_open(
    struct store *s, const char *path, int64_t patience, struct qf_err *e);
void store_close(struct store *s);

/* The entry of a value, valid until the store is closed: 0 or QF_EREAD. */
int32_t store_get(struct store *s, enum key key, const char *value,
    uint32_t per, struct file_entry **out, struct qf_err *e);
/* Writes the files of all entries that were asked for: 0 or QF_EWRITE. */
int32_t store_save(struct store *s, struct qf_err *e);
/* The same, but only what had to be set right when it was read: for those who
 * count nothing. The entries must be as store_get() gave them. */
int32_t store_mend(struct store *s, struct qf_err *e);
/* Drops what has run out from one of the other files, another one each
 * second. */
int32_t store_sweep(struct store *s, struct qf_err *e);

#endif
