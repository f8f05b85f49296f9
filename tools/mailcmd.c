#include "tools/mailcmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/base/paths.h"
#include "tools/command.h"

void qf_mailcmd_complain(struct qf_mailcmd *cmd, const struct qf_err *e)
{
	fprintf(stderr, "qfrontctl: %s\n", e->text);
	cmd->found = QF_FOUND;
}

int qf_mailcmd_trouble(const struct qf_err *e)
{
	fprintf(stderr, "qfrontctl: %s\n", e->text);
	return QF_TROUBLE;
}

/* At once, for who reads as it comes. */
bool qf_mailcmd_print(struct qf_mailcmd *cmd, struct qf_buf *b)
{
	fwrite(b->s, 1, b->len, stdout);
	qf_buf_reset(b);
	if (fflush(stdout) != 0 && errno == EPIPE)
		cmd->closed = true;
	return !cmd->closed;
}

int qf_mailcmd_run(struct qf_mailcmd *cmd, enum qf_store_use use,
    int (*run)(struct qf_mailcmd *cmd))
{
	struct qf_err e;
	int code;

	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (cmd->ops->open(&cmd->store, qf_dir(QF_DIR_QUEUE), use, NULL, &e) <
	    0)
		return qf_mailcmd_trouble(&e);
	code = run(cmd);
	cmd->ops->close(&cmd->store);
	if (!cmd->closed && (fflush(stdout) != 0 || ferror(stdout)) &&
	    code == QF_DONE) {
		qf_fail(&e, QF_EWRITE, "can not write the output");
		return qf_mailcmd_trouble(&e);
	}
	return code;
}
