/*
 * Drives an SMTP session over a stream. Replies are read while a message is
 * being written, so a server that refuses early, or closes, is heard before
 * anything else goes wrong.
 */
#ifndef QF_REMOTE_SMTP_RUN_H
#define QF_REMOTE_SMTP_RUN_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/stream.h"
#include "remote/smtp/session.h"

/* Makes TLS of the stream before the deadline: 0, or negative with e. */
typedef int qf_smtp_shake_fn(
    void *ctx, struct qf_stream *st, int64_t deadline, struct qf_err *e);

/* Runs until the session wants a message or is over; the stream stays open.
 * The session was made with qf_clock_mono(); shake may be NULL where STARTTLS
 * is never used. */
void qf_smtp_run(struct qf_smtp *s, struct qf_stream *st,
    qf_smtp_shake_fn *shake, void *ctx);

#endif
