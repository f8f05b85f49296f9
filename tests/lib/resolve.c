/*
 * Asks the DNS as the SMTP client does, for tests in other languages:
 *
 *	resolve [-u] [-c CONTROLDIR] [-g own] [-s seed] [-t milliseconds]
 *	    mx HOST | relay HOST | tlsa HOST PORT | TYPE NAME
 *
 * -u proves answers itself (dns_unbound.h), else the stub asks. CONTROLDIR has
 * the file `resolver`. -g guards against loops: with the addresses of this
 * host, or those given (several -g).
 *
 * mx and relay print `PREFERENCE NAME ADDRESS... FLAG...` for each exchanger,
 * or `fault NUMBER: why`, and last how many come later, if any. tlsa prints a
 * line for each exchanger. A type prints `STATUS [secure] [bogus] [why]` and
 * the records.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/dns_stub.h"
#include "lib/net/dns_unbound.h"
#include "lib/net/mx.h"
#include "lib/net/tlsa_find.h"

static struct options {
	bool prove;
	const char *control;
	struct qf_ips own;
	uint64_t seed;
	int64_t deadline;
} options;

static void die(const struct qf_err *e)
{
	fprintf(stderr, "resolve: %s\n", e->text);
	exit(111);
}

static void print_address(const struct qf_ip *ip)
{
	char text[QF_IP_TEXT];

	qf_ip_text(text, ip);
	printf(" %s", text);
}

static void print_host(const struct qf_mx_host *h)
{
	printf("%u %s", h->preference, h->name);
	for (size_t i = 0; i < h->n; i++)
		print_address(&h->addr[i]);
	if (h->literal)
		printf(" literal");
	if (h->mx_secure)
		printf(" mx-secure");
	if (h->addr_secure)
		printf(" addr-secure");
	if (h->alias)
		printf(" alias-of-%s", h->canonical);
	puts("");
}

static void print_hex(const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
}

static void print_tlsa(
    struct qf_dns *dns, const struct qf_mx_host *h, unsigned port)
{
	static const char *const states[] = {
	    "none", "found", "unusable", "later"};
	struct qf_tlsa_set t = {0};
	struct qf_err e;
	int rc = qf_tlsa_find(&t, dns, h, port, options.deadline, &e);

	printf("%s %s", h->name, states[t.state]);
	if (t.base != NULL)
		printf(" at %s", t.base);
	for (size_t i = 0; i < t.n; i++) {
		printf(
		    " %u%u%u-", t.v[i].usage, t.v[i].selector, t.v[i].matching);
		print_hex(t.v[i].data, t.v[i].n);
	}
	puts("");
	if (rc < 0)
		printf("why %s\n", e.text);
	qf_tlsa_free(&t);
}

static int find(struct qf_dns *dns, const char *host, bool relay, unsigned port)
{
	struct qf_mx_spec spec = {.host = host,
	    .relay = relay,
	    .own = options.own.n > 0 ? &options.own : NULL,
	    .seed = options.seed,
	    .deadline = options.deadline};
	struct qf_mx_list list = {0};
	struct qf_err e;
	enum qf_mx_fault fault = qf_mx_find(&list, dns, &spec, &e);

	if (fault != QF_MX_OK)
		printf("fault %d: %s\n", (int)fault, e.text);
	for (size_t i = 0; i < list.n && fault == QF_MX_OK; i++) {
		if (port > 0)
			print_tlsa(dns, &list.v[i], port);
		else
			print_host(&list.v[i]);
	}
	if (fault == QF_MX_OK && list.later > 0)
		printf("later %zu\n", list.later);
	qf_mx_free(&list);
	return fault == QF_MX_OK ? 0 : 1;
}

static void print_record(enum qf_dns_type type, const struct qf_dns_record *r)
{
	printf("%s", qf_dns_type_name(type));
	switch (type) {
	case QF_DNS_A:
	case QF_DNS_AAAA:
		print_address(&r->ip);
		break;
	case QF_DNS_MX:
		printf(" %u %s", r->preference, r->name);
		break;
	case QF_DNS_CNAME:
		printf(" %s", r->name);
		break;
	case QF_DNS_TLSA:
		printf(" %u %u %u ", r->usage, r->selector, r->matching);
		print_hex(r->data.p, r->data.n);
		break;
	}
	puts("");
}

static int look_up(struct qf_dns *dns, const char *type, const char *name)
{
	static const char *const states[] = {
	    "ok", "nodata", "nxdomain", "temporary"};
	static const enum qf_dns_type types[] = {
	    QF_DNS_A, QF_DNS_AAAA, QF_DNS_MX, QF_DNS_CNAME, QF_DNS_TLSA};
	struct qf_dns_query q = {.name = name};
	const struct qf_dns_answer *a = &q.answer;

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strcasecmp(type, qf_dns_type_name(types[i])) == 0)
			q.type = types[i];
	}
	qf_dns_lookup(dns, &q, 1, options.deadline);
	printf("%s%s%s%s%s%s%s\n", states[a->status],
	    a->secure ? " secure" : "", a->bogus ? " bogus" : "",
	    a->alias ? " alias-of-" : "", a->alias ? a->canonical : "",
	    a->why[0] != '\0' ? " " : "", a->why);
	for (size_t i = 0; i < a->n; i++)
		print_record(q.type, &a->v[i]);
	qf_dns_forget(&q.answer);
	return 0;
}

static void guard(const char *what)
{
	struct qf_ip ip;

	if (strcmp(what, "own") == 0)
		qf_ips_add_own(&options.own, true);
	else if (qf_ip_parse(&ip, qf_span(what)))
		qf_ips_add(&options.own, &ip);
}

static struct qf_dns *open_dns(void)
{
	struct qf_ctl ctl = QF_CTL_NONE;
	struct qf_dns_conf conf = {0};
	struct qf_dns *dns;
	struct qf_err e;

	if (options.control != NULL &&
	    (qf_ctl_open(&ctl, options.control, &e) < 0 ||
		qf_dns_conf_load(&conf, &ctl, &e) < 0))
		die(&e);
	if (!options.prove)
		dns = qf_dns_stub_open(&conf);
	else if (qf_dns_unbound_open(&dns, &conf, &e) < 0)
		die(&e);
	qf_dns_conf_free(&conf);
	qf_ctl_close(&ctl);
	return dns;
}

static int run(struct qf_dns *dns, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[0], "mx") == 0)
		return find(dns, argv[1], false, 0);
	if (argc == 2 && strcmp(argv[0], "relay") == 0)
		return find(dns, argv[1], true, 0);
	if (argc == 3 && strcmp(argv[0], "tlsa") == 0)
		return find(dns, argv[1], false, (unsigned)atoi(argv[2]));
	return argc == 2 ? look_up(dns, argv[0], argv[1]) : 64;
}

int main(int argc, char **argv)
{
	int64_t limit = 120000;
	struct qf_dns *dns;
	int opt, rc;

	while ((opt = getopt(argc, argv, "uc:g:s:t:")) != -1) {
		if (opt == 'u')
			options.prove = true;
		else if (opt == 'c')
			options.control = optarg;
		else if (opt == 'g')
			guard(optarg);
		else if (opt == 's')
			options.seed = strtoull(optarg, NULL, 10);
		else if (opt == 't')
			limit = atoll(optarg);
		else
			return 64;
	}
	options.deadline = qf_deadline_in(limit);
	dns = open_dns();
	rc = run(dns, argc - optind, argv + optind);
	qf_dns_close(&dns);
	qf_ips_free(&options.own);
	return rc;
}
