#include "lib/net/dns_unbound.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/dns_wire.h"
#include "lib/net/unbound_load.h"

enum {
	AT_ONCE = 32, /* questions on their way together */
	SERVER_TEXT = INET6_ADDRSTRLEN + 8
};

struct unbound {
	struct qf_dns dns;
	struct ub_ctx *ctx;
	bool is_late; /* an answer did not come in time */
};

static const struct qf_unbound *ub;

/* One question that libunbound works on. */
struct job {
	struct qf_dns_query *q;
	size_t *open; /* how many are on their way */
	int id;
	bool started;
};

static void take(struct job *job, int err, struct ub_result *r)
{
	struct qf_dns_answer *a = &job->q->answer;

	if (err != 0) {
		qf_dns_fail(a, "resolver: %s", ub->strerror(err));
	} else if (r->bogus) {
		qf_dns_fail(a, "DNSSEC: %s",
		    r->why_bogus != NULL ? r->why_bogus : "bogus");
		a->bogus = true;
	} else if (r->answer_packet == NULL || r->answer_len <= 0 ||
		   (r->rcode != 0 && r->rcode != 3)) {
		qf_dns_fail(
		    a, "resolver: %s", qf_dns_rcode_name((unsigned)r->rcode));
	} else if (qf_dns_unpack(a,
		       qf_span_n(r->answer_packet, (size_t)r->answer_len),
		       job->q->name, job->q->type) == 0) {
		a->secure = r->secure != 0;
	}
}

static void on_result(void *arg, int err, struct ub_result *r)
{
	struct job *job = arg;

	job->started = false;
	(*job->open)--;
	take(job, err, r);
	ub->resolve_free(r);
}

static void start(struct unbound *u, struct job *job)
{
	int err = ub->resolve_async(u->ctx, job->q->name, (int)job->q->type, 1,
	    job, on_result, &job->id);

	if (err != 0) {
		qf_dns_fail(&job->q->answer, "resolver: %s", ub->strerror(err));
		return;
	}
	job->started = true;
	(*job->open)++;
}

static void lookup_some(struct unbound *u, struct qf_dns_query *const *q,
    size_t n, int64_t deadline)
{
	struct job job[AT_ONCE];
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		job[i] = (struct job){.q = q[i], .open = &open};
		start(u, &job[i]);
	}
	while (open > 0) {
		struct pollfd p = {.fd = ub->fd(u->ctx), .events = POLLIN};

		if (poll(&p, 1, qf_deadline_poll(deadline)) > 0)
			(void)ub->process(u->ctx);
		else if (qf_deadline_poll(deadline) == 0)
			break;
	}
	for (size_t i = 0; i < n; i++) {
		if (!job[i].started)
			continue;
		u->is_late = true;
		(void)ub->cancel(u->ctx, job[i].id);
		qf_dns_fail(&q[i]->answer, "no name server answered in time");
	}
}

static void lookup(struct qf_dns *dns, struct qf_dns_query *const *q, size_t n,
    int64_t deadline)
{
	struct unbound *u = (struct unbound *)dns;

	for (; n > AT_ONCE; q += AT_ONCE, n -= AT_ONCE)
		lookup_some(u, q, AT_ONCE, deadline);
	lookup_some(u, q, n, deadline);
}

static void close_unbound(struct qf_dns *dns)
{
	struct unbound *u = (struct unbound *)dns;

	/* It would wait for its thread, which may not be there, or hang. */
	if (!u->is_late)
		ub->ctx_delete(u->ctx);
	free(u);
}

static const struct qf_dns_ops ops = {lookup, close_unbound};

static int said(int err, struct qf_err *e)
{
	return err == 0
		   ? 0
		   : qf_fail(e, QF_ENET, "resolver: %s", ub->strerror(err));
}

/* As libunbound writes it: ADDRESS@PORT. */
static void server_text(
    char out[SERVER_TEXT], const struct qf_dns_server *server)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct qf_ip ip;
	unsigned port;

	if (qf_ip_from_sockaddr(&ip, (const struct sockaddr *)&server->addr))
		qf_ip_text(text, &ip);
	port = ip.family == AF_INET
		   ? ((const struct sockaddr_in *)&server->addr)->sin_port
		   : ((const struct sockaddr_in6 *)&server->addr)->sin6_port;
	snprintf(out, SERVER_TEXT, "%s@%u", text, ntohs((uint16_t)port));
}

static int use_servers(
    struct unbound *u, const struct qf_dns_conf *conf, struct qf_err *e)
{
	int err = 0;

	if (conf->servers == 0)
		return said(ub->ctx_resolvconf(u->ctx, NULL), e);
	for (unsigned i = 0; i < conf->servers && err == 0; i++) {
		char text[SERVER_TEXT];

		server_text(text, &conf->server[i]);
		err = ub->ctx_set_fwd(u->ctx, text);
	}
	return said(err, e);
}

static int use_anchor(
    struct unbound *u, const struct qf_dns_conf *conf, struct qf_err *e)
{
	const char *anchor = conf->trust_anchor;

	if (anchor == NULL)
		return 0;
	if (access(anchor, R_OK) < 0)
		return qf_fail_sys(e, QF_ECONF, "trust anchor %s", anchor);
	u->dns.proves = true;
	return said(ub->ctx_add_ta_file(u->ctx, anchor), e);
}

static int set_up(
    struct unbound *u, const struct qf_dns_conf *conf, struct qf_err *e)
{
	int rc = use_servers(u, conf, e);

	if (rc == 0)
		rc = use_anchor(u, conf, e);
	if (rc < 0)
		return rc;
	/* The name server is often on this host. */
	rc = ub->ctx_set_option(u->ctx, "do-not-query-localhost:", "no");
	/* Work in a thread, not in a child of ours that somebody else reaps. */
	if (rc == 0)
		rc = ub->ctx_async(u->ctx, 1);
	return said(rc, e);
}

int qf_dns_unbound_open(
    struct qf_dns **dns, const struct qf_dns_conf *conf, struct qf_err *e)
{
	static const struct qf_dns_conf none;
	struct unbound *u;
	int rc;

	ub = qf_unbound_load(e);
	if (ub == NULL)
		return QF_ENET;
	u = qf_alloc(sizeof *u);
	u->dns.ops = &ops;
	u->ctx = ub->ctx_create();
	if (u->ctx == NULL) {
		free(u);
		return qf_fail(e, QF_ENET, "resolver: no memory or no entropy");
	}
	rc = set_up(u, conf != NULL ? conf : &none, e);
	*dns = &u->dns;
	if (rc < 0)
		qf_dns_close(dns);
	return rc;
}
