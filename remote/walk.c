#include "remote/walk.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/net/tlsa_find.h"
#include "remote/smtp/run.h"

enum {
	ADDRS = 2 * QF_MX_ADDRS
};

/* A host that is tried. */
struct host {
	const struct qf_walk_spec *spec;
	const struct qf_mx_host *mx;
	struct qf_tlsa_set tlsa;
	struct qf_ip addr[ADDRS]; /* that are left to try */
	size_t n;
};

/* Attempts at its addresses. */
struct attempt {
	struct host *host;
	struct qf_walk *walk;
	struct qf_stream stream;
	struct qf_dial_peer peer;
	bool no_tls; /* it has failed before */
};

static bool is_late(const struct qf_walk_spec *spec)
{
	return qf_deadline_poll(spec->deadline) == 0;
}

/* What is known to be dead is left out: false when something is. */
static bool find_addresses(struct host *h)
{
	int64_t now = qf_clock_wall();
	size_t i;

	for (i = 0; i < h->mx->n && h->n < ADDRS; i++) {
		if (!qf_tcpto_is_dead(h->spec->tcpto, &h->mx->addr[i], now,
			(unsigned)getpid()))
			h->addr[h->n++] = h->mx->addr[i];
	}
	return h->n == h->mx->n;
}

static void drop_address(struct host *h, const struct qf_ip *ip)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!qf_ip_eq(&h->addr[i], ip))
			h->addr[kept++] = h->addr[i];
	}
	h->n = kept;
}

static void on_dialled(
    void *arg, const struct qf_ip *ip, enum qf_dial_fault fault)
{
	struct host *h = arg;

	/* What goes wrong here says nothing about the host, nor does it when
	 * it had less than its time. */
	if (fault != QF_DIAL_BIND && fault != QF_DIAL_SOCKET &&
	    !(fault == QF_DIAL_TIMEOUT && is_late(h->spec)))
		qf_tcpto_note(h->spec->tcpto, ip, fault == QF_DIAL_TIMEOUT,
		    qf_clock_wall());
	drop_address(h, ip);
}

/* After TLS has failed at one server only that one is meant. */
static bool dial(struct attempt *a)
{
	struct host *h = a->host;
	const struct qf_smtp_options *o = h->spec->options;
	struct qf_dial_spec spec = {.host = h->mx->name,
	    .port = o->port,
	    .source = o->source,
	    .each_ms = h->spec->connect_ms,
	    .deadline = h->spec->deadline};
	struct qf_ip addr[ADDRS];
	enum qf_dial_fault fault;
	struct qf_err e;
	size_t left = h->n, n = a->no_tls ? 1 : left;

	memcpy(addr, h->addr, n * sizeof *addr);
	if (qf_dial_addrs(&a->stream, &a->peer, &fault, &spec, addr, n,
		on_dialled, h, &e) == 0) {
		drop_address(h, &a->peer.ip);
		return true;
	}
	a->walk->no_socket |= fault == QF_DIAL_SOCKET;
	qf_log(QF_LOG_INFO, "no connection", QF_KS("text", e.text));
	/* Those that were not even tried will not be. */
	if (h->n == left) {
		for (size_t i = 0; i < n; i++)
			drop_address(h, &addr[i]);
	}
	return false;
}

/* TLS as the route asks for it; for mail exchangers as their domain says, else
 * as it comes. */
static enum qf_smtp_tls wanted_tls(const struct attempt *a)
{
	const struct qf_walk_spec *spec = a->host->spec;
	enum qf_smtp_tls asked = qf_smtp_options_tls(spec->options);

	if (asked != QF_SMTP_TLS_NEVER)
		return asked;
	if (a->host->tlsa.state != QF_TLSA_NONE)
		return QF_SMTP_TLS_MUST;
	if (a->no_tls || spec->tls == NULL || spec->is_relay)
		return QF_SMTP_TLS_NEVER;
	return QF_SMTP_TLS_MAY;
}

static int shake(
    void *ctx, struct qf_stream *st, int64_t deadline, struct qf_err *e)
{
	struct attempt *a = ctx;
	const struct host *h = a->host;
	bool asked = qf_smtp_options_tls(h->spec->options) != QF_SMTP_TLS_NEVER;
	struct qf_tls_peer peer = {.mode = QF_TLS_VERIFY_NONE,
	    .name = h->mx->name,
	    .port = h->spec->options->port};

	if (h->tlsa.state == QF_TLSA_FOUND) {
		peer.mode = QF_TLS_DANE;
		peer.name = h->spec->hosts->domain;
		peer.tlsa = h->tlsa.v;
		peer.ntlsa = h->tlsa.n;
		peer.dane_base = h->tlsa.base;
	} else if (asked) {
		peer.mode = QF_TLS_VERIFY;
	}
	return qf_tls_connect(
	    st, h->spec->tls, &peer, deadline, &a->walk->tls, e);
}

static void log_end(const struct attempt *a, const struct qf_smtp_result *r)
{
	struct qf_buf tls = QF_BUF_INIT;

	if (a->walk->tls.version[0] != '\0')
		qf_tls_describe(&a->walk->tls, &tls);
	qf_log(QF_LOG_INFO, "session", QF_KS("peer", a->peer.text),
	    QF_KS("tls", tls.s), QF_KS("text", r->text.s));
	qf_buf_free(&tls);
}

static void talk(struct attempt *a, enum qf_smtp_tls tls)
{
	const struct qf_walk_spec *spec = a->host->spec;
	struct qf_walk *w = a->walk;
	struct qf_err e;

	qf_smtp_free(&w->session);
	w->tls = (struct qf_tls_info){0};
	w->timeouts = *spec->timeouts;
	if (spec->deadline != QF_NEVER)
		w->timeouts.total = spec->deadline - qf_clock_mono();
	w->setup = (struct qf_smtp_setup){.helo = spec->helo,
	    .once = true,
	    .tls = tls,
	    .tls_failed = a->no_tls,
	    .auth = spec->auth,
	    .no_pipelining = spec->options->no_pipelining,
	    .no_chunking = spec->options->no_chunking,
	    .timeouts = &w->timeouts};
	w->body = *spec->body;
	w->mail = *spec->mail;
	w->mail.source = qf_body_read;
	w->mail.source_ctx = &w->body;
	w->session = qf_smtp_new(&w->setup, qf_clock_mono());
	if (tls == QF_SMTP_TLS_IS_ON &&
	    shake(a, &a->stream, qf_smtp_deadline(w->session), &e) < 0) {
		qf_smtp_not_secured(w->session, e.text);
	} else {
		qf_smtp_send(w->session, &w->mail, qf_clock_mono());
		qf_smtp_run(w->session, &a->stream, shake, a);
	}
	qf_stream_close(&a->stream);
	log_end(a, qf_smtp_result(w->session));
}

/* Did the server end before it was asked for the message? */
static bool says_nothing(const struct qf_smtp_result *r)
{
	return r->step < QF_SMTP_MAIL;
}

/* Some servers refuse TLS by hanging up, one of 1.3 even after we have finished
 * the handshake. */
static bool tls_failed(const struct qf_walk *w)
{
	const struct qf_smtp_result *r = qf_smtp_result(w->session);

	if (r->outcome == QF_SMTP_NO_TLS)
		return true;
	return (r->outcome == QF_SMTP_CLOSED ||
		   r->outcome == QF_SMTP_TIMED_OUT ||
		   r->outcome == QF_SMTP_CONFUSED) &&
	       (r->step == QF_SMTP_STARTTLS ||
		   (r->step == QF_SMTP_EHLO && w->tls.version[0] != '\0'));
}

/* Opportunistic TLS that fails is no reason to keep the mail: once more, in
 * clear, as a server without TLS would get it. */
static bool tries_in_clear(struct attempt *a, enum qf_smtp_tls tls)
{
	const struct qf_smtp_result *r = qf_smtp_result(a->walk->session);

	if (tls != QF_SMTP_TLS_MAY || !tls_failed(a->walk))
		return false;
	qf_log(QF_LOG_WARN, "TLS failed; trying without",
	    QF_KS("peer", a->peer.text), QF_KS("text", r->text.s));
	memmove(a->host->addr + 1, a->host->addr,
	    a->host->n * sizeof *a->host->addr);
	a->host->addr[0] = a->peer.ip;
	a->host->n++;
	return true;
}

/* All of a host's addresses, until one of its servers says something about the
 * message: true then. */
static bool try_host(struct host *h, struct qf_walk *w, bool *all_refused)
{
	struct attempt a = {.host = h, .walk = w, .stream = QF_STREAM_NONE};

	*all_refused = find_addresses(h) && *all_refused;
	while (h->n > 0 && !is_late(h->spec)) {
		enum qf_smtp_tls tls = wanted_tls(&a);
		const struct qf_smtp_result *r;

		if (!dial(&a)) {
			a.no_tls = *all_refused = false;
			continue;
		}
		talk(&a, tls);
		r = qf_smtp_result(w->session);
		qf_ip_text(w->ip, &a.peer.ip);
		if (!says_nothing(r))
			return true;
		*all_refused = *all_refused && r->step == QF_SMTP_GREETING &&
			       r->code / 100 == 5;
		a.no_tls = tries_in_clear(&a, tls);
	}
	*all_refused = *all_refused && h->n == 0;
	return false;
}

/* Records that may be there, and can not be had, keep a host out: what they
 * say may be that this is another one (RFC 7672 section 2.2). */
static bool find_tlsa(struct host *h)
{
	const struct qf_walk_spec *spec = h->spec;
	int64_t deadline = qf_deadline_in(spec->connect_ms);
	struct qf_err e;

	if (deadline > spec->deadline)
		deadline = spec->deadline;
	if (spec->dns == NULL || spec->tls == NULL ||
	    qf_smtp_options_tls(spec->options) != QF_SMTP_TLS_NEVER)
		return true;
	if (qf_tlsa_find(&h->tlsa, spec->dns, h->mx, spec->options->port,
		deadline, &e) == 0)
		return true;
	qf_log(QF_LOG_WARN, "left out: its TLSA records can not be had",
	    QF_KS("host", h->mx->name), QF_KS("text", e.text));
	return false;
}

enum qf_walk_end qf_walk(struct qf_walk *w, const struct qf_walk_spec *spec)
{
	bool said = false, all_refused = spec->hosts->later == 0;
	bool left_out = false;

	for (size_t i = 0; i < spec->hosts->n && !said; i++) {
		struct host h = {.spec = spec, .mx = &spec->hosts->v[i]};

		if (is_late(spec)) {
			all_refused = false;
			break;
		}
		if (find_tlsa(&h))
			said = try_host(&h, w, &all_refused);
		else
			left_out = true;
		qf_tlsa_free(&h.tlsa);
	}
	if (w->session == NULL)
		return left_out       ? QF_WALK_LEFT_OUT
		       : w->no_socket ? QF_WALK_NO_SOCKET
				      : QF_WALK_NOBODY;
	return said || left_out || !all_refused ? QF_WALK_SAID
						: QF_WALK_ALL_REFUSED;
}

void qf_walk_free(struct qf_walk *w)
{
	qf_smtp_free(&w->session);
	*w = (struct qf_walk){0};
}
