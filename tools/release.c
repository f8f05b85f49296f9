/*
 * Held messages that go on: to our own queue, or to the program behind us.
 */
#include "tools/release.h"

#include <stdio.h>
#include <unistd.h>

#include "frontend/config.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"
#include "lib/mail/submit.h"

/* All of it, and then the envelope: 0 when the program took it. */
static int submit(struct qf_mailcmd *cmd, const struct qf_item *item,
    const struct qf_next *next, struct qf_submit_result *result,
    struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_submit *s = NULL;
	static char chunk[QF_IO_CHUNK];
	int fd = cmd->ops->message(cmd->store, item->id, e), rc = fd;
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	rc = qf_envelope_set_sender(&env, qf_buf_span(&item->sender));
	for (size_t i = 0; i < item->rcpt.n && rc == 0; i++)
		rc = qf_envelope_add_rcpt(&env, qf_span(item->rcpt.v[i]));
	if (rc < 0)
		qf_fail(
		    e, rc, "an address of message %s is too long", item->id);
	else
		rc = qf_submit_open(
		    &s, &(struct qf_submit_options){.argv = next->argv.v}, e);
	while (rc == 0 && (n = qf_read(fd, chunk, sizeof chunk)) > 0)
		qf_submit_write(s, chunk, (size_t)n);
	if (n < 0) {
		rc = qf_fail_sys(
		    e, QF_EREAD, "can not read message %s", item->id);
		qf_submit_abort(&s);
	} else if (rc == 0) {
		qf_submit_close(&s, &env, result);
	}
	close(fd);
	qf_envelope_free(&env);
	return rc;
}

/* The message is removed only when the program has it. */
static void release_outside(
    struct qf_mailcmd *cmd, struct qf_item *item, const struct qf_next *next)
{
	struct qf_submit_result result;
	const char *program = next->argv.v[0];
	struct qf_err e;

	if (cmd->ops->claim(cmd->store, item, &e) < 0 ||
	    submit(cmd, item, next, &result, &e) < 0) {
		qf_mailcmd_complain(cmd, &e);
		return;
	}
	if (result.letter != 'K') {
		qf_fail(&e, QF_EEXEC,
		    "message %s stays held: %s refused it with code %d: %s",
		    item->id, program, result.code, result.text);
		qf_mailcmd_complain(cmd, &e);
		return;
	}
	if (cmd->ops->finish(cmd->store, item, &e) < 0) {
		qf_err_context(&e,
		    "message %s is released, but still held; delete it",
		    item->id);
		qf_mailcmd_complain(cmd, &e);
		return;
	}
	printf("%s released to %s\n", item->id, program);
}

/* Where the front end sends mail that passes. */
int qf_release_choose(struct qf_next *next, struct qf_err *e)
{
	static char *const none[] = {NULL};
	struct qf_frontend_config config = {0};
	struct qf_ctl ctl = QF_CTL_NONE;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e);

	*next = (struct qf_next){0};
	if (rc == 0)
		rc = qf_frontend_config_load(&config, &ctl, e);
	if (rc == 0)
		rc = qf_next_choose(next, NULL, config.queueprog, none, e);
	if (rc == 0 && qf_next_is_loop(next))
		rc = qf_fail(e, QF_ECONF,
		    "%s is qfront itself: what it held would be held again; "
		    "name the queue program behind it",
		    next->argv.v[0]);
	if (rc == 0)
		qf_next_hide(next);
	qf_frontend_config_free(&config);
	qf_ctl_close(&ctl);
	return rc;
}

/* What only our own sender can do: another server than that of the control
 * file, and recipients of which some are served. */
static bool is_ours(const struct qf_item *item)
{
	return !item->fresh || qf_attrs_get(&item->attrs, "ROUTE") != NULL;
}

void qf_release(
    struct qf_mailcmd *cmd, struct qf_item *item, const struct qf_next *next)
{
	struct qf_err e;

	if (!next->builtin && !is_ours(item))
		release_outside(cmd, item, next);
	else if (cmd->ops->release(cmd->store, item, &e) < 0)
		qf_mailcmd_complain(cmd, &e);
	else
		printf("%s released\n", item->id);
}
