#include "lib/net/mx.h"

#include "lib/base/clock.h"
#include "lib/net/tlsa_find.h"
#include "tests/unit/unit.h"

/* What the DNS says in these tests. */
struct entry {
	const char *name;
	enum qf_dns_type type;
	/* a record; `servfail`, `bogus`; or NULL: no data */
	const char *data;
	const char *alias; /* the name behind, or NULL */
	bool secure;
};

static const struct entry *zone;
static int asked; /* how many questions */

static void add_record(
    struct qf_dns_answer *a, enum qf_dns_type type, const char *data)
{
	struct qf_dns_record *r = &a->v[a->n++];
	char name[QF_DNS_NAME];

	if (type == QF_DNS_A || type == QF_DNS_AAAA) {
		assert_true(qf_ip_parse(&r->ip, qf_span(data)));
	} else if (type == QF_DNS_MX) {
		assert_int_equal(
		    2, sscanf(data, "%u %1000s", &r->preference, name));
		r->name = qf_arena_strdup(&a->mem, name);
	} else if (type == QF_DNS_CNAME) {
		r->name = qf_arena_strdup(&a->mem, data);
	} else {
		char *p = qf_arena_alloc(&a->mem, 64);
		unsigned size;

		assert_int_equal(4, sscanf(data, "%u %u %u %u", &r->usage,
					&r->selector, &r->matching, &size));
		r->data = qf_span_n(p, size);
	}
}

static void answer(struct qf_dns_query *q)
{
	struct qf_dns_answer *a = &q->answer;
	bool known = false;

	a->v = qf_arena_alloc(&a->mem, QF_DNS_RECORDS * sizeof *a->v);
	a->status = QF_DNS_NXDOMAIN;
	for (const struct entry *z = zone; z->name != NULL; z++) {
		if (strcasecmp(z->name, q->name) != 0)
			continue;
		known = true;
		if (z->type != q->type)
			continue;
		a->secure = z->secure;
		a->alias = z->alias != NULL;
		if (a->alias)
			a->canonical = z->alias;
		if (z->data != NULL && (strcmp(z->data, "servfail") == 0 ||
					   strcmp(z->data, "bogus") == 0)) {
			qf_dns_fail(a, "%s", z->data);
			a->bogus = z->data[0] == 'b';
			return;
		}
		if (z->data != NULL)
			add_record(a, z->type, z->data);
	}
	if (known)
		a->status = a->n > 0 ? QF_DNS_OK : QF_DNS_NODATA;
}

static void lookup(struct qf_dns *dns, struct qf_dns_query *const *q, size_t n,
    int64_t deadline)
{
	(void)dns;
	assert_int_equal(QF_NEVER, deadline);
	for (size_t i = 0; i < n; i++)
		answer(q[i]);
	asked += (int)n;
}

static const struct qf_dns_ops ops = {.lookup = lookup};
static struct qf_dns dns = {&ops, true};

struct found {
	struct qf_mx_list list;
	enum qf_mx_fault fault;
	struct qf_err e;
};

static uint64_t seed = 1;
static const char *own_name;

static void find(struct found *f, const struct entry *z, const char *host,
    const struct qf_ips *own, bool relay)
{
	struct qf_mx_spec spec = {.host = host,
	    .relay = relay,
	    .own = own,
	    .own_name = own_name,
	    .seed = seed,
	    .deadline = QF_NEVER};

	zone = z;
	asked = 0;
	memset(f, 0, sizeof *f);
	f->fault = qf_mx_find(&f->list, &dns, &spec, &f->e);
	assert_int_equal(f->fault == QF_MX_OK, f->list.n > 0);
}

/* `PREFERENCE NAME ADDRESS...; ...` */
static void assert_found(struct found *f, const char *want)
{
	struct qf_buf got = QF_BUF_INIT;

	for (size_t i = 0; i < f->list.n; i++) {
		const struct qf_mx_host *h = &f->list.v[i];

		qf_buf_addf(
		    &got, "%s%u %s", i > 0 ? "; " : "", h->preference, h->name);
		for (size_t j = 0; j < h->n; j++) {
			char text[QF_IP_TEXT];

			qf_ip_text(text, &h->addr[j]);
			qf_buf_addf(&got, " %s", text);
		}
	}
	if (f->fault != QF_MX_OK)
		qf_buf_addf(&got, "fault %d", (int)f->fault);
	if (f->list.later > 0)
		qf_buf_addf(&got, " later %zu", f->list.later);
	assert_string_equal(want, got.s);
	qf_buf_free(&got);
	qf_mx_free(&f->list);
}

#define MX(name, data)                                                         \
	{                                                                      \
		name, QF_DNS_MX, data, NULL, false                             \
	}
#define A(name, data)                                                          \
	{                                                                      \
		name, QF_DNS_A, data, NULL, false                              \
	}
#define END                                                                    \
	{                                                                      \
		NULL, QF_DNS_A, NULL, NULL, false                              \
	}

static void literals(void **state)
{
	static const struct entry empty[] = {END};
	static const struct {
		const char *host, *want;
	} cases[] = {
	    {"192.0.2.1", "0 192.0.2.1 192.0.2.1"},
	    {"[192.0.2.1]", "0 192.0.2.1 192.0.2.1"},
	    {"[IPv6:2001:db8::1]", "0 2001:db8::1 2001:db8::1"},
	    {"[2001:DB8::1]", "0 2001:db8::1 2001:db8::1"},
	    {"2001:db8::1", "0 2001:db8::1 2001:db8::1"},
	    {"[::ffff:192.0.2.1]", "0 192.0.2.1 192.0.2.1"},
	    {"[]", "fault 1"},
	    {"[192.0.2]", "fault 1"},
	    {"[IPv6:192.0.2.1]", "fault 1"},
	    {"", "fault 1"},
	    {"a b.example", "fault 1"},
	    {"a..example", "fault 1"},
	    {"192.0.2.256", "fault 2"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct found f;

		find(&f, empty, cases[i].host, NULL, false);
		assert_found(&f, cases[i].want);
	}
}

static void by_preference(void **state)
{
	static const struct entry z[] = {
	    MX("d.example", "20 m2.example"),
	    MX("d.example", "10 m1.example"),
	    MX("d.example", "65535 m3.example"),
	    MX("d.example", "0 m0.example"),
	    MX("d.example", "30 M1.example"), /* again, and worse */
	    A("m0.example", "192.0.2.10"),
	    A("m1.example", "192.0.2.11"),
	    A("m2.example", "192.0.2.12"),
	    A("m3.example", "192.0.2.13"),
	    END,
	};
	struct found f;

	(void)state;
	find(&f, z, "D.example.", NULL, false);
	assert_string_equal("D.example", f.list.domain);
	assert_int_equal(1 + 4 * 2, asked);
	assert_found(&f, "0 m0.example 192.0.2.10; 10 m1.example 192.0.2.11; "
			 "20 m2.example 192.0.2.12; "
			 "65535 m3.example 192.0.2.13");
}

static void without_mx(void **state)
{
	static const struct entry z[] = {
	    A("a.example", "192.0.2.1"),
	    {"a6.example", QF_DNS_AAAA, "2001:db8::1", NULL, false},
	    {"none.example", QF_DNS_CNAME, NULL, NULL, false},
	    MX("bad.example", "servfail"),
	    A("bad.example", "192.0.2.1"),
	    A("half.example", "servfail"),
	    {"half6.example", QF_DNS_AAAA, "servfail", NULL, false},
	    A("half6.example", "192.0.2.2"),
	    MX("null.example", "0 ."),
	    A("null.example", "192.0.2.1"),
	    MX("odd.example", "0 ."),
	    MX("odd.example", "1 a.example"),
	    END,
	};
	static const struct {
		const char *host, *want;
	} cases[] = {
	    {"a.example", "0 a.example 192.0.2.1"},
	    {"a6.example", "0 a6.example 2001:db8::1"},
	    {"none.example", "fault 2"},
	    {"nosuch.example", "fault 2"},
	    {"bad.example", "fault 3"},
	    {"half.example", "fault 3 later 1"},
	    {"half6.example", "0 half6.example 192.0.2.2"},
	    {"null.example", "fault 6"},
	    {"odd.example", "1 a.example 192.0.2.1"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct found f;

		find(&f, z, cases[i].host, NULL, false);
		assert_found(&f, cases[i].want);
	}
}

static void targets(void **state)
{
	static const struct entry z[] = {
	    MX("ip.example", "10 192.0.2.9"),
	    MX("none.example", "10 nosuch.example"),
	    MX("none.example", "20 odd\\032.example"),
	    MX("self.example", "10 self.example"), /* and no address */
	    MX("some.example", "10 bad.example"),
	    MX("some.example", "20 nosuch.example"),
	    MX("some.example", "30 good.example"),
	    MX("all.example", "10 bad.example"),
	    MX("all.example", "20 nosuch.example"),
	    A("bad.example", "servfail"),
	    A("good.example", "192.0.2.1"),
	    A("good.example", "192.0.2.1"),
	    END,
	};
	static const struct {
		const char *host, *want;
	} cases[] = {
	    {"ip.example", "10 192.0.2.9 192.0.2.9"},
	    {"none.example", "fault 4"},
	    {"self.example", "fault 4"},
	    {"some.example", "30 good.example 192.0.2.1 later 1"},
	    {"all.example", "fault 3 later 1"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct found f;

		find(&f, z, cases[i].host, NULL, false);
		assert_found(&f, cases[i].want);
	}
}

static void no_loops(void **state)
{
	static const struct entry z[] = {
	    MX("d.example", "10 better.example"),
	    MX("d.example", "20 us.example"),
	    MX("d.example", "20 equal.example"),
	    MX("d.example", "30 worse.example"),
	    MX("only.example", "10 us.example"),
	    MX("only.example", "10 equal.example"),
	    MX("only.example", "20 worse.example"),
	    MX("soon.example", "5 bad.example"),
	    MX("soon.example", "10 us.example"),
	    MX("late.example", "10 us.example"),
	    MX("late.example", "15 bad.example"),
	    MX("any.example", "10 0.0.0.0"),
	    MX("hidden.example", "20 bad.example"),
	    MX("hidden.example", "30 worse.example"),
	    A("bad.example", "servfail"),
	    A("better.example", "192.0.2.1"),
	    A("equal.example", "192.0.2.2"),
	    A("worse.example", "192.0.2.3"),
	    A("us.example", "192.0.2.77"),
	    {"us.example", QF_DNS_AAAA, "2001:db8::77", NULL, false},
	    END,
	};
	static const struct {
		const char *host, *want;
	} cases[] = {
	    {"d.example", "10 better.example 192.0.2.1"},
	    {"only.example", "fault 5"},
	    {"us.example", "fault 5"},
	    {"soon.example", "fault 3 later 1"},
	    {"late.example", "fault 5"},
	    {"any.example", "fault 5"},
	    {"[2001:db8::77]", "fault 5"},
	    {"equal.example", "0 equal.example 192.0.2.2"},
	};
	struct qf_ips own = {0};
	struct found f;
	struct qf_ip ip;

	(void)state;
	assert_true(qf_ip_parse(&ip, qf_span("0.0.0.0")));
	qf_ips_add(&own, &ip);
	assert_true(qf_ip_parse(&ip, qf_span("2001:db8::77")));
	qf_ips_add(&own, &ip);
	/* whatever the order among equals */
	for (seed = 8; seed > 0; seed--) {
		for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
			find(&f, z, cases[i].host, &own, false);
			assert_found(&f, cases[i].want);
		}
	}
	seed = 1;
	/* by its name, while the DNS does not know its addresses */
	find(&f, z, "hidden.example", &own, false);
	assert_found(&f, "30 worse.example 192.0.2.3 later 1");
	own_name = "BAD.example";
	find(&f, z, "hidden.example", &own, false);
	assert_found(&f, "fault 3 later 1");
	own_name = "worse.example";
	find(&f, z, "hidden.example", &own, false);
	assert_found(&f, "30 worse.example 192.0.2.3 later 1");
	own_name = NULL;
	/* a relay may be this host, and its MX records say nothing */
	find(&f, z, "[2001:db8::77]", &own, true);
	assert_found(&f, "0 2001:db8::77 2001:db8::77");
	find(&f, z, "d.example", &own, true);
	assert_found(&f, "fault 2");
	find(&f, z, "better.example", &own, true);
	assert_int_equal(2, asked);
	assert_found(&f, "0 better.example 192.0.2.1");
	qf_ips_free(&own);
}

/* The loopback counts as this host, where the caller wants it. */
static void own_addresses(void **state)
{
	struct qf_ips with = {0}, without = {0};
	struct qf_ip lo, any, any6;

	(void)state;
	qf_ips_add_own(&with, true);
	qf_ips_add_own(&without, false);
	assert_true(qf_ip_parse(&lo, qf_span("127.0.0.1")));
	assert_true(qf_ip_parse(&any, qf_span("0.0.0.0")));
	assert_true(qf_ip_parse(&any6, qf_span("::")));
	assert_true(qf_ips_has(&with, &lo));
	assert_false(qf_ips_has(&without, &lo));
	assert_true(qf_ips_has(&without, &any) && qf_ips_has(&without, &any6));
	qf_ips_free(&with);
	qf_ips_free(&without);
}

/* Each of n equals is first about as often as any other. */
static void chance_among_equals(void **state)
{
	static const struct entry z[] = {
	    MX("d.example", "10 192.0.2.1"),
	    MX("d.example", "10 192.0.2.2"),
	    MX("d.example", "10 192.0.2.3"),
	    MX("d.example", "20 192.0.2.4"),
	    END,
	};
	int first[4] = {0}, second[4] = {0};

	(void)state;
	zone = z;
	for (uint64_t s = 1; s <= 900; s++) {
		struct qf_mx_spec spec = {
		    .host = "d.example", .seed = s, .deadline = QF_NEVER};
		struct qf_mx_list list = {0}, again = {0};

		assert_int_equal(
		    QF_MX_OK, qf_mx_find(&list, &dns, &spec, NULL));
		assert_int_equal(
		    QF_MX_OK, qf_mx_find(&again, &dns, &spec, NULL));
		assert_int_equal(4, list.n);
		assert_int_equal(20, list.v[3].preference);
		for (size_t i = 0; i < 4; i++)
			assert_string_equal(list.v[i].name, again.v[i].name);
		first[list.v[0].addr[0].b[3] - 1]++;
		second[list.v[1].addr[0].b[3] - 1]++;
		qf_mx_free(&list);
		qf_mx_free(&again);
	}
	/* The seeds are fixed, so these numbers are. */
	for (int i = 0; i < 3; i++) {
		assert_in_range(first[i], 250, 350);
		assert_in_range(second[i], 250, 350);
	}
}

/* Without a seed it is chance: twenty times the same order is none. */
static void chance_without_seed(void **state)
{
	static const struct entry z[] = {
	    MX("d.example", "10 192.0.2.1"),
	    MX("d.example", "10 192.0.2.2"),
	    MX("d.example", "10 192.0.2.3"),
	    MX("d.example", "10 192.0.2.4"),
	    END,
	};
	struct qf_mx_spec spec = {.host = "d.example", .deadline = QF_NEVER};
	bool seen[5] = {false};
	int n = 0;

	(void)state;
	zone = z;
	for (int i = 0; i < 100; i++) {
		struct qf_mx_list list = {0};

		assert_int_equal(
		    QF_MX_OK, qf_mx_find(&list, &dns, &spec, NULL));
		seen[list.v[0].addr[0].b[3]] = true;
		qf_mx_free(&list);
	}
	for (int i = 1; i < 5; i++)
		n += seen[i];
	assert_in_range(n, 2, 4);
}

static void families_take_turns(void **state)
{
	static const struct entry z[] = {
	    A("both.example", "127.0.0.1"),
	    A("both.example", "127.0.0.1"),
	    A("both.example", "127.0.0.2"),
	    {"both.example", QF_DNS_AAAA, "::1", NULL, false},
	    END,
	};
	struct found f;

	(void)state;
	find(&f, z, "both.example", NULL, false);
	assert_int_equal(3, f.list.v[0].n);
	assert_int_not_equal(
	    f.list.v[0].addr[0].family, f.list.v[0].addr[1].family);
	qf_mx_free(&f.list);
}

/* Many records: the best hundred, sixteen addresses of each family. */
static void limits(void **state)
{
	static struct entry z[QF_DNS_RECORDS + 1];
	static char data[QF_DNS_RECORDS][40];
	struct found f;

	(void)state;
	for (int i = 0; i < QF_DNS_RECORDS; i++) {
		snprintf(data[i], sizeof data[i], "%d 192.0.%d.%d", 1000 - i,
		    i / 200, i % 200);
		z[i] = (struct entry)MX("d.example", data[i]);
	}
	find(&f, z, "d.example", NULL, false);
	assert_int_equal(QF_MX_HOSTS, f.list.n);
	assert_int_equal(1000 - (QF_DNS_RECORDS - 1), f.list.v[0].preference);
	qf_mx_free(&f.list);
	for (int i = 0; i < QF_DNS_RECORDS; i++)
		z[i] = (struct entry)A("d.example", strchr(data[i], ' ') + 1);
	find(&f, z, "d.example", NULL, false);
	assert_int_equal(QF_MX_ADDRS, f.list.v[0].n);
	qf_mx_free(&f.list);
}

/* TLSA */

#define S_MX(name, data)                                                       \
	{                                                                      \
		name, QF_DNS_MX, data, NULL, true                              \
	}
#define S_A(name, data)                                                        \
	{                                                                      \
		name, QF_DNS_A, data, NULL, true                               \
	}
#define S_TLSA(name, data)                                                     \
	{                                                                      \
		"_25._tcp." name, QF_DNS_TLSA, data, NULL, true                \
	}
#define TLSA(name, data)                                                       \
	{                                                                      \
		"_25._tcp." name, QF_DNS_TLSA, data, NULL, false               \
	}

static const struct entry dane[] = {
    S_MX("good.example", "10 good.example"),
    S_A("good.example", "192.0.2.1"),
    S_TLSA("good.example", "3 1 1 32"),
    S_TLSA("good.example", "2 0 2 64"),
    S_TLSA("good.example", "3 1 1 31"), /* and those that are of no use */
    S_TLSA("good.example", "1 1 1 32"),
    S_TLSA("good.example", "3 2 1 32"),
    S_TLSA("good.example", "3 1 3 32"),
    S_MX("useless.example", "10 useless.example"),
    S_A("useless.example", "192.0.2.1"),
    S_TLSA("useless.example", "0 1 1 32"),
    S_MX("absent.example", "10 absent.example"),
    S_A("absent.example", "192.0.2.1"),
    MX("mxopen.example", "10 good.example"),
    S_MX("aopen.example", "10 aopen.example"),
    A("aopen.example", "192.0.2.1"),
    S_TLSA("aopen.example", "3 1 1 32"),
    S_MX("open.example", "10 open.example"),
    S_A("open.example", "192.0.2.1"),
    TLSA("open.example", "3 1 1 32"),
    S_MX("bogus.example", "10 bogus.example"),
    S_A("bogus.example", "192.0.2.1"),
    TLSA("bogus.example", "bogus"),
    S_MX("fail.example", "10 fail.example"),
    S_A("fail.example", "192.0.2.1"),
    TLSA("fail.example", "servfail"),
    S_MX("ip.example", "10 192.0.2.1"),
    {"nomx.example", QF_DNS_MX, NULL, NULL, true},
    S_A("nomx.example", "192.0.2.1"),
    S_TLSA("nomx.example", "3 0 0 9"),
    /* aliases: all of the way proven; records there, or only here */
    S_MX("alias.example", "10 alias.example"),
    {"alias.example", QF_DNS_A, "192.0.2.1", "good.example", true},
    S_TLSA("alias.example", "3 1 1 32"),
    S_MX("alias2.example", "10 alias2.example"),
    {"alias2.example", QF_DNS_A, "192.0.2.1", "absent.example", true},
    S_TLSA("alias2.example", "3 1 1 32"),
    /* only the alias itself is proven */
    S_MX("alias3.example", "10 alias3.example"),
    {"alias3.example", QF_DNS_A, "192.0.2.1", "good.example", false},
    {"alias3.example", QF_DNS_CNAME, "good.example", NULL, true},
    S_TLSA("alias3.example", "3 1 1 32"),
    S_MX("alias4.example", "10 alias4.example"),
    {"alias4.example", QF_DNS_A, "192.0.2.1", "good.example", false},
    {"alias4.example", QF_DNS_CNAME, "good.example", NULL, false},
    S_TLSA("alias4.example", "3 1 1 32"),
    S_MX("alias5.example", "10 alias5.example"),
    {"alias5.example", QF_DNS_A, "192.0.2.1", "good.example", false},
    {"alias5.example", QF_DNS_CNAME, "bogus", NULL, false},
    S_MX("alias6.example", "10 alias6.example"),
    {"alias6.example", QF_DNS_A, "192.0.2.1", "bogus.example", true},
    S_TLSA("alias6.example", "3 1 1 32"),
    END,
};

static void certificates(void **state)
{
	static const struct {
		const char *host;
		enum qf_tlsa_state state;
		size_t n;
		const char *base;
		int asked; /* after the addresses */
	} cases[] = {
	    {"good.example", QF_TLSA_FOUND, 2, "good.example", 1},
	    {"useless.example", QF_TLSA_UNUSABLE, 0, "useless.example", 1},
	    {"absent.example", QF_TLSA_NONE, 0, NULL, 1},
	    {"mxopen.example", QF_TLSA_NONE, 0, NULL, 0},
	    {"aopen.example", QF_TLSA_NONE, 0, NULL, 0},
	    {"open.example", QF_TLSA_NONE, 0, NULL, 1},
	    {"bogus.example", QF_TLSA_LATER, 0, NULL, 1},
	    {"fail.example", QF_TLSA_LATER, 0, NULL, 1},
	    {"ip.example", QF_TLSA_NONE, 0, NULL, 0},
	    {"nomx.example", QF_TLSA_FOUND, 1, "nomx.example", 1},
	    {"alias.example", QF_TLSA_FOUND, 2, "good.example", 1},
	    {"alias2.example", QF_TLSA_FOUND, 1, "alias2.example", 2},
	    {"alias3.example", QF_TLSA_FOUND, 1, "alias3.example", 2},
	    {"alias4.example", QF_TLSA_NONE, 0, NULL, 1},
	    {"alias5.example", QF_TLSA_LATER, 0, NULL, 1},
	    {"alias6.example", QF_TLSA_LATER, 0, NULL, 1},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_tlsa_set t = {0};
		struct found f;
		int rc;

		find(&f, dane, cases[i].host, NULL, false);
		assert_int_equal(1, f.list.n);
		asked = 0;
		rc = qf_tlsa_find(&t, &dns, &f.list.v[0], 25, QF_NEVER, &f.e);
		if (t.state != cases[i].state || t.n != cases[i].n ||
		    asked != cases[i].asked)
			fail_msg("%s: state %d, %zu records, %d questions",
			    cases[i].host, (int)t.state, t.n, asked);
		assert_int_equal(rc < 0, t.state == QF_TLSA_LATER);
		assert_int_equal(cases[i].base == NULL, t.base == NULL);
		if (t.base != NULL)
			assert_string_equal(cases[i].base, t.base);
		qf_tlsa_free(&t);
		qf_mx_free(&f.list);
	}
}

/* A host that the configuration names needs no MX record to be believed. */
static void certificates_of_a_relay(void **state)
{
	struct qf_tlsa_set t = {0};
	struct found f;

	(void)state;
	find(&f, dane, "good.example", NULL, true);
	assert_int_equal(
	    0, qf_tlsa_find(&t, &dns, &f.list.v[0], 25, QF_NEVER, &f.e));
	assert_int_equal(QF_TLSA_FOUND, t.state);
	qf_tlsa_free(&t);
	dns.proves = false;
	assert_int_equal(
	    0, qf_tlsa_find(&t, &dns, &f.list.v[0], 25, QF_NEVER, &f.e));
	assert_int_equal(QF_TLSA_NONE, t.state);
	dns.proves = true;
	qf_tlsa_free(&t);
	qf_mx_free(&f.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(literals),
	    cmocka_unit_test(by_preference),
	    cmocka_unit_test(without_mx),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(no_loops),
	    cmocka_unit_test(own_addresses),
	    cmocka_unit_test(chance_among_equals),
	    cmocka_unit_test(chance_without_seed),
	    cmocka_unit_test(families_take_turns),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(certificates),
	    cmocka_unit_test(certificates_of_a_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
