#include "lib/net/tlsa_find.h"

#include <stdio.h>
#include <string.h>

/* Where the records may be, the best place first (section 2.2.2). */
struct places {
	const char *v[2];
	size_t n;
};

/* Bytes of data by matching type; 0: any number. */
static const size_t data_sizes[] = {0, 32, 64};

static bool is_usable(const struct qf_dns_record *r)
{
	if ((r->usage != 2 && r->usage != 3) || r->selector > 1 ||
	    r->matching > 2)
		return false;
	return data_sizes[r->matching] == 0 ||
	       data_sizes[r->matching] == r->data.n;
}

static void take(
    struct qf_tlsa_set *t, const struct qf_dns_answer *a, const char *base)
{
	t->base = qf_arena_strdup(&t->mem, base);
	for (size_t i = 0; i < a->n && t->n < QF_TLSA_RECORDS; i++) {
		const struct qf_dns_record *r = &a->v[i];

		if (!is_usable(r))
			continue;
		t->v[t->n++] = (struct qf_tlsa){(uint8_t)r->usage,
		    (uint8_t)r->selector, (uint8_t)r->matching,
		    (const uint8_t *)qf_arena_strndup(
			&t->mem, r->data.p, r->data.n),
		    r->data.n};
	}
	t->state = t->n > 0 ? QF_TLSA_FOUND : QF_TLSA_UNUSABLE;
}

static int later(
    struct qf_tlsa_set *t, const struct qf_dns_query *q, struct qf_err *e)
{
	t->state = QF_TLSA_LATER;
	return qf_fail(e, QF_ENET, "%s of %s: %s", qf_dns_type_name(q->type),
	    q->name, q->answer.why);
}

static int look_at(struct qf_tlsa_set *t, struct qf_dns *dns, const char *base,
    unsigned port, int64_t deadline, struct qf_err *e)
{
	char name[QF_DNS_NAME + 16];
	struct qf_dns_query q = {.name = name, .type = QF_DNS_TLSA};
	int rc = 0;

	snprintf(name, sizeof name, "_%u._tcp.%s", port, base);
	qf_dns_lookup(dns, &q, 1, deadline);
	if (q.answer.status == QF_DNS_TEMPORARY)
		rc = later(t, &q, e);
	else if (q.answer.status == QF_DNS_OK && q.answer.secure)
		take(t, &q.answer, base);
	qf_dns_forget(&q.answer);
	return rc;
}

/* An alias whose way is not proven may itself be (section 2.1.3). */
static int is_alias_proven(struct qf_tlsa_set *t, struct qf_dns *dns,
    const char *name, int64_t deadline, struct qf_err *e)
{
	struct qf_dns_query q = {.name = name, .type = QF_DNS_CNAME};
	int rc;

	qf_dns_lookup(dns, &q, 1, deadline);
	rc = q.answer.status == QF_DNS_TEMPORARY
		 ? later(t, &q, e)
		 : q.answer.status == QF_DNS_OK && q.answer.secure;
	qf_dns_forget(&q.answer);
	return rc;
}

static int find_places(struct places *p, struct qf_tlsa_set *t,
    struct qf_dns *dns, const struct qf_mx_host *host, int64_t deadline,
    struct qf_err *e)
{
	int rc = host->addr_secure;

	p->n = 0;
	/* An MX record that may be forged proves nothing (section 2.2.1). */
	if (!dns->proves || host->literal || !host->mx_secure)
		return 0;
	if (host->addr_secure && host->alias)
		p->v[p->n++] = host->canonical;
	if (!host->addr_secure && host->alias)
		rc = is_alias_proven(t, dns, host->name, deadline, e);
	if (rc > 0)
		p->v[p->n++] = host->name;
	return rc < 0 ? rc : 0;
}

int qf_tlsa_find(struct qf_tlsa_set *t, struct qf_dns *dns,
    const struct qf_mx_host *host, unsigned port, int64_t deadline,
    struct qf_err *e)
{
	struct places p;
	int rc;

	qf_tlsa_free(t);
	rc = find_places(&p, t, dns, host, deadline, e);
	for (size_t i = 0; i < p.n && rc == 0 && t->state == QF_TLSA_NONE; i++)
		rc = look_at(t, dns, p.v[i], port, deadline, e);
	return rc;
}

void qf_tlsa_free(struct qf_tlsa_set *t)
{
	qf_arena_free(&t->mem);
	*t = (struct qf_tlsa_set){0};
}
