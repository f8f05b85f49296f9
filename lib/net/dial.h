/*
 * Connecting to a host by name or address: each of its addresses in the
 * resolver's order until one answers. There is no MX lookup.
 */
#ifndef QF_NET_DIAL_H
#define QF_NET_DIAL_H

#include <netinet/in.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/stream.h"

/* Why there is no connection; when several addresses failed in different
 * ways, the last one's. */
enum qf_dial_fault {
	QF_DIAL_OK,
	QF_DIAL_NO_HOST,    /* no such name, or a bad literal */
	QF_DIAL_NO_ADDRESS, /* the name has no address */
	QF_DIAL_RESOLVER,   /* the resolver can not tell now */
	QF_DIAL_SOCKET,     /* no socket can be made */
	QF_DIAL_BIND,       /* the source address can not be used */
	QF_DIAL_REFUSED,
	QF_DIAL_TIMEOUT,
	QF_DIAL_UNREACHABLE, /* host or network */
	QF_DIAL_FAILED       /* anything else */
};

enum {
	QF_DIAL_ATTEMPTS = 16 /* addresses of one host that are tried */
};

struct qf_dial_spec {
	/* A name, an IPv4 or IPv6 address, or one of them in brackets, also
	 * as RFC 5321 writes it: [IPv6:...]. */
	const char *host;
	unsigned port;
	const char *source; /* address or name to connect from, or NULL */
	int64_t each_ms;    /* for one address */
	int64_t deadline;   /* for all; the resolver has its own limits */
};

struct qf_dial_peer {
	char addr[INET6_ADDRSTRLEN + 16]; /* with the scope of a link-local */
	char text[400];                   /* host[addr]:port, printable */
};

/*
 * 0 with an open stream (TCP_NODELAY set: callers write whole commands) and
 * the peer; or QF_ENET, QF_ETIME with *fault and an error that names host,
 * address and port of each attempt.
 */
int qf_dial(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    struct qf_err *e);

#endif
