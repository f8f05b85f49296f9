/*
 * qfront-drop: the queue program of users who can not write the queue, while
 * there is no daemon that could do it for them (qfront-drop(8)).
 *
 * It may be set-id: it may write one folder, and lets nobody choose which. So
 * it takes nothing from the environment there, as lib/base/paths.h sees to, and
 * keeps the message as it came: chain and queue follow when the daemon takes
 * it up.
 */
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"
#include "queue/drop.h"

static int run(struct qf_err *e)
{
	struct qf_buf folder = QF_BUF_INIT;
	char id[QF_DROP_ID_SIZE];
	int rc;

	if (qf_qqguard_fds(STDIN_FILENO, 2, e) < 0)
		return e->rc;
	qf_open_std();
	if (qf_qqguard_start(e) < 0)
		return e->rc;
	qf_dir_join(&folder, QF_DIR_QUEUE, "drop");
	rc = qf_drop_write(folder.s, STDIN_FILENO, STDOUT_FILENO, id, e);
	qf_buf_free(&folder);
	if (rc == 0) {
		/* Too little memory to log it is no reason to say it failed. */
		qf_alloc_exit_code(0);
		qf_log(QF_LOG_INFO, "left for the daemon", QF_KS("drop", id),
		    QF_KU("uid", getuid()));
	}
	return rc;
}

int main(void)
{
	struct qf_err e = {0};
	int rc;

	qf_alloc_exit_code(51);
	qf_qqguard_hold();
	qf_log_open_env("qfront-drop",
	    isatty(STDERR_FILENO) ? QF_LOG_TO_STDERR : QF_LOG_TO_SYSLOG);
	rc = run(&e);
	if (rc < 0)
		qf_log_err("message not kept", &e);
	return qf_qqcode_of_error(rc);
}
