/*
 * Descriptors: whole reads and writes, mappings, pipes. Interrupted calls are
 * repeated; every descriptor made here is close-on-exec.
 */
#ifndef QF_BASE_IO_H
#define QF_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	QF_IO_CHUNK = 65536
};

/* read() that repeats when interrupted: bytes, 0 at the end, -1 and errno. */
ssize_t qf_read(int fd, void *p, size_t n);
/* Writes all of it: 0, or -1 and errno. */
int qf_write_all(int fd, const void *p, size_t n);
/* Appends all that fd gives to b: 0, QF_EREAD, or QF_ETOOLONG by b->max. */
int qf_read_all(int fd, struct qf_buf *b, struct qf_err *e);
/* Reads fd to its end and forgets it: 0 or QF_EREAD. */
int qf_drain(int fd, struct qf_err *e);
/* Closes *fd unless it is -1, and sets it to -1. */
void qf_close(int *fd);
/* For a program that is soon at its end, and for nobody who waits for the end
 * of a pipe: from here on qf_close() leaves descriptors to the kernel. */
void qf_close_at_end(void);
int qf_pipe(int p[2], struct qf_err *e); /* QF_EPIPE */
/* Makes sure that 0, 1 and 2 are open, on /dev/null where they were not, so
 * that no file of ours ever becomes a standard descriptor. */
void qf_open_std(void);
/* The first one of n descriptors, from this one on, that is not open, or -1;
 * one call to the kernel for all. */
int qf_find_closed(int first, size_t n);
/* Closes every descriptor above the standard ones that is not in keep. */
void qf_close_others(const int *keep, size_t n);
/* An open file description of its own for what fd names, read-only, at offset
 * 0; or -1 and errno. */
int qf_reopen_own(int fd);
/* The same; where there is no /proc to open it by, the offset is shared. */
int qf_reopen(int fd);
/* After a sync of a directory that succeeded: did it? On an XFS that has shut
 * itself down it seems so. False and errno. */
bool qf_is_sound(int fd);
/* The directory itself to disk: 0, or -1 and errno. */
int qf_sync_dir(int dirfd);

/* A read-only mapping of a whole file. */
struct qf_map {
	const char *p; /* never NULL */
	size_t n;
};

int qf_map_fd(struct qf_map *m, int fd, struct qf_err *e); /* QF_EREAD */
void qf_map_free(struct qf_map *m);

#endif
