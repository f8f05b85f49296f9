/*
 * One message and its caller: from the connection to the last answer.
 *
 *	reading --> copying --> filtering -+-> committing --> done
 *	           (where its bytes        +-> reporting --> committing
 *	            could change)             (an outside queue, and something
 *	                                       is held in ours)
 */
#ifndef QF_DAEMON_REQUEST_H
#define QF_DAEMON_REQUEST_H

#include "daemon/dispatcher.h"

struct qf_pickup_note;

/* Takes over a connection: of its peer, or when the pickup has made it (else
 * NULL) of whom that says. */
void qf_request_open(
    struct qf_dispatcher *d, int fd, const struct qf_pickup_note *from);

#endif
