/*
 * Drives QMQP over a stream to its end. What the server says is read while the
 * message is being written, so one that refuses early, or closes, is heard
 * before anything else goes wrong.
 */
#ifndef QF_REMOTE_QMQP_RUN_H
#define QF_REMOTE_QMQP_RUN_H

#include "lib/net/stream.h"
#include "remote/qmqp.h"

/* The outcome is in qf_qmqp_result(); the stream stays open. q was made with
 * qf_clock_mono(). */
void qf_qmqp_run(struct qf_qmqp *q, struct qf_stream *st);

#endif
