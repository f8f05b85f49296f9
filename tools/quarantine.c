/*
 * qfrontctl quarantine: the messages that a stage of the chain wants held, and
 * what becomes of them.
 *
 * It runs beside a sender: each message that is changed here is claimed first
 * (queue/store.h).
 */
#include "tools/quarantine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/config.h"
#include "frontend/handoff.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"
#include "lib/mail/submit.h"
#include "queue/expire.h"
#include "tools/command.h"

void qf_quarantine_complain(struct qf_quarantine *q, const struct qf_err *e)
{
	fprintf(stderr, "qfrontctl: %s\n", e->text);
	q->found = QF_FOUND;
}

static int trouble(const struct qf_err *e)
{
	fprintf(stderr, "qfrontctl: %s\n", e->text);
	return QF_TROUBLE;
}

bool qf_quarantine_load(
    struct qf_quarantine *q, const char *id, struct qf_item *item)
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
	qf_quarantine_complain(q, &e);
	return false;
}

/* All of it, and then the envelope: 0 when the program took it. */
static int submit(struct qf_quarantine *q, const struct qf_item *item,
    const struct qf_next *next, struct qf_submit_result *result,
    struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_submit *s = NULL;
	static char chunk[QF_IO_CHUNK];
	int fd = q->ops->message(q->store, item->id, e), rc = fd;
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
    struct qf_quarantine *q, struct qf_item *item, const struct qf_next *next)
{
	struct qf_submit_result result;
	const char *program = next->argv.v[0];
	struct qf_err e;

	if (q->ops->claim(q->store, item, &e) < 0 ||
	    submit(q, item, next, &result, &e) < 0) {
		qf_quarantine_complain(q, &e);
		return;
	}
	if (result.letter != 'K') {
		qf_fail(&e, QF_EEXEC,
		    "message %s stays held: %s refused it with code %d: %s",
		    item->id, program, result.code, result.text);
		qf_quarantine_complain(q, &e);
		return;
	}
	if (q->ops->finish(q->store, item, &e) < 0) {
		qf_err_context(&e,
		    "message %s is released, but still held; delete it",
		    item->id);
		qf_quarantine_complain(q, &e);
		return;
	}
	printf("%s released to %s\n", item->id, program);
}

static void release_one(
    struct qf_quarantine *q, const char *id, const struct qf_next *next)
{
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e;

	if (!qf_quarantine_load(q, id, &item))
		;
	else if (!next->builtin && qf_attrs_get(&item.attrs, "ROUTE") == NULL)
		release_outside(q, &item, next);
	else if (q->ops->release(q->store, &item, &e) < 0)
		qf_quarantine_complain(q, &e);
	else
		printf("%s released\n", id);
	qf_item_free(&item);
}

/* Where the front end sends mail that passes. */
static int choose_next(struct qf_next *next, struct qf_err *e)
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

static int release(struct qf_quarantine *q)
{
	struct qf_next next;
	struct qf_err e;
	int rc = choose_next(&next, &e);

	for (size_t i = 0; rc == 0 && q->id[i] != NULL; i++)
		release_one(q, q->id[i], &next);
	qf_next_free(&next);
	return rc < 0 ? trouble(&e) : q->found;
}

static int delete (struct qf_quarantine *q)
{
	for (size_t i = 0; q->id[i] != NULL; i++) {
		struct qf_item item = QF_ITEM_INIT;
		struct qf_err e;

		if (!qf_quarantine_load(q, q->id[i], &item))
			;
		else if (q->ops->finish(q->store, &item, &e) < 0)
			qf_quarantine_complain(q, &e);
		else
			printf("%s deleted\n", q->id[i]);
		qf_item_free(&item);
	}
	return q->found;
}

static int expire(struct qf_quarantine *q)
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
		return trouble(&e);
	rc = qf_expire(q->ops, q->store, &limits, qf_clock_wall(), &done, &e);
	printf("%zu deleted, %zu held (%llu bytes)\n", done.deleted, done.kept,
	    (unsigned long long)done.bytes);
	return rc < 0 ? trouble(&e) : QF_DONE;
}

static const struct action {
	const char *name;
	int (*run)(struct qf_quarantine *q);
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
    const struct action *a, struct qf_quarantine *q, int argc, char **argv)
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
	struct qf_quarantine q = {.ops = &qf_store_dir, .found = QF_DONE};
	struct qf_err e;
	int code;

	if (a == NULL || !take_arguments(a, &q, argc - 2, argv + 2))
		return QF_USAGE;
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (q.ops->open(&q.store, qf_dir(QF_DIR_QUEUE), a->use, NULL, &e) < 0)
		return trouble(&e);
	code = a->run(&q);
	q.ops->close(&q.store);
	if (fflush(stdout) != 0 && code == QF_DONE) {
		qf_fail_sys(&e, QF_EWRITE, "can not write the output");
		return trouble(&e);
	}
	return code;
}

const struct qf_command qf_command_quarantine = {
    .name = "quarantine",
    .synopsis = "list [--json] | show [--json] [--message] ID | "
		"release ID ... | delete ID ... | expire",
    .summary = "look at mail that is held, deliver it after all, or delete it",
    .run = run,
};
