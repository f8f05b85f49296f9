/*
 * Closing what strangers have sent.
 *
 * The last close of a descriptor may take as long as whoever made it wants: a
 * TCP connection that lingers, a file of a FUSE file system. So does the end of
 * a connection that has such descriptors in records that nobody has read. The
 * dispatcher, which serves everybody, closes none of these itself.
 */
#ifndef QF_DAEMON_CLOSER_H
#define QF_DAEMON_CLOSER_H

#include <stddef.h>
#include <sys/types.h>

/* Closes descriptors of this user (-1 is skipped), in a thread of their own
 * where that may take time, and sets them to -1. */
void qf_close_apart(uid_t uid, int *fds, size_t n);

/* How many such threads of this user are not done. */
size_t qf_closing(uid_t uid);

#endif
