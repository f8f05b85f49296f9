/*
 * qfrontctl quarantine: the messages that a stage of the chain wants held, and
 * what becomes of them.
 *
 * It runs beside a sender: each message that is changed here is claimed first
 * (queue/store.h).
 */
#include "tools/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/paths.h"
#include "queue/expire.h"
#include "tools/command.h"
#include "tools/release.h"

bool qf_quarantine_load(
    struct qf_mailcmd *q, const char *id, struct qf_item *item)
{
	struct qf_err e;
	int rc = q->ops->load(q->store, id, item, &e);

	if (rc == 0 && item->held)
		return true;
	if (rc == 0)
		qf_fail(&e, QF_ENOENT,
		    "message %s is not held, it is queued for delivery", id);
	else if (rc == QF_ENOENT)
		qf_fail(&e, rc,
		    "no message %.30s is held; see qfrontctl quarantine list",
		    id);
	qf_mailcmd_complain(q, &e);
	return false;
}

static int release(struct qf_mailcmd *q)
{
	struct qf_next next;
	struct qf_err e;
	int rc = qf_release_choose(&next, &e);

	for (size_t i = 0; rc == 0 && q->id[i] != NULL; i++) {
		struct qf_item item = QF_ITEM_INIT;

		if (qf_quarantine_load(q, q->id[i], &item))
			qf_release(q, &item, &next);
		qf_item_free(&item);
	}
	qf_next_free(&next);
	return rc < 0 ? qf_mailcmd_trouble(&e) : q->found;
}

static int delete (struct qf_mailcmd *q)
{
	for (size_t i = 0; q->id[i] != NULL; i++) {
		struct qf_item item = QF_ITEM_INIT;
		struct qf_err e;

		if (!qf_quarantine_load(q, q->id[i], &item))
			;
		else if (q->ops->finish(q->store, &item, &e) < 0)
			qf_mailcmd_complain(q, &e);
		else
			printf("%s deleted\n", q->id[i]);
		qf_item_free(&item);
	}
	return q->found;
}

static int expire(struct qf_mailcmd *q)
{
	struct qf_expire_limits limits;
	struct qf_ctl ctl = QF_CTL_NONE;
	struct qf_expired done;
	struct qf_err e;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), &e);

	if (rc == 0)
		rc = qf_ctl_load(&ctl, qf_expire_settings, &limits, &e);
	qf_ctl_close(&ctl);
	if (rc < 0)
		return qf_mailcmd_trouble(&e);
	rc = qf_expire(q->ops, q->store, &limits, qf_clock_wall(), &done, &e);
	printf("%zu deleted, %zu held (%llu bytes)\n", done.deleted, done.kept,
	    (unsigned long long)done.bytes);
	return rc < 0 ? qf_mailcmd_trouble(&e) : QF_DONE;
}

static const struct action {
	const char *name;
	int (*run)(struct qf_mailcmd *q);
	enum qf_store_use use;
	bool json, message; /* options that it takes */
	int least, most;    /* how many messages it is given */
} actions[] = {
    {"list", qf_quarantine_list, QF_STORE_LOOK, true, false, 0, 0},
    {"show", qf_quarantine_show, QF_STORE_LOOK, true, true, 1, 1},
    {"release", release, QF_STORE_INTAKE, false, false, 1, -1},
    {"delete", delete, QF_STORE_LOOK, false, false, 1, -1},
    {"expire", expire, QF_STORE_LOOK, false, false, 0, 0},
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

/* Moves the options out of argv; what is left are messages. */
static bool take_arguments(
    const struct action *a, struct qf_mailcmd *q, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (a->json && strcmp(argv[i], "--json") == 0)
			q->json = true;
		else if (a->message && strcmp(argv[i], "--message") == 0)
			q->message = true;
		else if (argv[i][0] == '-')
			return false;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	q->id = argv;
	return n >= a->least && (a->most < 0 || n <= a->most);
}

static int run(int argc, char **argv)
{
	const struct action *a = argc > 1 ? find_action(argv[1]) : NULL;
	struct qf_mailcmd q = QF_MAILCMD_INIT;

	if (a == NULL || !take_arguments(a, &q, argc - 2, argv + 2))
		return QF_USAGE;
	return qf_mailcmd_run(&q, a->use, a->run);
}

const struct qf_command qf_command_quarantine = {
    .name = "quarantine",
    .synopsis = "list [--json] | show [--json] [--message] ID | "
		"release ID ... | delete ID ... | expire",
    .summary = "look at mail that is held, deliver it after all, or delete it",
    .run = run,
};
