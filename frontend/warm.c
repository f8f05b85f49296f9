#include "frontend/warm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/task.h"
#include "lib/base/fdpass.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"

static void open_stage(struct qf_warm *warm, const struct qf_chain *chain,
    const struct qf_stage *s)
{
	enum qf_live_kind kind = warm->kind;
	struct qf_warm_stage *k;
	struct qf_err e;
	bool cold;
	int rc;

	/* The other kind does not even load it, where its note tells. */
	if (s->noted && (s->flags & QF_FLAG_SECRET ? QF_LIVE_SECRET
						   : QF_LIVE_PLAIN) != kind)
		return;
	/* It stays where it is: a plugin keeps the address of its settings. */
	k = qf_alloc(sizeof *k);
	k->stage = s;
	rc = qf_live_open(&k->live, &warm->policy.ctl, chain, s, &kind, &cold,
	    &warm->problems, &e);
	if (rc < 0 && warm->problems.count == 0)
		qf_problem_err(&warm->problems, &e);
	if (rc <= 0) {
		free(k);
		return;
	}
	warm->kept = qf_realloc_array(warm->kept, warm->n + 1, sizeof(void *));
	warm->kept[warm->n++] = k;
}

int qf_warm_open(struct qf_warm *warm, enum qf_live_kind kind)
{
	const struct qf_policy *policy = &warm->policy;
	int rc = qf_policy_load(&warm->policy, &warm->problems);

	warm->kind = kind;
	for (size_t i = 0; rc == 0 && i < policy->n; i++) {
		const struct qf_chain *c = &policy->named[i].chain;

		for (size_t k = 0; k < c->n && warm->problems.count == 0; k++)
			open_stage(warm, c, &c->stage[k]);
	}
	return warm->problems.count > 0 ? warm->problems.first.rc : 0;
}

void qf_warm_close(struct qf_warm *warm)
{
	for (size_t i = 0; i < warm->n; i++) {
		qf_live_close(&warm->kept[i]->live);
		free(warm->kept[i]);
	}
	free(warm->kept);
	qf_strv_free(&warm->pinned);
	qf_policy_free(&warm->policy);
	*warm = (struct qf_warm)QF_WARM_INIT;
}

struct qf_live *qf_warm_find(
    const struct qf_warm *warm, const struct qf_stage *stage)
{
	for (size_t i = 0; i < warm->n; i++) {
		struct qf_warm_stage *k = warm->kept[i];

		if (k->stage == stage)
			return qf_live_is_overridden(&k->live) ? NULL
							       : &k->live;
	}
	return NULL;
}

void qf_warm_pin(struct qf_warm *warm, const struct qf_stage *stage)
{
	struct qf_loaded loaded;

	for (size_t i = 0; i < warm->pinned.n; i++) {
		if (strcmp(warm->pinned.v[i], stage->plugin) == 0)
			return;
	}
	/* Never unloaded: the process does not last. */
	if (qf_plugin_load(
		&loaded, stage->plugin, warm->policy.ctl.owner, NULL) == 0)
		qf_strv_add(&warm->pinned, stage->plugin);
}

/* The message's environment: its caller's, with our places. */
static void enter(struct qf_task *t, const struct qf_strv *places)
{
	for (size_t i = 0; i < places->n; i++) {
		char *equals = strchr(places->v[i], '=');

		*equals = '\0';
		qf_environ_set(&t->environment, places->v[i], equals + 1);
		*equals = '=';
	}
	qf_environ_enter(&t->environment);
	qf_log_scope(t->log_scope);
}

static int refuse(int sock, const struct qf_err *why)
{
	struct qf_report r = {.kind = QF_REPORT_RESULT,
	    .error = {.rc = why->rc, .sys = why->sys}};

	memcpy(r.error.text, why->text, sizeof r.error.text);
	return qf_fd_send(sock, &r, sizeof r, NULL, 0, NULL);
}

/* The bytes of a descriptor that others may still change, as they are now. */
static int copy(const struct qf_task *t, int sock)
{
	uint64_t max = t->max > 0 ? t->max : UINT64_MAX;
	struct qf_report r = {.kind = QF_REPORT_RESULT, .message_edited = 1};
	struct qf_spool spool = QF_SPOOL_INIT;
	struct qf_err e = {0};
	int rc = qf_spool_open(&spool, &e);

	if (rc == 0)
		rc = qf_spool_fill_file(&spool, t->message, max, &e);
	if (rc == 0)
		rc = qf_spool_finish(&spool, &e);
	rc = rc < 0 ? refuse(sock, &e)
		    : qf_fd_send(sock, &r, sizeof r, &spool.fd, 1, &e);
	qf_spool_close(&spool);
	return rc;
}

/* Runs it on the chain that the message has by our policy. */
static int run(struct qf_warm *warm, struct qf_task *t, int sock)
{
	static char *none[] = {NULL};
	const struct qf_chain *chain;
	struct qf_chain own;
	struct qf_err e;
	int rc;

	warm->problems = (struct qf_problems){0};
	rc = qf_policy_chain(&warm->policy,
	    t->words.n > 0 ? qf_builtin_find(t->words.v[0]) : NULL,
	    t->words.n > 0 ? t->words.v + 1 : none, &own, &chain,
	    &warm->problems);
	if (rc == 0 && (chain->n != t->nstages || chain->digest != t->digest))
		rc = qf_fail(&warm->problems.first, QF_ECONF,
		    "the control files have changed meanwhile");
	if (rc < 0) {
		e = warm->problems.first;
		rc = refuse(sock, &e);
	} else {
		t->work.ctl = &warm->policy.ctl;
		t->work.chain = chain;
		t->work.authserv_id = warm->policy.config.authserv_id;
		rc = qf_worker_serve(warm, &t->work, sock, t->core);
	}
	qf_chain_free(&own);
	return rc;
}

int qf_warm_serve(struct qf_warm *warm, int sock, unsigned long jobs,
    const struct qf_strv *places)
{
	struct qf_task t;
	struct qf_err e;
	int rc = 1;

	while (rc > 0 && jobs-- > 0) {
		rc = qf_task_recv(sock, &t, &e);
		if (rc < 0)
			qf_log_err("task not understood", &e);
		if (rc > 0 && t.copy) {
			rc = copy(&t, sock) < 0 ? -1 : 1;
		} else if (rc > 0) {
			enter(&t, places);
			rc = run(warm, &t, sock) < 0 ? -1 : 1;
			qf_environ_enter(NULL);
			qf_log_scope(NULL);
		}
		qf_task_free(&t);
	}
	return rc < 0;
}
