#include "remote/setup.h"

#include <stddef.h>

#include "lib/base/alloc.h"
#include "lib/base/paths.h"
#include "remote/smtp/session.h"

#define AT(field) offsetof(struct qf_remote_control, field)

const struct qf_ctl_item qf_remote_items[] = {
    {"helohost", QF_CTL_STRING, AT(helohost), NULL, 0, 0,
	"name sent with EHLO (default: me)"},
    {"me", QF_CTL_STRING, AT(me), NULL, 0, 0, "name of this host"},
    {"softgreeting", QF_CTL_NUMBER, AT(softgreeting), "0", 0, 1,
	"1: mail waits even if the greetings of all servers are 5xx"},
    {"timeoutconnect", QF_CTL_NUMBER, AT(timeoutconnect), "60", 1, 86400,
	"time for a server to accept a connection, in seconds"},
    {"timeoutremote", QF_CTL_NUMBER, AT(timeoutremote), "1200", 1, 86400,
	"time for each response of a server, in seconds"},
    {"timeouttotal", QF_CTL_NUMBER, AT(timeouttotal), "7200", 0, 604800,
	"time for all servers that are tried, in seconds; 0: no limit"},
    {.name = NULL},
};

static int settle_helohost(struct qf_remote_control *c, struct qf_err *e)
{
	const char *file = c->helohost != NULL ? "helohost" : "me";

	if (c->helohost == NULL && c->me != NULL)
		c->helohost = qf_strdup(c->me);
	if (c->helohost == NULL)
		return qf_fail(e, QF_ECONF,
		    "%s: neither helohost nor me is set: one of them must name "
		    "this host",
		    qf_dir(QF_DIR_CONTROL));
	if (!qf_smtp_helo_is_safe(qf_span(c->helohost)))
		return qf_fail(e, QF_ECONF,
		    "%s/%s:1: this is no host name: %.100s; write a name "
		    "without blanks",
		    qf_dir(QF_DIR_CONTROL), file, c->helohost);
	return 0;
}

static int load_control(struct qf_remote_setup *s, struct qf_err *e)
{
	struct qf_ctl ctl = QF_CTL_NONE;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e);

	if (rc == 0)
		rc = qf_ctl_load(&ctl, qf_remote_items, &s->control, e);
	if (rc == 0)
		rc = qf_dns_conf_load(&s->resolver, &ctl, e);
	if (rc == 0)
		rc = qf_ctl_lines(&ctl, "smtproutes", &s->routes, e);
	s->exposed = rc > 0 && qf_ctl_is_exposed(&ctl, "smtproutes");
	qf_ctl_close(&ctl);
	return rc < 0 ? rc : 0;
}

/* Where nobody asks for TLS it is used as it comes, and the authorities that
 * it would need otherwise may be missing. */
static int load_tls(struct qf_remote_setup *s, struct qf_err *e)
{
	const struct qf_smtp_options *o = &s->route.options;
	bool asked = qf_smtp_options_tls(o) != QF_SMTP_TLS_NEVER;
	struct qf_tls_conf conf;
	int rc;

	if (s->route.is_relay && !asked)
		return 0;
	rc = qf_smtp_options_tls_conf(o, &conf, e);
	conf.trust_optional = !asked;
	/* Old TLS is better than none. */
	if (!asked && o->tls_min == NULL)
		conf.min = QF_TLS_1_0;
	return rc < 0 ? rc : qf_tls_new(&s->tls, &conf, e);
}

static int load_login(struct qf_remote_setup *s, struct qf_err *e)
{
	const struct qf_smtp_options *o = &s->route.options;
	struct qf_auth_spec spec;
	int rc = qf_smtp_options_login(o, &spec, &s->secret, e);

	if (rc < 0 || !qf_auth_is_wanted(&spec))
		return rc;
	/* Whoever can forge the DNS could name an exchanger of his own. */
	if (!s->route.is_relay)
		return qf_fail(e, QF_ECONF,
		    "a login without a relay: name the server to log in to "
		    "behind the colon");
	if (s->exposed && o->pass != NULL)
		qf_secret_warn("smtproutes");
	rc = qf_auth_check(&spec, e);
	if (rc == 0)
		s->auth = qf_auth_new(&spec);
	return rc;
}

/* What the route asks for. */
static int load_route(struct qf_remote_setup *s, struct qf_err *e)
{
	int rc = load_tls(s, e);

	if (rc == 0)
		rc = load_login(s, e);
	if (rc < 0)
		qf_route_context(e, s->route.line);
	return rc;
}

int qf_remote_setup_load(
    struct qf_remote_setup *s, const char *host, struct qf_err *e)
{
	int rc = load_control(s, e);

	if (rc == 0)
		rc = settle_helohost(&s->control, e);
	if (rc == 0)
		rc = qf_route_find(&s->route, &s->routes, host, e);
	return rc == 0 ? load_route(s, e) : rc;
}

static void unload_route(struct qf_remote_setup *s)
{
	qf_tls_free(&s->tls);
	qf_auth_free(&s->auth);
	qf_secret_free(&s->secret);
	qf_route_free(&s->route);
}

/* A line, with the files and the login that it names. */
static int check_line(
    struct qf_remote_setup *s, const struct qf_line *line, struct qf_err *e)
{
	int rc = qf_route_of_line(&s->route, line, "", e);

	if (rc == 0)
		rc = load_route(s, e);
	unload_route(s);
	return rc;
}

bool qf_remote_setup_check(
    struct qf_remote_setup *s, void (*problem)(const char *text))
{
	bool good = true;
	struct qf_err e;

	if (load_control(s, &e) < 0 ||
	    ((s->routes.n > 0 || s->control.helohost != NULL) &&
		settle_helohost(&s->control, &e) < 0)) {
		problem(e.text);
		good = false;
	}
	for (size_t i = 0; i < s->routes.n; i++) {
		if (check_line(s, &s->routes.v[i], &e) == 0)
			continue;
		problem(e.text);
		good = false;
	}
	return good;
}

void qf_remote_setup_free(struct qf_remote_setup *s)
{
	unload_route(s);
	/* Passwords may stand there. */
	qf_secret_wipe(&s->routes.bytes);
	qf_lines_free(&s->routes);
	qf_dns_conf_free(&s->resolver);
	qf_ctl_unload(qf_remote_items, &s->control);
}
