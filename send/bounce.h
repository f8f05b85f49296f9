/*
 * Telling the sender of a message which recipients failed for good.
 *
 * A reason is one line in the notes of the queue. The sender writes it in one
 * of two forms, so that the notification can say who said it:
 *
 *	HOST: TEXT
 *	not delivered in time; HOST: TEXT
 */
#ifndef QF_SEND_BOUNCE_H
#define QF_SEND_BOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/mail/dsn.h"
#include "lib/mail/submit.h"
#include "queue/store.h"

/* Appends a reason. The host is a remote's: a word without space. */
void qf_reason_format(
    struct qf_buf *out, bool expired, const char *host, const char *text);

/* What a note says of one recipient. */
struct qf_failure {
	struct qf_buf address, host, text; /* host is empty when not known */
	char status[QF_DSN_STATUS_SIZE];
};

/* The reason may also be one that another program wrote. */
void qf_failure_parse(struct qf_failure *f, const struct qf_note *note);
void qf_failure_free(struct qf_failure *f);

/* May a notification be sent to this envelope sender? Not to the null sender,
 * nor to `#@[]`, the sender of qmail's double bounces. */
bool qf_bounce_wanted(const char *sender);

enum qf_bounce_outcome {
	QF_BOUNCE_QUEUED,
	QF_BOUNCE_REFUSED, /* for good */
	QF_BOUNCE_NOT_NOW
};

/*
 * Submits the notification for the notes of an item, a brief one when that is
 * wanted (lib/mail/dsn.h); message is a descriptor on its bytes. The result
 * says why where it is not queued, and who queued it where it is.
 */
enum qf_bounce_outcome qf_bounce_send(const struct qf_item *item, int message,
    const char *me, const char *to, bool brief,
    struct qf_submit_result *result);

#endif
