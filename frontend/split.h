/*
 * The control file `split`: what becomes of recipients that are refused while
 * others of the same message are accepted. The caller gets one answer for all,
 * so theirs has to take another way.
 *
 *	CATEGORY quarantine|bounce|refuse|discard
 */
#ifndef QF_FRONTEND_SPLIT_H
#define QF_FRONTEND_SPLIT_H

#include "frontend/problem.h"
#include "lib/base/ctl.h"
#include "frontend/outcome.h"

enum qf_split_action {
	QF_SPLIT_BOUNCE,     /* accept, and return theirs to the sender */
	QF_SPLIT_QUARANTINE, /* accept, and hold theirs */
	QF_SPLIT_REFUSE,     /* refuse the message for all */
	QF_SPLIT_DISCARD     /* accept, and drop theirs */
};

struct qf_split {
	enum qf_split_action of[QF_CATEGORIES];
};

/* Spam and viruses are held, so that nobody gets a bounce for what he did not
 * send; all else is bounced. Reads what the control file changes of that; its
 * mistakes are problems. 0 or QF_ECONF. */
int qf_split_load(
    struct qf_split *s, const struct qf_ctl *ctl, struct qf_problems *p);
enum qf_split_action qf_split_find(const struct qf_split *s, uint32_t category);

#endif
