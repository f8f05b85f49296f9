/*
 * Hands what a plan says is to be queued to the queue programs: all of it is
 * accepted, or the caller hears that nothing was.
 */
#ifndef QF_FRONTEND_COMMIT_H
#define QF_FRONTEND_COMMIT_H

#include "frontend/dialect.h"
#include "frontend/handoff.h"
#include "frontend/settle.h"

/*
 * Becomes the next program when there is one message for it, or our own queue
 * when all are for that, which takes all of them or none. Else every program is
 * started and given all but the last byte of its envelope, without which it
 * queues nothing; only when all of them live they are finished one by one. When
 * the first fails, nothing is queued; when a later one fails, the answer is
 * temporary: a duplicate is possible then, a loss is not. A text of the one
 * that failed goes to the caller, who speaks this dialect.
 *
 * Returns only without having become a program: the exit code.
 */
int qf_commit(
    struct qf_plan *plan, const struct qf_next *next, enum qf_dialect dialect);

/* The second way for any number of them; never becomes a program. */
int qf_commit_all(
    struct qf_plan *plan, const struct qf_next *next, enum qf_dialect dialect);

#endif
