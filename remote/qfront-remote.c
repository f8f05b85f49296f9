/*
 * qmail-remote(8): sends a message to recipients at a host, and reports what
 * became of each.
 *
 *	qfront-remote host sender recip [recip ...]
 *
 * It always exits 0: what there is to say is in the reports.
 */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/ctl.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/spool.h"
#include "lib/net/dns_stub.h"
#include "remote/address.h"
#include "remote/auth.h"
#include "remote/report.h"
#include "remote/routes.h"
#include "remote/secret.h"
#include "remote/survey.h"
#include "remote/walk.h"

struct settings {
	char *me, *helohost;
	long long timeoutconnect, timeoutremote, timeouttotal;
};

#define AT(field) offsetof(struct settings, field)

static const struct qf_ctl_item items[] = {
    {"helohost", QF_CTL_STRING, AT(helohost), NULL, 0, 0,
	"name sent with EHLO (default: me)"},
    {"me", QF_CTL_STRING, AT(me), NULL, 0, 0, "name of this host"},
    {"timeoutconnect", QF_CTL_NUMBER, AT(timeoutconnect), "60", 1, 86400,
	"time for a server to accept a connection, in seconds"},
    {"timeoutremote", QF_CTL_NUMBER, AT(timeoutremote), "1200", 1, 86400,
	"time for each response of a server, in seconds"},
    {"timeouttotal", QF_CTL_NUMBER, AT(timeouttotal), "7200", 0, 604800,
	"time for a session in all, in seconds; 0: no limit"},
    {.name = NULL},
};

/* A recipient of the command line: its own text when it can not be sent to,
 * else its place among those that the server hears of. */
struct recipient {
	const char *given;
	char *fault;
	size_t at;
};

/* All that one run holds. */
struct run {
	const char *host;
	struct recipient *rcpt;
	size_t nrcpt;
	struct qf_buf sender;
	struct qf_strv wire; /* recipients in the form that is sent */
	bool utf8;

	struct qf_spool spool; /* of a message that is no file */
	struct qf_body body;
	struct qf_survey survey;

	struct settings set;
	struct qf_dns_conf resolver;
	struct qf_lines routes;
	struct qf_route_to route;
	struct qf_secret secret;
	struct qf_auth *auth;
	struct qf_tls *tls;
	struct qf_dns *dns;
	struct qf_ips own;
	struct qf_mx_list hosts;
	struct qf_tcpto tcpto;

	struct qf_buf out;
};

/* clang-format off */
#define RUN_INIT { \
	.sender = QF_BUF_INIT, \
	.spool = QF_SPOOL_INIT, \
	.routes = QF_LINES_INIT, \
	.secret = QF_SECRET_INIT, \
	.tcpto = QF_TCPTO_NONE, \
	.out = QF_BUF_INIT}
/* clang-format on */

static int later(struct run *r, const char *text)
{
	qf_report_add(&r->out, QF_REPORT_LATER, "%s\n", text);
	return -1;
}

static int failed(struct run *r, const char *text)
{
	qf_report_add(&r->out, QF_REPORT_FAILED, "%s\n", text);
	return -1;
}

/* A mistake in the configuration: the log says which. */
static int misconfigured(struct run *r, const struct qf_err *e)
{
	qf_log(QF_LOG_ERROR, "can not send", QF_KS("text", e->text));
	return later(r, "Unable to read control files. (#4.3.0)");
}

static int load_settings(struct run *r, struct qf_err *e)
{
	struct qf_ctl ctl = QF_CTL_NONE;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e);

	if (rc == 0)
		rc = qf_ctl_load(&ctl, items, &r->set, e);
	if (rc == 0)
		rc = qf_dns_conf_load(&r->resolver, &ctl, e);
	if (rc == 0)
		rc = qf_ctl_lines(&ctl, "smtproutes", &r->routes, e);
	qf_ctl_close(&ctl);
	if (rc < 0)
		return rc;
	if (r->set.helohost == NULL && r->set.me != NULL)
		r->set.helohost = qf_strdup(r->set.me);
	if (r->set.helohost == NULL)
		return qf_fail(e, QF_ECONF,
		    "neither helohost nor me is set: one of them must name "
		    "this host");
	if (!qf_smtp_helo_is_safe(qf_span(r->set.helohost)))
		return qf_fail(e, QF_ECONF, "helohost is no host name: %.100s",
		    r->set.helohost);
	return qf_route_find(&r->route, &r->routes, r->host, e);
}

static int load_login(struct run *r, struct qf_err *e)
{
	const struct qf_smtp_options *o = &r->route.options;
	struct qf_auth_spec spec;
	int rc = qf_smtp_options_login(o, &spec, &r->secret, e);

	if (rc < 0 || !qf_auth_is_wanted(&spec))
		return rc;
	rc = qf_auth_check(&spec, e);
	if (rc == 0)
		r->auth = qf_auth_new(&spec);
	return rc;
}

/* Where nobody asked for TLS it is used as it comes, and the authorities that
 * it would need otherwise may be missing. */
static int load_tls(struct run *r, struct qf_err *e)
{
	const struct qf_smtp_options *o = &r->route.options;
	struct qf_tls_conf conf;

	if (r->route.is_relay && qf_smtp_options_tls(o) == QF_SMTP_TLS_NEVER)
		return 0;
	if (qf_smtp_options_tls_conf(o, &conf, e) < 0)
		return QF_ECONF;
	conf.trust_optional = qf_smtp_options_tls(o) == QF_SMTP_TLS_NEVER;
	return qf_tls_new(&r->tls, &conf, e);
}

/* The message as a file: descriptor 0 itself, or what it gives. */
static int open_message(struct run *r, struct qf_err *e)
{
	struct stat st;
	off_t at;

	if (fstat(STDIN_FILENO, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "descriptor 0");
	at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	if (S_ISREG(st.st_mode) && at >= 0) {
		r->body = (struct qf_body){
		    STDIN_FILENO, (uint64_t)at, (uint64_t)st.st_size};
	} else {
		if (qf_spool_open(&r->spool, e) < 0 ||
		    qf_spool_fill(&r->spool, STDIN_FILENO, e) < 0)
			return QF_EREAD;
		r->body =
		    (struct qf_body){.fd = r->spool.fd, .end = r->spool.size};
	}
	return qf_survey(&r->survey, &r->body, e);
}

static int take_message(struct run *r)
{
	struct qf_err e;

	if (open_message(r, &e) < 0) {
		qf_log(QF_LOG_ERROR, "can not read", QF_KS("text", e.text));
		return later(r, "Unable to read message. (#4.3.0)");
	}
	if (!r->survey.ends)
		return failed(r, "SMTP cannot transfer messages with partial "
				 "final lines. (#5.6.2)");
	return 0;
}

/* Addresses that have no safe form never reach a server. */
static int take_addresses(struct run *r, const char *sender, char **rcpt)
{
	struct qf_buf wire = QF_BUF_INIT;
	struct qf_err e;

	if (qf_address_add(
		&r->sender, qf_span(sender), "sender", &r->utf8, &e) < 0) {
		qf_report_add(&r->out, QF_REPORT_FAILED,
		    "Sorry, that sender can not be used by SMTP. (#5.1.7)\n");
		return -1;
	}
	for (size_t i = 0; i < r->nrcpt; i++) {
		struct recipient *to = &r->rcpt[i];

		to->given = rcpt[i];
		qf_buf_reset(&wire);
		if (qf_address_add(&wire, qf_span(rcpt[i]), "recipient",
			&r->utf8, &e) < 0) {
			to->fault = qf_strdup(e.text);
			continue;
		}
		to->at = r->wire.n;
		qf_strv_add(&r->wire, wire.s);
	}
	qf_buf_free(&wire);
	return 0;
}

static void no_host(struct run *r, enum qf_mx_fault fault)
{
	struct qf_buf host = QF_BUF_INIT;

	qf_smtp_add_printable(&host, qf_span(r->host));
	switch (fault) {
	case QF_MX_BAD_NAME:
	case QF_MX_NO_HOST:
		qf_report_add(&r->out, QF_REPORT_FAILED,
		    "Sorry, I couldn't find any host named %s. (#5.1.2)\n",
		    host.s);
		break;
	case QF_MX_NO_ADDRESS:
		failed(r, "Sorry, I couldn't find a mail exchanger or IP "
			  "address. (#5.4.4)");
		break;
	case QF_MX_LOOP:
		failed(r, "Sorry. Although I'm listed as a best-preference MX "
			  "or A for that host,\nit isn't in my control/locals "
			  "file, so I don't treat it as local. (#5.4.6)");
		break;
	case QF_MX_NULL:
		qf_report_add(&r->out, QF_REPORT_FAILED,
		    "Sorry, %s does not accept mail: it has a null MX. "
		    "(#5.1.10, #5.4.4)\n",
		    host.s);
		break;
	default:
		later(r, "Sorry, I couldn't find any host by that name. "
			 "(#4.1.2)");
	}
	qf_buf_free(&host);
}

static int find_hosts(struct run *r)
{
	struct qf_mx_spec spec = {.host = r->route.options.host,
	    .relay = r->route.is_relay,
	    .own = &r->own,
	    .deadline = qf_deadline_in(r->set.timeoutremote * 1000)};
	enum qf_mx_fault fault;
	struct qf_err e;

	r->dns = qf_dns_stub_open(&r->resolver);
	qf_ips_add_own(&r->own, true);
	fault = qf_mx_find(&r->hosts, r->dns, &spec, &e);
	if (fault == QF_MX_OK)
		return 0;
	qf_log(QF_LOG_INFO, "no server", QF_KS("text", e.text));
	no_host(r, fault);
	return -1;
}

/* Recipients in the order of the command line, as far as they have reports:
 * those that were not sent to, and those that a server heard of. */
static void report_recipients(
    struct run *r, const struct qf_smtp_result *result, const char *ip)
{
	for (size_t i = 0; i < r->nrcpt; i++) {
		const struct recipient *to = &r->rcpt[i];

		if (to->fault != NULL)
			qf_report_add(&r->out, QF_REPORT_REFUSED,
			    "%s (#5.1.3)\n", to->fault);
		else if (result == NULL || to->at >= result->nrcpt ||
			 !qf_report_recipient(
			     &r->out, &result->rcpt[to->at], ip))
			break;
	}
}

static void report(struct run *r, const struct qf_walk *w, enum qf_walk_end end)
{
	struct qf_buf tls = QF_BUF_INIT;
	const struct qf_smtp_result *result;

	if (end == QF_WALK_NOBODY) {
		later(r, "Sorry, I wasn't able to establish an SMTP "
			 "connection. (#4.4.1)");
		return;
	}
	result = qf_smtp_result(w->session);
	report_recipients(r, result, w->ip);
	if (w->tls.version[0] != '\0')
		qf_tls_describe(&w->tls, &tls);
	if (end == QF_WALK_ALL_REFUSED)
		qf_report_add(&r->out, QF_REPORT_FAILED,
		    "Connected to %s but greeting failed.\nRemote host said: "
		    "%s",
		    w->ip, result->reply.s);
	else
		qf_report_message(&r->out, result, w->ip, tls.s);
	qf_buf_free(&tls);
}

static void deliver(struct run *r)
{
	int64_t ms = r->set.timeoutremote * 1000;
	struct qf_smtp_timeouts timeouts = {.greeting = ms,
	    .command = ms,
	    .data = ms,
	    .block = ms,
	    .end = ms,
	    .total = r->set.timeouttotal == 0 ? QF_NEVER
					      : r->set.timeouttotal * 1000};
	struct qf_smtp_mail mail = {.sender = r->sender.s,
	    .rcpt = &r->wire,
	    .size = r->survey.wire,
	    .eightbit = r->survey.eightbit,
	    .utf8 = r->utf8};
	struct qf_walk_spec spec = {.helo = r->set.helohost,
	    .hosts = &r->hosts,
	    .options = &r->route.options,
	    .is_relay = r->route.is_relay,
	    .auth = r->auth,
	    .tls = r->tls,
	    .dns = r->dns,
	    .tcpto = &r->tcpto,
	    .connect_ms = r->set.timeoutconnect * 1000,
	    .timeouts = &timeouts,
	    .mail = &mail,
	    .body = &r->body};
	struct qf_walk walk = {0};

	(void)qf_tcpto_open(&r->tcpto, qf_dir(QF_DIR_QUEUE), NULL);
	report(r, &walk, qf_walk(&walk, &spec));
	qf_walk_free(&walk);
}

/* Everything that needs no server: what it can not do is reported. */
static int prepare(struct run *r, int argc, char **argv)
{
	struct qf_err e;

	if (argc < 4)
		return failed(r, "I (qmail-remote) was invoked improperly. "
				 "(#5.3.5)");
	r->host = argv[1];
	r->nrcpt = (size_t)argc - 3;
	r->rcpt = qf_alloc(r->nrcpt * sizeof *r->rcpt);
	if (load_settings(r, &e) < 0 || load_tls(r, &e) < 0 ||
	    load_login(r, &e) < 0)
		return misconfigured(r, &e);
	if (take_message(r) < 0 || take_addresses(r, argv[2], argv + 3) < 0)
		return -1;
	if (r->wire.n > 0)
		return find_hosts(r);
	report_recipients(r, NULL, "");
	return failed(r, "No recipient can be sent to. (#5.1.3)");
}

static void free_run(struct run *r)
{
	for (size_t i = 0; r->rcpt != NULL && i < r->nrcpt; i++)
		free(r->rcpt[i].fault);
	free(r->rcpt);
	qf_tcpto_close(&r->tcpto);
	qf_mx_free(&r->hosts);
	qf_ips_free(&r->own);
	if (r->dns != NULL)
		qf_dns_close(&r->dns);
	qf_tls_free(&r->tls);
	qf_auth_free(&r->auth);
	qf_secret_free(&r->secret);
	qf_route_free(&r->route);
	qf_lines_free(&r->routes);
	qf_dns_conf_free(&r->resolver);
	qf_ctl_unload(items, &r->set);
	qf_spool_close(&r->spool);
	qf_strv_free(&r->wire);
	qf_buf_free(&r->sender);
	qf_buf_free(&r->out);
}

int main(int argc, char **argv)
{
	struct run run = RUN_INIT;

	signal(SIGPIPE, SIG_IGN);
	qf_open_std();
	/* Descriptor 2 may be where the reports go: qmail-rspawn does so. */
	qf_log_open_env("qfront-remote", QF_LOG_TO_SYSLOG);
	if (prepare(&run, argc, argv) == 0)
		deliver(&run);
	(void)qf_write_all(STDOUT_FILENO, run.out.s, run.out.len);
	free_run(&run);
	return 0;
}
