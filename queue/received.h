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

/* Appends it. The account is the name of uid, or NULL when it has none: those
 * of qmail say where the message is from, any other is `by uid N`. */
void qf_received_format(
    struct qf_buf *out, uid_t uid, const char *account, long pid, int64_t now);

/* The same for a message that uid hands to process pid now. */
void qf_received_now(struct qf_buf *out, uid_t uid, long pid);

#endif
