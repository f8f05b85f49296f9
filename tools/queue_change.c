/*
 * qfrontctl queue hold, release, delete and retry.
 *
 * They run beside a sender of ours: each message is claimed first, and one
 * that is being delivered at that moment is left alone (queue/store.h).
 */
#include <stdio.h>

#include "lib/base/clock.h"
#include "tools/command.h"
#include "tools/queue.h"
#include "tools/release.h"

/* What is wanted of a message: 0 or an error of the store. */
typedef int (*change)(
    struct qf_queue *q, struct qf_item *item, struct qf_err *e);

/* The one of this command, and where mail that is released goes. */
static change wanted;
static struct qf_next next;
static int trouble; /* of the queue itself: the command ends */

/* False when the command can not go on. */
static bool change_one(struct qf_queue *q, struct qf_item *item)
{
	struct qf_err e;
	int rc = wanted(q, item, &e);

	if (rc == QF_EQUEUE) {
		trouble = qf_mailcmd_trouble(&e);
		return false;
	}
	if (rc < 0)
		qf_mailcmd_complain(&q->cmd, &e);
	fflush(stdout);
	return true;
}

static bool visit(struct qf_queue *q, const char *id, struct qf_item *item,
    const struct qf_err *why)
{
	(void)id;
	if (item != NULL)
		return change_one(q, item);
	qf_mailcmd_complain(&q->cmd, why);
	return true;
}

static void change_named(struct qf_queue *q)
{
	const struct qf_mailcmd *cmd = &q->cmd;
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e;

	for (size_t i = 0; cmd->id[i] != NULL && trouble == 0; i++) {
		if (cmd->ops->load(cmd->store, cmd->id[i], &item, &e) < 0)
			qf_mailcmd_complain(&q->cmd, &e);
		else
			change_one(q, &item);
		qf_item_free(&item);
	}
}

/* With a filter: queued messages, held ones or both. */
static int change_all(
    struct qf_mailcmd *cmd, change what, bool queued, bool held)
{
	struct qf_queue *q = (struct qf_queue *)cmd;
	struct qf_err e;
	int rc = 0;

	wanted = what;
	if (cmd->id[0] != NULL)
		change_named(q);
	else
		rc = qf_queue_walk(q, queued, held, visit, &e);
	if (rc < 0)
		trouble = qf_mailcmd_trouble(&e);
	return trouble != 0 ? trouble : cmd->found;
}

static int hold(struct qf_queue *q, struct qf_item *item, struct qf_err *e)
{
	const char *reason =
	    q->reason != NULL ? q->reason : "held by qfrontctl queue hold";
	int rc = q->cmd.ops->hold(q->cmd.store, item, reason, e);

	if (rc == 0)
		printf("%s held\n", item->id);
	return rc;
}

int qf_queue_hold(struct qf_mailcmd *cmd)
{
	return change_all(cmd, hold, true, false);
}

static int release(struct qf_queue *q, struct qf_item *item, struct qf_err *e)
{
	if (!item->held)
		return qf_fail(
		    e, QF_ENOENT, "message %s is not held", item->id);
	qf_release(&q->cmd, item, &next);
	return 0;
}

int qf_queue_release(struct qf_mailcmd *cmd)
{
	struct qf_err e;
	int code, rc = qf_release_choose(&next, &e);

	code = rc < 0 ? qf_mailcmd_trouble(&e)
		      : change_all(cmd, release, false, true);
	qf_next_free(&next);
	return code;
}

static int delete (struct qf_queue *q, struct qf_item *item, struct qf_err *e)
{
	const struct qf_mailcmd *cmd = &q->cmd;
	int rc = cmd->ops->claim(cmd->store, item, e);

	if (rc == 0)
		rc = cmd->ops->finish(cmd->store, item, e);
	if (rc == 0)
		printf("%s deleted\n", item->id);
	return rc;
}

int qf_queue_delete(struct qf_mailcmd *cmd)
{
	return change_all(cmd, delete, true, true);
}

/* One that was never tried is due as it is. */
static int retry(struct qf_queue *q, struct qf_item *item, struct qf_err *e)
{
	const struct qf_mailcmd *cmd = &q->cmd;
	int rc;

	if (item->held)
		return qf_fail(e, QF_EINVAL,
		    "message %s is held; release it first", item->id);
	rc = cmd->ops->claim(cmd->store, item, e);
	if (rc == 0 && !item->fresh)
		rc = cmd->ops->defer(cmd->store, item, qf_clock_wall(), e);
	if (rc == 0)
		printf("%s due now\n", item->id);
	return rc;
}

int qf_queue_retry(struct qf_mailcmd *cmd)
{
	int code = change_all(cmd, retry, true, false);

	cmd->ops->wake(cmd->store);
	return code;
}
