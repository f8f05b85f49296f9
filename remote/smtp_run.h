/*
 * Drives an SMTP session over a stream to its end. Replies are read while a
 * message is being written, so a server that refuses early, or closes, is
 * heard before anything else goes wrong.
 */
#ifndef QF_REMOTE_SMTP_RUN_H
#define QF_REMOTE_SMTP_RUN_H

#include "lib/net/stream.h"
#include "remote/smtp.h"

/* The outcome is in qf_smtp_result(); the stream stays open. The session was
 * made with qf_clock_mono(). */
void qf_smtp_run(struct qf_smtp *s, struct qf_stream *st);

#endif
