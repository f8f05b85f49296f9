#include "queue/expire.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"

enum {
	RCPTS_MAX = 1000 /* bytes of recipients in a line of the log */
};

const struct qf_ctl_item qf_expire_settings[] = {
    {"quarantinelifetime", QF_CTL_NUMBER,
	offsetof(struct qf_expire_limits, lifetime), "2592000", 0, INT_MAX,
	"longest time that a message is held, in seconds; 0: for ever"},
    {"quarantinesize", QF_CTL_NUMBER, offsetof(struct qf_expire_limits, size),
	"0", 0, LLONG_MAX, "most bytes of all held messages; 0: no limit"},
    {.name = NULL},
};

struct held {
	char id[QF_ID_SIZE];
	int64_t born;
	uint64_t size;
};

struct list {
	struct held *v;
	size_t n, cap;
};

static void add(struct list *l, const struct qf_item *item)
{
	struct held *new;

	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->v = qf_realloc_array(l->v, l->cap, sizeof *l->v);
	}
	new = &l->v[l->n++];
	memcpy(new->id, item->id, sizeof new->id);
	new->born = item->born;
	new->size = item->size;
}

static int compare(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->born != y->born)
		return x->born < y->born ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int find_held(const struct qf_store_ops *ops, struct qf_store *st,
    struct list *l, struct qf_err *e)
{
	struct qf_walk walk = {.held = true};
	struct qf_item item = QF_ITEM_INIT;
	char id[QF_ID_SIZE];
	struct qf_err why;
	int rc;

	while ((rc = ops->next(st, &walk, id, e)) > 0) {
		int got = ops->load(st, id, &item, &why);

		if (got == 0 && item.held)
			add(l, &item);
		else if (got < 0 && got != QF_ENOENT)
			qf_log(QF_LOG_ERROR, "held message left alone",
			    QF_KS("id", id), QF_KS("error", why.text));
	}
	ops->walk_end(st, &walk);
	qf_item_free(&item);
	if (l->n > 0)
		qsort(l->v, l->n, sizeof *l->v, compare);
	return rc;
}

static void log_deleted(const struct qf_item *item, const char *limit)
{
	const char *why = qf_attrs_get(&item->attrs, "HOLD");
	struct qf_buf to = QF_BUF_INIT_MAX(RCPTS_MAX);

	for (size_t i = 0; i < item->rcpt.n; i++) {
		if ((i > 0 && qf_buf_addc(&to, ',') < 0) ||
		    qf_buf_adds(&to, item->rcpt.v[i]) < 0)
			break;
	}
	qf_log(QF_LOG_WARN, "held message deleted", QF_KS("id", item->id),
	    QF_KS("from", item->sender.s), QF_KU("rcpts", item->rcpt.n),
	    QF_KS("to", to.s), QF_KU("bytes", item->size),
	    QF_KS("reason", why != NULL ? why : ""), QF_KS("limit", limit));
	qf_buf_free(&to);
}

/* 1, 0 when somebody else has it or had it, or an error. */
static int delete (const struct qf_store_ops *ops, struct qf_store *st,
    const struct held *h, const char *limit, struct qf_err *e)
{
	struct qf_item item = QF_ITEM_INIT;
	int rc = ops->load(st, h->id, &item, e);

	if (rc == 0 && item.held)
		rc = ops->finish(st, &item, e);
	if (rc == 0 && item.held)
		log_deleted(&item, limit);
	rc = rc == 0 ? item.held : rc;
	qf_item_free(&item);
	return rc == QF_ENOENT || rc == QF_EPERM ? 0 : rc;
}

/* Why this one must go, or NULL; `bytes` is what is held from it on. */
static const char *limit_of(const struct qf_expire_limits *limits,
    const struct held *h, int64_t now, uint64_t bytes)
{
	if (limits->lifetime > 0 && h->born <= now &&
	    now - h->born > limits->lifetime)
		return "quarantinelifetime";
	if (limits->size > 0 && bytes > (uint64_t)limits->size)
		return "quarantinesize";
	return NULL;
}

static int delete_some(const struct qf_store_ops *ops, struct qf_store *st,
    const struct qf_expire_limits *limits, int64_t now, const struct list *l,
    struct qf_expired *out, struct qf_err *e)
{
	struct qf_err why;
	int rc = 0;

	for (size_t i = 0; i < l->n; i++)
		out->bytes += l->v[i].size;
	for (size_t i = 0; i < l->n; i++) {
		const char *limit = limit_of(limits, &l->v[i], now, out->bytes);
		int got;

		if (limit == NULL)
			continue;
		got = delete (ops, st, &l->v[i], limit, &why);
		if (got < 0) {
			rc = got;
			*e = why;
		}
		if (got > 0) {
			out->deleted++;
			out->bytes -= l->v[i].size;
		}
	}
	out->kept = l->n - out->deleted;
	return rc;
}

int qf_expire(const struct qf_store_ops *ops, struct qf_store *st,
    const struct qf_expire_limits *limits, int64_t now, struct qf_expired *out,
    struct qf_err *e)
{
	struct list l = {0};
	int rc = find_held(ops, st, &l, e);

	*out = (struct qf_expired){0};
	if (rc == 0)
		rc = delete_some(ops, st, limits, now, &l, out, e);
	free(l.v);
	return rc;
}
