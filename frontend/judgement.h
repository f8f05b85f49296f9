/*
 * A verdict as it leaves a stage: copies of what the plugin gave.
 */
#ifndef QF_FRONTEND_JUDGEMENT_H
#define QF_FRONTEND_JUDGEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <qfront/plugin.h>
#include "lib/mail/addr.h"

enum {
	QF_TEXT_SIZE = 256,
	QF_STATUS_SIZE = 12
};

struct qf_judgement {
	uint32_t class_, category, code;
	char status[QF_STATUS_SIZE];
	char text[QF_TEXT_SIZE];
	char target[QF_ADDR_MAX + 1]; /* of a REDIRECT */
};

/* Copies a verdict, whatever version of the header it was built with: 0, or
 * QF_EINVAL when it does not say its size. */
int qf_judgement_take(struct qf_judgement *j, const struct qf_verdict *v);
/* Ends the texts of one that comes from another process. */
void qf_judgement_close(struct qf_judgement *j);
/* Is it one that a single recipient can get and leave the message by? */
bool qf_judgement_is_for_rcpt(const struct qf_judgement *j);
/* Why a plugin with these effects can not redirect so, or NULL. */
const char *qf_judgement_why_no_redirect(
    const struct qf_judgement *j, uint64_t effects);

#endif
