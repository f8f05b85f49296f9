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
	struct qf_watch master, socket;
	struct qf_watch sweep; /* frees what ended while it was in use */
	struct qf_generation *serving; /* NULL at first */
	struct qf_generation *loading; /* or NULL */
	struct qf_generation *draining;
	struct qf_cores cores;
	struct qf_stores stores;
	struct qf_request *requests;
	size_t n;
	bool stopping;
	uid_t store_uid; /* whom the queue belongs to */
	size_t fds_left; /* requests that our descriptors allow */
};

/* Is this one believed, by trusted-users or as one of our own? */
bool qf_dispatcher_believes(
    const struct qf_dispatcher *d, const struct qf_generation *g, uid_t uid);
/* Connections of this user that are open. */
size_t qf_dispatcher_count(const struct qf_dispatcher *d, uid_t uid);
/* A request has ended; it frees itself. */
void qf_dispatcher_forget(struct qf_dispatcher *d, struct qf_request *r);

#endif
