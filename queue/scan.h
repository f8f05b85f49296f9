/*
 * The scanner that the variables QHPSI... ask for (lib/mail/qhpsi.h), for
 * messages on their way into the queue.
 */
#ifndef QF_QUEUE_SCAN_H
#define QF_QUEUE_SCAN_H

#include "lib/mail/qhpsi.h"

struct qf_scan {
	struct qf_qhpsi scanner; /* no words: there is none */
};

/* clang-format off */
#define QF_SCAN_INIT {.scanner = QF_QHPSI_INIT}
/* clang-format on */

/* 0, or the exit code (qfront-exitcodes(7)) of what is wrong, with e filled. */
int qf_scan_load(struct qf_scan *s, struct qf_err *e);
void qf_scan_free(struct qf_scan *s);

enum {
	QF_SCAN_PASS,
	QF_SCAN_DROP, /* infected, and REJECTVIRUS wants it to vanish */
	QF_SCAN_FAIL
};

/* Scans a file. With QF_SCAN_FAIL *code is the exit code, and e is filled. */
int qf_scan_file(
    const struct qf_scan *s, const char *file, int *code, struct qf_err *e);

#endif
