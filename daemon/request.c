#include "daemon/request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/answer.h"
#include "frontend/metrics.h"
#include "frontend/outcome.h"
#include "frontend/setup.h"
#include "lib/base/clock.h"
#include "lib/base/environ.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/qqcode.h"

enum {
	READ_MS = 2000,           /* for a client to say what it wants */
	REPORT_MS = 86400 * 1000, /* for its queue program */
	ENVELOPE_MAX = 64 << 20   /* bytes that we read at a time */
};

enum state {
	READING,
	WORKING, /* an errand or a commit is on its way */
	REPORTING
};

struct qf_request {
	struct qf_request *next;
	struct qf_dispatcher *d;
	struct qf_watch watch;
	enum state state;
	bool gone; /* the client is */
	uid_t uid;
	pid_t pid;
	char scope[24]; /* in the log */
	int64_t start;  /* microseconds */
	struct qf_generation *generation;
	/* What came. */
	struct qf_buf words, environment;
	struct qf_environ environ;
	struct qf_strv argv;
	int message; /* sealed, or a copy of ours */
	bool copied;
	struct qf_envelope envelope;
	/* What becomes of it. */
	struct qf_setup setup;
	struct qf_filtering filtering;
	struct qf_groups groups;
	struct qf_plan plan;
	struct qf_work work;
	struct qf_errand errand;
	struct qf_commit_job commit;
	struct qf_spool spool[QF_ANSWER_GROUPS_MAX];
};

uid_t qf_request_uid(const struct qf_request *r)
{
	return r->uid;
}

struct qf_request *qf_request_next(const struct qf_request *r)
{
	return r->next;
}

void qf_request_link(struct qf_request *r, struct qf_request *next)
{
	r->next = next;
}

/* The environment and the log are the message's while we deal with it. */
static void enter(struct qf_request *r)
{
	qf_environ_recount(&r->environ);
	qf_environ_enter(&r->environ);
	qf_log_scope(r->scope);
}

static void leave(void)
{
	qf_environ_enter(NULL);
	qf_log_scope(NULL);
}

/* The answer. */
static void count(const struct qf_request *r, int code)
{
	struct stat st = {.st_size = 0};

	if (r->message >= 0)
		fstat(r->message, &st);
	qf_count_message(QF_WAY_WARM, code, qf_clock_mono_us() - r->start,
	    (int64_t)st.st_size);
}

static void end(struct qf_request *r)
{
	qf_gauge_add(QF_GAUGE_REQUESTS, -1);
	qf_loop_remove(&r->watch);
	qf_close(&r->watch.fd);
	qf_plan_free(&r->plan);
	qf_groups_free(&r->groups);
	/* The rest of the setup is the policy's. */
	qf_next_free(&r->setup.next);
	qf_chain_free(&r->setup.own_chain);
	qf_caller_free(&r->setup.caller);
	for (size_t i = 0; i < QF_ANSWER_GROUPS_MAX; i++)
		qf_spool_close(&r->spool[i]);
	qf_close(&r->message);
	qf_envelope_free(&r->envelope);
	qf_strv_free(&r->argv);
	qf_environ_free(&r->environ);
	qf_buf_free(&r->words);
	qf_buf_free(&r->environment);
	if (r->generation != NULL)
		r->generation->messages--;
	qf_dispatcher_forget(r->d, r);
	free(r);
}

static uint32_t dialect_of(const struct qf_request *r)
{
	return r->generation != NULL ? r->generation->policy.config.dialect
				     : QF_DIALECT_AUTO;
}

/* The last answer. */
static void refuse(struct qf_request *r, const struct qf_judgement *j, int code)
{
	count(r, code);
	qf_log_scope(r->scope);
	qf_log(QF_LOG_INFO, "refused",
	    QF_KS("from", qf_envelope_sender(&r->envelope)),
	    QF_KD("code", code), QF_KS("text", qf_qqcode_find(code)->text));
	qf_answer_refuse(r->watch.fd, dialect_of(r), j, code);
	qf_log_scope(NULL);
	end(r);
}

static void accept_and_end(struct qf_request *r)
{
	count(r, 0);
	qf_answer_send(r->watch.fd, QF_ANSWER_DONE);
	end(r);
}

/* Trouble never ends as 0: that would lose the message. */
static void fail(
    struct qf_request *r, const char *event, const struct qf_err *e)
{
	int code = qf_qqcode_of_error(e->rc);

	qf_log_scope(r->scope);
	qf_log_err(event, e);
	refuse(r, NULL, code != 0 ? code : 81);
}

/* Too much at a time: the client's host tries again. */
static void put_off(struct qf_request *r, const char *why)
{
	struct qf_judgement j = {
	    .class_ = QF_DEFER, .category = QF_CAT_RESOURCE, .code = 71};

	count(r, 71);
	snprintf(j.text, sizeof j.text, "%s", why);
	qf_log(QF_LOG_WARN, "request put off", QF_KU("uid", r->uid),
	    QF_KS("text", why));
	qf_answer_refuse(r->watch.fd, dialect_of(r), &j, 71);
	end(r);
}

static void on_client(struct qf_watch *watch, void *arg);

/* From now on only its end counts, or what it says. */
static void watch_for(struct qf_request *r, bool hangups, int64_t deadline)
{
	struct qf_err e;

	qf_loop_remove(&r->watch);
	r->watch.deadline = deadline;
	if (qf_loop_add(r->d->loop, &r->watch, hangups, &e) < 0)
		qf_log_err("client not watched", &e);
}

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
		refuse(r, NULL, 81);
	} else if (result->code != 0) {
		refuse(r, NULL, result->code);
	} else {
		if (result->hung_up != 0)
			qf_log(QF_LOG_INFO, "client gone, nothing queued",
			    QF_KS("from", qf_envelope_sender(&r->envelope)));
		qf_log_scope(NULL);
		if (result->hung_up == 0 && result->answered == 0) {
			accept_and_end(r);
		} else {
			if (result->hung_up == 0)
				count(r, 0);
			end(r);
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
			fail(r, "message not queued", &e);
			return;
		}
		if (qf_envelope_spool_attrs(
			&d->envelope, &r->spool[groups], &e) < 0) {
			fail(r, "message not queued", &e);
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
	r->state = WORKING;
	watch_for(r, true, QF_NEVER);
	qf_stores_submit(&r->d->stores, c);
}

/* The client's own queue program. */

static void add_pair(struct qf_buf *out, const char *name, const char *value)
{
	qf_buf_addf(out, "%s=%s", name, value);
	qf_buf_addc(out, '\0');
}

static void add_name(struct qf_buf *out, const char *name)
{
	qf_buf_add(out, name, strlen(name) + 1);
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
		add_name(unset, r->plan.taken.v[i]);
	for (size_t i = 0; i < 2; i++) {
		if (was_taken(r, overruled[i]))
			add_name(unset, overruled[i]);
	}
	if (r->setup.next.variable != NULL)
		add_name(unset, r->setup.next.variable);
	add_pair(set, "QFRONT_DEPTH", depth);
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
	    .dialect = dialect_of(r)};
	struct qf_err e;
	int rc;

	for (size_t i = 0; i < r->plan.n; i++)
		q.held += r->plan.v[i].held;
	enter(r);
	rc = list_variables(r, &unset, &set, &e);
	leave();
	q.unset = qf_buf_span(&unset);
	q.set = qf_buf_span(&set);
	if (rc == 0)
		rc = qf_answer_queue(r->watch.fd, &q, &e);
	qf_buf_free(&unset);
	qf_buf_free(&set);
	if (rc < 0) {
		fail(r, "message not handed over", &e);
	} else if (q.held == 0) {
		count(r, 0);
		end(r);
	} else {
		r->state = REPORTING;
		watch_for(r, false, qf_deadline_in(REPORT_MS));
	}
}

/* What is the client's to queue, it has queued, or not. */
static void take_report(struct qf_request *r, const struct qf_ask *ask)
{
	if (ask->kind != QF_ASK_REPORT || ask->code != 0)
		end(r);
	else
		commit(r, false);
}

/* The chain. */

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

static void settle(struct qf_request *r)
{
	int code;

	enter(r);
	code = qf_setup_settle(&r->setup, &r->filtering, &r->groups, &r->plan);
	if (code == 0 && r->plan.action == QF_PLAN_QUEUE)
		log_hand_over(r);
	leave();
	if (code != 0)
		refuse(r, NULL, code);
	else if (r->plan.action == QF_PLAN_REFUSE)
		refuse(
		    r, &r->plan.judgement, qf_outcome_code(&r->plan.judgement));
	else if (r->plan.action == QF_PLAN_DROP)
		accept_and_end(r);
	else if (needs_client(r))
		queue_outside(r);
	else
		commit(r, true);
}

static void advance(struct qf_request *r);

static void on_part(
    void *arg, int rc, struct qf_job_result *in, const struct qf_err *e)
{
	struct qf_request *r = arg;

	enter(r);
	qf_passage_take(&r->filtering.passage, rc, in, e);
	leave();
	if (r->gone)
		end(r);
	else
		advance(r);
}

static void advance(struct qf_request *r)
{
	struct qf_passage *p = &r->filtering.passage;
	bool more;

	enter(r);
	more = qf_passage_next(p, &r->work);
	leave();
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

	enter(r);
	rc = configure(r, &e);
	if (rc == 0 && r->setup.caller.believed && getenv("NULLQUEUE")) {
		leave();
		accept_and_end(r);
		return;
	}
	if (rc == 0) {
		/* A caller holds and routes nothing. */
		qf_attrs_remove_ours(&r->envelope.attrs);
		qf_setup_start(&r->setup, r->message, &r->envelope, NULL,
		    &r->groups, &r->filtering);
		qf_context_set_pid(&r->filtering.context, r->pid);
	}
	leave();
	if (rc < 0)
		fail(r, "message refused", &e);
	else
		advance(r);
}

/* Bytes that somebody could change are copied, by a worker: they may come from
 * a file that never ends. */

static void on_copied(
    void *arg, int rc, struct qf_job_result *in, const struct qf_err *e)
{
	struct qf_request *r = arg;

	if (rc == 1) {
		qf_close(&r->message);
		r->message = in->fds[0];
		in->fds[0] = -1;
		r->copied = true;
	}
	if (r->gone)
		end(r);
	else if (rc == 1)
		filter(r);
	else
		fail(r, "message not read", e);
}

static bool is_sealed(int fd, off_t max)
{
	struct stat st;

	return qf_spool_is_sealed(fd) && fstat(fd, &st) == 0 &&
	       st.st_size <= max;
}

static void secure_message(struct qf_request *r)
{
	const struct qf_frontend_config *config = &r->generation->policy.config;

	r->state = WORKING;
	watch_for(r, true, QF_NEVER);
	if (is_sealed(r->message, QF_SPOOL_MEMORY)) {
		filter(r);
		return;
	}
	r->errand = (struct qf_errand){.message = r->message,
	    .deadline = qf_deadline_in(config->timeoutchain * 1000),
	    .done = on_copied,
	    .arg = r};
	qf_pool_submit(&r->generation->filter, &r->errand);
}

/* The request. */

/* A section that came by descriptor. */
static int take_apart(struct qf_buf *out, int fd, struct qf_err *e)
{
	struct qf_map map;

	if (!is_sealed(fd, ENVELOPE_MAX))
		return qf_fail(e, QF_EPROTO,
		    "a section of the request is not sealed, or too large");
	if (qf_map_fd(&map, fd, e) < 0)
		return e->rc;
	qf_buf_add(out, map.p, map.n);
	qf_map_free(&map);
	return 0;
}

static int take_words(struct qf_request *r, const struct qf_asked *ask,
    int apart, struct qf_err *e)
{
	struct qf_buf both = QF_BUF_INIT;
	int rc = 0;

	qf_buf_addspan(&r->words, ask->words);
	qf_buf_addspan(&r->environment, ask->environment);
	if (apart < 0)
		return 0;
	rc = take_apart(&both, apart, e);
	if (rc == 0 &&
	    (both.len != (size_t)ask->head.words + ask->head.environment ||
		(both.len > 0 && both.s[both.len - 1] != '\0')))
		rc = qf_fail(e, QF_EPROTO, "words of another length");
	if (rc == 0) {
		qf_buf_add(&r->words, both.s, ask->head.words);
		qf_buf_add(&r->environment, both.s + ask->head.words,
		    ask->head.environment);
	}
	qf_buf_free(&both);
	return rc;
}

static int take_envelope(struct qf_request *r, const struct qf_asked *ask,
    int apart, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc;

	if (apart < 0)
		return qf_envelope_parse(&r->envelope, ask->envelope, e);
	rc = take_apart(&bytes, apart, e);
	if (rc == 0)
		rc = qf_envelope_parse(&r->envelope, qf_buf_span(&bytes), e);
	qf_buf_free(&bytes);
	return rc;
}

/* Whom to believe, and what he may say. What workers get is what is left. */
static void meet_caller(struct qf_request *r)
{
	struct qf_caller *c = &r->setup.caller;
	struct qf_span words = qf_buf_span(&r->words), one;
	struct qf_buf left = QF_BUF_INIT;

	c->met = true;
	c->uid = r->uid;
	c->believed = qf_dispatcher_believes(r->d, r->generation, r->uid);
	while (qf_span_cut(&words, '\0', &one))
		qf_strv_add_span(&r->argv, one);
	qf_environ_add(&r->environ, qf_buf_span(&r->environment));
	if (r->environ.v == NULL)
		return;
	c->ndropped = qf_trust_filter(r->environ.v, c->believed, &c->dropped);
	qf_environ_recount(&r->environ);
	for (size_t i = 0; i < r->environ.n; i++)
		add_name(&left, r->environ.v[i]);
	qf_buf_free(&r->environment);
	r->environment = left;
}

/* Takes the sections and descriptors; the message's is kept. */
static int take_request(struct qf_request *r, const struct qf_asked *ask,
    int *fds, size_t nfds, struct qf_err *e)
{
	size_t want = 1, envelope = 0, words = 0;

	if (ask->head.kind != QF_ASK_FILTER)
		return qf_fail(e, QF_EPROTO, "no such request");
	if (ask->head.flags & QF_ASK_ENVELOPE_FD)
		envelope = want++;
	if (ask->head.flags & QF_ASK_WORDS_FD)
		words = want++;
	if (nfds != want)
		return qf_fail(e, QF_EPROTO,
		    "a request with %zu descriptors instead of %zu", nfds,
		    want);
	r->message = fds[0];
	fds[0] = -1;
	if (take_words(r, ask, words > 0 ? fds[words] : -1, e) < 0)
		return e->rc;
	meet_caller(r);
	return take_envelope(r, ask, envelope > 0 ? fds[envelope] : -1, e);
}

/* Is there room for one more? Says why not. */
static const char *why_full(const struct qf_request *r)
{
	const struct qf_dispatcher *d = r->d;
	const struct qf_policy *policy = &r->generation->policy;

	if (d->n > (size_t)policy->config.requestsmax || d->n > d->fds_left) {
		qf_count_add(QF_COUNT_FULL, 1);
		return "too many messages wait here; try again later";
	}
	if (!qf_dispatcher_believes(d, r->generation, r->uid) &&
	    qf_dispatcher_count(d, r->uid) >
		(size_t)policy->config.requestsuser) {
		qf_count_add(QF_COUNT_USER_FULL, 1);
		return "too many messages of this user wait here; try again "
		       "later";
	}
	return NULL;
}

static void begin(
    struct qf_request *r, const void *record, size_t n, int *fds, size_t nfds)
{
	struct qf_asked ask;
	const char *full;
	struct qf_err e;
	int rc = qf_ask_parse(&ask, record, n, &e);

	if (rc == QF_ENOSYS || r->d->serving == NULL) {
		qf_answer_send(r->watch.fd, QF_ANSWER_COLD);
		end(r);
		return;
	}
	r->generation = r->d->serving;
	r->generation->messages++;
	if ((full = why_full(r)) != NULL)
		put_off(r, full);
	else if (rc < 0 || take_request(r, &ask, fds, nfds, &e) < 0)
		fail(r, "message refused", &e);
	else
		secure_message(r);
}

static void hear_report(struct qf_request *r, const void *record, size_t n)
{
	struct qf_asked ask;
	struct qf_err e;

	if (qf_ask_parse(&ask, record, n, &e) < 0)
		end(r);
	else
		take_report(r, &ask.head);
}

/* The client has gone while we were at work. */
static void hang_up(struct qf_request *r)
{
	qf_count_add(QF_COUNT_HUNG_UP, 1);
	r->gone = true;
	qf_loop_remove(&r->watch);
	if (r->errand.pool != NULL && qf_pool_take_back(&r->errand))
		end(r);
	else if (r->commit.done != NULL &&
		 qf_stores_take_back(&r->d->stores, &r->commit))
		end(r);
}

static void on_client(struct qf_watch *watch, void *arg)
{
	static char record[QF_ASK_MAX];
	struct qf_request *r = arg;
	int fds[QF_FDPASS_MAX], n;
	size_t nfds;
	struct qf_err e = {0};

	if (r->state == WORKING) {
		hang_up(r);
		return;
	}
	n = qf_fd_recv(watch->fd, record, sizeof record, fds, &nfds, &e);
	if (n < 0 && e.sys == EAGAIN)
		return;
	if (n <= 0)
		end(r);
	else if (r->state == READING)
		begin(r, record, (size_t)n, fds, nfds);
	else
		hear_report(r, record, (size_t)n);
	for (size_t i = 0; n > 0 && i < nfds; i++)
		qf_close(&fds[i]);
}

static void on_late(struct qf_watch *watch, void *arg)
{
	struct qf_request *r = arg;

	(void)watch;
	qf_log(QF_LOG_WARN, "client said nothing", QF_KU("uid", r->uid),
	    QF_KD("pid", r->pid));
	end(r);
}

static void name_scope(struct qf_request *r)
{
	static uint64_t number;

	snprintf(r->scope, sizeof r->scope, "%ld.%" PRIu64, (long)getpid(),
	    ++number);
}

void qf_request_open(struct qf_dispatcher *d, int fd)
{
	struct qf_request *r = qf_alloc(sizeof *r);
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t size = sizeof who;
	struct qf_err e;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	*r = (struct qf_request){.d = d,
	    .next = d->requests,
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
	for (size_t i = 0; i < QF_ANSWER_GROUPS_MAX; i++)
		r->spool[i] = (struct qf_spool)QF_SPOOL_INIT;
	qf_gauge_add(QF_GAUGE_REQUESTS, 1);
	name_scope(r);
	d->requests = r;
	d->n++;
	if (qf_loop_add(d->loop, &r->watch, false, &e) < 0) {
		qf_log_err("client not watched", &e);
		end(r);
	}
}
