#include "send/run.h"

#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/attrs.h"
#include "queue/expire.h"
#include "send/attempt.h"

enum {
	EXPIRY_PAUSE_MS = 3600 * 1000
};

bool qf_run_is_stopped(const struct qf_run *run)
{
	qf_wake_read(run->wake);
	return run->failed || run->wake->stop;
}

/* A record that makes no sense is reported once, and left for a person. */
static void report_damage(struct qf_run *run, struct qf_jobs *damaged,
    const char *id, struct qf_err *e)
{
	if (!qf_jobs_have(&run->damaged, id))
		qf_log(QF_LOG_ERROR, "damaged message left alone",
		    QF_KS("id", id), QF_KS("error", e->text));
	qf_jobs_add(damaged, id);
}

static void scan_one(struct qf_run *run, const char *id, struct qf_jobs *jobs,
    struct qf_jobs *damaged)
{
	struct qf_item item = QF_ITEM_INIT;
	const char *route;
	struct qf_job *job;
	struct qf_err e;
	int rc = run->ops->load(run->store, id, &item, &e);

	if (rc == QF_EFORMAT) {
		report_damage(run, damaged, id, &e);
	} else if (rc == 0 && !item.held) {
		job = qf_jobs_add(jobs, id);
		job->born = item.born;
		job->settled = qf_attempt_pending(&item) == 0;
		route = qf_attrs_get(&item.attrs, "ROUTE");
		job->route = route != NULL ? qf_strdup(route) : NULL;
	} else if (rc < 0 && rc != QF_ENOENT) {
		qf_log(QF_LOG_ERROR, "can not read a message", QF_KS("id", id),
		    QF_KS("error", e.text));
		qf_jobs_add(jobs, id)->over = true;
	}
	qf_item_free(&item);
}

/* False when the walk did not come to its end. */
static bool scan(struct qf_run *run, struct qf_jobs *jobs)
{
	struct qf_jobs damaged = {0};
	struct qf_walk walk = {0};
	char id[QF_ID_SIZE];
	struct qf_err e;
	int rc;

	while ((rc = run->ops->next(run->store, &walk, id, &e)) > 0) {
		if (!run->only_new || !qf_jobs_have(&run->left, id))
			scan_one(run, id, jobs, &damaged);
	}
	run->ops->walk_end(run->store, &walk);
	if (rc < 0)
		qf_log_err("can not read the queue", &e);
	qf_jobs_sort_by_id(&damaged);
	qf_jobs_free(&run->damaged);
	run->damaged = damaged;
	qf_jobs_sort_by_age(jobs);
	return rc == 0;
}

/* Does it go to the servers of the control file? */
static bool goes_by_remotes(const struct qf_job *job)
{
	return !job->over && !job->settled && job->route == NULL;
}

/* Those that only wait for their end. */
static void pass_settled(struct qf_run *run, struct qf_jobs *jobs)
{
	for (size_t i = 0; i < jobs->n && !qf_run_is_stopped(run); i++) {
		if (!jobs->v[i].over && jobs->v[i].settled)
			qf_attempt(run, &jobs->v[i], NULL, true);
	}
}

/* Those that a stage sends elsewhere. */
static void pass_routed(struct qf_run *run, struct qf_jobs *jobs)
{
	for (size_t i = 0; i < jobs->n && !qf_run_is_stopped(run); i++) {
		struct qf_job *job = &jobs->v[i];
		struct qf_remote remote;
		struct qf_err e;

		if (job->over || job->settled || job->route == NULL)
			continue;
		if (qf_remote_of_route(&remote, job->route, &e) == 0)
			qf_attempt(run, job, &remote, true);
		else
			qf_log(QF_LOG_ERROR, "wrong route; mail waits",
			    QF_KS("id", job->id), QF_KS("error", e.text));
		qf_remote_free(&remote);
	}
}

/* All others, with one remote. */
static void pass(struct qf_run *run, struct qf_jobs *jobs,
    const struct qf_remote *remote, bool last)
{
	for (size_t i = 0; i < jobs->n && !qf_run_is_stopped(run); i++) {
		if (goes_by_remotes(&jobs->v[i]))
			qf_attempt(run, &jobs->v[i], remote, last);
	}
}

static void warn_without_remotes(const struct qf_jobs *jobs)
{
	size_t n = 0;

	for (size_t i = 0; i < jobs->n; i++)
		n += goes_by_remotes(&jobs->v[i]);
	if (n > 0)
		qf_log(QF_LOG_WARN, "no remotes; mail waits",
		    QF_KU("messages", n));
}

/* To look through all that is held takes time, and nothing hurries. */
static void expire_held(struct qf_run *run)
{
	const struct qf_expire_limits *limits = &run->cfg->held;
	struct qf_expired done;
	struct qf_err e;

	if ((limits->lifetime == 0 && limits->size == 0) ||
	    qf_deadline_poll(run->next_expiry) != 0 || qf_run_is_stopped(run))
		return;
	run->next_expiry = qf_deadline_in(EXPIRY_PAUSE_MS);
	if (qf_expire(
		run->ops, run->store, limits, qf_clock_wall(), &done, &e) < 0)
		qf_log_err("can not look through held mail", &e);
}

static void keep_left(struct qf_run *run, const struct qf_jobs *jobs)
{
	if (!run->only_new)
		qf_jobs_free(&run->left);
	for (size_t i = 0; i < jobs->n; i++) {
		if (!jobs->v[i].gone)
			qf_jobs_add(&run->left, jobs->v[i].id);
	}
	qf_jobs_sort_by_id(&run->left);
}

void qf_run_queue(struct qf_run *run)
{
	const struct qf_remotes *remotes = &run->cfg->remotes;
	struct qf_jobs jobs = {0};
	bool whole;

	run->bounces = 0;
	run->failed = false;
	/* What the walk did find is sent, though it may have ended early. */
	whole = scan(run, &jobs);
	if (jobs.n > 0)
		qf_log(QF_LOG_INFO, "run starts", QF_KU("messages", jobs.n),
		    QF_KU("remotes", remotes->n));
	if (remotes->n == 0)
		warn_without_remotes(&jobs);
	pass_settled(run, &jobs);
	pass_routed(run, &jobs);
	for (size_t i = 0; i < remotes->n; i++)
		pass(run, &jobs, &remotes->v[i], i == remotes->n - 1);
	expire_held(run);
	keep_left(run, &jobs);
	if (jobs.n > 0)
		qf_log(QF_LOG_INFO, "run ends", QF_KU("left", run->left.n));
	run->failed = run->failed || !whole;
	qf_jobs_free(&jobs);
}

void qf_run_free(struct qf_run *run)
{
	qf_jobs_free(&run->left);
	qf_jobs_free(&run->damaged);
}
