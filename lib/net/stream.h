/*
 * Bytes to and from a peer, with deadlines. What is below, a plain socket or
 * later a TLS session, is not visible to those who use it.
 */
#ifndef QF_NET_STREAM_H
#define QF_NET_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum {
	QF_STREAM_READ = 1,
	QF_STREAM_WRITE = 2
};

struct qf_stream {
	int fd; /* -1: closed */
};

/* clang-format off */
#define QF_STREAM_NONE {.fd = -1}
/* clang-format on */

/* Takes the socket fd over and makes it non-blocking: 0 or QF_ENET, after
 * which fd is closed. */
int qf_stream_open(struct qf_stream *st, int fd, struct qf_err *e);
void qf_stream_close(struct qf_stream *st);

/* Waits until one of `want` is possible: those that are, QF_ETIME, or
 * QF_ENET. A closed or broken connection counts as both. */
int qf_stream_wait(
    struct qf_stream *st, int want, int64_t deadline, struct qf_err *e);

/*
 * Some bytes, at least one: their number; 0 (reading only) when the peer has
 * closed; QF_ETIME; QF_ENET when the connection broke, e->sys says how. With
 * a deadline that has passed they do what is possible without waiting. No
 * call raises SIGPIPE.
 */
long qf_stream_read(struct qf_stream *st, void *p, size_t n, int64_t deadline,
    struct qf_err *e);
long qf_stream_write(struct qf_stream *st, const void *p, size_t n,
    int64_t deadline, struct qf_err *e);

#endif
