/*
 * qfrontctl quarantine list and show.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/mail/date.h"
#include "lib/mail/message.h"
#include "tools/command.h"
#include "tools/quarantine.h"
#include "tools/table.h"
#include "tools/text.h"

/* What the list is sorted by. */
struct entry {
	char id[QF_ID_SIZE];
	int64_t born;
};

struct list {
	struct entry *v;
	size_t n, cap;
};

/* The attributes that people ask for. */
static const struct {
	const char *name, *key;
} texts[] = {
    {"stage", "STAGE"},
    {"category", "CATEGORY"},
    {"reason", "HOLD"},
    {"route", "ROUTE"},
};
enum {
	NTEXTS = sizeof texts / sizeof *texts,
	NLISTED = NTEXTS - 1 /* those in the table */
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->born != y->born)
		return x->born < y->born ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void add_entry(struct list *l, const struct qf_item *item)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->v = qf_realloc_array(l->v, l->cap, sizeof *l->v);
	}
	memcpy(l->v[l->n].id, item->id, QF_ID_SIZE);
	l->v[l->n++].born = item->born;
}

/* Oldest first. */
static int find_held(struct qf_mailcmd *q, struct list *l, struct qf_err *e)
{
	struct qf_walk walk = {.held = true};
	struct qf_item item = QF_ITEM_INIT;
	char id[QF_ID_SIZE];
	struct qf_err why;
	int rc;

	while ((rc = q->ops->next(q->store, &walk, id, e)) > 0) {
		int got = q->ops->load(q->store, id, &item, &why);

		if (got == 0 && item.held)
			add_entry(l, &item);
		else if (got < 0 && got != QF_ENOENT)
			qf_mailcmd_complain(q, &why);
	}
	q->ops->walk_end(q->store, &walk);
	qf_item_free(&item);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof *l->v, compare);
	return rc;
}

/* The table, and how wide its columns are at least. */
static const struct qf_column columns[] = {{"ID", 10}, {"AGE", 4}, {"SIZE", 5},
    {"SENDER", 20}, {"RECIPIENTS", 20}, {"STAGE", 8}, {"CATEGORY", 8},
    {"REASON", 0}, {NULL, 0}};

static void add_row(struct qf_buf *out, const struct qf_item *item, int64_t now)
{
	struct qf_row l = {.out = out, .column = columns, .start = out->len};

	qf_buf_adds(out, item->id);
	qf_row_end_cell(&l);
	qf_text_add_age(out, now - item->born);
	qf_row_end_cell(&l);
	qf_text_add_size(out, item->size);
	qf_row_end_cell(&l);
	qf_text_add_address(out, item->sender.s);
	qf_row_end_cell(&l);
	if (item->rcpt.n > 0)
		qf_text_add_address(out, item->rcpt.v[0]);
	if (item->rcpt.n > 1)
		qf_buf_addf(out, " +%zu", item->rcpt.n - 1);
	qf_row_end_cell(&l);
	for (int i = 0; i < NLISTED; i++) {
		const char *value = qf_attrs_get(&item->attrs, texts[i].key);

		qf_text_add(out, qf_span(value != NULL ? value : "-"));
		qf_row_end_cell(&l);
	}
}

/* What list and show say of a message alike. */
static void add_members(
    struct qf_json *j, const struct qf_item *item, int64_t now)
{
	qf_json_text(j, "id", item->id);
	qf_json_number(j, "held", item->born);
	qf_json_number(j, "age", now > item->born ? now - item->born : 0);
	qf_json_number(j, "size", (int64_t)item->size);
	qf_json_string(j, "sender", qf_buf_span(&item->sender));
	qf_json_array(j, "recipients");
	for (size_t i = 0; i < item->rcpt.n; i++)
		qf_json_text(j, NULL, item->rcpt.v[i]);
	qf_json_end(j);
	for (int i = 0; i < NTEXTS; i++)
		qf_json_text(
		    j, texts[i].name, qf_attrs_get(&item->attrs, texts[i].key));
}

static void print_list(struct qf_mailcmd *q, const struct list *l)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};
	struct qf_item item = QF_ITEM_INIT;
	int64_t now = qf_clock_wall();
	struct qf_err e;

	if (q->json)
		qf_json_array(&j, NULL);
	else if (l->n > 0)
		qf_row_add_titles(&out, columns);
	for (size_t i = 0; i < l->n; i++) {
		int rc = q->ops->load(q->store, l->v[i].id, &item, &e);

		qf_mailcmd_print(q, &out);
		if (rc < 0 && rc != QF_ENOENT)
			qf_mailcmd_complain(q, &e);
		/* It may have been released since. */
		if (rc < 0 || !item.held)
			continue;
		if (!q->json) {
			add_row(&out, &item, now);
			continue;
		}
		qf_json_object(&j, NULL);
		add_members(&j, &item, now);
		qf_json_end(&j);
	}
	if (q->json)
		qf_json_end(&j);
	qf_mailcmd_print(q, &out);
	qf_item_free(&item);
	qf_buf_free(&out);
}

int qf_quarantine_list(struct qf_mailcmd *q)
{
	struct list l = {0};
	struct qf_err e;
	int rc = find_held(q, &l, &e);

	/* Also what was found before something went wrong. */
	print_list(q, &l);
	free(l.v);
	return rc < 0 ? qf_mailcmd_trouble(&e) : q->found;
}

static void show_json(const struct qf_mailcmd *q, const struct qf_item *item,
    const struct qf_message *m, struct qf_buf *out)
{
	struct qf_buf header = QF_BUF_INIT;
	struct qf_json j = {.out = out};

	qf_json_object(&j, NULL);
	add_members(&j, item, qf_clock_wall());
	qf_text_add_header(&header, m);
	qf_json_string(&j, "header", qf_buf_span(&header));
	if (q->message)
		qf_json_string(&j, "message", qf_span_n(m->map.p, m->map.n));
	qf_json_end(&j);
	qf_buf_free(&header);
}

static void show_text(
    const struct qf_item *item, const struct qf_message *m, struct qf_buf *out)
{
	struct qf_buf header = QF_BUF_INIT;
	char date[QF_DATE_SIZE];

	qf_date_rfc5322(date, item->born);
	qf_buf_addf(out, "id:         %s\nheld since: %s (", item->id, date);
	qf_text_add_age(out, qf_clock_wall() - item->born);
	qf_buf_addf(out, ")\nsize:       %llu\nsender:     ",
	    (unsigned long long)item->size);
	qf_text_add_address(out, item->sender.s);
	for (size_t i = 0; i < item->rcpt.n; i++) {
		qf_buf_adds(out, "\nrecipient:  ");
		qf_text_add_address(out, item->rcpt.v[i]);
	}
	for (int i = 0; i < NTEXTS; i++) {
		const char *value = qf_attrs_get(&item->attrs, texts[i].key);

		if (value == NULL)
			continue;
		qf_buf_addf(out, "\n%s:%*s", texts[i].name,
		    (int)(11 - strlen(texts[i].name)), "");
		qf_text_add(out, qf_span(value));
	}
	qf_buf_adds(out, "\n\n");
	qf_text_add_header(&header, m);
	qf_text_add_lines(out, qf_buf_span(&header));
	qf_buf_free(&header);
}

static int show(
    struct qf_mailcmd *q, const struct qf_item *item, struct qf_err *e)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_message m;
	int fd = q->ops->message(q->store, item->id, e), rc = fd;

	if (fd < 0)
		return fd;
	rc = qf_message_open(&m, fd, e);
	if (rc == 0) {
		if (q->json)
			show_json(q, item, &m, &out);
		else if (q->message)
			qf_text_add_message(&out, &m);
		else
			show_text(item, &m, &out);
		qf_mailcmd_print(q, &out);
		qf_message_close(&m);
	}
	close(fd);
	qf_buf_free(&out);
	return rc;
}

int qf_quarantine_show(struct qf_mailcmd *q)
{
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e;

	if (qf_quarantine_load(q, q->id[0], &item) && show(q, &item, &e) < 0)
		qf_mailcmd_complain(q, &e);
	qf_item_free(&item);
	return q->found;
}
