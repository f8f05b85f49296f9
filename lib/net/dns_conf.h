/*
 * Which name servers are asked and whom we believe: the control file
 * `resolver`.
 */
#ifndef QF_NET_DNS_CONF_H
#define QF_NET_DNS_CONF_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/ctl.h"
#include "lib/net/ip.h"

enum {
	QF_DNS_SERVERS = 3
};

struct qf_dns_server {
	struct sockaddr_storage addr;
	socklen_t len;
};

struct qf_dns_conf {
	/* None: those of resolv.conf(5). */
	struct qf_dns_server server[QF_DNS_SERVERS];
	unsigned servers;
	/* Believe a name server that says that an answer is proven. */
	bool trust_ad;
	/* A file of DNSKEY or DS records that proofs start from; NULL: nothing
	 * is proven. */
	char *trust_anchor;
};

/* Reads the control file `resolver`; without one, conf is all defaults. 0 or
 * QF_ECONF. */
int qf_dns_conf_load(
    struct qf_dns_conf *conf, const struct qf_ctl *ctl, struct qf_err *e);
void qf_dns_conf_free(struct qf_dns_conf *conf);

/* ADDRESS or ADDRESS:PORT (ip.h); false when it is none or one too many. */
bool qf_dns_conf_server(struct qf_dns_conf *conf, struct qf_span text);

#endif
