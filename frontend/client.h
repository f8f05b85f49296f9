/*
 * The client's side of qfrontd's socket (lib/mail/ask.h): for a program that
 * starts for each message and wants to be gone soon. On the usual way it asks
 * the kernel for nothing that it could do without, and takes no memory but its
 * own.
 */
#ifndef QF_FRONTEND_CLIENT_H
#define QF_FRONTEND_CLIENT_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/mail/ask.h"

/* Copies all that fd gives into memory that nobody can change any more, or,
 * when it is large, an unlinked file. The descriptor, above 2, or QF_EREAD,
 * QF_EWRITE. */
int qf_client_seal(int fd, struct qf_err *e);

struct qf_client {
	const char *socket; /* path */
	const char *name;   /* that we were called by */
	char *const *argv;  /* and our arguments, NULL-terminated */
	char *const *environment;
	int message;
	int envelope; /* what the caller gave; once it was read, sealed, when it
		       * is needed again */
	/* The answer, which points into memory of this file, and its
	 * descriptors. */
	struct qf_answered answer;
	int fds[QF_ANSWER_FDS_MAX];
	size_t nfds;
	int sock; /* the connection, or -1; kept for a second answer */
};

/* Asks, on the connection if there is one: 1 and an answer; 0 when there is no
 * daemon, and `envelope` is then a descriptor that has all of it, from its
 * start; QF_EREAD for the envelope, or QF_EPIPE, QF_EPROTO when the answer is
 * lost: then the message may be queued or not. */
int qf_client_ask(struct qf_client *c, struct qf_err *e);

#endif
