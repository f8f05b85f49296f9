/*
 * One message to one host: its servers are tried, best first, until one has
 * taken or refused it. A server that ends before it was asked for the message
 * (no connection, no greeting, a name that it does not like, no TLS) has said
 * nothing about the message, and the next one is tried; once MAIL was written
 * its word counts.
 */
#ifndef QF_REMOTE_WALK_H
#define QF_REMOTE_WALK_H

#include "lib/net/dial.h"
#include "lib/net/mx.h"
#include "lib/net/tcpto.h"
#include "lib/net/tls.h"
#include "remote/body.h"
#include "remote/smtp/session.h"
#include "remote/smtp_options.h"

/* Borrowed for the length of the call. */
struct qf_walk_spec {
	const char *helo;
	const struct qf_mx_list *hosts;
	/* Of the route: port, source, TLS, login. */
	const struct qf_smtp_options *options;
	bool is_relay; /* options are of a relay: TLS only when they ask */
	struct qf_auth *auth;
	struct qf_tls *tls; /* NULL: TLS can not be had */
	struct qf_dns *dns; /* for TLSA records; NULL: none are looked for */
	struct qf_tcpto *tcpto;
	int64_t connect_ms;                      /* for one address */
	const struct qf_smtp_timeouts *timeouts; /* of a session's steps */
	int64_t deadline;                        /* for all of it */
	const struct qf_smtp_mail *mail;         /* its source is `body` */
	const struct qf_body *body; /* from its start, for each attempt */
};

enum qf_walk_end {
	QF_WALK_NOBODY,     /* no server could be connected to */
	QF_WALK_LEFT_OUT,   /* ... as TLSA records can not be had */
	QF_WALK_NO_SOCKET,  /* the same, as this host lacks what it takes */
	QF_WALK_SAID,       /* the result is what a server said */
	QF_WALK_ALL_REFUSED /* the greetings of all were 5xx: the last one */
};

struct qf_walk {
	/* Inside: what the session borrows. */
	struct qf_smtp_setup setup;
	struct qf_smtp_timeouts timeouts;
	struct qf_smtp_mail mail;
	struct qf_body body;
	struct qf_smtp *session; /* whose result counts, or NULL */
	bool no_socket;          /* one could not be had */
	char ip[QF_IP_TEXT];     /* of its server */
	struct qf_tls_info tls;  /* version empty: no TLS */
};

/* Start with zeros; qf_walk_free() in each case. */
enum qf_walk_end qf_walk(struct qf_walk *w, const struct qf_walk_spec *spec);
void qf_walk_free(struct qf_walk *w);

#endif
