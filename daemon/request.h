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

/* Takes over a connection. */
void qf_request_open(struct qf_dispatcher *d, int fd);

#endif
