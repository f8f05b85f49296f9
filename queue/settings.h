/*
 * The control files of those who put messages into the queue.
 */
#ifndef QF_QUEUE_SETTINGS_H
#define QF_QUEUE_SETTINGS_H

#include "lib/base/ctl.h"
#include "lib/mail/dialects.h"
#include "queue/origins.h"
#include "queue/store.h"

struct qf_queue_settings {
	struct qf_store_settings store;
	struct qf_origins origins;
};

/* From CONTROLDIR, and MIN_FREE from the environment; without a CONTROLDIR
 * the defaults. What an earlier load left is freed; start with zeros. QF_ECONF
 * leaves *s as it was. */
int qf_queue_settings_load(struct qf_queue_settings *s, struct qf_err *e);
/* From this one, without the environment. */
int qf_queue_settings_read(
    struct qf_queue_settings *s, const struct qf_ctl *ctl, struct qf_err *e);
/* For a message of this origin: what must stay free is there for bounces, or
 * a full queue could not tell anybody that it did not deliver. */
void qf_queue_settings_heed(struct qf_queue_settings *s, enum qf_origin from);
void qf_queue_settings_free(struct qf_queue_settings *s);

/* Who calls, by the control file dialect: read when somebody is refused, and
 * not before. QF_ECONF. */
int qf_queue_dialect(enum qf_dialect *out, struct qf_err *e);

#endif
