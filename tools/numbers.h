/*
 * The names of what frontend/metrics.h counts, as qfront-metrics(5) has them:
 * one table for the commands `metrics` and `status`.
 */
#ifndef QF_TOOLS_NUMBERS_H
#define QF_TOOLS_NUMBERS_H

#include "frontend/metrics.h"

struct qf_number {
	const char *name; /* without `qfront_`, and `_total` of a counter */
	const char *help;
};

extern const struct qf_number qf_numbers_counts[QF_COUNTS];
extern const struct qf_number qf_numbers_gauges[QF_GAUGES];

const char *qf_numbers_way(enum qf_way way);
const char *qf_numbers_verdict(size_t verdict);
/* Most microseconds that a bucket holds; -1 for the last one, without limit. */
int64_t qf_numbers_most(size_t bucket);
/* How many times it has measured. */
uint64_t qf_numbers_total(const struct qf_histogram *h);
/* Of a stage's place: what to call it, and whether anything is in it. */
const char *qf_numbers_stage(const struct qf_metrics *m, size_t i);
bool qf_numbers_is_used(const struct qf_metrics *m, size_t i);

void qf_numbers_print_json(const struct qf_metrics *m, pid_t daemon);
/* A command whose only option is --json: prints what there is. */
int qf_numbers_run(
    int argc, char **argv, void (*print)(const struct qf_metrics *, pid_t));

#endif
