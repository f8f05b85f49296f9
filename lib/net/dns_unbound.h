/*
 * The engine that proves answers itself, with a cache: for processes that stay,
 * and wherever DANE is wanted and no resolver is believed. It asks the name
 * servers of the control file or of resolv.conf(5), which must pass on what
 * DNSSEC needs.
 *
 * libunbound works in a thread of this process, which a fork leaves behind: a
 * child opens its own.
 */
#ifndef QF_NET_DNS_UNBOUND_H
#define QF_NET_DNS_UNBOUND_H

#include "lib/net/dns.h"
#include "lib/net/dns_conf.h"

/* Without a trust anchor in conf it works all the same and proves nothing
 * (dns.h). 0; QF_ECONF when the anchor can not be read; QF_ENET
 * for what the library says. */
int qf_dns_unbound_open(
    struct qf_dns **dns, const struct qf_dns_conf *conf, struct qf_err *e);

#endif
