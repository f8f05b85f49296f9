/*
 * Bytes to and from a peer, with deadlines. What is below, a plain socket or a
 * TLS session, is not visible to those who use it. What is not plain brings
 * its operations along, so that only programs that can make TLS sessions load
 * the library for it.
 */
#ifndef QF_NET_STREAM_H
#define QF_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum {
	QF_STREAM_READ = 1,
	QF_STREAM_WRITE = 2
};

struct qf_stream;

/* What a session below does. None waits, none raises SIGPIPE. */
struct qf_stream_ops {
	/* As qf_stream_read() and qf_stream_write() without any waiting. */
	long (*read)(struct qf_stream *st, void *p, size_t n, struct qf_err *e);
	long (*write)(
	    struct qf_stream *st, const void *p, size_t n, struct qf_err *e);
	/* Sends on what was accepted and is held back; true while some is. */
	bool (*is_held)(struct qf_stream *st);
	/* Bytes are here already that the socket knows nothing of. */
	bool (*has_input)(struct qf_stream *st);
	/* Says good-bye and frees the session, not the socket. */
	void (*close)(struct qf_stream *st);
};

struct qf_stream {
	int fd;                          /* -1: closed */
	const struct qf_stream_ops *ops; /* NULL: plain */
	void *session;
};

/* clang-format off */
#define QF_STREAM_NONE {.fd = -1}
/* clang-format on */

/* Takes the socket fd over and makes it non-blocking: 0 or QF_ENET, after
 * which fd is closed. */
int qf_stream_open(struct qf_stream *st, int fd, struct qf_err *e);
/* What the last write accepted is not waited for. */
void qf_stream_close(struct qf_stream *st);

/* Waits until one of `want` is possible: those that are, QF_ETIME, or
 * QF_ENET. A closed or broken connection counts as both. With a session below
 * a read can find that what came was no data, and has to wait after all. */
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

/* What such an error is about, without the name of what failed. */
const char *qf_stream_reason(const struct qf_err *e);

#endif
