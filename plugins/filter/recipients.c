#include "plugins/filter/recipients.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

int recipients_read(
    const struct qf_host *h, struct qf_msg *m, struct qf_envelope *out)
{
	int32_t n = h->rcpt_count(m);
	struct qf_span addr;
	int32_t rc = n < 0 ? n : h->sender(m, &addr);

	if (rc == 0)
		rc = qf_envelope_set_sender(out, addr);
	for (uint32_t i = 0; rc == 0 && i < (uint32_t)n; i++) {
		rc = h->rcpt_get(m, i, &addr);
		if (rc == 0)
			rc = qf_envelope_add_rcpt(out, addr);
	}
	return rc;
}

struct entry {
	const char *address;
	uint32_t index;
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->address, y->address);

	return c != 0 ? c : (x->index > y->index) - (x->index < y->index);
}

static struct entry *sorted(const struct qf_envelope *env)
{
	struct entry *v = qf_alloc((env->nrcpt + 1) * sizeof *v);

	for (size_t i = 0; i < env->nrcpt; i++)
		v[i] = (struct entry){qf_envelope_rcpt(env, i), (uint32_t)i};
	qsort(v, env->nrcpt, sizeof *v, compare);
	return v;
}

/* Per recipient: has the other side one of the same address for it? */
static void mark_common(const struct qf_envelope *from,
    const struct qf_envelope *to, bool *stays, bool *is_old)
{
	struct entry *a = sorted(from), *b = sorted(to);
	size_t i = 0, j = 0;

	while (i < from->nrcpt && j < to->nrcpt) {
		int c = strcmp(a[i].address, b[j].address);

		if (c == 0) {
			stays[a[i].index] = true;
			is_old[b[j].index] = true;
		}
		i += c <= 0;
		j += c >= 0;
	}
	free(a);
	free(b);
}

static int stage_rcpts(const struct qf_host *h, struct qf_msg *m,
    const struct qf_envelope *from, const struct qf_envelope *to)
{
	bool *stays = qf_alloc(from->nrcpt + 1);
	bool *is_old = qf_alloc(to->nrcpt + 1);
	int32_t rc = 0;

	mark_common(from, to, stays, is_old);
	for (size_t i = 0; rc == 0 && i < from->nrcpt; i++) {
		if (!stays[i])
			rc = h->rcpt_drop(m, (uint32_t)i);
	}
	for (size_t i = 0; rc == 0 && i < to->nrcpt; i++) {
		if (!is_old[i])
			rc = h->rcpt_add(m, qf_envelope_rcpt(to, i));
	}
	free(stays);
	free(is_old);
	return rc;
}

int recipients_apply(const struct qf_host *h, struct qf_msg *m,
    const struct qf_envelope *from, const struct qf_envelope *to,
    struct qf_err *e)
{
	const char *sender = qf_envelope_sender(to);
	int32_t rc = 0;

	if (to->nrcpt == 0 && from->nrcpt > 0)
		return QF_DISCARD;
	if (strcmp(sender, qf_envelope_sender(from)) != 0)
		rc = h->sender_set(m, sender);
	if (rc == 0)
		rc = stage_rcpts(h, m, from, to);
	if (rc < 0)
		return qf_fail(e, rc,
		    "an address of its envelope is none: too long, or with a "
		    "line end");
	return QF_PASS;
}
