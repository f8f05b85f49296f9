/*
 * A worker runs consecutive stages of the chain on one message, in a process
 * of its own: what a plugin breaks, it breaks there.
 *
 * Stages whose plugin holds keys (QF_FLAG_SECRET) and stages that parse what
 * strangers sent never share a worker: a worker stops where the chain changes
 * from one kind to the other, and the dispatcher starts the next one there. It
 * also stops after a stage that gave recipients verdicts of their own.
 */
#ifndef QF_FRONTEND_WORKER_H
#define QF_FRONTEND_WORKER_H

#include "frontend/chain.h"
#include "frontend/host.h"
#include "frontend/trace.h"
#include "lib/base/ctl.h"

/* What a worker is given. */
struct qf_work {
	const struct qf_ctl *ctl;
	const struct qf_chain *chain;
	int message; /* descriptor, sealed or ours alone */
	const struct qf_envelope *envelope;
	const struct qf_share *share;
	const struct qf_context *context; /* of the message as it came */
	const char *authserv_id;          /* ours, or NULL */
	size_t from, until;               /* its stages */
	int64_t deadline;                 /* of the chain */
	bool secret;                      /* for a worker that holds keys */
	bool accepted;                    /* an earlier stage said ACCEPT */
	/* Per stage: the category to be BROKEN with instead of running, or
	 * QF_WORK_RUN. Set for a stage that crashed or hung before, and for one
	 * that only the daemon runs. */
	const int *preset;
};

enum {
	QF_WORK_RUN = -1
};

enum qf_report_kind {
	QF_REPORT_BEGIN = 1, /* `stage` begins: the worker answers for it */
	QF_REPORT_STAGE,     /* what `stage` did: trace, judgement */
	QF_REPORT_WAITED,    /* `stage` waited for judgement.text, trace.us */
	QF_REPORT_RESULT     /* the last report */
};

/*
 * A record from worker to dispatcher. With a result come descriptors, in this
 * order, each when its flag is set: the message and the envelope as edited,
 * the share, the recipients with verdicts of their own (qf_fates_format()),
 * which the stage before `stage` gave.
 */
struct qf_report {
	uint32_t kind;
	uint32_t stage; /* begun; of a result, the next one to run, or the one
			 * that ended the chain */
	uint8_t accepted, message_edited, envelope_edited, share_edited;
	uint8_t has_fates;
	uint8_t reserved[3];
	struct qf_judgement judgement; /* of a stage that ended the chain */
	struct qf_trace trace;
	struct qf_err error; /* configuration or system trouble, or rc 0 */
};

/* The whole life of a worker that has one job: its exit code. Reports go to
 * sock. */
int qf_worker_run(const struct qf_work *work, int sock);

struct qf_warm;

/* One job of a worker that has more: 0, or QF_EPIPE when nobody hears it. What
 * `warm` keeps of plugins is used. `core`: it may compute; else it asks for
 * that (a begin report of a stage that does not wait) and is answered by one
 * byte when it is its turn. */
int qf_worker_serve(
    struct qf_warm *warm, const struct qf_work *work, int sock, bool core);

/* Closes all descriptors but these and the standard ones, which become
 * harmless: a plugin must not reach what somebody left open, and what libraries
 * print goes where the log goes. */
void qf_worker_shut_fds(const int *keep, size_t n);

#endif
