/*
 * The engine for programs that end soon: it asks the name servers of
 * resolv.conf(5), or those of the control file, all questions at a time, and
 * proves nothing itself. The C library's own calls are not used for asking:
 * its TCP knows no deadline, and why a server failed it does not tell.
 *
 * An answer is secure when the server says so and is believed: by `options
 * trust-ad` of resolv.conf or the line trust-ad of the control file. Only a
 * validating server on this host, or behind a line that nobody else can write
 * to, deserves it.
 */
#ifndef QF_NET_DNS_STUB_H
#define QF_NET_DNS_STUB_H

#include "lib/net/dns.h"
#include "lib/net/dns_conf.h"

/* conf is copied; NULL: all defaults. */
struct qf_dns *qf_dns_stub_open(const struct qf_dns_conf *conf);

#endif
