/*
 * Connecting to a host: its addresses are tried as race.h says, those that the
 * resolver gives for a name, or those that the caller has found (mx.h). There
 * is no MX lookup.
 */
#ifndef QF_NET_DIAL_H
#define QF_NET_DIAL_H

#include <netinet/in.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/ip.h"
#include "lib/net/race.h"
#include "lib/net/stream.h"

enum {
	QF_DIAL_ATTEMPTS = 16 /* addresses of one host that are tried */
};

struct qf_dial_spec {
	/* A name, an IPv4 or IPv6 address, or one of them in brackets, also
	 * as RFC 5321 writes it: [IPv6:...]. */
	const char *host;
	unsigned port;
	/* Addresses or names to connect from, separated by commas: the first
	 * one of the right family counts. NULL: the kernel's choice. */
	const char *source;
	int64_t each_ms;   /* for one address */
	int64_t deadline;  /* for all; the resolver has its own limits */
	int64_t moment_ms; /* of race.h; 0: its own */
};

struct qf_dial_peer {
	char addr[INET6_ADDRSTRLEN + 16]; /* with the scope of a link-local */
	char text[400];                   /* host[addr]:port, printable */
	struct qf_ip ip;
};

/*
 * 0 with an open stream (TCP_NODELAY set: callers write whole commands) and
 * the peer; or QF_ENET, QF_ETIME with *fault and an error that names host,
 * address and port of each attempt.
 */
int qf_dial(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    struct qf_err *e);

/* What became of an address that was tried to its end. */
typedef void qf_dial_note(
    void *arg, const struct qf_ip *ip, enum qf_dial_fault fault);

/* The same for n addresses of the host (at least 1), in this order; spec->host
 * is only for the texts. note may be NULL. */
int qf_dial_addrs(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    const struct qf_ip *addr, size_t n, qf_dial_note *note, void *arg,
    struct qf_err *e);

#endif
