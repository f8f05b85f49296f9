/*
 * A file of counters. A line is
 *
 *	VALUE PER EMPTY-MESSAGES EMPTY-RECIPIENTS SEEN,SEEN,...
 *
 * two times of counter.h for a window of PER seconds, and what was counted of
 * late (limit.c), or `-`.
 *
 * A file is replaced as a whole by rename(2), so a process that dies leaves
 * the old one or the new one. Nothing is synced: a power loss costs the last
 * counts. A line that can not be read is left out, which starts that counter
 * anew; a time beyond its window is set to the end of the window; what has run
 * out is dropped; there is room for a bounded number.
 */
#ifndef QF_LIMIT_FILE_H
#define QF_LIMIT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum {
	FILE_ENTRIES = 256,
	FILE_SEEN = 16 /* in each entry */
};

struct file_entry {
	char *value;
	uint32_t per;
	int64_t empty[2]; /* messages, recipients */
	uint64_t seen[FILE_SEEN];
	unsigned nseen;
	bool in_use; /* file_get() gave it: it keeps its place */
};

struct file {
	struct file_entry *entry; /* FILE_ENTRIES of them, n in use */
	size_t n;
	bool bounded;       /* a time beyond its window was set back */
	unsigned damaged;   /* lines that were left out */
	unsigned forgotten; /* entries that went for want of room */
};

/* Reads it; one that is not there is empty. 0, or QF_EREAD with nothing to
 * free. */
int32_t file_read(
    struct file *f, int dir, const char *name, int64_t now, struct qf_err *e);
void file_free(struct file *f);

/* Replaces it by one that belongs to `owner`, or removes it when there is no
 * entry: 0, or QF_EWRITE with the file as it was. */
int32_t file_write(const struct file *f, int dir, const char *name, uid_t owner,
    struct qf_err *e);

/* The entry of a value, made when it is new. Where the file is full, the one
 * that runs out first is forgotten. */
struct file_entry *file_get(struct file *f, const char *value, uint32_t per);

#endif
