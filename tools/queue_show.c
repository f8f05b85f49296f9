/*
 * qfrontctl queue show: all that is known of one message.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/mail/date.h"
#include "tools/command.h"
#include "tools/queue.h"
#include "tools/text.h"

/* A note names a recipient with `_` for each control. */
static bool is_of(const char *rcpt, struct qf_span noted)
{
	size_t i = 0;

	for (; i < noted.n && rcpt[i] != '\0'; i++) {
		bool control = (unsigned char)rcpt[i] < ' ' || rcpt[i] == 127;

		if (noted.p[i] != (control ? '_' : rcpt[i]))
			return false;
	}
	return i == noted.n && rcpt[i] == '\0';
}

/* Why a recipient failed: false when it did not. */
static bool find_note(
    const struct qf_item *item, const char *rcpt, struct qf_note *note)
{
	*note = (struct qf_note){0};
	while (qf_note_next(&item->notes, note)) {
		if (is_of(rcpt, note->rcpt))
			return true;
	}
	return false;
}

static const char *name_state(
    const struct qf_item *item, size_t i, struct qf_note *note)
{
	if (!item->done[i])
		return "waiting";
	return find_note(item, item->rcpt.v[i], note) ? "failed" : "delivered";
}

static const char *name_whole(const struct qf_item *item)
{
	return item->held ? "held" : item->fresh ? "new" : "tried";
}

static void show_json(const struct qf_mailcmd *cmd, const struct qf_item *item,
    const struct qf_message *m, struct qf_buf *out)
{
	struct qf_buf header = QF_BUF_INIT;
	struct qf_json j = {.out = out};
	struct qf_note note;

	qf_json_object(&j, NULL);
	qf_json_text(&j, "id", item->id);
	qf_json_text(&j, "state", name_whole(item));
	qf_json_number(&j, "born", item->born);
	qf_json_number(&j, "due", item->due);
	qf_json_number(&j, "size", (int64_t)item->size);
	qf_json_string(&j, "sender", qf_buf_span(&item->sender));
	qf_json_array(&j, "recipients");
	for (size_t i = 0; i < item->rcpt.n; i++) {
		const char *state = name_state(item, i, &note);

		qf_json_object(&j, NULL);
		qf_json_text(&j, "address", item->rcpt.v[i]);
		qf_json_text(&j, "state", state);
		if (strcmp(state, "failed") == 0)
			qf_json_string(&j, "reason", note.reason);
		else
			qf_json_text(&j, "reason", NULL);
		qf_json_end(&j);
	}
	qf_json_end(&j);
	qf_json_array(&j, "attributes");
	for (size_t i = 0; i < item->attrs.list.n; i++)
		qf_json_text(&j, NULL, item->attrs.list.v[i]);
	qf_json_end(&j);
	qf_text_add_header(&header, m);
	qf_json_string(&j, "header", qf_buf_span(&header));
	if (cmd->message)
		qf_json_string(&j, "message", qf_span_n(m->map.p, m->map.n));
	qf_json_end(&j);
	qf_buf_free(&header);
}

static void add_due(struct qf_buf *out, const struct qf_item *item, int64_t now)
{
	char date[QF_DATE_SIZE];

	if (item->due == 0)
		return;
	qf_date_rfc5322(date, item->due);
	qf_buf_addf(out, "\ndue:        %s (", date);
	if (item->due > now) {
		qf_buf_adds(out, "in ");
		qf_text_add_age(out, item->due - now);
	} else {
		qf_buf_adds(out, "now");
	}
	qf_buf_addc(out, ')');
}

static void add_recipient(
    struct qf_buf *out, const struct qf_item *item, size_t i)
{
	struct qf_note note;
	const char *state = name_state(item, i, &note);

	qf_buf_adds(out, "\nrecipient:  ");
	qf_text_add_address(out, item->rcpt.v[i]);
	qf_buf_addf(out, " (%s", state);
	if (strcmp(state, "failed") == 0) {
		qf_buf_adds(out, ": ");
		qf_text_add(out, note.reason);
	}
	qf_buf_addc(out, ')');
}

static void show_text(
    const struct qf_item *item, const struct qf_message *m, struct qf_buf *out)
{
	struct qf_buf header = QF_BUF_INIT;
	int64_t now = qf_clock_wall();
	char date[QF_DATE_SIZE];

	qf_date_rfc5322(date, item->born);
	qf_buf_addf(out, "id:         %s\nstate:      %s\nsince:      %s (",
	    item->id, name_whole(item), date);
	qf_text_add_age(out, now - item->born);
	qf_buf_addc(out, ')');
	add_due(out, item, now);
	qf_buf_addf(out,
	    "\nsize:       %llu\nsender:     ", (unsigned long long)item->size);
	qf_text_add_address(out, item->sender.s);
	for (size_t i = 0; i < item->rcpt.n; i++)
		add_recipient(out, item, i);
	for (size_t i = 0; i < item->attrs.list.n; i++) {
		qf_buf_adds(out, "\nattribute:  ");
		qf_text_add(out, qf_span(item->attrs.list.v[i]));
	}
	qf_buf_adds(out, "\n\n");
	qf_text_add_header(&header, m);
	qf_text_add_lines(out, qf_buf_span(&header));
	qf_buf_free(&header);
}

static int show(
    struct qf_mailcmd *cmd, const struct qf_item *item, struct qf_err *e)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_message m;
	int fd = cmd->ops->message(cmd->store, item->id, e), rc = fd;

	if (fd < 0)
		return fd;
	rc = qf_message_open(&m, fd, e);
	if (rc == 0) {
		if (cmd->json)
			show_json(cmd, item, &m, &out);
		else if (cmd->message)
			qf_text_add_message(&out, &m);
		else
			show_text(item, &m, &out);
		qf_mailcmd_print(cmd, &out);
		qf_message_close(&m);
	}
	close(fd);
	qf_buf_free(&out);
	return rc;
}

int qf_queue_show(struct qf_mailcmd *cmd)
{
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e;

	if (cmd->ops->load(cmd->store, cmd->id[0], &item, &e) < 0 ||
	    show(cmd, &item, &e) < 0)
		qf_mailcmd_complain(cmd, &e);
	qf_item_free(&item);
	return cmd->found;
}
