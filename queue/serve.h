/*
 * qfront-queue --serve: the store of qfrontd. It commits what the dispatcher
 * asks for (lib/mail/storereq.h), one request at a time, until the end of its
 * socket.
 */
#ifndef QF_QUEUE_SERVE_H
#define QF_QUEUE_SERVE_H

/* The whole life of it: the exit code. */
int qf_serve_main(void);

#endif
