/*
 * Answers of a name server. The first byte of the input says what was asked,
 * the rest is the packet. What is read holds what dns.h says, and reading it
 * again gives the same.
 */
#include <string.h>

#include "lib/net/dns_wire.h"
#include "tests/fuzz/fuzz.h"

static const struct question {
	const char *name;
	enum qf_dns_type type;
} questions[] = {
    {"mx.example", QF_DNS_MX},
    {"mail.example", QF_DNS_A},
    {"mail.example", QF_DNS_AAAA},
    {"alias.example", QF_DNS_CNAME},
    {"_25._tcp.mail.example", QF_DNS_TLSA},
    {".", QF_DNS_MX},
};

static void check_name(const char *name)
{
	size_t n = strlen(name);

	FUZZ_CHECK(n > 0 && n < QF_DNS_NAME);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(name[i] > ' ' && name[i] <= '~');
}

static void check_record(enum qf_dns_type type, const struct qf_dns_record *r)
{
	if (type == QF_DNS_MX || type == QF_DNS_CNAME)
		check_name(r->name);
	if (type == QF_DNS_MX)
		FUZZ_CHECK(r->preference <= 65535);
	if (type == QF_DNS_A)
		FUZZ_CHECK(r->ip.family == AF_INET);
	if (type == QF_DNS_AAAA)
		FUZZ_CHECK(r->ip.family == AF_INET || r->ip.family == AF_INET6);
	if (type == QF_DNS_TLSA)
		FUZZ_CHECK(r->usage < 256 && r->selector < 256 &&
			   r->matching < 256 && r->data.n > 0 &&
			   r->data.n <= QF_DNS_ANSWER);
}

static void check_answer(
    const struct question *q, const struct qf_dns_answer *a, int rc)
{
	FUZZ_CHECK(!a->secure && !a->bogus);
	FUZZ_CHECK((rc < 0) == (a->status == QF_DNS_TEMPORARY));
	FUZZ_CHECK((rc < 0) == (a->why[0] != '\0'));
	FUZZ_CHECK((a->status == QF_DNS_OK) == (a->n > 0));
	FUZZ_CHECK(a->n <= QF_DNS_RECORDS);
	FUZZ_CHECK(a->ttl <= INT32_MAX);
	check_name(a->canonical);
	FUZZ_CHECK(a->alias || a->canonical == q->name);
	for (size_t i = 0; i < a->n; i++)
		check_record(q->type, &a->v[i]);
	for (const char *p = a->why; *p != '\0'; p++)
		FUZZ_CHECK(*p >= ' ' && *p <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct question *q;
	struct qf_dns_answer a = {0}, b = {0};
	struct qf_span packet;
	unsigned id;
	int rc;

	if (size < 1)
		return 0;
	q = &questions[data[0] % (sizeof questions / sizeof *questions)];
	packet = qf_span_n((const char *)data + 1, size - 1);
	id = size > 2 ? (unsigned)data[1] << 8 | data[2] : 0;
	(void)qf_dns_says_proven(packet);
	rc = qf_dns_unpack(&a, packet, q->name, q->type);
	check_answer(q, &a, rc);
	FUZZ_CHECK(qf_dns_unpack(&b, packet, q->name, q->type) == rc);
	FUZZ_CHECK(a.n == b.n && a.ttl == b.ttl && a.status == b.status);
	if (rc == 0)
		FUZZ_CHECK(
		    qf_dns_look(packet, q->name, q->type, id) ==
			QF_DNS_ANSWERED ||
		    qf_dns_look(packet, q->name, q->type, id) == QF_DNS_CUT);
	FUZZ_CHECK(
	    qf_dns_look(packet, q->name, q->type, id ^ 1) == QF_DNS_FOREIGN);
	qf_dns_forget(&a);
	qf_dns_forget(&b);
	return 0;
}
