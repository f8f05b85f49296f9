/*
 * qfrontctl queue list: a line for each message, as it is found, so that the
 * first one is there at once however many there are.
 */
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "tools/command.h"
#include "tools/queue.h"
#include "tools/table.h"
#include "tools/text.h"

static const struct qf_column columns[] = {{"ID", 10}, {"AGE", 4}, {"SIZE", 5},
    {"LEFT", 5}, {"SENDER", 20}, {"RECIPIENTS", 20}, {"STATE", 0}, {NULL, 0}};

/* What is being written. */
static struct {
	struct qf_buf out;
	struct qf_json json;
	bool titles;
} list = {.out = QF_BUF_INIT, .json = {.out = &list.out}};

static size_t count_pending(const struct qf_item *item)
{
	size_t n = 0;

	for (size_t i = 0; i < item->rcpt.n; i++)
		n += !item->done[i];
	return n;
}

/* The first one that waits, and how many more do. */
static void add_recipients(struct qf_buf *out, const struct qf_item *item)
{
	size_t n = count_pending(item);

	for (size_t i = 0; i < item->rcpt.n; i++) {
		if (item->done[i])
			continue;
		qf_text_add_address(out, item->rcpt.v[i]);
		break;
	}
	if (n == 0)
		qf_buf_addc(out, '-');
	if (n > 1)
		qf_buf_addf(out, " +%zu", n - 1);
}

static void add_state(
    struct qf_buf *out, const struct qf_item *item, int64_t now)
{
	const char *why = qf_attrs_get(&item->attrs, "HOLD");

	if (item->held) {
		qf_buf_adds(out, "held: ");
		qf_text_add(out, qf_span(why != NULL ? why : "-"));
	} else if (item->fresh) {
		qf_buf_adds(out, "new");
	} else if (count_pending(item) == 0) {
		qf_buf_adds(out, "ending");
	} else if (item->due <= now) {
		qf_buf_adds(out, "due now");
	} else {
		qf_buf_adds(out, "due in ");
		qf_text_add_age(out, item->due - now);
	}
}

static void add_row(struct qf_buf *out, const struct qf_item *item)
{
	struct qf_row row = {.out = out, .column = columns, .start = out->len};
	int64_t now = qf_clock_wall();

	qf_buf_adds(out, item->id);
	qf_row_end_cell(&row);
	qf_text_add_age(out, now - item->born);
	qf_row_end_cell(&row);
	qf_text_add_size(out, item->size);
	qf_row_end_cell(&row);
	qf_buf_addf(out, "%zu/%zu", count_pending(item), item->rcpt.n);
	qf_row_end_cell(&row);
	qf_text_add_address(out, item->sender.s);
	qf_row_end_cell(&row);
	add_recipients(out, item);
	qf_row_end_cell(&row);
	add_state(out, item, now);
	qf_row_end_cell(&row);
}

static void add_text(
    const char *id, const struct qf_item *item, const struct qf_err *why)
{
	if (!list.titles)
		qf_row_add_titles(&list.out, columns);
	list.titles = true;
	if (item != NULL) {
		add_row(&list.out, item);
		return;
	}
	qf_buf_addf(&list.out, "%-10s  damaged: ", id);
	qf_text_add(&list.out, qf_span(why->text));
	qf_buf_addc(&list.out, '\n');
}

static void add_object(
    const char *id, const struct qf_item *item, const struct qf_err *why)
{
	struct qf_json *j = &list.json;

	qf_json_object(j, NULL);
	qf_json_text(j, "id", id);
	if (item == NULL) {
		qf_json_text(j, "damaged", why->text);
		qf_json_end(j);
		return;
	}
	qf_json_bool(j, "held", item->held);
	qf_json_number(j, "born", item->born);
	qf_json_number(j, "due", item->due);
	qf_json_number(j, "size", (int64_t)item->size);
	qf_json_string(j, "sender", qf_buf_span(&item->sender));
	qf_json_array(j, "recipients");
	for (size_t i = 0; i < item->rcpt.n; i++)
		qf_json_text(j, NULL, item->rcpt.v[i]);
	qf_json_end(j);
	qf_json_number(j, "pending", (int64_t)count_pending(item));
	qf_json_text(j, "reason",
	    item->held ? qf_attrs_get(&item->attrs, "HOLD") : NULL);
	qf_json_end(j);
}

static bool visit(struct qf_queue *q, const char *id, struct qf_item *item,
    const struct qf_err *why)
{
	if (item == NULL)
		qf_mailcmd_complain(&q->cmd, why);
	if (q->cmd.json)
		add_object(id, item, why);
	else
		add_text(id, item, why);
	return qf_mailcmd_print(&q->cmd, &list.out);
}

int qf_queue_list(struct qf_mailcmd *cmd)
{
	struct qf_queue *q = (struct qf_queue *)cmd;
	struct qf_err e;
	int rc;

	if (cmd->json)
		qf_json_array(&list.json, NULL);
	rc = qf_queue_walk(q, true, true, visit, &e);
	if (cmd->json)
		qf_json_end(&list.json);
	if (!cmd->closed)
		qf_mailcmd_print(cmd, &list.out);
	qf_buf_free(&list.out);
	return rc < 0 ? qf_mailcmd_trouble(&e) : cmd->found;
}
