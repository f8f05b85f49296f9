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
uid_t qf_request_uid(const struct qf_request *r);
struct qf_request *qf_request_next(const struct qf_request *r);
void qf_request_link(struct qf_request *r, struct qf_request *next);

#endif
