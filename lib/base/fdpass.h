/*
 * One record with descriptors over a Unix socket (SCM_RIGHTS, unix(7)): how
 * messages travel between the processes of the front end.
 */
#ifndef QF_BASE_FDPASS_H
#define QF_BASE_FDPASS_H

#include <stddef.h>

#include "lib/base/err.h"

/* What the kernel lets through in one record (SCM_MAX_FD): what there is no
 * room for it would close while we wait. */
enum {
	QF_FDPASS_MAX = 253
};

/* Sends n > 0 bytes as one record: 0 or QF_EPIPE. */
int qf_fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds,
    struct qf_err *e);
/* Receives one record of at most n bytes: its length, 0 at the end of file,
 * QF_EPIPE. fds has room for QF_FDPASS_MAX; what arrives is close-on-exec and
 * the caller's; *nfds says how many. A record that was cut is QF_EPROTO; one
 * whose descriptors this process has no room for is QF_EPIPE, with EMFILE. */
int qf_fd_recv(
    int sock, void *p, size_t n, int *fds, size_t *nfds, struct qf_err *e);

#endif
