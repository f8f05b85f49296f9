#include "lib/net/mx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/net/prefer.h"

/* A search, and what it found so far. */
struct search {
	const struct qf_mx_spec *spec;
	struct qf_dns *dns;
	struct qf_mx_list *list;
	uint64_t seed;
	bool by_mx; /* there are MX records */
	/* Of those in the list, whose addresses are not known now. */
	bool *unknown;
	char why[QF_DNS_WHY]; /* and why */
};

/* Numbers that only depend on the seed (splitmix64). */
static uint64_t draw(struct search *s)
{
	uint64_t z = s->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void plant(struct search *s)
{
	s->seed = s->spec->seed;
	/* Without entropy the order is only less fair. */
	if (s->seed == 0 &&
	    getrandom(&s->seed, sizeof s->seed, GRND_NONBLOCK) < 0)
		s->seed = (uint64_t)qf_clock_mono_us();
}

static void remember(struct search *s, const char *name, const char *why)
{
	if (s->why[0] == '\0')
		snprintf(s->why, sizeof s->why, "%.60s: %.90s", name, why);
}

static void add_address(struct qf_mx_host *h, const struct qf_ip *ip)
{
	for (size_t i = 0; i < h->n; i++) {
		if (qf_ip_eq(&h->addr[i], ip))
			return;
	}
	h->addr[h->n++] = *ip;
}

/* A host without addresses yet, with room for them. */
static struct qf_mx_host *add_host(
    struct search *s, const char *name, unsigned preference)
{
	struct qf_mx_list *l = s->list;
	struct qf_mx_host *h = &l->v[l->n++];
	struct qf_ip ip;

	h->name = h->canonical = qf_arena_strdup(&l->mem, name);
	h->preference = preference;
	h->addr = qf_arena_alloc(&l->mem, 2 * QF_MX_ADDRS * sizeof *h->addr);
	/* A few domains have an address where a name should be. */
	h->literal = qf_ip_literal(&ip, qf_span(name));
	if (h->literal)
		add_address(h, &ip);
	return h;
}

static void make_room(struct search *s, size_t n)
{
	s->list->v = qf_arena_alloc(&s->list->mem, n * sizeof *s->list->v);
	s->unknown = qf_arena_alloc(&s->list->mem, n * sizeof *s->unknown);
}

/* exchangers */

/* An MX record and its place among its equals. */
struct lot {
	const struct qf_dns_record *mx;
	uint64_t number;
};

static int compare_lots(const void *a, const void *b)
{
	const struct lot *x = a, *y = b;

	if (x->mx->preference != y->mx->preference)
		return x->mx->preference < y->mx->preference ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return 0;
}

static bool is_listed(const struct qf_mx_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcasecmp(l->v[i].name, name) == 0)
			return true;
	}
	return false;
}

static void add_exchangers(struct search *s, const struct qf_dns_answer *a)
{
	struct lot *lots = qf_alloc(a->n * sizeof *lots);
	size_t most = a->n < QF_MX_HOSTS ? a->n : QF_MX_HOSTS;

	for (size_t i = 0; i < a->n; i++)
		lots[i] = (struct lot){&a->v[i], draw(s)};
	qsort(lots, a->n, sizeof *lots, compare_lots);
	make_room(s, most);
	s->by_mx = true;
	for (size_t i = 0; i < a->n && s->list->n < most; i++) {
		const struct qf_dns_record *mx = lots[i].mx;

		/* The root is no host. */
		if (strcmp(mx->name, ".") == 0 || is_listed(s->list, mx->name))
			continue;
		add_host(s, mx->name, mx->preference)->mx_secure = a->secure;
	}
	free(lots);
}

static void add_itself(struct search *s, bool secure)
{
	make_room(s, 1);
	add_host(s, s->list->domain, 0)->mx_secure = secure;
}

static enum qf_mx_fault find_exchangers(struct search *s, struct qf_err *e)
{
	struct qf_dns_query q = {.name = s->list->domain, .type = QF_DNS_MX};
	const struct qf_dns_answer *a = &q.answer;
	enum qf_mx_fault fault = QF_MX_OK;

	qf_dns_lookup(s->dns, &q, 1, s->spec->deadline);
	if (a->status == QF_DNS_TEMPORARY) {
		qf_fail(e, QF_ENET, "MX of %s: %s", q.name, a->why);
		fault = QF_MX_TEMPORARY;
	} else if (a->status != QF_DNS_OK) {
		add_itself(s, a->secure);
	} else if (a->n == 1 && strcmp(a->v[0].name, ".") == 0) {
		qf_fail(e, QF_ENOENT, "%s takes no mail (null MX)", q.name);
		fault = QF_MX_NULL;
	} else {
		add_exchangers(s, a);
	}
	qf_dns_forget(&q.answer);
	return fault;
}

/* addresses */

static void shuffle(struct search *s, struct qf_ip *v, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)(draw(s) % i);
		struct qf_ip t = v[i - 1];

		v[i - 1] = v[j];
		v[j] = t;
	}
}

/* Some of an answer's, in any order: their number. */
static size_t pick(
    struct search *s, const struct qf_dns_answer *a, struct qf_ip *out)
{
	struct qf_ip all[QF_DNS_RECORDS];

	if (a->status != QF_DNS_OK)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		all[i] = a->v[i].ip;
	shuffle(s, all, a->n);
	if (a->n > QF_MX_ADDRS) {
		memcpy(out, all, QF_MX_ADDRS * sizeof *out);
		return QF_MX_ADDRS;
	}
	memcpy(out, all, a->n * sizeof *out);
	return a->n;
}

/* Families take turns; the one that RFC 6724 prefers begins. */
static void interleave(struct qf_mx_host *h, const struct qf_ip *v6, size_t n6,
    const struct qf_ip *v4, size_t n4)
{
	bool first4 = false;

	if (n6 > 0 && n4 > 0) {
		struct qf_way a, b;

		qf_way_find(&a, &v6[0]);
		qf_way_find(&b, &v4[0]);
		first4 = qf_way_compare(&a, &b) > 0;
	}
	for (size_t i = 0; i < n6 || i < n4; i++) {
		if (first4 && i < n4)
			add_address(h, &v4[i]);
		if (i < n6)
			add_address(h, &v6[i]);
		if (!first4 && i < n4)
			add_address(h, &v4[i]);
	}
}

static bool is_proven(const struct qf_dns_answer *a)
{
	return a->status != QF_DNS_OK || a->secure;
}

/* What the questions for both families came to. */
static void take_addresses(
    struct search *s, size_t host, const struct qf_dns_query q[2])
{
	const struct qf_dns_answer *a6 = &q[0].answer, *a4 = &q[1].answer;
	const struct qf_dns_answer *found = a6->status == QF_DNS_OK ? a6 : a4;
	struct qf_mx_host *h = &s->list->v[host];
	struct qf_ip v6[QF_MX_ADDRS], v4[QF_MX_ADDRS];
	size_t n6 = pick(s, a6, v6), n4 = pick(s, a4, v4);

	interleave(h, v6, n6, v4, n4);
	for (int i = 0; i < 2; i++) {
		if (q[i].answer.status != QF_DNS_TEMPORARY)
			continue;
		remember(s, h->name, q[i].answer.why);
		s->unknown[host] = h->n == 0;
	}
	h->addr_secure = h->n > 0 && is_proven(a6) && is_proven(a4);
	h->alias = found->alias;
	if (found->alias)
		h->canonical = qf_arena_strdup(&s->list->mem, found->canonical);
}

static void find_addresses(struct search *s)
{
	struct qf_mx_list *l = s->list;
	struct qf_dns_query *q = qf_alloc(2 * l->n * sizeof *q);
	size_t n = 0, at = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].literal)
			continue;
		q[n].name = l->v[i].name;
		q[n++].type = QF_DNS_AAAA;
		q[n].name = l->v[i].name;
		q[n++].type = QF_DNS_A;
	}
	qf_dns_lookup(s->dns, q, n, s->spec->deadline);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].literal)
			continue;
		take_addresses(s, i, q + at);
		at += 2;
	}
	for (size_t i = 0; i < n; i++)
		qf_dns_forget(&q[i].answer);
	free(q);
}

/* choice */

static bool is_own(const struct search *s, size_t host)
{
	const struct qf_mx_host *h = &s->list->v[host];

	if (s->unknown[host] && s->spec->own_name != NULL &&
	    strcasecmp(h->name, s->spec->own_name) == 0)
		return true;
	for (size_t i = 0; i < h->n; i++) {
		if (qf_ips_has(s->spec->own, &h->addr[i]))
			return true;
	}
	return false;
}

/* Those that this host is no worse than: mail for it must not come back. True
 * when there are some. */
static bool drop_worse_than_own(struct search *s)
{
	struct qf_mx_list *l = s->list;
	size_t n = 0;

	while (n < l->n && !is_own(s, n))
		n++;
	if (n == l->n)
		return false;
	l->later += s->unknown[n];
	/* They are in order. */
	while (n > 0 && l->v[n - 1].preference == l->v[n].preference)
		n--;
	l->n = n;
	return true;
}

static void drop_without_address(struct search *s)
{
	struct qf_mx_list *l = s->list;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		l->later += s->unknown[i];
		if (l->v[i].n > 0)
			l->v[n++] = l->v[i];
	}
	l->n = n;
}

static const char *asked_for(const struct search *s)
{
	return s->list->domain != NULL ? s->list->domain : s->spec->host;
}

static enum qf_mx_fault choose(struct search *s, struct qf_err *e)
{
	struct qf_mx_list *l = s->list;
	bool own =
	    s->spec->own != NULL && !s->spec->relay && drop_worse_than_own(s);

	drop_without_address(s);
	if (l->n > 0)
		return QF_MX_OK;
	if (l->later > 0) {
		qf_fail(e, QF_ENET, "addresses of %s", s->why);
		return QF_MX_TEMPORARY;
	}
	if (own) {
		qf_fail(e, QF_EINVAL,
		    "the best mail exchanger of %s is this host", asked_for(s));
		return QF_MX_LOOP;
	}
	if (s->by_mx) {
		qf_fail(e, QF_ENOENT, "no mail exchanger of %s has an address",
		    asked_for(s));
		return QF_MX_NO_ADDRESS;
	}
	qf_fail(e, QF_ENOENT, "%s: no such host, or it has no address",
	    asked_for(s));
	return QF_MX_NO_HOST;
}

static enum qf_mx_fault find_by_name(struct search *s, struct qf_err *e)
{
	enum qf_mx_fault fault = QF_MX_OK;

	if (s->spec->relay)
		add_itself(s, true);
	else
		fault = find_exchangers(s, e);
	if (fault != QF_MX_OK)
		return fault;
	find_addresses(s);
	return choose(s, e);
}

enum qf_mx_fault qf_mx_find(struct qf_mx_list *list, struct qf_dns *dns,
    const struct qf_mx_spec *spec, struct qf_err *e)
{
	struct search s = {.spec = spec, .dns = dns, .list = list};
	struct qf_span host = qf_span(spec->host);
	char name[QF_HOST_NAME], text[QF_IP_TEXT];
	struct qf_ip ip;

	qf_mx_free(list);
	plant(&s);
	if (qf_ip_literal(&ip, host)) {
		make_room(&s, 1);
		qf_ip_text(text, &ip);
		add_host(&s, text, 0);
		return choose(&s, e);
	}
	if (qf_idn_host(name, host, e) < 0)
		return QF_MX_BAD_NAME;
	list->domain = qf_arena_strdup(&list->mem, name);
	return find_by_name(&s, e);
}

void qf_mx_free(struct qf_mx_list *list)
{
	qf_arena_free(&list->mem);
	*list = (struct qf_mx_list){0};
}
