#include "send/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "send/bounce.h"
#include "send/deliver.h"
#include "send/schedule.h"

/* One message, and one remote that may take it. */
struct attempt {
	struct qf_run *run;
	struct qf_job *job;
	const struct qf_remote *remote; /* NULL: only to end it */
	bool expired;                   /* longer than queuelifetime here */
	bool last;                      /* no remote follows in this run */
	struct qf_item item;
	int message;
};

size_t qf_attempt_pending(const struct qf_item *item)
{
	size_t n = 0;

	for (size_t i = 0; i < item->rcpt.n; i++)
		n += !item->done[i];
	return n;
}

/* This message is left for the next run. */
static void give_up(struct attempt *a, const char *event, struct qf_err *e)
{
	qf_log(QF_LOG_ERROR, event, QF_KS("id", a->job->id),
	    QF_KS("error", e->text));
	a->job->over = true;
}

/*
 * The queue does not take down that a message was delivered. To go on would
 * deliver again and again what it still holds, so the run ends here.
 */
static void cannot_record(struct attempt *a, struct qf_err *e)
{
	give_up(a, "can not record a delivery; run ends", e);
	a->run->failed = true;
}

static int note(struct attempt *a, size_t i, const char *reason)
{
	struct qf_err e;
	int rc = a->run->ops->note(a->run->store, &a->item, i, reason, &e);

	if (rc < 0)
		give_up(a, "can not write a note", &e);
	else
		qf_log(QF_LOG_WARN, "failed", QF_KS("id", a->job->id),
		    QF_KS("rcpt", a->item.rcpt.v[i]), QF_KS("text", reason));
	return rc;
}

static void note_all(
    struct attempt *a, const size_t *set, size_t n, const char *reason)
{
	for (size_t i = 0; i < n; i++) {
		if (note(a, set[i], reason) < 0)
			return;
	}
}

/* The failed recipients, as failed/ID keeps them. */
static int keep_failed(struct attempt *a, struct qf_err *e)
{
	struct qf_strv rcpt = {0};
	struct qf_note n = {0};
	int rc;

	while (qf_note_next(&a->item.notes, &n))
		qf_strv_add_span(&rcpt, n.rcpt);
	rc = a->run->ops->fail(a->run->store, &a->item, &rcpt, e);
	qf_strv_free(&rcpt);
	return rc;
}

/* What a filter refuses may be what the notification quotes, or its size: the
 * second one quotes little. */
static enum qf_bounce_outcome send_bounce(
    struct attempt *a, const char *to, struct qf_submit_result *r)
{
	const char *me = a->run->cfg->me;
	enum qf_bounce_outcome outcome =
	    qf_bounce_send(&a->item, a->message, me, to, false, r);

	if (outcome != QF_BOUNCE_REFUSED)
		return outcome;
	qf_log(QF_LOG_WARN, "bounce refused; trying a brief one",
	    QF_KS("id", a->job->id), QF_KS("to", to), QF_KD("code", r->code),
	    QF_KS("text", r->text));
	return qf_bounce_send(&a->item, a->message, me, to, true, r);
}

/* Tells the sender: false when that must be tried again later. */
static bool bounce(struct attempt *a)
{
	const struct qf_send_config *cfg = a->run->cfg;
	const char *sender = a->item.sender.s, *id = a->job->id;
	const char *to = cfg->bounceto != NULL ? cfg->bounceto : sender;
	struct qf_submit_result r;

	if (!qf_bounce_wanted(sender)) {
		qf_log(QF_LOG_WARN, "no bounce: null sender", QF_KS("id", id));
		return true;
	}
	switch (send_bounce(a, to, &r)) {
	case QF_BOUNCE_QUEUED:
		a->run->bounces++;
		qf_log(QF_LOG_INFO, "bounce queued", QF_KS("id", id),
		    QF_KD("qp", r.pid), QF_KS("to", to));
		return true;
	case QF_BOUNCE_REFUSED:
		qf_log(QF_LOG_ERROR, "bounce refused; message kept in failed",
		    QF_KS("id", id), QF_KS("to", to), QF_KD("code", r.code),
		    QF_KS("text", r.text));
		return true;
	case QF_BOUNCE_NOT_NOW:
		break;
	}
	qf_log(QF_LOG_WARN, "bounce deferred", QF_KS("id", id), QF_KS("to", to),
	    QF_KD("code", r.code), QF_KS("text", r.text));
	return false;
}

static bool finish(struct attempt *a, struct qf_err *e)
{
	a->job->over = true;
	if (a->run->ops->finish(a->run->store, &a->item, e) < 0)
		return false;
	a->job->gone = true;
	qf_log(QF_LOG_INFO, "end", QF_KS("id", a->job->id));
	return true;
}

/* No recipient is left: what failed is kept and reported, then it goes. */
static void end_message(struct attempt *a)
{
	struct qf_err e;
	bool any_failed = a->item.notes.len > 0;

	a->job->over = true;
	if (any_failed && keep_failed(a, &e) < 0)
		give_up(a, "can not keep a failed message", &e);
	else if ((!any_failed || bounce(a)) && !finish(a, &e))
		give_up(a, "can not remove a message", &e);
}

/* These have it. When nobody else waits for it the message goes at once,
 * without another write to the disk. */
static void set_delivered(struct attempt *a, const size_t *set, size_t n)
{
	struct qf_err e;

	if (n == qf_attempt_pending(&a->item) && a->item.notes.len == 0) {
		if (finish(a, &e))
			return;
		give_up(a, "can not remove a message", &e);
	}
	for (size_t i = 0; i < n; i++) {
		if (a->run->ops->mark(a->run->store, &a->item, set[i], &e) <
		    0) {
			cannot_record(a, &e);
			return;
		}
	}
}

static void set_not_now(struct attempt *a, const size_t *set, size_t n,
    const struct qf_answer *answer)
{
	struct qf_buf reason = QF_BUF_INIT;

	qf_log(QF_LOG_INFO, "deferred", QF_KS("id", a->job->id),
	    QF_KS("remote", a->remote->host), QF_KS("text", answer->text));
	if (qf_run_is_stopped(a->run))
		return;
	qf_reason_format(&reason, true, a->remote->host, answer->text);
	/* Where this remote said nothing, what an earlier one said tells the
	 * sender more. */
	if (a->expired && a->last)
		note_all(a, set, n,
		    !answer->given && a->job->answer != NULL ? a->job->answer
							     : reason.s);
	else if (a->expired && answer->given) {
		free(a->job->answer);
		a->job->answer = qf_buf_detach(&reason);
	}
	qf_buf_free(&reason);
}

static void run_module(
    struct attempt *a, const size_t *set, size_t n, struct qf_answer *answer)
{
	const struct qf_send_config *cfg = a->run->cfg;
	const char **rcpt = qf_alloc((n + 1) * sizeof *rcpt);
	struct qf_delivery d = {
	    .protocols = a->run->protocols,
	    .remote = a->remote,
	    .helohost = cfg->helohost,
	    .sender = a->item.sender.s,
	    .rcpt = rcpt,
	    .nrcpt = n,
	    .message = a->message,
	    .limit = cfg->sendtimeout == 0 ? QF_NEVER : cfg->sendtimeout * 1000,
	    .wake = a->run->wake,
	};

	for (size_t i = 0; i < n; i++)
		rcpt[i] = a->item.rcpt.v[set[i]];
	qf_log(QF_LOG_INFO, "starting delivery", QF_KS("id", a->job->id),
	    QF_KS("remote", a->remote->host),
	    QF_KS("protocol", a->remote->protocol), QF_KU("rcpts", n));
	qf_deliver(&d, answer);
	free(rcpt);
}

static void deliver(struct attempt *a, const size_t *set, size_t n);

/*
 * A module knows one result for all recipients. When it is not the same for
 * each of them, each half is tried alone, down to single recipients, so that
 * a bad address costs the others nothing and few bad ones among many need few
 * runs.
 */
static void split(struct attempt *a, const size_t *set, size_t n,
    const struct qf_answer *answer)
{
	struct qf_err e;

	qf_log(QF_LOG_INFO, "not for all; splitting", QF_KS("id", a->job->id),
	    QF_KS("remote", a->remote->host), QF_KS("text", answer->text));
	/* From here on each result is worth a write. */
	if (a->item.fresh &&
	    a->run->ops->defer(a->run->store, &a->item, a->run->due, &e) < 0) {
		give_up(a, "can not write the state", &e);
		return;
	}
	deliver(a, set, n / 2);
	deliver(a, set + n / 2, n - n / 2);
}

static void set_failed(
    struct attempt *a, size_t i, const struct qf_answer *answer)
{
	struct qf_buf reason = QF_BUF_INIT;

	qf_reason_format(&reason, false, a->remote->host, answer->text);
	note(a, i, reason.s);
	qf_buf_free(&reason);
}

static void deliver(struct attempt *a, const size_t *set, size_t n)
{
	struct qf_answer answer;

	if (qf_run_is_stopped(a->run) || a->job->over)
		return;
	run_module(a, set, n, &answer);
	switch (answer.result) {
	case QF_DELIVERED:
		qf_log(QF_LOG_INFO, "delivered", QF_KS("id", a->job->id),
		    QF_KS("remote", a->remote->host),
		    QF_KS("text", answer.text));
		set_delivered(a, set, n);
		break;
	case QF_SOME_NOT_NOW:
		if (n > 1)
			split(a, set, n, &answer);
		else
			set_not_now(a, set, n, &answer);
		break;
	case QF_NOT_NOW:
		set_not_now(a, set, n, &answer);
		break;
	case QF_FAILED:
		if (n > 1)
			split(a, set, n, &answer);
		else
			set_failed(a, set[0], &answer);
		break;
	}
}

/* What no module can be given fails here and now. */
static void refuse_addresses(struct attempt *a)
{
	const char *sender_wrong = qf_deliver_refuses(a->item.sender.s, false);

	for (size_t i = 0; i < a->item.rcpt.n && !a->job->over; i++) {
		const char *wrong = sender_wrong;

		if (a->item.done[i])
			continue;
		if (wrong == NULL)
			wrong = qf_deliver_refuses(a->item.rcpt.v[i], true);
		if (wrong != NULL)
			note(a, i, wrong);
	}
}

static void deliver_pending(struct attempt *a)
{
	size_t *set, n = 0;

	refuse_addresses(a);
	set = qf_alloc((a->item.rcpt.n + 1) * sizeof *set);
	for (size_t i = 0; i < a->item.rcpt.n; i++) {
		if (!a->item.done[i])
			set[n++] = i;
	}
	if (n > 0)
		deliver(a, set, n);
	free(set);
}

/* A person has it: deleted, held, or is about to. */
static void leave_alone(struct attempt *a, const char *event)
{
	qf_log(QF_LOG_INFO, event, QF_KS("id", a->job->id));
	a->job->over = true;
}

/* Claims and opens the message: false when there is nothing to do for it. */
static bool open_attempt(struct attempt *a)
{
	const struct qf_store_ops *ops = a->run->ops;
	struct qf_err e;
	int rc;

	memcpy(a->item.id, a->job->id, sizeof a->item.id);
	rc = ops->claim(a->run->store, &a->item, &e);
	if (rc == 0)
		rc = a->message = ops->message(a->run->store, a->job->id, &e);
	if (rc >= 0)
		return true;
	if (rc == QF_EPERM)
		leave_alone(a, "in use by another program; left for later");
	else if (rc == QF_ENOENT)
		leave_alone(a, "no longer queued");
	else
		give_up(a, "can not open a message", &e);
	a->job->gone = rc == QF_ENOENT;
	return false;
}

/*
 * Writes down what a delivery left: with the last remote for the time of the
 * next attempt, before it only for a message that has no state yet.
 */
static void write_state(struct attempt *a)
{
	bool marked = qf_attempt_pending(&a->item) < a->item.rcpt.n;
	struct qf_err e;

	if (!a->item.fresh && !a->last)
		return;
	if (a->run->ops->defer(a->run->store, &a->item, a->run->due, &e) == 0)
		return;
	if (a->item.fresh && marked)
		cannot_record(a, &e);
	else
		give_up(a, "can not write the state", &e);
}

void qf_attempt(struct qf_run *run, struct qf_job *job,
    const struct qf_remote *remote, bool last)
{
	struct attempt a = {.run = run,
	    .job = job,
	    .remote = remote,
	    .last = last,
	    .item = QF_ITEM_INIT,
	    .message = -1};

	if (open_attempt(&a)) {
		a.expired = qf_schedule_expired(
		    a.item.born, qf_clock_wall(), run->cfg->queuelifetime);
		if (remote != NULL)
			deliver_pending(&a);
		if (qf_attempt_pending(&a.item) == 0 && !job->over)
			end_message(&a);
		if (!job->gone)
			write_state(&a);
	}
	qf_close(&a.message);
	qf_item_free(&a.item);
}
