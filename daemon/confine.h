/*
 * What a worker may do to the system: limits, and what it may not ask of the
 * kernel.
 */
#ifndef QF_DAEMON_CONFINE_H
#define QF_DAEMON_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct qf_confinement {
	uint64_t memory; /* bytes above what it has; 0: no limit */
	bool new_privs;  /* programs that it starts may be set-id; then what it
			  * asks of the kernel is not narrowed */
	bool keys;       /* it has some: no programs, no network */
};

/* From here on, for this process and its children. QF_EPERM. */
int qf_confine(const struct qf_confinement *c, struct qf_err *e);

#endif
