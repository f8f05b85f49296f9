#include "plugins/common/limits.h"

#include <sys/resource.h>

#include "lib/base/buf.h"

enum {
	CPU_MAX = 86400,
	RESERVE_MS = 1000 /* at most, of the time that is left */
};

/* Reads one limit above 0. */
static int32_t read_limit(const struct qf_host *h, const struct qf_conf *c,
    const char *key, uint64_t *out)
{
	unsigned long long n = 0;
	struct qf_span s;
	int32_t rc = h->conf_get(c, key, &s);

	if (rc == QF_ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (qf_span_size(s, &n) && n > 0) {
		*out = n;
		return 0;
	}
	h->conf_error(c, key, NULL, 0,
	    "not a limit: write a number above 0, with K, M or G for powers "
	    "of 1024");
	return QF_ECONF;
}

static int32_t read_cpu(
    const struct qf_host *h, const struct qf_conf *c, uint64_t *out)
{
	unsigned long long n = 0;
	struct qf_span s;
	int32_t rc = h->conf_get(c, "cpu", &s);

	if (rc == QF_ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (qf_span_u64(s, CPU_MAX, &n) && n > 0) {
		*out = n;
		return 0;
	}
	h->conf_error(
	    c, "cpu", NULL, 0, "not a limit: write seconds, 1 to 86400");
	return QF_ECONF;
}

int32_t limits_read(
    const struct qf_host *h, const struct qf_conf *c, struct limits *out)
{
	int32_t memory, cpu, output;

	*out = (struct limits){0};
	memory = read_limit(h, c, "memory", &out->memory);
	cpu = read_cpu(h, c, &out->cpu);
	output = read_limit(h, c, "max-output", &out->output);
	return memory < 0 ? memory : cpu < 0 ? cpu : output;
}

size_t limits_of_child(
    const struct limits *l, struct qf_child_limit out[LIMITS_MAX])
{
	size_t n = 0;

	out[n++] = (struct qf_child_limit){RLIMIT_CORE, 0};
	if (l->memory > 0)
		out[n++] = (struct qf_child_limit){RLIMIT_AS, l->memory};
	if (l->cpu > 0)
		out[n++] = (struct qf_child_limit){RLIMIT_CPU, l->cpu};
	return n;
}

uint64_t limits_output(const struct limits *l, uint64_t message)
{
	return l->output > 0 ? l->output : 2 * message + (16 << 20);
}

int64_t limits_time(const struct qf_host *h, struct qf_msg *m)
{
	int64_t ms = h->time_left(m);

	/* Without a deadline there is nothing to keep back of. */
	if (ms == INT64_MAX)
		return ms;
	return ms - (ms / 10 < RESERVE_MS ? ms / 10 : RESERVE_MS);
}
