#include "lib/net/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/dns_wire.h"

/* A name that no question can be asked about. */
static bool is_no_name(struct qf_dns_query *q)
{
	unsigned char wire[QF_DNS_WIRE_NAME];

	if (qf_dns_pack_name(wire, q->name) > 0)
		return false;
	q->answer.status = QF_DNS_NXDOMAIN;
	snprintf(q->answer.why, sizeof q->answer.why,
	    "it can not be a name of the DNS");
	return true;
}

void qf_dns_lookup(
    struct qf_dns *dns, struct qf_dns_query *q, size_t n, int64_t deadline)
{
	struct qf_dns_query **ask = qf_alloc((n + 1) * sizeof *ask);
	size_t asked = 0;

	for (size_t i = 0; i < n; i++) {
		qf_dns_forget(&q[i].answer);
		if (!is_no_name(&q[i]))
			ask[asked++] = &q[i];
	}
	if (asked > 0)
		dns->ops->lookup(dns, ask, asked, deadline);
	for (size_t i = 0; i < n; i++) {
		if (q[i].answer.canonical == NULL)
			q[i].answer.canonical = q[i].name;
	}
	free(ask);
}

void qf_dns_close(struct qf_dns **dns)
{
	if (*dns != NULL)
		(*dns)->ops->close(*dns);
	*dns = NULL;
}
