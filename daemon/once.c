/*
 * qfrontd --once: the whole front end for one message, without a daemon.
 *
 * The roles are apart even here: this process is the dispatcher, which reads
 * the envelope and the chain file and nothing else; workers, forked for their
 * part of the chain, load plugins and parse the message; the queue is another
 * program, which this process becomes.
 */
#include "daemon/once.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/leave.h"
#include "frontend/commit.h"
#include "frontend/dialect.h"
#include "frontend/metrics.h"
#include "frontend/outcome.h"
#include "frontend/setup.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/spool.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"

struct once {
	struct qf_setup setup;
	struct qf_envelope envelope;
	struct qf_spool message;
	int64_t start; /* microseconds */
};

/* Once for each message, also when nobody comes back to say it. */
static void count(const struct once *o, int code)
{
	struct stat st = {.st_size = 0};

	if (o->message.fd >= 0)
		fstat(o->message.fd, &st);
	qf_count_message(QF_WAY_COLD, code, qf_clock_mono_us() - o->start,
	    (int64_t)st.st_size);
}

/* Trouble never ends as 0: that would lose the message. */
static int fail(const struct once *o, const char *event, const struct qf_err *e)
{
	int code = qf_qqcode_of_error(e->rc);

	if (code == 0)
		code = 81;
	count(o, code);
	qf_log_err(event, e);
	return code;
}

/* What the control file says holds for the next program too. A caller that
 * reads texts from descriptor 2 finds no log there. */
static void open_log(const struct qf_setup *s)
{
	if (s->config.log != NULL) {
		setenv("QFRONT_LOG", s->config.log, 0);
		qf_qqguard_log("qfrontd");
	}
	if (qf_log_is_stderr() && qf_dialect_reads_stderr(s->config.dialect))
		qf_log_open("qfrontd", QF_LOG_TO_SYSLOG, QF_LOG_INFO);
	qf_log_export();
}

static int configure(struct once *o, char *const *argv, struct qf_err *e)
{
	struct qf_problems problems = {0};

	if (qf_setup_open(&o->setup, e) < 0)
		return e->rc;
	open_log(&o->setup);
	qf_trust_log(&o->setup.caller);
	if (qf_next_check_depth(e) < 0)
		return e->rc;
	if (qf_setup_chain(&o->setup, argv, &problems) < 0)
		*e = problems.first;
	return e->rc;
}

/* Keeps the message at a descriptor above the standard ones, which workers
 * close, and copies what others could still change, and the rest of what
 * somebody has begun to read. */
static int secure_message(struct once *o, struct qf_err *e)
{
	if (qf_spool_is_private(STDIN_FILENO, geteuid()) &&
	    lseek(STDIN_FILENO, 0, SEEK_CUR) == 0) {
		o->message.fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (o->message.fd < 0)
			return qf_fail_sys(e, QF_EPIPE, "dup");
		return 0;
	}
	if (qf_spool_open(&o->message, e) < 0 ||
	    qf_spool_fill(&o->message, STDIN_FILENO, e) < 0 ||
	    qf_spool_finish(&o->message, e) < 0)
		return e->rc;
	return 0;
}

/* The exit code that this caller understands. */
static int refuse(const struct once *o, const struct qf_judgement *j)
{
	int code = qf_outcome_code(j);
	int exit_code = qf_dialect_answer(o->setup.config.dialect, j, code);

	count(o, code);

	qf_log(QF_LOG_INFO, "refused",
	    QF_KS("from", qf_envelope_sender(&o->envelope)),
	    QF_KD("code", code), QF_KD("exit", exit_code),
	    QF_KS("text", qf_qqcode_find(code)->text));
	return exit_code;
}

static void log_hand_over(const struct once *o, const struct qf_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct qf_delivery *d = &plan->v[i];

		qf_log(QF_LOG_INFO, "hand over",
		    QF_KS(
			"to", d->held ? "quarantine" : o->setup.next.argv.v[0]),
		    QF_KS("from", qf_envelope_sender(&d->envelope)),
		    QF_KU("rcpts", d->envelope.nrcpt),
		    QF_KS("edited",
			d->message == o->message.fd ? "no" : "message"));
	}
}

/* Does what the plan says: the exit code, unless another program took over. */
static int carry_out(struct once *o, struct qf_plan *plan)
{
	int code;

	switch (plan->action) {
	case QF_PLAN_REFUSE:
		return refuse(o, &plan->judgement);
	case QF_PLAN_DROP:
		count(o, 0);
		qf_log(QF_LOG_INFO, "discarded",
		    QF_KS("from", qf_envelope_sender(&o->envelope)));
		return 0;
	case QF_PLAN_QUEUE:
		break;
	}
	log_hand_over(o, plan);
	/* As a rule the next program has the last word, and not here. */
	count(o, 0);
	code = qf_commit(plan, &o->setup.next, o->setup.config.dialect);
	qf_count_instead(QF_WAY_COLD, 0, code);
	return code;
}

/* The exit code; returns only when no other program took over. */
static int run(struct once *o, char *const *argv, struct qf_err *e)
{
	struct qf_groups groups = {0};
	struct qf_plan plan;
	int code;

	if (secure_message(o, e) < 0 ||
	    qf_envelope_read(&o->envelope, STDOUT_FILENO, e) < 0 ||
	    configure(o, argv, e) < 0)
		return fail(o, "message refused", e);
	/* Before the chain: it is the daemon that runs it then. */
	if (qf_leave_applies(&o->setup, argv)) {
		qf_leave_exec(&o->setup, o->message.fd, &o->envelope, e);
		return fail(o, "message not left for the daemon", e);
	}
	/* A caller holds and routes nothing. */
	qf_attrs_remove_ours(&o->envelope.attrs);
	code = qf_setup_filter(
	    &o->setup, o->message.fd, &o->envelope, NULL, &groups, &plan);
	if (code != 0) {
		count(o, code);
		code = qf_dialect_answer(o->setup.config.dialect, NULL, code);
	} else {
		code = carry_out(o, &plan);
	}
	qf_plan_free(&plan);
	qf_groups_free(&groups);
	return code;
}

/* NULLQUEUE of a believed caller, which a set-id qfront could not obey. */
static int discard(const struct once *o, struct qf_err *e)
{
	if (qf_drain(STDIN_FILENO, e) < 0 || qf_drain(STDOUT_FILENO, e) < 0)
		return fail(o, "message not read", e);
	count(o, 0);
	return 0;
}

/* Learns who calls, and obeys strangers in nothing. In a set-id run only now
 * is it known whether the clock and the log may be the caller's. */
static int meet_caller(struct qf_setup *s, char *const **argv, struct qf_err *e)
{
	static char *const none[] = {NULL};

	if (qf_trust_meet(&s->caller, e) < 0)
		return e->rc;
	if (!qf_trust_may_choose(&s->caller)) {
		while ((*argv)[s->caller.arguments] != NULL)
			s->caller.arguments++;
		s->as = NULL;
		*argv = none;
	}
	if (!s->caller.met)
		return 0;
	qf_qqguard_log("qfrontd");
	return qf_qqguard_start(e);
}

int qf_once_main(const char *name, char *const *argv)
{
	struct once o = {.setup = QF_SETUP_INIT,
	    .envelope = QF_ENVELOPE_INIT,
	    .message = QF_SPOOL_INIT,
	    .start = qf_clock_mono_us()};
	struct qf_err e = {0};
	int code;

	/* Who may not count there counts nowhere. */
	qf_metrics_open(&e);
	e = (struct qf_err){0};

	o.setup.becomes_next = true;
	if (name != NULL)
		o.setup.as = qf_builtin_find(name);
	if (qf_qqguard_fds(STDIN_FILENO, 2, &e) < 0 || qf_qqguard_start(&e) < 0)
		return fail(&o, "message refused", &e);
	qf_open_std();
	if (meet_caller(&o.setup, &argv, &e) < 0)
		code = fail(&o, "message refused", &e);
	else if (o.setup.caller.met && qf_env("NULLQUEUE") != NULL)
		code = discard(&o, &e);
	else
		code = run(&o, argv, &e);
	qf_setup_free(&o.setup);
	qf_envelope_free(&o.envelope);
	qf_spool_close(&o.message);
	return code;
}
