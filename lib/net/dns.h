/*
 * Questions to the DNS. One interface, two engines: dns_stub.h for programs
 * that ask for one message and end, dns_unbound.h for those that stay, and
 * wherever an answer must be proven here.
 *
 * Several questions are asked at a time. An answer is read strictly: one that
 * does not fit its question, or is damaged anywhere, counts as none. What can
 * not be told now is QF_DNS_TEMPORARY, never "not there".
 */
#ifndef QF_NET_DNS_H
#define QF_NET_DNS_H

#include "lib/net/dns_answer.h"

struct qf_dns_query {
	const char *name; /* printable ASCII, with or without a last dot */
	enum qf_dns_type type;
	struct qf_dns_answer answer; /* zeroed at first */
};

struct qf_dns;

struct qf_dns_ops {
	/* Answers n questions (not 0), whose names can be asked about, before
	 * the deadline, as far as it can. */
	void (*lookup)(struct qf_dns *dns, struct qf_dns_query *const *q,
	    size_t n, int64_t deadline);
	void (*close)(struct qf_dns *dns);
};

struct qf_dns {
	const struct qf_dns_ops *ops;
	/* Can an answer be secure? Without a resolver that is believed, or a
	 * trust anchor, none ever is. */
	bool proves;
};

/* Answers each of n questions. What is not answered at the deadline is
 * temporary. Free each with qf_dns_forget(). */
void qf_dns_lookup(
    struct qf_dns *dns, struct qf_dns_query *q, size_t n, int64_t deadline);
void qf_dns_close(struct qf_dns **dns);

#endif
