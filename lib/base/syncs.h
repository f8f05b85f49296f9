/*
 * Several files to disk at once. One sync after the other waits as often as
 * there are files, though a journaling file system would have written them all
 * in the time of the first.
 */
#ifndef QF_BASE_SYNCS_H
#define QF_BASE_SYNCS_H

#include <stddef.h>

enum {
	QF_SYNC_ROUND = 8 /* that many wait at a time */
};

struct qf_sync {
	int fd;
	/* Out: errno of fsync(2), or 0; where several fail at once perhaps
	 * that of another. */
	int error;
};

/* fsync(2) of each, once, some of them at a time: returns when all have ended.
 * Where there can be no further thread they follow each other. One call at a
 * time. */
void qf_sync_all(struct qf_sync *v, size_t n);

#endif
