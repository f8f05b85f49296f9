/*
 * Which of two addresses of a host to try first: RFC 6724 section 6, as far as
 * it tells families apart. Asks the kernel for a way; sends nothing. The rules
 * that gai.conf(5) may add are not looked at.
 */
#ifndef QF_NET_PREFER_H
#define QF_NET_PREFER_H

#include "lib/net/ip.h"

/* An address and the one we would connect from. */
struct qf_way {
	struct qf_ip to, from;
	bool usable; /* there is a way at all */
};

void qf_way_find(struct qf_way *way, const struct qf_ip *to);

/* Below 0: a first; above: b first; 0: no rule says. */
int qf_way_compare(const struct qf_way *a, const struct qf_way *b);

#endif
