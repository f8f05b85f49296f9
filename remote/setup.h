/*
 * What qfront-remote knows before it has seen a message: its control files,
 * the route of the host, and what TLS and a login need.
 */
#ifndef QF_REMOTE_SETUP_H
#define QF_REMOTE_SETUP_H

#include "lib/base/ctl.h"
#include "lib/base/err.h"
#include "lib/net/dns_conf.h"
#include "lib/net/tls.h"
#include "remote/auth/auth.h"
#include "remote/routes.h"
#include "remote/auth/secret.h"

struct qf_remote_control {
	char *me, *helohost;
	long long timeoutconnect, timeoutremote, timeouttotal; /* seconds */
	long long softgreeting;
};

extern const struct qf_ctl_item qf_remote_items[];

struct qf_remote_setup {
	struct qf_remote_control control;
	struct qf_dns_conf resolver;
	struct qf_lines routes;
	bool exposed; /* everybody can read them */
	struct qf_route_to route;
	struct qf_secret secret;
	struct qf_auth *auth; /* NULL: no login */
	struct qf_tls *tls;   /* NULL: none is wanted */
};

/* clang-format off */
#define QF_REMOTE_SETUP_INIT { \
	.routes = QF_LINES_INIT, \
	.secret = QF_SECRET_INIT}
/* clang-format on */

/* Reads all that concerns mail for the host: 0, or what is wrong. */
int qf_remote_setup_load(
    struct qf_remote_setup *s, const char *host, struct qf_err *e);
/* Tells all that is wrong with the control files, whatever the host; a name of
 * this host is asked for only where there are routes, as others need none. */
bool qf_remote_setup_check(
    struct qf_remote_setup *s, void (*problem)(const char *text));
void qf_remote_setup_free(struct qf_remote_setup *s);

#endif
