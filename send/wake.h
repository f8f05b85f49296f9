/*
 * Signals as a descriptor, so that one poll() waits for them together with
 * everything else and none is lost between two calls.
 *
 * TERM and INT: stop. ALRM and HUP: run the queue now.
 */
#ifndef QF_SEND_WAKE_H
#define QF_SEND_WAKE_H

#include <stdbool.h>

#include "lib/base/err.h"

struct qf_wake {
	int fd; /* readable when a signal came */
	bool stop, run;
};

/* clang-format off */
#define QF_WAKE_NONE {.fd = -1}
/* clang-format on */

/* Takes the signals over for this process; children get them as usual.
 * SIGPIPE is ignored from here on. QF_EPIPE. */
int qf_wake_open(struct qf_wake *w, struct qf_err *e);
/* Notes the signals that came; never waits. */
void qf_wake_read(struct qf_wake *w);
void qf_wake_close(struct qf_wake *w);

#endif
