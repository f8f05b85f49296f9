/*
 * IPv4 and IPv6 addresses as values, and hosts that are given as an address.
 * An IPv4 address inside an IPv6 one (::ffff:0:0/96) is the IPv4 address, so
 * that nothing has two faces.
 */
#ifndef QF_NET_IP_H
#define QF_NET_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <qfront/span.h>

enum {
	QF_IP_TEXT = INET6_ADDRSTRLEN
};

struct qf_ip {
	int family; /* AF_INET or AF_INET6 */
	unsigned char b[16];
};

/* n is 4 or 16. */
struct qf_ip qf_ip_from(const unsigned char *b, size_t n);
/* False when it is of another family. */
bool qf_ip_from_sockaddr(struct qf_ip *ip, const struct sockaddr *sa);
/* Only the address, no brackets, no scope, nothing around it. */
bool qf_ip_parse(struct qf_ip *ip, struct qf_span text);

/* A host that is an address: 192.0.2.1, [192.0.2.1], 2001:db8::1,
 * [2001:db8::1] or [IPv6:2001:db8::1] as in RFC 5321. */
bool qf_ip_literal(struct qf_ip *ip, struct qf_span host);

void qf_ip_text(char out[QF_IP_TEXT], const struct qf_ip *ip);
/* Its length. */
socklen_t qf_ip_sockaddr(
    struct sockaddr_storage *ss, const struct qf_ip *ip, unsigned port);
bool qf_ip_eq(const struct qf_ip *a, const struct qf_ip *b);

/* ADDRESS, ADDRESS:PORT, [ADDRESS] or [ADDRESS]:PORT, as for nameserver= of
 * qfront-dkim(8); an IPv6 address without brackets has no port. The port stays
 * when none is given. */
bool qf_ip_endpoint(struct qf_ip *ip, unsigned *port, struct qf_span text);

/* Addresses that grow. */
struct qf_ips {
	struct qf_ip *v;
	size_t n, cap;
};

void qf_ips_add(struct qf_ips *l, const struct qf_ip *ip);
bool qf_ips_has(const struct qf_ips *l, const struct qf_ip *ip);
void qf_ips_free(struct qf_ips *l);

/* The addresses under which this host reaches itself: those of all interfaces
 * that are up, 0.0.0.0 and ::. Without `loopback`, not those of loopback
 * interfaces. What the kernel does not tell is not there. */
void qf_ips_add_own(struct qf_ips *l, bool loopback);

#endif
