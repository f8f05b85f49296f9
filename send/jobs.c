#include "send/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

struct qf_job *qf_jobs_add(struct qf_jobs *jobs, const char *id)
{
	struct qf_job *job;

	if (jobs->n == jobs->cap) {
		jobs->cap = jobs->cap == 0 ? 64 : jobs->cap * 2;
		jobs->v = qf_realloc_array(jobs->v, jobs->cap, sizeof *jobs->v);
	}
	job = &jobs->v[jobs->n++];
	*job = (struct qf_job){0};
	snprintf(job->id, sizeof job->id, "%s", id);
	return job;
}

static int compare_ids(const void *a, const void *b)
{
	const struct qf_job *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static int compare_ages(const void *a, const void *b)
{
	const struct qf_job *x = a, *y = b;

	if (x->born != y->born)
		return x->born < y->born ? -1 : 1;
	return compare_ids(a, b);
}

void qf_jobs_sort_by_age(struct qf_jobs *jobs)
{
	if (jobs->n > 0)
		qsort(jobs->v, jobs->n, sizeof *jobs->v, compare_ages);
}

void qf_jobs_sort_by_id(struct qf_jobs *jobs)
{
	if (jobs->n > 0)
		qsort(jobs->v, jobs->n, sizeof *jobs->v, compare_ids);
}

bool qf_jobs_have(const struct qf_jobs *jobs, const char *id)
{
	struct qf_job key = {0};

	if (jobs->n == 0)
		return false;
	snprintf(key.id, sizeof key.id, "%s", id);
	return bsearch(&key, jobs->v, jobs->n, sizeof *jobs->v, compare_ids) !=
	       NULL;
}

void qf_jobs_free(struct qf_jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++) {
		free(jobs->v[i].route);
		free(jobs->v[i].answer);
	}
	free(jobs->v);
	*jobs = (struct qf_jobs){0};
}
