/*
 * qfrontctl queue: what is in the queue, and what a person wants of it.
 */
#include "tools/queue.h"

#include <string.h>

#include "tools/command.h"

static const struct action {
	const char *name;
	int (*run)(struct qf_mailcmd *cmd);
	enum qf_store_use use;
	bool json, message, reason; /* options that it takes */
	bool filter;                /* takes filters */
	bool changes;               /* wants messages, a filter or --all */
	int most;                   /* how many messages it takes; -1: any */
} actions[] = {
    {"list", qf_queue_list, QF_STORE_LOOK, .json = true, .filter = true},
    {"show", qf_queue_show, QF_STORE_LOOK, .json = true, .message = true,
	.changes = true, .most = 1},
    {"hold", qf_queue_hold, QF_STORE_LOOK, .reason = true, .filter = true,
	.changes = true, .most = -1},
    {"release", qf_queue_release, QF_STORE_INTAKE, .filter = true,
	.changes = true, .most = -1},
    {"delete", qf_queue_delete, QF_STORE_LOOK, .filter = true, .changes = true,
	.most = -1},
    {"retry", qf_queue_retry, QF_STORE_LOOK, .filter = true, .changes = true,
	.most = -1},
};

/* Commands that do not open the store as the others do. */
static const struct {
	const char *name;
	int (*run)(char **argv);
} others[] = {
    {"failed", qf_queue_failed},
    {"fix", qf_queue_fix},
    {"init", qf_queue_init},
};

static bool take_option(
    const struct action *a, struct qf_queue *q, const char *option)
{
	if (a->json && strcmp(option, "--json") == 0)
		q->cmd.json = true;
	else if (a->message && strcmp(option, "--message") == 0)
		q->cmd.message = true;
	else if (a->reason && strncmp(option, "--reason=", 9) == 0)
		q->reason = option + 9;
	else
		return a->filter && qf_filter_take(&q->filter, option);
	return true;
}

/* Moves the options out of argv; what is left are messages. Whoever names
 * nothing does not mean everything. */
static bool take_arguments(
    const struct action *a, struct qf_queue *q, char **argv)
{
	bool given;
	int n = 0;

	for (int i = 0; argv[i] != NULL; i++) {
		if (argv[i][0] != '-')
			argv[n++] = argv[i];
		else if (!take_option(a, q, argv[i]))
			return false;
	}
	argv[n] = NULL;
	q->cmd.id = argv;
	given = qf_filter_is_given(&q->filter);
	if (n > 0)
		return !given && (a->most < 0 || n <= a->most);
	return given || !a->changes;
}

static int run(int argc, char **argv)
{
	struct qf_queue q = {.cmd = QF_MAILCMD_INIT, .filter.older = -1};

	if (argc < 2)
		return QF_USAGE;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (strcmp(argv[1], others[i].name) == 0)
			return others[i].run(argv + 2);
	}
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		if (!take_arguments(&actions[i], &q, argv + 2))
			return QF_USAGE;
		return qf_mailcmd_run(&q.cmd, actions[i].use, actions[i].run);
	}
	return QF_USAGE;
}

const struct qf_command qf_command_queue = {
    .name = "queue",
    .synopsis = "init [--owner=USER[:GROUP]] [DIRECTORY] | "
		"list [--json] [FILTER ...] | show [--json] [--message] ID | "
		"hold [--reason=TEXT] WHICH | release WHICH | delete WHICH | "
		"retry WHICH | failed [list] [--json] | failed show ID | "
		"failed retry ID ... | failed delete ID ... | "
		"fix [--check] [--owner=USER[:GROUP]] [DIRECTORY]\n"
		"WHICH: ID ..., or FILTER ..., or --all\n"
		"FILTER: --held, --sender=ADDRESS, --rcpt=ADDRESS, "
		"--older=SECONDS; an ADDRESS may be a domain",
    .summary = "make the queue (QUEUEDIR), look after what is in it",
    .run = run,
};
