/*
 * The line that qmail-queue(8) puts on top of each message. Programs that
 * read logs and headers know its form, so it is kept to the byte:
 *
 *	Received: (qmail 4711 invoked by uid 1000); 5 Nov 2026 09:05:07 -0000
 */
#ifndef QF_QUEUE_RECEIVED_H
#define QF_QUEUE_RECEIVED_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "queue/origins.h"

/* Appends it, for a message that uid handed to process pid. */
void qf_received_format(struct qf_buf *out, enum qf_origin origin, uid_t uid,
    long pid, int64_t now);

#endif
