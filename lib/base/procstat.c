#include "lib/base/procstat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"

/* The name in it may hold anything, also what looks like fields. */
static int parse(const char *line, struct qf_procstat *out)
{
	const char *name_end = strrchr(line, ')');
	unsigned long long user, kernel;
	long ticks = sysconf(_SC_CLK_TCK);

	if (name_end == NULL || ticks <= 0 ||
	    sscanf(name_end,
		") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
		&out->state, &user, &kernel) != 3)
		return -1;
	out->cpu_us =
	    (int64_t)((user + kernel) * (1000000ull / (unsigned)ticks));
	return 0;
}

int qf_procstat_read(pid_t pid, struct qf_procstat *out, struct qf_err *e)
{
	char path[40], line[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return qf_fail_sys(e, QF_ENOENT, "%s", path);
	n = qf_read(fd, line, sizeof line - 1);
	qf_close(&fd);
	if (n < 0)
		return qf_fail_sys(e, QF_ENOENT, "%s", path);
	line[n] = '\0';
	if (parse(line, out) < 0)
		return qf_fail(e, QF_ENOENT, "%s: not understood", path);
	return 0;
}
