/*
 * qfront-queue: qmail-queue(8) over the store.
 *
 * Reads a message from descriptor 0, then its envelope from descriptor 1, and
 * exits 0 once both are on disk. The exit code is the whole answer; what went
 * wrong is for the log, since a caller may read descriptor 2.
 *
 * With --groups N it takes N messages, on descriptors of their own, and queues
 * all of them or none: the front end calls it so when one message has become
 * several. With --serve it is the store of qfrontd (queue/serve.h).
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"
#include "queue/accept.h"
#include "queue/serve.h"
#include "queue/settings.h"

static const char name[] = "qfront-queue";

enum {
	GROUPS_MAX = 64,
	GROUPS_FD = 3, /* of the first message */
	STANDARD = 3   /* standard descriptors */
};

/* How many messages: one, and 0, for a call as qmail-queue is called, whatever
 * its arguments are; 1 for --groups. */
static int parse_arguments(
    int argc, char **argv, unsigned long long *n, struct qf_err *e)
{
	*n = 1;
	if (argc < 2 || strcmp(argv[1], "--groups") != 0)
		return 0;
	if (argc != 3 || !qf_span_u64(qf_span(argv[2]), GROUPS_MAX, n) ||
	    *n == 0)
		return qf_fail(e, QF_EINVAL,
		    "--groups needs one number from 1 to %d", GROUPS_MAX);
	return 1;
}

/* A caller that closed one of them made a mistake that must not pass for an
 * empty message. fill: may a standard descriptor be closed? */
static int name_fds(
    struct qf_accept *a, bool groups, bool *fill, struct qf_err *e)
{
	int first = groups ? GROUPS_FD : STDIN_FILENO;
	int closed = qf_find_closed(first, groups ? 2 * a->n : STANDARD);

	for (size_t i = 0; i < a->n; i++) {
		a->group[i].message = first + 2 * (int)i;
		a->group[i].envelope = a->group[i].message + 1;
	}
	*fill = groups || closed == STDERR_FILENO;
	if (closed < 0 || (!groups && closed == STDERR_FILENO))
		return 0;
	return qf_fail(e, QF_EREAD, "descriptor %d is not open", closed);
}

static int queue(
    struct qf_accept *a, struct qf_queue_settings *settings, struct qf_err *e)
{
	struct qf_store *st = NULL;
	int rc = qf_store_dir.open(
	    &st, qf_dir(QF_DIR_QUEUE), QF_STORE_INTAKE, &settings->store, e);

	if (rc < 0)
		return rc;
	a->origin = qf_origins_find(&settings->origins, a->uid);
	qf_queue_settings_heed(settings, a->origin);
	rc = qf_accept_all(st, a, e);
	qf_store_dir.close(&st);
	return rc;
}

/* What this caller understands. */
static int translate(int code)
{
	enum qf_dialect dialect;
	struct qf_err e;

	if (qf_queue_dialect(&dialect, &e) == 0)
		return qf_dialect_number(dialect, code);
	qf_log_err("refused by number only", &e);
	return qf_qqcode_of_error(e.rc);
}

/* The exit code. */
static int run(struct qf_accept *a, bool groups, struct qf_err *e)
{
	struct qf_queue_settings settings = {0};
	struct qf_scan scan = QF_SCAN_INIT;
	bool fill;
	int rc = name_fds(a, groups, &fill, e);

	if (rc < 0)
		return qf_qqcode_of_error(rc);
	if (fill)
		qf_open_std();
	a->uid = (uid_t)getauxval(AT_UID); /* getuid(), for nothing */
	a->pid = (long)getpid();
	a->scan = &scan;
	if ((rc = qf_qqguard_start(e)) == 0 &&
	    (a->code = qf_scan_load(&scan, e)) != 0)
		rc = e->rc;
	if (scan.scanner.words.n > 0)
		umask(033);
	else
		qf_close_at_end(); /* no scanner waits for the end of a pipe */
	if (rc == 0 && (rc = qf_queue_settings_load(&settings, e)) == 0)
		rc = queue(a, &settings, e);
	qf_queue_settings_free(&settings);
	qf_scan_free(&scan);
	if (rc == 0)
		return 0;
	return translate(a->code != 0 ? a->code : qf_qqcode_of_error(rc));
}

int main(int argc, char **argv)
{
	unsigned long long n;
	struct qf_accept a;
	struct qf_err e = {0};
	int rc, code;

	qf_alloc_exit_code(51);
	qf_qqguard_hold();
	qf_log_open_env(name, QF_LOG_TO_SYSLOG);
	if (argc == 2 && strcmp(argv[1], "--serve") == 0) {
		umask(033);
		return qf_serve_main();
	}
	rc = parse_arguments(argc, argv, &n, &e);
	code = qf_qqcode_of_error(rc < 0 ? rc : 0);
	if (rc >= 0) {
		qf_accept_init(&a, (size_t)n);
		code = run(&a, rc > 0, &e);
		if (code == 0) {
			/* Too little memory to log it is no reason to say it
			 * failed. */
			qf_alloc_exit_code(0);
			qf_accept_log(&a);
		}
		qf_accept_free(&a);
	}
	if (code == 0)
		return 0;
	if (isatty(STDERR_FILENO))
		qf_log_open_env(name, QF_LOG_TO_STDERR);
	qf_log_err("message not queued", &e);
	return code;
}
