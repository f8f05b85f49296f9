#include "lib/net/dns_stub.h"

#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/net/dns_stub_ask.h"

enum {
	AT_ONCE = 32 /* questions on their way together */
};

/* Waits for what the earliest of them waits for. */
static void wait_any(struct qf_dns_ask *ask, size_t n)
{
	struct pollfd p[AT_ONCE];
	int64_t until = QF_NEVER;

	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){
		    .fd = ask[i].fd, .events = qf_dns_ask_events(&ask[i])};
		if (ask[i].fd >= 0 && ask[i].until < until)
			until = ask[i].until;
	}
	if (poll(p, n, qf_deadline_poll(until)) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (ask[i].fd >= 0 && p[i].revents != 0)
			qf_dns_ask_ready(&ask[i]);
		if (ask[i].fd >= 0 && qf_deadline_poll(ask[i].until) == 0)
			qf_dns_ask_expired(&ask[i]);
	}
}

static bool is_any_open(const struct qf_dns_ask *ask, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ask[i].fd >= 0)
			return true;
	}
	return false;
}

static void lookup_some(struct qf_dns_stub *stub, struct qf_dns_query *const *q,
    size_t n, int64_t deadline)
{
	struct qf_dns_ask *ask = qf_alloc(n * sizeof *ask);

	for (size_t i = 0; i < n; i++) {
		ask[i].stub = stub;
		ask[i].q = q[i];
		ask[i].deadline = deadline;
		qf_dns_ask_begin(&ask[i]);
	}
	while (is_any_open(ask, n))
		wait_any(ask, n);
	free(ask);
}

static void lookup(struct qf_dns *dns, struct qf_dns_query *const *q, size_t n,
    int64_t deadline)
{
	struct qf_dns_stub *stub = (struct qf_dns_stub *)dns;

	for (; n > AT_ONCE; q += AT_ONCE, n -= AT_ONCE)
		lookup_some(stub, q, AT_ONCE, deadline);
	lookup_some(stub, q, n, deadline);
}

static void close_stub(struct qf_dns *dns)
{
	free(dns);
}

static const struct qf_dns_ops ops = {lookup, close_stub};

/* The C library leaves IPv6 servers where nobody looks who only knows IPv4. */
static void add_system_server(
    struct qf_dns_stub *stub, const struct __res_state *st, int i)
{
	struct qf_dns_server *to = &stub->server[stub->servers];
	const struct sockaddr_in6 *in6 = st->_u._ext.nsaddrs[i];

	if (st->nsaddr_list[i].sin_family == AF_INET) {
		to->len = sizeof st->nsaddr_list[i];
		memcpy(&to->addr, &st->nsaddr_list[i], to->len);
	} else if (in6 != NULL) {
		to->len = sizeof *in6;
		memcpy(&to->addr, in6, to->len);
	} else {
		return;
	}
	stub->servers++;
}

/* resolv.conf(5), as the C library reads it. */
static void use_system(struct qf_dns_stub *stub)
{
	struct __res_state st = {0};

	if (res_ninit(&st) < 0)
		return;
	stub->each_ms = st.retrans > 0 ? st.retrans * 1000 : 1000;
	stub->rounds = st.retry > 0 ? (unsigned)st.retry : 1;
	if (stub->servers == 0) {
		for (int i = 0; i < st.nscount && i < QF_DNS_SERVERS; i++)
			add_system_server(stub, &st, i);
		stub->trust_ad |= (st.options & RES_TRUSTAD) != 0;
	}
	res_nclose(&st);
}

struct qf_dns *qf_dns_stub_open(const struct qf_dns_conf *conf)
{
	struct qf_dns_stub *stub = qf_alloc(sizeof *stub);

	stub->dns.ops = &ops;
	if (conf != NULL) {
		memcpy(stub->server, conf->server, sizeof stub->server);
		stub->servers = conf->servers;
		stub->trust_ad = conf->trust_ad;
	}
	stub->rounds = 2;
	stub->each_ms = 5000;
	use_system(stub);
	stub->dns.proves = stub->trust_ad;
	return &stub->dns;
}
