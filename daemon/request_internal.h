/*
 * A request's own state, for the files that it is made of: request.c is its
 * life, request_take.c reads what came, request_queue.c hands over what the
 * chain leaves.
 */
#ifndef QF_DAEMON_REQUEST_INTERNAL_H
#define QF_DAEMON_REQUEST_INTERNAL_H

#include "daemon/answer.h"
#include "daemon/request.h"
#include "frontend/setup.h"
#include "lib/base/environ.h"

enum qf_request_state {
	QF_REQUEST_READING,
	QF_REQUEST_WORKING, /* an errand or a commit is on its way */
	QF_REQUEST_REPORTING
};

/* What is answered to one that there is no room for. */
struct qf_refusal {
	int code, class_, category;
	const char *text;
};

struct qf_request {
	struct qf_request *before, *next; /* in the dispatcher's list */
	struct qf_dispatcher *d;
	struct qf_watch watch;
	enum qf_request_state state;
	bool believed;
	bool begun; /* it counts as a message */
	bool gone;  /* the client is */
	uid_t uid;
	pid_t pid;
	char scope[24]; /* in the log */
	int64_t start;  /* microseconds */
	struct qf_generation *generation;
	/* What came. */
	struct qf_buf words, environment;
	struct qf_environ environ;
	struct qf_strv argv;
	int message; /* sealed, or a copy of ours */
	bool copied;
	size_t held;   /* bytes of it in our memory */
	uint64_t size; /* of the message, once nobody can change it */
	struct qf_envelope envelope;
	/* What becomes of it. */
	struct qf_setup setup;
	struct qf_filtering filtering;
	struct qf_groups groups;
	struct qf_plan plan;
	struct qf_work work;
	struct qf_errand errand;
	struct qf_commit_job commit;
	struct qf_spool spool[QF_ANSWER_GROUPS_MAX];
};

/* The environment and the log are the message's while we deal with it. */
void qf_request_enter(struct qf_request *r);
void qf_request_leave(void);

/* The last answer: what was judged (or NULL) and its code; the error that kept
 * it from going on; or that it is safe. The request is freed. */
void qf_request_refuse(
    struct qf_request *r, const struct qf_judgement *j, int code);
void qf_request_fail(
    struct qf_request *r, const char *event, const struct qf_err *e);
void qf_request_accept(struct qf_request *r);
/* The same without a word. */
void qf_request_end(struct qf_request *r);
/* Counts the answer that somebody gave. */
void qf_request_count(const struct qf_request *r, int code);
uint32_t qf_request_dialect(const struct qf_request *r);

/* From now on only the client's end counts (`hangups`), or what it says. */
void qf_request_watch(struct qf_request *r, bool hangups, int64_t deadline);

/* Takes the sections and descriptors, and of them what the caller may say; what
 * is taken of fds is set to -1. QF_ENOSYS: too large for us, but not for a run
 * without the daemon. Where `why` is set, it is the answer. */
int qf_request_take(struct qf_request *r, const struct qf_asked *ask, int *fds,
    size_t nfds, struct qf_refusal *why, struct qf_err *e);

/* Queues what the plan has left. */
void qf_request_queue(struct qf_request *r);
/* The client's queue program has ended. */
void qf_request_hear_report(struct qf_request *r, const struct qf_ask *ask);

#endif
