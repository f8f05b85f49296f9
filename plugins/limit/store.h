/*
 * The counters of all processes of a host: a directory of files, KEY.NN, each
 * with the values whose hash is NN. One lock, on the directory, is held from
 * open to close.
 */
#ifndef QF_LIMIT_STORE_H
#define QF_LIMIT_STORE_H

#include "plugins/limit/file.h"
#include "plugins/limit/key.h"

enum {
	STORE_FILES = 64 /* for each key */
};

struct store {
	int dir;
	const char *path;
	int64_t now;                 /* the time, as counter.h has it */
	struct store_file *files;    /* that are loaded */
	unsigned damaged, forgotten; /* as in struct file, of all */
	char error[300];             /* what went wrong: for a person */
};

/* Makes the directory if it must, and takes the lock, waiting for it no longer
 * than `patience` milliseconds: 0, or a code with the text in s->error. The
 * time is taken when the lock is there, so that it never runs backwards from
 * one process to the next. Close it only when it was opened. */
int32_t store_open(struct store *s, const char *path, int64_t patience);
void store_close(struct store *s);

/* The entry of a value, valid until the store is closed: 0 or a code. */
int32_t store_get(struct store *s, enum key key, const char *value,
    uint32_t per, struct file_entry **out);
/* Writes the files of all entries that were asked for. */
int32_t store_save(struct store *s);
/* The same, but only what had to be set right when it was read: for those who
 * count nothing. The entries must be as store_get() gave them. */
int32_t store_mend(struct store *s);
/* Drops what has run out from one of the other files, another one each
 * second. */
int32_t store_sweep(struct store *s);

#endif
