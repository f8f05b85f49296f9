/*
 * A part of the chain as the dispatcher sends it to a warm worker: what struct
 * qf_work holds, as one record with the message as a descriptor. The worker
 * has the policy itself; it makes the chain anew by the same rules, and says
 * so when it came out differently, since the control files have changed.
 */
#ifndef QF_FRONTEND_TASK_H
#define QF_FRONTEND_TASK_H

#include "frontend/worker.h"
#include "lib/base/environ.h"
#include "lib/base/strv.h"

/* What came with the message from its caller, besides. */
struct qf_task_caller {
	struct qf_span environment; /* NAME=value, each with its zero byte */
	struct qf_span words; /* the name of the client and its arguments */
	const char *log_scope;
};

/* QF_EPIPE, or QF_EWRITE when it is too large and has no place. `core`: the
 * worker may compute. */
int qf_task_send(int sock, const struct qf_work *work,
    const struct qf_task_caller *caller, bool core, struct qf_err *e);

/* Asks for a copy of the bytes of a descriptor that is not ours to believe, of
 * `max` at most; 0: of any number. */
int qf_task_send_copy(int sock, int message, uint64_t max, struct qf_err *e);

/* A part as a worker has received it. */
struct qf_task {
	bool copy; /* only `message` and `max` hold */
	uint64_t max;
	struct qf_work work; /* without policy and chain */
	bool core;
	size_t nstages;
	uint64_t digest; /* of the chain */
	char log_scope[24];
	struct qf_strv words;
	struct qf_environ environment;
	int message;
	struct qf_envelope envelope;
	struct qf_share share;
	struct qf_context context;
	int *preset;
};

/* 1, 0 at the end of the socket, QF_EPROTO, QF_EPIPE. Free it in any case. */
int qf_task_recv(int sock, struct qf_task *out, struct qf_err *e);
void qf_task_free(struct qf_task *t);

#endif
