/*
 * A place for the bytes of a message while it is worked on: a memfd, and above
 * QF_SPOOL_MEMORY bytes an unlinked file, so that a large message costs no
 * memory. A finished memfd is sealed: whoever receives the descriptor knows
 * that nobody can change the bytes any more.
 */
#ifndef QF_BASE_SPOOL_H
#define QF_BASE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

enum {
	QF_SPOOL_MEMORY = 16 << 20
};

struct qf_spool {
	int fd;
	uint64_t size;
	bool in_file;
};

/* clang-format off */
#define QF_SPOOL_INIT {.fd = -1}
/* clang-format on */

/* QF_EWRITE on failure, here and below, unless it says otherwise. */
int qf_spool_open(struct qf_spool *s, struct qf_err *e);
int qf_spool_write(
    struct qf_spool *s, const void *p, size_t n, struct qf_err *e);
/* Adds all that `from` gives, to its end; QF_EREAD when that fails. */
int qf_spool_fill(struct qf_spool *s, int from, struct qf_err *e);
/* The same of a regular file, of `max` bytes at most: QF_EREAD when it is none,
 * QF_ETOOLONG when it has more, which is known at once or after `max`. */
int qf_spool_fill_file(
    struct qf_spool *s, int from, uint64_t max, struct qf_err *e);
/* Seals it and sets it to offset 0: no writing after this. */
int qf_spool_finish(struct qf_spool *s, struct qf_err *e);
void qf_spool_close(struct qf_spool *s);

/* Is it a memfd that nobody can change any more, whoever has made it? */
bool qf_spool_is_sealed(int fd);

/* Can nobody change what fd names any more? True for a sealed memfd, and for
 * an unlinked file of `owner`, a user of ours, that is open for reading only,
 * as qf_spool_finish() leaves it: only a process of that user could still reach
 * its bytes. */
bool qf_spool_is_private(int fd, uid_t owner);

#endif
