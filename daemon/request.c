#include "daemon/request_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/closer.h"
#include "daemon/roles.h"
#include "frontend/metrics.h"
#include "frontend/outcome.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqcode.h"

enum {
	READ_MS = 2000 /* for a client to say what it wants */
};

void qf_request_enter(struct qf_request *r)
{
	qf_environ_recount(&r->environ);
	qf_environ_enter(&r->environ);
	qf_log_scope(r->scope);
}

void qf_request_leave(void)
{
	qf_environ_enter(NULL);
	qf_log_scope(NULL);
}

/* The dispatcher's list. */

static void enlist(struct qf_request *r)
{
	struct qf_dispatcher *d = r->d;

	r->next = d->requests;
	if (r->next != NULL)
		r->next->before = r;
	d->requests = r;
	d->n++;
}

static void strike_out(struct qf_request *r)
{
	if (r->before != NULL)
		r->before->next = r->next;
	else
		r->d->requests = r->next;
	if (r->next != NULL)
		r->next->before = r->before;
	r->d->n--;
}

/* Connections of this user, also those that are still closing. */
static size_t count_user(const struct qf_dispatcher *d, uid_t uid)
{
	size_t n = qf_closing(uid);

	for (const struct qf_request *r = d->requests; r != NULL; r = r->next)
		n += r->uid == uid;
	return n;
}

/* The answer. */

void qf_request_count(const struct qf_request *r, int code)
{
	qf_count_message(
	    QF_WAY_WARM, code, qf_clock_mono_us() - r->start, (int64_t)r->size);
}

static void close_foreign(const struct qf_request *r, int *fds, size_t n)
{
	if (!r->believed) {
		qf_close_apart(r->uid, fds, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		qf_close(&fds[i]);
}

void qf_request_end(struct qf_request *r)
{
	struct qf_dispatcher *d = r->d;
	int foreign[2];

	if (r->gone)
		qf_count_add(QF_COUNT_HUNG_UP, 1);
	qf_gauge_add(QF_GAUGE_REQUESTS, -1);
	qf_loop_remove(&r->watch);
	foreign[0] = r->watch.fd;
	foreign[1] = r->message;
	close_foreign(r, foreign, 2);
	qf_plan_free(&r->plan);
	qf_groups_free(&r->groups);
	/* The rest of the setup is the policy's. */
	qf_next_free(&r->setup.next);
	qf_chain_free(&r->setup.own_chain);
	qf_caller_free(&r->setup.caller);
	for (size_t i = 0; i < QF_ANSWER_GROUPS_MAX; i++)
		qf_spool_close(&r->spool[i]);
	qf_envelope_free(&r->envelope);
	qf_strv_free(&r->argv);
	qf_environ_free(&r->environ);
	qf_buf_free(&r->words);
	qf_buf_free(&r->environment);
	if (r->generation != NULL)
		r->generation->messages--;
	d->begun -= r->begun;
	d->held[r->believed] -= r->held;
	strike_out(r);
	free(r);
	qf_dispatcher_ended(d);
}

uint32_t qf_request_dialect(const struct qf_request *r)
{
	return r->generation != NULL ? r->generation->policy.config.dialect
				     : QF_DIALECT_AUTO;
}

void qf_request_refuse(
    struct qf_request *r, const struct qf_judgement *j, int code)
{
	qf_request_count(r, code);
	qf_log_scope(r->scope);
	qf_log(QF_LOG_INFO, "refused",
	    QF_KS("from", qf_envelope_sender(&r->envelope)),
	    QF_KD("code", code), QF_KS("text", qf_qqcode_find(code)->text));
	qf_answer_refuse(r->watch.fd, qf_request_dialect(r), j, code);
	qf_log_scope(NULL);
	qf_request_end(r);
}

void qf_request_accept(struct qf_request *r)
{
	qf_request_count(r, 0);
	qf_answer_send(r->watch.fd, QF_ANSWER_DONE);
	qf_request_end(r);
}

/* Trouble never ends as 0: that would lose the message. */
void qf_request_fail(
    struct qf_request *r, const char *event, const struct qf_err *e)
{
	int code = qf_qqcode_of_error(e->rc);

	qf_log_scope(r->scope);
	qf_log_err(event, e);
	qf_request_refuse(r, NULL, code != 0 ? code : 81);
}

/* There is no room for it. */
static void turn_away(struct qf_request *r, const struct qf_refusal *why)
{
	struct qf_judgement j = {.class_ = why->class_,
	    .category = why->category,
	    .code = why->code};

	qf_request_count(r, why->code);
	snprintf(j.text, sizeof j.text, "%s", why->text);
	qf_log(QF_LOG_WARN, "request turned away", QF_KU("uid", r->uid),
	    QF_KD("code", why->code), QF_KS("text", why->text));
	qf_answer_refuse(r->watch.fd, qf_request_dialect(r), &j, why->code);
	qf_request_end(r);
}

static void on_client(struct qf_watch *watch, void *arg);

void qf_request_watch(struct qf_request *r, bool hangups, int64_t deadline)
{
	struct qf_err e;

	qf_loop_remove(&r->watch);
	r->watch.deadline = deadline;
	if (qf_loop_add(r->d->loop, &r->watch, hangups, &e) < 0)
		qf_log_err("client not watched", &e);
}

/* The chain. */

static void settle(struct qf_request *r)
{
	int code;

	qf_request_enter(r);
	code = qf_setup_settle(&r->setup, &r->filtering, &r->groups, &r->plan);
	qf_request_leave();
	if (code != 0)
		qf_request_refuse(r, NULL, code);
	else if (r->plan.action == QF_PLAN_REFUSE)
		qf_request_refuse(
		    r, &r->plan.judgement, qf_outcome_code(&r->plan.judgement));
	else if (r->plan.action == QF_PLAN_DROP)
		qf_request_accept(r);
	else
		qf_request_queue(r);
}

static void advance(struct qf_request *r);

static void on_part(
    void *arg, int rc, struct qf_job_result *in, const struct qf_err *e)
{
	struct qf_request *r = arg;

	qf_request_enter(r);
	qf_passage_take(&r->filtering.passage, rc, in, e);
	qf_request_leave();
	if (r->gone)
		qf_request_end(r);
	else
		advance(r);
}

static void advance(struct qf_request *r)
{
	struct qf_passage *p = &r->filtering.passage;
	bool more;

	qf_request_enter(r);
	more = qf_passage_next(p, &r->work);
	qf_request_leave();
	if (!more) {
		settle(r);
		return;
	}
	r->errand = (struct qf_errand){.work = &r->work,
	    .caller = {.environment = qf_buf_span(&r->environment),
		.words = qf_buf_span(&r->words),
		.log_scope = r->scope},
	    .deadline = r->work.deadline,
	    .done = on_part,
	    .arg = r};
	qf_pool_submit(
	    qf_generation_pool(r->generation, r->work.secret), &r->errand);
}

static int configure(struct qf_request *r, struct qf_err *e)
{
	static char *none[] = {NULL};
	const struct qf_policy *policy = &r->generation->policy;
	struct qf_setup *s = &r->setup;
	struct qf_problems problems = {0};
	bool believed = s->caller.believed;
	char *const *argv = believed && r->argv.n > 1 ? r->argv.v + 1 : none;
	char depth[24];

	s->ctl = policy->ctl;
	s->config = policy->config;
	s->split = policy->split;
	if (believed && r->argv.n > 0)
		s->as = qf_builtin_find(r->argv.v[0]);
	if (!believed && r->argv.n > 1)
		s->caller.arguments = r->argv.n - 1;
	qf_trust_log(&s->caller);
	if (qf_next_depth(depth, e) < 0)
		return e->rc;
	if (qf_policy_chain(
		policy, s->as, argv, &s->own_chain, &s->chain, &problems) < 0) {
		*e = problems.first;
		return e->rc;
	}
	return qf_next_choose(&s->next, s->as, s->config.queueprog, argv, e);
}

static void filter(struct qf_request *r)
{
	struct qf_err e;
	int rc;

	qf_request_enter(r);
	rc = configure(r, &e);
	if (rc == 0 && r->setup.caller.believed && getenv("NULLQUEUE")) {
		qf_request_leave();
		qf_request_accept(r);
		return;
	}
	if (rc == 0) {
		/* A caller holds and routes nothing. */
		qf_attrs_remove_ours(&r->envelope.attrs);
		qf_setup_start(&r->setup, r->message, &r->envelope, NULL,
		    &r->groups, &r->filtering);
		qf_context_set_pid(&r->filtering.context, r->pid);
	}
	qf_request_leave();
	if (rc < 0)
		qf_request_fail(r, "message refused", &e);
	else
		advance(r);
}

/* Bytes that somebody could change are copied, by a worker: they may come from
 * a file that never ends. */

/* Of those who are believed any size is. */
static uint64_t size_max(const struct qf_request *r)
{
	const struct qf_frontend_config *config = &r->generation->policy.config;

	return r->believed ? 0 : (uint64_t)config->requestsize << 20;
}

static void refuse_size(struct qf_request *r)
{
	struct qf_judgement j = {.class_ = QF_REJECT, .category = QF_CAT_SIZE};

	snprintf(j.text, sizeof j.text, "the message is larger than %llu MiB",
	    (unsigned long long)size_max(r) >> 20);
	qf_request_refuse(r, &j, qf_outcome_code(&j));
}

static void on_copied(
    void *arg, int rc, struct qf_job_result *in, const struct qf_err *e)
{
	struct qf_request *r = arg;

	struct stat st;

	if (rc == 1 && fstat(in->fds[0], &st) == 0) {
		close_foreign(r, &r->message, 1);
		r->message = in->fds[0];
		in->fds[0] = -1;
		r->copied = true;
		r->size = (uint64_t)st.st_size;
	}
	if (r->gone)
		qf_request_end(r);
	else if (rc == 1)
		filter(r);
	else if (rc == QF_ETOOLONG)
		refuse_size(r);
	else
		qf_request_fail(r, "message not read", e);
}

static void secure_message(struct qf_request *r)
{
	const struct qf_frontend_config *config = &r->generation->policy.config;
	uint64_t max = size_max(r);
	struct stat st;

	r->state = QF_REQUEST_WORKING;
	qf_request_watch(r, true, QF_NEVER);
	if (qf_spool_is_sealed(r->message) && fstat(r->message, &st) == 0 &&
	    st.st_size <= QF_SPOOL_MEMORY) {
		r->size = (uint64_t)st.st_size;
		if (max > 0 && r->size > max)
			refuse_size(r);
		else
			filter(r);
		return;
	}
	r->errand = (struct qf_errand){.message = r->message,
	    .max = max,
	    .deadline = qf_deadline_in(config->timeoutchain * 1000),
	    .done = on_copied,
	    .arg = r};
	qf_pool_submit(&r->generation->filter, &r->errand);
}

/* The request. */

/* Is there no room for one more of this user? */
static const struct qf_refusal *why_user_full(
    const struct qf_request *r, const struct qf_policy *policy)
{
	static const struct qf_refusal full = {71, QF_DEFER, QF_CAT_RESOURCE,
	    "too many messages of this user wait here; try again later"};

	if (r->believed ||
	    count_user(r->d, r->uid) <= (size_t)policy->config.requestsuser)
		return NULL;
	qf_count_add(QF_COUNT_USER_FULL, 1);
	return &full;
}

static const struct qf_refusal *why_full(const struct qf_request *r)
{
	static const struct qf_refusal full = {71, QF_DEFER, QF_CAT_RESOURCE,
	    "too many messages wait here; try again later"};

	if (r->d->begun <= (size_t)r->generation->policy.config.requestsmax)
		return NULL;
	qf_count_add(QF_COUNT_FULL, 1);
	return &full;
}

/* What can not be served here may be served without us. */
static void send_away(struct qf_request *r)
{
	qf_answer_send(r->watch.fd, QF_ANSWER_COLD);
	qf_request_end(r);
}

static void take(
    struct qf_request *r, const struct qf_asked *ask, int *fds, size_t nfds)
{
	struct qf_refusal why = {0};
	struct qf_err e = {0};
	int rc = qf_request_take(r, ask, fds, nfds, &why, &e);

	if (why.code != 0)
		turn_away(r, &why);
	else if (rc == QF_ENOSYS && r->believed)
		send_away(r);
	else if (rc < 0)
		qf_request_fail(r, "message refused", &e);
	else
		secure_message(r);
}

static void begin(
    struct qf_request *r, const void *record, size_t n, int *fds, size_t nfds)
{
	static const struct qf_refusal nothing = {55, QF_DEFER, QF_CAT_CONFIG,
	    "no configuration loads here; see qfrontctl status"};
	const struct qf_refusal *full;
	struct qf_asked ask;
	struct qf_err e;
	int rc = qf_ask_parse(&ask, record, n, &e);

	if (rc == QF_ENOSYS) {
		send_away(r);
		return;
	}
	if (r->d->serving == NULL) {
		turn_away(r, &nothing);
		return;
	}
	r->generation = r->d->serving;
	r->generation->messages++;
	r->begun = true;
	r->d->begun++;
	if ((full = why_full(r)) != NULL)
		turn_away(r, full);
	else if (rc < 0)
		qf_request_fail(r, "message refused", &e);
	else
		take(r, &ask, fds, nfds);
}

static void hear_report(struct qf_request *r, const void *record, size_t n)
{
	struct qf_asked ask;
	struct qf_err e;

	if (qf_ask_parse(&ask, record, n, &e) < 0)
		qf_request_end(r);
	else
		qf_request_hear_report(r, &ask.head);
}

/* The client has gone while we were at work. */
static void hang_up(struct qf_request *r)
{
	r->gone = true;
	qf_loop_remove(&r->watch);
	if (r->errand.pool != NULL && qf_pool_take_back(&r->errand))
		qf_request_end(r);
	else if (r->commit.done != NULL &&
		 qf_stores_take_back(&r->d->stores, &r->commit))
		qf_request_end(r);
}

static void on_client(struct qf_watch *watch, void *arg)
{
	static char record[QF_ASK_MAX];
	struct qf_request *r = arg;
	/* It may be freed. */
	const struct qf_request was = {.uid = r->uid, .believed = r->believed};
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e = {0};

	if (r->state == QF_REQUEST_WORKING) {
		hang_up(r);
		return;
	}
	n = qf_fd_recv(watch->fd, record, sizeof record, fds, &nfds, &e);
	if (n < 0 && e.sys == EAGAIN)
		return;
	if (n <= 0)
		qf_request_end(r);
	else if (r->state == QF_REQUEST_READING)
		begin(r, record, (size_t)n, fds, nfds);
	else
		hear_report(r, record, (size_t)n);
	close_foreign(&was, fds, n > 0 ? nfds : 0);
}

static void on_late(struct qf_watch *watch, void *arg)
{
	struct qf_request *r = arg;

	(void)watch;
	qf_log(QF_LOG_WARN, "client said nothing", QF_KU("uid", r->uid),
	    QF_KD("pid", r->pid));
	qf_request_end(r);
}

static void name_scope(struct qf_request *r)
{
	static uint64_t number;

	snprintf(r->scope, sizeof r->scope, "%ld.%" PRIu64, (long)getpid(),
	    ++number);
}

static struct qf_request *make(
    struct qf_dispatcher *d, int fd, const struct qf_pickup_note *from)
{
	struct qf_request *r = qf_alloc(sizeof *r);
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t size = sizeof who;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	if (from != NULL)
		who.uid = (uid_t)from->uid;
	*r = (struct qf_request){.d = d,
	    .watch = {.fd = fd,
		.ready = on_client,
		.late = on_late,
		.arg = r,
		.deadline = qf_deadline_in(READ_MS)},
	    .uid = who.uid,
	    .pid = who.pid,
	    .start = qf_clock_mono_us(),
	    .words = QF_BUF_INIT,
	    .environment = QF_BUF_INIT,
	    .message = -1,
	    .envelope = QF_ENVELOPE_INIT,
	    .setup = QF_SETUP_INIT};
	/* What was picked up has lost its environment, and with it what a
	 * trusted user says of where it comes from: it is anybody's. */
	r->believed = from != NULL ? from->bounce != 0
				   : qf_dispatcher_believes(d, r->uid);
	for (size_t i = 0; i < QF_ANSWER_GROUPS_MAX; i++)
		r->spool[i] = (struct qf_spool)QF_SPOOL_INIT;
	qf_gauge_add(QF_GAUGE_REQUESTS, 1);
	name_scope(r);
	enlist(r);
	return r;
}

void qf_request_open(
    struct qf_dispatcher *d, int fd, const struct qf_pickup_note *from)
{
	struct qf_request *r = make(d, fd, from);
	const struct qf_refusal *full = NULL;
	struct qf_err e;

	/* Also those that say nothing take what others need. */
	if (d->serving != NULL)
		full = why_user_full(r, &d->serving->policy);
	if (full != NULL) {
		turn_away(r, full);
	} else if (qf_loop_add(d->loop, &r->watch, false, &e) < 0) {
		qf_log_err("client not watched", &e);
		qf_request_end(r);
	}
}
