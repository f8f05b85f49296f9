/*
 * Shared by the files of `qfrontctl queue`.
 */
#ifndef QF_TOOLS_QUEUE_H
#define QF_TOOLS_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/mailcmd.h"

struct qf_owner {
	uid_t uid;
	gid_t gid;
};

/* USER or USER:GROUP: 0, or -1 and it complained. */
int qf_owner_find(const char *text, struct qf_owner *out);

/* Which messages are meant, besides those that are named. */
struct qf_filter {
	bool all;           /* --all */
	bool held;          /* only what is held */
	const char *sender; /* an address or a domain; NULL: any */
	const char *rcpt;
	int64_t older; /* seconds since it was queued, or held; or -1 */
};

struct qf_queue {
	struct qf_mailcmd cmd; /* its `id` are the messages */
	struct qf_filter filter;
	const char *reason; /* of hold, or NULL */
};

/* Commands of their own, with the arguments that follow their name. */
int qf_queue_init(char **argv);
int qf_queue_fix(char **argv);
int qf_queue_failed(char **argv);

/* queue_filter.c */

/* Takes an option of a filter: false when it is none, or makes no sense. */
bool qf_filter_take(struct qf_filter *f, const char *option);
bool qf_filter_is_given(const struct qf_filter *f);
bool qf_filter_matches(
    const struct qf_filter *f, const struct qf_item *item, int64_t now);

/* A message that a walk found: `item` is empty when it is damaged, as `why`
 * says. False ends the walk. */
typedef bool (*qf_queue_visit)(struct qf_queue *q, const char *id,
    struct qf_item *item, const struct qf_err *why);
/* All that the filter lets pass, queued ones first and then held ones, each as
 * it is found: nothing is collected. */
int qf_queue_walk(struct qf_queue *q, bool queued, bool held,
    qf_queue_visit visit, struct qf_err *e);

/* queue_list.c, queue_show.c, queue_change.c: QF_DONE, QF_FOUND or
 * QF_TROUBLE. */
int qf_queue_list(struct qf_mailcmd *cmd);
int qf_queue_show(struct qf_mailcmd *cmd);
int qf_queue_hold(struct qf_mailcmd *cmd);
int qf_queue_release(struct qf_mailcmd *cmd);
int qf_queue_delete(struct qf_mailcmd *cmd);
int qf_queue_retry(struct qf_mailcmd *cmd);

#endif
