/*
 * Shared by the commands that look after messages, queued, held or failed.
 */
#ifndef QF_TOOLS_MAILCMD_H
#define QF_TOOLS_MAILCMD_H

#include <stdbool.h>

#include "queue/store.h"

struct qf_mailcmd {
	const struct qf_store_ops *ops;
	struct qf_store *store;
	bool json, message; /* --json, --message */
	char *const *id;    /* NULL-terminated, of the command line */
	int found;          /* what the command ends with: QF_DONE, QF_FOUND */
	bool closed;        /* nobody reads the output any more */
};

/* clang-format off */
#define QF_MAILCMD_INIT {.ops = &qf_store_dir}
/* clang-format on */

/* Prints what went wrong with one message; the command goes on and ends with
 * QF_FOUND. */
void qf_mailcmd_complain(struct qf_mailcmd *cmd, const struct qf_err *e);
/* Prints why it can not go on: QF_TROUBLE. */
int qf_mailcmd_trouble(const struct qf_err *e);

/* Prints to standard output and empties it: false when the reader has seen
 * enough, as in `| head`. */
bool qf_mailcmd_print(struct qf_mailcmd *cmd, struct qf_buf *b);

/* Opens the store of QUEUEDIR, runs, closes it, and sees to it that all output
 * is written: the exit code. */
int qf_mailcmd_run(struct qf_mailcmd *cmd, enum qf_store_use use,
    int (*run)(struct qf_mailcmd *cmd));

#endif
