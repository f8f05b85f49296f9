/*
 * Answers to a client (lib/mail/ask.h). A client that is gone gets none, and
 * nobody waits for one that does not read.
 */
#ifndef QF_DAEMON_ANSWER_H
#define QF_DAEMON_ANSWER_H

#include "frontend/handoff.h"
#include "frontend/settle.h"
#include "lib/mail/ask.h"

/* DONE or COLD. */
void qf_answer_send(int sock, enum qf_answer_kind kind);
/* REFUSED: the judgement may be NULL. */
void qf_answer_refuse(
    int sock, uint32_t dialect, const struct qf_judgement *j, int code);

struct qf_answer_queue {
	const struct qf_plan *plan;
	const struct qf_next *next;
	int sent; /* the client's message */
	uint32_t dialect;
	uint32_t held;
	struct qf_span unset, set; /* sections (lib/mail/ask.h) */
};

/* QUEUE, for all of the plan that is not held. QF_EWRITE, QF_EPIPE. */
int qf_answer_queue(
    int sock, const struct qf_answer_queue *q, struct qf_err *e);

#endif
