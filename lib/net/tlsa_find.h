/*
 * What a mail exchanger's domain says of its certificate: TLSA records, as SMTP
 * uses them (RFC 7672). Whoever can not be sure of their absence must not go
 * on without them.
 */
#ifndef QF_NET_TLSA_FIND_H
#define QF_NET_TLSA_FIND_H

#include "lib/net/mx.h"
#include "lib/net/tlsa.h"

enum qf_tlsa_state {
	QF_TLSA_NONE,     /* there are none, or nothing proves them */
	QF_TLSA_FOUND,    /* TLS, and a certificate that one of them fits */
	QF_TLSA_UNUSABLE, /* TLS, but none says what can be checked */
	QF_TLSA_LATER     /* not known now, or forged: leave this host out */
};

enum {
	QF_TLSA_RECORDS = 32
};

/* Of the records of a host those that can be used: usage 2 or 3, selector 0 or
 * 1, and data of the length that its matching type (0, 1, 2) has. */
struct qf_tlsa_set {
	enum qf_tlsa_state state;
	struct qf_tlsa v[QF_TLSA_RECORDS];
	size_t n;
	/* The name that the records belong to, which the certificate must
	 * have with usage 2, or the host's own (section 3.2.2); for SNI. */
	const char *base;
	struct qf_arena mem;
};

/*
 * Finds the records for a host and port: 0, or with QF_TLSA_LATER QF_ENET and
 * why. Start with zeros, free in each case.
 */
int qf_tlsa_find(struct qf_tlsa_set *t, struct qf_dns *dns,
    const struct qf_mx_host *host, unsigned port, int64_t deadline,
    struct qf_err *e);
void qf_tlsa_free(struct qf_tlsa_set *t);

#endif
