/*
 * The bytes of a message in a file, from one offset to another, for engines
 * that ask for the next ones.
 */
#ifndef QF_REMOTE_BODY_H
#define QF_REMOTE_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* A copy reads on by itself. */
struct qf_body {
	int fd; /* borrowed; its own offset is not used */
	uint64_t at, end;
};

/* Next bytes of struct qf_body *body (a qf_smtp_source_fn): their number, 0 at
 * the end, QF_EREAD; also when the file is shorter than it was. */
long qf_body_read(void *body, char *p, size_t n, struct qf_err *e);

#endif
