/*
 * qfrontctl queue failed: what could not be delivered and is kept.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "lib/mail/date.h"
#include "lib/mail/envelope.h"
#include "queue/failed.h"
#include "tools/command.h"
#include "tools/queue.h"
#include "tools/table.h"
#include "tools/text.h"

static const struct qf_column columns[] = {{"ID", 10}, {"AGE", 4}, {"SIZE", 5},
    {"SENDER", 20}, {"RECIPIENTS", 0}, {NULL, 0}};

static const char *queue_dir(void)
{
	return qf_dir(QF_DIR_QUEUE);
}

static void add_row(struct qf_buf *out, const struct qf_failed *f)
{
	struct qf_row row = {.out = out, .column = columns, .start = out->len};

	qf_buf_adds(out, f->id);
	qf_row_end_cell(&row);
	qf_text_add_age(out, qf_clock_wall() - f->born);
	qf_row_end_cell(&row);
	qf_text_add_size(out, f->size);
	qf_row_end_cell(&row);
	qf_text_add_address(out, f->sender.s);
	qf_row_end_cell(&row);
	if (f->rcpt.n > 0)
		qf_text_add_address(out, f->rcpt.v[0]);
	if (f->rcpt.n > 1)
		qf_buf_addf(out, " +%zu", f->rcpt.n - 1);
	qf_row_end_cell(&row);
}

static void add_object(struct qf_json *j, const struct qf_failed *f)
{
	qf_json_object(j, NULL);
	qf_json_text(j, "id", f->id);
	qf_json_number(j, "born", f->born);
	qf_json_number(j, "size", (int64_t)f->size);
	qf_json_string(j, "sender", qf_buf_span(&f->sender));
	qf_json_array(j, "recipients");
	for (size_t i = 0; i < f->rcpt.n; i++)
		qf_json_text(j, NULL, f->rcpt.v[i]);
	qf_json_end(j);
	qf_json_end(j);
}

/* A line for each, as it is found. */
static int list(struct qf_mailcmd *cmd)
{
	struct qf_failed f = QF_FAILED_INIT;
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};
	bool titles = cmd->json, more = true;
	char id[QF_ID_SIZE];
	void *walk = NULL;
	struct qf_err e;
	int rc = 0;

	if (cmd->json)
		qf_json_array(&j, NULL);
	while (more && (rc = qf_failed_next(queue_dir(), &walk, id, &e)) > 0) {
		int got = qf_failed_open(queue_dir(), id, &f, &e);

		if (got < 0 && got != QF_ENOENT)
			qf_mailcmd_complain(cmd, &e);
		if (got < 0)
			continue;
		if (!titles)
			qf_row_add_titles(&out, columns);
		titles = true;
		if (cmd->json)
			add_object(&j, &f);
		else
			add_row(&out, &f);
		more = qf_mailcmd_print(cmd, &out);
		qf_failed_free(&f);
	}
	qf_failed_walk_end(&walk);
	if (cmd->json)
		qf_json_end(&j);
	qf_mailcmd_print(cmd, &out);
	qf_buf_free(&out);
	return rc < 0 ? qf_mailcmd_trouble(&e) : cmd->found;
}

static void show_text(
    struct qf_buf *out, const struct qf_failed *f, struct qf_span message)
{
	char date[QF_DATE_SIZE];

	qf_date_rfc5322(date, f->born);
	qf_buf_addf(out, "id:         %s\nfailed:     %s (", f->id, date);
	qf_text_add_age(out, qf_clock_wall() - f->born);
	qf_buf_addf(out,
	    ")\nsize:       %llu\nsender:     ", (unsigned long long)f->size);
	qf_text_add_address(out, f->sender.s);
	for (size_t i = 0; i < f->rcpt.n; i++) {
		qf_buf_adds(out, "\nrecipient:  ");
		qf_text_add_address(out, f->rcpt.v[i]);
	}
	qf_buf_adds(out, "\n\n");
	qf_text_add_lines(out, message);
}

/* The addresses, and the whole message, which tells best why. */
static int show_one(
    struct qf_mailcmd *cmd, struct qf_failed *f, struct qf_err *e)
{
	struct qf_buf out = QF_BUF_INIT, message = QF_BUF_INIT;
	int rc = qf_read_all(f->fd, &message, e);

	if (rc == 0) {
		show_text(&out, f, qf_buf_span(&message));
		qf_mailcmd_print(cmd, &out);
	}
	qf_buf_free(&message);
	qf_buf_free(&out);
	return rc;
}

/* The message as it is: its Received lines say where it came from. */
static int queue_again(struct qf_mailcmd *cmd, const struct qf_failed *f,
    char id[QF_ID_SIZE], struct qf_err *e)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_intake *in = NULL;
	static char chunk[QF_IO_CHUNK];
	ssize_t n = 0;
	int rc = qf_envelope_set_sender(&env, qf_buf_span(&f->sender));

	for (size_t i = 0; i < f->rcpt.n && rc == 0; i++)
		rc = qf_envelope_add_rcpt(&env, qf_span(f->rcpt.v[i]));
	if (rc < 0)
		qf_fail(e, rc, "an address of message %s is too long", f->id);
	else
		rc = cmd->ops->begin(cmd->store, &in, e);
	while (rc == 0 && (n = qf_read(f->fd, chunk, sizeof chunk)) > 0)
		rc = cmd->ops->write(in, chunk, (size_t)n, e);
	if (rc == 0 && n < 0)
		rc = qf_fail_sys(e, QF_EREAD, "can not read failed/%s", f->id);
	if (rc == 0)
		rc = qf_store_commit(
		    cmd->ops, &in, &env, (long)getuid(), (long)getpid(), id, e);
	else if (in != NULL)
		cmd->ops->abort(&in);
	qf_envelope_free(&env);
	return rc;
}

static int retry_one(
    struct qf_mailcmd *cmd, struct qf_failed *f, struct qf_err *e)
{
	char id[QF_ID_SIZE];
	int rc = qf_failed_claim(queue_dir(), f, e);

	if (rc == 0)
		rc = queue_again(cmd, f, id, e);
	if (rc < 0)
		return rc;
	printf("%s queued as %s\n", f->id, id);
	rc = qf_failed_remove(queue_dir(), f, e);
	if (rc < 0)
		qf_err_context(e,
		    "message %s is queued again, but kept; delete it", f->id);
	return rc;
}

static int delete_one(
    struct qf_mailcmd *cmd, struct qf_failed *f, struct qf_err *e)
{
	int rc = qf_failed_claim(queue_dir(), f, e);

	(void)cmd;
	if (rc == 0)
		rc = qf_failed_remove(queue_dir(), f, e);
	if (rc == 0)
		printf("%s deleted\n", f->id);
	return rc;
}

static int each(struct qf_mailcmd *cmd,
    int (*act)(struct qf_mailcmd *cmd, struct qf_failed *f, struct qf_err *e))
{
	for (size_t i = 0; cmd->id[i] != NULL; i++) {
		struct qf_failed f = QF_FAILED_INIT;
		struct qf_err e;

		if (qf_failed_open(queue_dir(), cmd->id[i], &f, &e) < 0 ||
		    act(cmd, &f, &e) < 0)
			qf_mailcmd_complain(cmd, &e);
		fflush(stdout);
		qf_failed_free(&f);
	}
	return cmd->found;
}

static int show(struct qf_mailcmd *cmd)
{
	return each(cmd, show_one);
}

static int retry(struct qf_mailcmd *cmd)
{
	return each(cmd, retry_one);
}

static int delete (struct qf_mailcmd *cmd)
{
	return each(cmd, delete_one);
}

static const struct action {
	const char *name;
	int (*run)(struct qf_mailcmd *cmd);
	enum qf_store_use use;
	int least, most; /* how many messages it is given; -1: any */
} actions[] = {
    {"list", list, QF_STORE_LOOK, 0, 0},
    {"show", show, QF_STORE_LOOK, 1, 1},
    {"retry", retry, QF_STORE_INTAKE, 1, -1},
    {"delete", delete, QF_STORE_LOOK, 1, -1},
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

int qf_queue_failed(char **argv)
{
	struct qf_mailcmd cmd = QF_MAILCMD_INIT;
	const struct action *a = &actions[0];
	int n = 0;

	if (argv[0] != NULL && argv[0][0] != '-' &&
	    (a = find_action(*argv++)) == NULL)
		return QF_USAGE;
	for (int i = 0; argv[i] != NULL; i++) {
		if (argv[i][0] != '-')
			argv[n++] = argv[i];
		else if (a->run == list && strcmp(argv[i], "--json") == 0)
			cmd.json = true;
		else
			return QF_USAGE;
	}
	argv[n] = NULL;
	cmd.id = argv;
	if (n < a->least || (a->most >= 0 && n > a->most))
		return QF_USAGE;
	return qf_mailcmd_run(&cmd, a->use, a->run);
}
