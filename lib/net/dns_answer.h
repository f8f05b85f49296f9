/*
 * What the DNS says about a name, whoever was asked.
 */
#ifndef QF_NET_DNS_ANSWER_H
#define QF_NET_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/net/ip.h"

enum qf_dns_type {
	QF_DNS_A = 1,
	QF_DNS_CNAME = 5,
	QF_DNS_MX = 15,
	QF_DNS_AAAA = 28,
	QF_DNS_TLSA = 52
};

enum qf_dns_status {
	QF_DNS_OK,       /* there are records */
	QF_DNS_NODATA,   /* the name is there, or an alias of what is */
	QF_DNS_NXDOMAIN, /* it is not, or can not be a name of the DNS */
	QF_DNS_TEMPORARY /* nobody can tell now: `why` */
};

enum {
	QF_DNS_NAME = 1024,    /* bytes of a name as text, with its NUL */
	QF_DNS_RECORDS = 512,  /* records kept of one answer */
	QF_DNS_ALIASES = 16,   /* CNAMEs that are followed */
	QF_DNS_ANSWER = 65535, /* bytes of an answer */
	QF_DNS_WHY = 160
};

/* Names are without the dot at their end; the root is ".". Bytes that are not
 * printable, backslashes, and dots within a label are \DDD. */
struct qf_dns_record {
	unsigned preference; /* MX */
	const char *name;    /* MX, CNAME */
	struct qf_ip ip;     /* A, AAAA */
	/* TLSA */
	unsigned usage, selector, matching;
	struct qf_span data;
};

struct qf_dns_answer {
	enum qf_dns_status status;
	/* Proven by DNSSEC, the absence as well; all of the way over aliases.
	 */
	bool secure;
	bool bogus;   /* proven to be wrong; then the status is temporary */
	uint32_t ttl; /* seconds, the least of all records that led here */
	struct qf_dns_record *v;
	size_t n;
	/* The name behind the aliases; the one that was asked for when it is
	 * none. */
	const char *canonical;
	bool alias;
	char why[QF_DNS_WHY]; /* printable */
	struct qf_arena mem;  /* holds all of it */
};

void qf_dns_forget(struct qf_dns_answer *a); /* usable again */

/* Makes a temporary answer of a: what was in it is freed. */
void qf_dns_fail(struct qf_dns_answer *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* MX, A... */
const char *qf_dns_type_name(enum qf_dns_type type);

#endif
