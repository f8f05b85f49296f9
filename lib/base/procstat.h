/*
 * What the kernel tells everybody about a process: proc_pid_stat(5).
 */
#ifndef QF_BASE_PROCSTAT_H
#define QF_BASE_PROCSTAT_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct qf_procstat {
	char state;     /* 'R': it runs or could; else it waits */
	int64_t cpu_us; /* that it has used, all its threads, in clock ticks */
};

/* QF_ENOENT when there is no such process, or it may not be seen. */
int qf_procstat_read(pid_t pid, struct qf_procstat *out, struct qf_err *e);

#endif
