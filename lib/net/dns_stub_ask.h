/*
 * Inside of dns_stub.c: one question on its way through the servers.
 */
#ifndef QF_NET_DNS_STUB_ASK_H
#define QF_NET_DNS_STUB_ASK_H

#include "lib/net/dns_stub.h"
#include "lib/net/dns_wire.h"

struct qf_dns_stub {
	struct qf_dns dns;
	struct qf_dns_server server[QF_DNS_SERVERS];
	unsigned servers;
	unsigned rounds; /* how often each is asked */
	int64_t each_ms; /* in the first round; doubled in each */
	bool trust_ad;
	char packet[QF_DNS_ANSWER];
};

struct qf_dns_ask {
	struct qf_dns_stub *stub;
	struct qf_dns_query *q;
	int64_t deadline; /* of all */
	int fd;           /* -1: it is done */
	bool tcp;
	unsigned attempt; /* which server in which round, the next one */
	unsigned id;
	int flags;
	int64_t until; /* of this attempt */
	unsigned char out[2 + QF_DNS_QUESTION];
	size_t out_n, sent; /* TCP: with the length in front */
	struct qf_buf in;
	char why[QF_DNS_WHY]; /* the last server did not answer */
};

/* Starts; `ask` has q, stub, deadline. */
void qf_dns_ask_begin(struct qf_dns_ask *ask);
short qf_dns_ask_events(const struct qf_dns_ask *ask); /* for poll() */
void qf_dns_ask_ready(struct qf_dns_ask *ask);
void qf_dns_ask_expired(struct qf_dns_ask *ask);

#endif
