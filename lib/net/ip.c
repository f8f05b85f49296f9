#include "lib/net/ip.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

static size_t size_of(const struct qf_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

struct qf_ip qf_ip_from(const unsigned char *b, size_t n)
{
	struct qf_ip ip = {.family = n == 4 ? AF_INET : AF_INET6};

	if (n == 16 && memcmp(b, mapped, sizeof mapped) == 0) {
		ip.family = AF_INET;
		b += sizeof mapped;
		n = 4;
	}
	memcpy(ip.b, b, n);
	return ip;
}

bool qf_ip_from_sockaddr(struct qf_ip *ip, const struct sockaddr *sa)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof in);
		*ip = qf_ip_from((unsigned char *)&in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof in6);
		*ip = qf_ip_from((unsigned char *)&in6.sin6_addr, 16);
	} else {
		return false;
	}
	return true;
}

bool qf_ip_parse(struct qf_ip *ip, struct qf_span text)
{
	char copy[QF_IP_TEXT];
	unsigned char b[16];

	if (text.n >= sizeof copy || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, b) == 1)
		*ip = qf_ip_from(b, 4);
	else if (inet_pton(AF_INET6, copy, b) == 1)
		*ip = qf_ip_from(b, 16);
	else
		return false;
	return true;
}

bool qf_ip_literal(struct qf_ip *ip, struct qf_span host)
{
	static const char tag[] = "IPv6:";
	size_t n = sizeof tag - 1;

	if (host.n < 2 || host.p[0] != '[')
		return qf_ip_parse(ip, host);
	if (host.p[host.n - 1] != ']')
		return false;
	host = qf_span_n(host.p + 1, host.n - 2);
	if (host.n <= n || !qf_span_iis(qf_span_n(host.p, n), tag))
		return qf_ip_parse(ip, host);
	host = qf_span_n(host.p + n, host.n - n);
	return memchr(host.p, ':', host.n) != NULL && qf_ip_parse(ip, host);
}

void qf_ip_text(char out[QF_IP_TEXT], const struct qf_ip *ip)
{
	inet_ntop(ip->family, ip->b, out, QF_IP_TEXT);
}

socklen_t qf_ip_sockaddr(
    struct sockaddr_storage *ss, const struct qf_ip *ip, unsigned port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memset(ss, 0, sizeof *ss);
	if (ip->family == AF_INET) {
		in.sin_port = htons((uint16_t)port);
		memcpy(&in.sin_addr, ip->b, 4);
		memcpy(ss, &in, sizeof in);
		return sizeof in;
	}
	in6.sin6_port = htons((uint16_t)port);
	memcpy(&in6.sin6_addr, ip->b, 16);
	memcpy(ss, &in6, sizeof in6);
	return sizeof in6;
}

bool qf_ip_eq(const struct qf_ip *a, const struct qf_ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, size_of(a)) == 0;
}

static bool parse_port(unsigned *port, struct qf_span text)
{
	unsigned long long value;

	if (!qf_span_u64(text, 65535, &value) || value == 0)
		return false;
	*port = (unsigned)value;
	return true;
}

bool qf_ip_endpoint(struct qf_ip *ip, unsigned *port, struct qf_span text)
{
	struct qf_span host;

	if (qf_ip_literal(ip, text))
		return true;
	if (text.n > 0 && text.p[0] == '[') {
		if (!qf_span_cut(&text, ']', &host) || text.n < 2 ||
		    text.p[0] != ':')
			return false;
		return qf_ip_parse(ip, qf_span_n(host.p + 1, host.n - 1)) &&
		       parse_port(port, qf_span_n(text.p + 1, text.n - 1));
	}
	return qf_span_cut(&text, ':', &host) && qf_ip_parse(ip, host) &&
	       parse_port(port, text);
}

void qf_ips_add(struct qf_ips *l, const struct qf_ip *ip)
{
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 8;
		l->v = qf_realloc_array(l->v, l->cap, sizeof *l->v);
	}
	l->v[l->n++] = *ip;
}

bool qf_ips_has(const struct qf_ips *l, const struct qf_ip *ip)
{
	for (size_t i = 0; i < l->n; i++) {
		if (qf_ip_eq(&l->v[i], ip))
			return true;
	}
	return false;
}

void qf_ips_free(struct qf_ips *l)
{
	free(l->v);
	*l = (struct qf_ips){0};
}

void qf_ips_add_own(struct qf_ips *l, bool loopback)
{
	static const struct qf_ip any4 = {.family = AF_INET},
				  any6 = {.family = AF_INET6};
	struct ifaddrs *all = NULL;

	qf_ips_add(l, &any4);
	qf_ips_add(l, &any6);
	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct qf_ip ip;

		if (i->ifa_addr == NULL || !(i->ifa_flags & IFF_UP) ||
		    (!loopback && i->ifa_flags & IFF_LOOPBACK) ||
		    !qf_ip_from_sockaddr(&ip, i->ifa_addr) ||
		    qf_ips_has(l, &ip))
			continue;
		qf_ips_add(l, &ip);
	}
	freeifaddrs(all);
}
