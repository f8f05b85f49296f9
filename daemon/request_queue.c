/*
 * What becomes of a message that its chain has let through: our own queue takes
 * it, or its caller is told to run a queue program, or both.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/request_internal.h"
#include "frontend/metrics.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"

enum {
	REPORT_MS = 86400 * 1000 /* for its queue program */
};

/* Commits. */

static void on_committed(void *arg, const struct qf_storeres *result)
{
	struct qf_request *r = arg;

	r->commit.done = NULL;
	qf_log_scope(r->scope);
	if (result == NULL) {
		qf_count_add(QF_COUNT_STORE_LOST, 1);
		qf_log(QF_LOG_ERROR,
		    "store worker lost; the message may be queued",
		    QF_KS("from", qf_envelope_sender(&r->envelope)));
		qf_request_refuse(r, NULL, 81);
	} else if (result->code != 0) {
		qf_request_refuse(r, NULL, result->code);
	} else {
		if (result->hung_up != 0)
			qf_log(QF_LOG_INFO, "client gone, nothing queued",
			    QF_KS("from", qf_envelope_sender(&r->envelope)));
		qf_log_scope(NULL);
		if (result->hung_up == 0 && result->answered == 0) {
			qf_request_accept(r);
		} else {
			if (result->hung_up == 0)
				qf_request_count(r, 0);
			/* Who has an answer may go. */
			r->gone &= result->answered == 0;
			qf_request_end(r);
		}
	}
}

/* Has our queue take what is held, or all. */
static void commit(struct qf_request *r, bool all)
{
	struct qf_commit_job *c = &r->commit;
	struct qf_err e;
	size_t groups = 0;

	*c = (struct qf_commit_job){.done = on_committed, .arg = r};
	c->fds[c->nfds++] = r->watch.fd;
	for (size_t i = 0; i < r->plan.n; i++) {
		const struct qf_delivery *d = &r->plan.v[i];

		if (!all && !d->held)
			continue;
		if (groups == QF_ANSWER_GROUPS_MAX) {
			qf_fail(&e, QF_EBUG, "too many groups");
			qf_request_fail(r, "message not queued", &e);
			return;
		}
		if (qf_envelope_spool_attrs(
			&d->envelope, &r->spool[groups], &e) < 0) {
			qf_request_fail(r, "message not queued", &e);
			return;
		}
		c->fds[c->nfds++] = d->message;
		c->fds[c->nfds++] = r->spool[groups].fd;
		groups++;
	}
	c->request = (struct qf_storereq){.size = sizeof c->request,
	    .client = 1,
	    .groups = (uint32_t)groups,
	    .uid = (uint32_t)r->uid,
	    .pid = r->pid};
	memcpy(c->request.scope, r->scope, sizeof c->request.scope);
	r->state = QF_REQUEST_WORKING;
	qf_request_watch(r, true, QF_NEVER);
	qf_stores_submit(&r->d->stores, c);
}

/* The client's own queue program. */

static void add_pair(struct qf_buf *out, const char *name, const char *value)
{
	qf_buf_addf(out, "%s=%s", name, value);
	qf_buf_addc(out, '\0');
}

/* Did the caller bring this variable, which is no longer there? */
static bool was_taken(const struct qf_request *r, const char *name)
{
	struct qf_span rest = qf_buf_span(&r->environment), one;
	size_t n = strlen(name);

	while (qf_span_cut(&rest, '\0', &one)) {
		if (one.n > n && memcmp(one.p, name, n) == 0 && one.p[n] == '=')
			return getenv(name) == NULL;
	}
	return false;
}

/* Where the log of its queue program goes, if that is one of ours: as in a run
 * without us. */
static const char *log_target(const struct qf_request *r)
{
	const struct qf_frontend_config *config = &r->generation->policy.config;
	const char *target = getenv("QFRONT_LOG");

	if (target == NULL)
		target = config->log != NULL ? config->log : "stderr";
	if (strcmp(target, "stderr") == 0 &&
	    qf_dialect_reads_stderr(config->dialect))
		target = "syslog";
	return target;
}

/* What changes of the client's environment for its queue program. */
static int list_variables(struct qf_request *r, struct qf_buf *unset,
    struct qf_buf *set, struct qf_err *e)
{
	static const char *const overruled[] = {"DKIMSIGN", "DKIMVERIFY"};
	const char *verify = getenv("DKIMVERIFY");
	char depth[24];

	if (qf_next_depth(depth, e) < 0)
		return e->rc;
	for (size_t i = 0; i < r->plan.taken.n; i++)
		qf_buf_addz(unset, r->plan.taken.v[i]);
	for (size_t i = 0; i < 2; i++) {
		if (was_taken(r, overruled[i]))
			qf_buf_addz(unset, overruled[i]);
	}
	if (r->setup.next.variable != NULL)
		qf_buf_addz(unset, r->setup.next.variable);
	add_pair(set, "QFRONT_DEPTH", depth);
	add_pair(set, "QFRONT_LOG", log_target(r));
	if (verify != NULL && verify[0] == '\0')
		add_pair(set, "DKIMVERIFY", verify);
	return 0;
}

static void queue_outside(struct qf_request *r)
{
	struct qf_buf unset = QF_BUF_INIT, set = QF_BUF_INIT;
	struct qf_answer_queue q = {.plan = &r->plan,
	    .next = &r->setup.next,
	    .sent = r->copied ? -1 : r->message,
	    .dialect = qf_request_dialect(r)};
	struct qf_err e;
	int rc;

	for (size_t i = 0; i < r->plan.n; i++)
		q.held += r->plan.v[i].held;
	qf_request_enter(r);
	rc = list_variables(r, &unset, &set, &e);
	qf_request_leave();
	q.unset = qf_buf_span(&unset);
	q.set = qf_buf_span(&set);
	if (rc == 0)
		rc = qf_answer_queue(r->watch.fd, &q, &e);
	qf_buf_free(&unset);
	qf_buf_free(&set);
	if (rc < 0) {
		qf_request_fail(r, "message not handed over", &e);
	} else if (q.held == 0) {
		qf_request_count(r, 0);
		qf_request_end(r);
	} else {
		r->state = QF_REQUEST_REPORTING;
		qf_request_watch(r, false, qf_deadline_in(REPORT_MS));
	}
}

/* What is the client's to queue, it has queued, or not. */
void qf_request_hear_report(struct qf_request *r, const struct qf_ask *ask)
{
	if (ask->kind != QF_ASK_REPORT || ask->code != 0)
		qf_request_end(r);
	else
		commit(r, false);
}

static void log_hand_over(const struct qf_request *r)
{
	for (size_t i = 0; i < r->plan.n; i++) {
		const struct qf_delivery *d = &r->plan.v[i];

		qf_log(QF_LOG_INFO, "hand over",
		    QF_KS(
			"to", d->held ? "quarantine" : r->setup.next.argv.v[0]),
		    QF_KS("from", qf_envelope_sender(&d->envelope)),
		    QF_KU("rcpts", d->envelope.nrcpt),
		    QF_KS(
			"edited", d->message == r->message ? "no" : "message"),
		    QF_KD("us", qf_clock_mono_us() - r->start));
	}
}

static bool needs_client(const struct qf_request *r)
{
	for (size_t i = 0; i < r->plan.n && !r->setup.next.builtin; i++) {
		if (!r->plan.v[i].held)
			return true;
	}
	return false;
}

void qf_request_queue(struct qf_request *r)
{
	qf_request_enter(r);
	log_hand_over(r);
	qf_request_leave();
	if (needs_client(r))
		queue_outside(r);
	else
		commit(r, true);
}
