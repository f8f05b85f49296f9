/*
 * qfrontctl test: what would happen to this message?
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "tools/command.h"
#include "tools/request.h"
#include "tools/trial.h"

static int read_message(struct qf_trial *t, const char *path, struct qf_err *e)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return qf_fail_sys(e, QF_EREAD, "%s", path);
	rc = qf_spool_open(&t->message, e);
	if (rc == 0)
		rc = qf_spool_fill(&t->message, fd, e);
	if (rc == 0)
		rc = qf_spool_finish(&t->message, e);
	if (!standard)
		qf_close(&fd);
	return rc < 0 ? qf_err_context(e, "%s", path) : 0;
}

static int run_trial(struct qf_trial *t, const struct qf_request *r)
{
	struct qf_err e;

	if (qf_trial_setup(t, r->as) < 0)
		return QF_TROUBLE;
	if (read_message(t, r->message, &e) < 0 ||
	    qf_request_envelope(r, t->setup.config.me, &t->envelope, &e) < 0) {
		fprintf(stderr, "qfrontctl: %s\n", e.text);
		return QF_TROUBLE;
	}
	fflush(stdout);
	qf_trial_run(t);
	if (r->json)
		qf_trial_print_json(t, r->diff);
	else
		qf_trial_print(t, r->diff);
	return qf_trial_answer(t) == 0 ? QF_DONE : QF_FOUND;
}

static int run(int argc, char **argv)
{
	struct qf_trial t = QF_TRIAL_INIT;
	struct qf_request r;
	int rc = QF_USAGE;

	/* The result says what the log would. */
	qf_log_open("qfrontctl", QF_LOG_TO_STDERR, QF_LOG_ERROR);
	if (qf_request_parse(&r, true, argc, argv))
		rc = run_trial(&t, &r);
	qf_trial_free(&t);
	free(r.rcpt);
	return rc;
}

const struct qf_command qf_command_test = {
    .name = "test",
    .synopsis = "MESSAGE " QF_REQUEST_OPTIONS " [--diff] [--json] [RCPT...]",
    .summary = "show what the chain makes of a message; queues nothing",
    .run = run,
};
