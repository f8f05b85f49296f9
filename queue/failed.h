/*
 * failed/ID: messages with recipients that will not get them, kept for a
 * person. The first line is the sender, then there is a line for each failed
 * recipient (`<>` for the empty address), an empty line, and the message.
 */
#ifndef QF_QUEUE_FAILED_H
#define QF_QUEUE_FAILED_H

#include <stdint.h>

#include "queue/store.h"

struct qf_failed {
	char id[QF_ID_SIZE];
	int64_t born;  /* wall clock: when it was kept */
	uint64_t size; /* bytes of the message */
	struct qf_buf sender;
	struct qf_strv rcpt;
	int fd; /* at the first byte of the message */
};

/* clang-format off */
#define QF_FAILED_INIT {.sender = QF_BUF_INIT, .fd = -1}
/* clang-format on */

void qf_failed_free(struct qf_failed *f);

/* Opens one in the queue dir, into one that was started with QF_FAILED_INIT.
 * QF_ENOENT, QF_EREAD, QF_EFORMAT. */
int qf_failed_open(
    const char *dir, const char *id, struct qf_failed *out, struct qf_err *e);
/* Until it is freed nobody else does: QF_EPERM, QF_ENOENT, QF_EQUEUE. */
int qf_failed_claim(
    const char *dir, const struct qf_failed *f, struct qf_err *e);
/* For good, on disk when it returns 0. QF_EWRITE. */
int qf_failed_remove(
    const char *dir, const struct qf_failed *f, struct qf_err *e);

/* The ids, in no order: 1 and an id, 0 at the end, or QF_EREAD. *walk is NULL
 * at first, and again at the end; else qf_failed_walk_end() it. */
int qf_failed_next(
    const char *dir, void **walk, char id[QF_ID_SIZE], struct qf_err *e);
void qf_failed_walk_end(void **walk);

#endif
