/*
 * A filter program run on a message: the message on descriptor 0, a new one
 * from 1, a log on 2. Plugins add descriptors and variables of their own.
 */
#ifndef QFP_COMMON_FILTER_H
#define QFP_COMMON_FILTER_H

#include <stdbool.h>

#include <qfront/plugin.h>

#include "lib/base/run.h"
#include "lib/base/spool.h"
#include "lib/base/strv.h"
#include "plugins/common/limits.h"
#include "plugins/common/lines.h"

enum {
	FILTER_FDS = 2
};

/* Bytes that a filter writes, up to a limit. */
struct filter_sink {
	struct qf_spool spool;
	uint64_t most;
};

struct filter {
	const struct qf_host *h;
	struct qf_msg *m;
	const struct limits *limits;
	/* To be filled in: what runs. */
	const char *name; /* for log and texts */
	const char *path;
	char *const *argv;
	struct qf_strv env;
	struct qf_child_fd fds[FILTER_FDS]; /* besides 0, 1 and 2 */
	size_t nfds;
	/* Whoever else holds descriptor 1 is waited for. */
	bool to_eof;
	int envelope_fd; /* where it writes an envelope, or -1 */
	/* What came of it. */
	struct filter_sink output, envelope;
	struct lines log;
	int code;
};

/* Ready to be filled in. The environment is that of the message's caller, with
 * ERROR_FD=2. */
void filter_init(struct filter *f, const struct qf_host *h, struct qf_msg *m,
    const struct limits *limits);
void filter_free(struct filter *f);

/* Sets or removes (NULL) a variable of its environment. */
void filter_setenv(struct filter *f, const char *name, const char *value);

/* Runs it: 0 and its exit code, with its spools finished; QF_ECRASH, QF_ETIME,
 * QF_ETOOLONG (more output than it may write), or another code. */
int filter_run(struct filter *f, struct qf_err *e);

/* The verdict for a filter that broke: `code` is the exit code if mail is
 * deferred for it, or 0. */
int32_t filter_broken(struct filter *f, const struct qf_err *e, int code);
/* The verdict for the exit codes by which any filter refuses a message: 31 and
 * 100 for good, 71 and 111 for now, 88 with a text. QF_ENOENT: it has no such
 * meaning. */
int32_t filter_refusal(struct filter *f);
/* The same, and 2 and 99, which drop it. */
int32_t filter_verdict(struct filter *f);

/* Makes the message what the filter wrote: 0 or as rewrite_message(). */
int filter_apply(struct filter *f, struct qf_err *e);

#endif
