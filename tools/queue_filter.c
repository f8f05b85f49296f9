/*
 * Which messages a command means, and the walk over them.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/addr.h"
#include "tools/queue.h"

static const char *value_of(const char *option, const char *name)
{
	size_t n = strlen(name);

	return strncmp(option, name, n) == 0 ? option + n : NULL;
}

static bool take_older(struct qf_filter *f, const char *value)
{
	unsigned long long n;

	if (!qf_span_u64(qf_span(value), INT32_MAX, &n))
		return false;
	f->older = (int64_t)n;
	return true;
}

bool qf_filter_take(struct qf_filter *f, const char *option)
{
	const char *value;

	if (strcmp(option, "--all") == 0)
		f->all = true;
	else if (strcmp(option, "--held") == 0)
		f->held = true;
	else if ((value = value_of(option, "--sender=")) != NULL)
		f->sender = value;
	else if ((value = value_of(option, "--rcpt=")) != NULL)
		f->rcpt = value;
	else if ((value = value_of(option, "--older=")) != NULL)
		return take_older(f, value);
	else
		return false;
	return true;
}

bool qf_filter_is_given(const struct qf_filter *f)
{
	return f->all || f->held || f->sender != NULL || f->rcpt != NULL ||
	       f->older >= 0;
}

/* An address, `<>` for the empty one, or a domain, whatever their case. */
static bool is_like(struct qf_span addr, const char *wanted)
{
	if (wanted[0] == '\0' || strcmp(wanted, "<>") == 0)
		return addr.n == 0;
	if (wanted[0] == '@')
		wanted++;
	else if (strchr(wanted, '@') != NULL)
		return qf_span_iis(addr, wanted);
	return qf_span_iis(qf_addr_domain(addr), wanted);
}

static bool any_is_like(const struct qf_strv *rcpt, const char *wanted)
{
	for (size_t i = 0; i < rcpt->n; i++) {
		if (is_like(qf_span(rcpt->v[i]), wanted))
			return true;
	}
	return false;
}

bool qf_filter_matches(
    const struct qf_filter *f, const struct qf_item *item, int64_t now)
{
	if (f->sender != NULL &&
	    !is_like(qf_buf_span(&item->sender), f->sender))
		return false;
	if (f->rcpt != NULL && !any_is_like(&item->rcpt, f->rcpt))
		return false;
	return f->older < 0 || now - item->born >= f->older;
}

/* Nothing is known of a damaged message, so no filter but --all means it. */
static bool visit_one(struct qf_queue *q, const char *id, bool held,
    struct qf_item *item, qf_queue_visit visit)
{
	const struct qf_filter *f = &q->filter;
	struct qf_err why;
	int rc = q->cmd.ops->load(q->cmd.store, id, item, &why);

	if (rc == QF_ENOENT)
		return true;
	if (rc < 0)
		return f->sender != NULL || f->rcpt != NULL || f->older >= 0 ||
		       visit(q, id, NULL, &why);
	if (item->held != held || !qf_filter_matches(f, item, qf_clock_wall()))
		return true;
	return visit(q, id, item, NULL);
}

/* 1 when it was ended. */
static int walk(
    struct qf_queue *q, bool held, qf_queue_visit visit, struct qf_err *e)
{
	struct qf_walk w = {.held = held};
	struct qf_item item = QF_ITEM_INIT;
	char id[QF_ID_SIZE];
	bool more = true;
	int rc = 1;

	while (more && (rc = q->cmd.ops->next(q->cmd.store, &w, id, e)) > 0) {
		more = visit_one(q, id, held, &item, visit);
		qf_item_free(&item);
	}
	q->cmd.ops->walk_end(q->cmd.store, &w);
	return rc;
}

int qf_queue_walk(struct qf_queue *q, bool queued, bool held,
    qf_queue_visit visit, struct qf_err *e)
{
	int rc = 0;

	if (queued && !q->filter.held)
		rc = walk(q, false, visit, e);
	if (rc == 0 && held)
		rc = walk(q, true, visit, e);
	return rc < 0 ? rc : 0;
}
