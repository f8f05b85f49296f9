/*
 * The protocol between the dispatcher of qfrontd and a store worker
 * (`qfront-queue --serve`), over a SOCK_SEQPACKET pair.
 *
 * One record asks for the commit of messages that belong together: all of them
 * or none. Its descriptors: the client's connection first, when `client` is
 * set, then message and envelope (with attributes, lib/mail/envelope.h) of each
 * group. Nobody can change their bytes any more; offsets are shared with other
 * processes, so a worker reads with pread() or mmap().
 *
 * Before it commits, the worker looks whether the client has hung up; after it,
 * and before anything else, it answers the client itself: a QF_ANSWER_DONE
 * record. Whatever came out it then tells the dispatcher, who answers the
 * client in every other case. A worker that is gone without a word may have
 * committed: the client is given a temporary code then.
 */
#ifndef QF_MAIL_STOREREQ_H
#define QF_MAIL_STOREREQ_H

#include <stdint.h>

#include "lib/mail/ask.h"

enum {
	QF_STOREREQ_FDS_MAX = 1 + QF_ANSWER_FDS_MAX,
	QF_STOREREQ_FD = 3 /* the worker's end */
};

struct qf_storereq {
	uint32_t size;   /* of this struct */
	uint32_t client; /* 1: there is a connection to be answered */
	uint32_t groups;
	uint32_t uid; /* of who submits, for the Received line */
	int64_t pid;
	char scope[24]; /* of its lines in the log (lib/base/log.h) */
};

struct qf_storeres {
	uint32_t size;
	int32_t code;      /* 0: committed; else of qfront-exitcodes(7) */
	uint32_t answered; /* 1: the client has its answer */
	uint32_t hung_up;  /* 1: it had gone, so nothing was queued */
};

#endif
