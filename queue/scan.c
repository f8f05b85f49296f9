#include "queue/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqguard.h"

/* Exit codes that no error has. */
enum {
	INFECTED = 33,
	NO_SENSE = 55,
	NO_SCANNER = 77
};

enum {
	SCAN_MS = 300000,  /* at most */
	RESERVE_MS = 1000, /* at most, of what DEATH leaves */
	LINES_LOGGED = 20,
	LINE_BYTES = 1023
};

static const char *get(void *arg, const char *name)
{
	(void)arg;
	return qf_env(name);
}

static void warn(void *arg, const char *text)
{
	(void)arg;
	qf_log(QF_LOG_WARN, "scanner", QF_KS("text", text));
}

int qf_scan_load(struct qf_scan *s, struct qf_err *e)
{
	const struct qf_qhpsi_source source = {get, warn, NULL};
	int rc = qf_qhpsi_take_program(&s->scanner, &source, e);

	if (rc == 0 && s->scanner.words.n > 0)
		rc = qf_qhpsi_take_codes(&s->scanner, &source, e);
	if (rc == 0 && s->scanner.words.n > 0)
		rc = qf_qhpsi_take_sizes(&s->scanner, &source, e);
	if (rc == 0)
		return 0;
	return rc == QF_EEXEC ? NO_SCANNER : NO_SENSE;
}

void qf_scan_free(struct qf_scan *s)
{
	qf_qhpsi_free(&s->scanner);
}

/* What the scanner says, line by line. */
struct sayings {
	const char *name;
	struct qf_buf line;
	unsigned long long n;
};

static void end_line(struct sayings *s)
{
	if (qf_span_trim(qf_buf_span(&s->line)).n > 0 && s->n++ < LINES_LOGGED)
		qf_log(QF_LOG_INFO, "scanner", QF_KS("program", s->name),
		    QF_KS("text", s->line.s));
	qf_buf_reset(&s->line);
}

static int take(void *arg, struct qf_span bytes, struct qf_err *e)
{
	struct sayings *s = arg;

	(void)e;
	for (size_t i = 0; i < bytes.n; i++) {
		if (bytes.p[i] == '\n')
			end_line(s);
		else
			qf_buf_addc(&s->line, bytes.p[i]);
	}
	return 0;
}

static void end_sayings(struct sayings *s)
{
	end_line(s);
	if (s->n > LINES_LOGGED)
		qf_log(QF_LOG_INFO, "scanner", QF_KS("program", s->name),
		    QF_KU("more", s->n - LINES_LOGGED));
	qf_buf_free(&s->line);
}

/* Some of what DEATH leaves is for what comes after. */
static int64_t deadline(void)
{
	int64_t left = qf_qqguard_left();

	if (left == QF_NEVER)
		return qf_deadline_in(SCAN_MS);
	left -= left / 4 < RESERVE_MS ? left / 4 : RESERVE_MS;
	return qf_deadline_in(left < SCAN_MS ? left : SCAN_MS);
}

/* What programs need of the environment; the rest is of the caller, and none of
 * the scanner's business. */
static void keep_environment(struct qf_strv *env)
{
	static const char *const names[] = {
	    "PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct qf_buf b = QF_BUF_INIT;

		if (qf_env(names[i]) == NULL)
			continue;
		qf_buf_addf(&b, "%s=%s", names[i], qf_env(names[i]));
		qf_strv_add(env, b.s);
		qf_buf_free(&b);
	}
}

static int run(
    const struct qf_scan *s, const char *file, int *code, struct qf_err *e)
{
	/* A core would hold mail. */
	const struct qf_child_limit no_core = {RLIMIT_CORE, 0};
	struct sayings says = {
	    .name = s->scanner.words.v[0], .line = QF_BUF_INIT_MAX(LINE_BYTES)};
	struct qf_run_out out = {.take = take, .arg = &says};
	struct qf_run run = {
	    .child = {.limits = &no_core, .nlimits = 1},
	    .out = &out,
	    .nout = 1,
	    .deadline = deadline(),
	};
	char *nothing[] = {NULL};
	struct qf_strv env = {0};
	int rc;

	keep_environment(&env);
	run.child.envp = env.n > 0 ? env.v : nothing;
	rc = qf_qhpsi_scan(&s->scanner, file, &run, code, e);
	end_sayings(&says);
	qf_strv_free(&env);
	return rc;
}

/* 0 lets it by, which must be somebody's wish; 2 drops it. */
static int judge_infected(const struct qf_scan *s, int *code, struct qf_err *e)
{
	const char *v = qf_env("REJECTVIRUS");

	if (v != NULL && v[0] == '0') {
		qf_log(QF_LOG_WARN, "infected, and let by: REJECTVIRUS is 0",
		    QF_KS("scanner", s->scanner.words.v[0]));
		return QF_SCAN_PASS;
	}
	if (v != NULL && v[0] == '2')
		return QF_SCAN_DROP;
	*code = INFECTED;
	qf_fail(e, QF_EPERM, "infected, says %s", s->scanner.words.v[0]);
	return QF_SCAN_FAIL;
}

int qf_scan_file(
    const struct qf_scan *s, const char *file, int *code, struct qf_err *e)
{
	int status = 0, rc = run(s, file, &status, e);

	if (rc == QF_QHPSI_CLEAN)
		return QF_SCAN_PASS;
	if (rc == QF_QHPSI_INFECTED)
		return judge_infected(s, code, e);
	*code = rc < 0 ? NO_SCANNER : NO_SENSE;
	if (rc >= 0)
		qf_fail(e, QF_EPROTO,
		    "exit code %d is neither that of an infection (%d) nor %d",
		    status, s->scanner.infected, s->scanner.clean);
	qf_err_context(e, "scanner %s", s->scanner.words.v[0]);
	return QF_SCAN_FAIL;
}
