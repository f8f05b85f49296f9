/*
 * The dispatcher: what all requests share. Their lives are in
 * daemon/request.h; this file's owner is daemon/dispatcher.c.
 */
#ifndef QF_DAEMON_DISPATCHER_H
#define QF_DAEMON_DISPATCHER_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/generation.h"
#include "daemon/stores.h"
#include "lib/base/loop.h"

struct qf_request;

struct qf_dispatcher {
	struct qf_loop *loop;
	struct qf_watch master, socket, pickup;
	struct qf_watch sweep; /* frees what ended while it was in use */
	struct qf_generation *serving; /* NULL at first */
	struct qf_generation *loading; /* or NULL */
	struct qf_generation *draining;
	struct qf_cores cores;
	struct qf_stores stores;
	/* What the requests count. */
	struct qf_request *requests;
	size_t n, begun; /* connections, and those that brought a message */
	size_t held[2];  /* bytes, of strangers and of those we believe */
	bool failed;     /* nothing serves: who asks is told so */
	bool stopping;
	uid_t store_uid; /* whom the queue belongs to */
	size_t most;     /* connections that our descriptors allow */
};

/* Is this one believed, by trusted-users or as one of our own? */
bool qf_dispatcher_believes(const struct qf_dispatcher *d, uid_t uid);
/* A request has ended. */
void qf_dispatcher_ended(struct qf_dispatcher *d);

#endif
