/*
 * Changes of what a generation is loaded from: the control directory, its
 * folder plugins, and the plugins themselves.
 */
#ifndef QF_DAEMON_CHANGES_H
#define QF_DAEMON_CHANGES_H

#include <stdint.h>

struct qf_changes {
	int fd;         /* readable after one; -1: none are seen */
	int64_t at;     /* when to load again, or QF_NEVER */
	int64_t latest; /* that may become */
};

/* Watches the folders that are there now, and forgets all changes so far. */
void qf_changes_watch(struct qf_changes *c);
/* What fd has to say. */
void qf_changes_see(struct qf_changes *c);

#endif
