/*
 * qmail-remote(8): sends a message to recipients at a host, and reports what
 * became of each.
 *
 *	qfront-remote host sender recip [recip ...]
 *
 * It exits 0: what there is to say is in the reports, unless these can not be
 * written.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/net/dns_stub.h"
#include "lib/net/dns_unbound.h"
#include "remote/letter.h"
#include "remote/report.h"
#include "remote/setup.h"
#include "remote/smtp/reply.h"
#include "remote/walk.h"

enum {
	/* What qmail-rspawn takes for a temporary failure; half a report it
	 * would take for a permanent one. */
	EXIT_UNREPORTED = 111
};

/* All that one run holds. */
struct run {
	struct qf_remote_setup setup;
	struct qf_letter letter;
	struct qf_dns *dns;
	struct qf_ips own;
	struct qf_mx_list hosts;
	struct qf_tcpto tcpto;
	struct qf_buf out;
};

/* clang-format off */
#define RUN_INIT { \
	.setup = QF_REMOTE_SETUP_INIT, \
	.letter = QF_LETTER_INIT, \
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

static int take_message(struct run *r)
{
	struct qf_err e;

	if (qf_letter_read(&r->letter, STDIN_FILENO, &e) < 0) {
		qf_log_err("can not read the message", &e);
		return later(r, "Unable to read message. (#4.3.0)");
	}
	if (!r->letter.survey.ends)
		return failed(r, "SMTP cannot transfer messages with partial "
				 "final lines. (#5.6.2)");
	return 0;
}

/* As qmail-remote does, which leaves no space either. */
static void add_host(struct qf_buf *out, const char *host)
{
	for (; *host != '\0'; host++)
		qf_buf_addc(out, *host > ' ' && *host < 127 ? *host : '?');
}

/* A relay that is not there is a mistake of this host, not of the recipients:
 * mail waits until it is mended. */
static void no_relay(struct run *r)
{
	struct qf_buf host = QF_BUF_INIT;

	add_host(&host, r->setup.route.options.host);
	qf_report_add(&r->out, QF_REPORT_LATER,
	    "Sorry, I couldn't find the relay %s. (#4.4.4)\n", host.s);
	qf_buf_free(&host);
}

static void no_host(struct run *r, enum qf_mx_fault fault)
{
	struct qf_buf host = QF_BUF_INIT;

	add_host(&host, r->setup.route.options.host);
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

/* Answers are proven here where keys to start from are given and no name server
 * is believed; that costs a moment more. */
static int open_dns(struct run *r)
{
	const struct qf_dns_conf *conf = &r->setup.resolver;
	struct qf_err e;

	if (conf->trust_anchor == NULL || conf->trust_ad) {
		r->dns = qf_dns_stub_open(conf);
		return 0;
	}
	if (qf_dns_unbound_open(&r->dns, conf, &e) == 0)
		return 0;
	qf_log_err("can not ask the DNS", &e);
	return later(r, e.rc == QF_ECONF
			    ? "Unable to read control files. (#4.3.0)"
			    : "System resources temporarily unavailable. "
			      "(#4.3.0)");
}

static int find_hosts(struct run *r)
{
	const struct qf_remote_setup *set = &r->setup;
	struct qf_mx_spec spec = {.host = set->route.options.host,
	    .relay = set->route.is_relay,
	    .own = &r->own,
	    .own_name = set->control.me,
	    .deadline = qf_deadline_in(set->control.timeoutremote * 1000)};
	enum qf_mx_fault fault;
	struct qf_err e;

	qf_ips_add_own(&r->own, true);
	fault = qf_mx_find(&r->hosts, r->dns, &spec, &e);
	if (fault == QF_MX_OK)
		return 0;
	qf_log(QF_LOG_INFO, "no server", QF_KS("text", e.text));
	if (set->route.is_relay && fault != QF_MX_TEMPORARY)
		no_relay(r);
	else
		no_host(r, fault);
	return -1;
}

/* What is wrong with an address quotes it, whatever is in it. */
static void bad_address(
    struct run *r, enum qf_report letter, const char *why, const char *status)
{
	struct qf_buf safe = QF_BUF_INIT;

	qf_smtp_add_printable(&safe, qf_span(why));
	qf_report_add(&r->out, letter, "Sorry, %s. (#%s)\n", safe.s, status);
	qf_buf_free(&safe);
}

/* Recipients in the order of the command line, as far as they have reports:
 * those that can not be sent to, and those that a server heard of. */
static void report_recipients(
    struct run *r, const struct qf_smtp_result *result, const char *ip)
{
	for (size_t i = 0; i < r->letter.nrcpt; i++) {
		const struct qf_letter_rcpt *to = &r->letter.rcpt[i];

		if (to->fault != NULL)
			bad_address(r, QF_REPORT_REFUSED, to->fault, "5.1.3");
		else if (result == NULL || to->at >= result->nrcpt ||
			 !qf_report_recipient(
			     &r->out, &result->rcpt[to->at], ip))
			break;
	}
}

/* Why no server has said anything. */
static const char *no_session(enum qf_walk_end end)
{
	switch (end) {
	case QF_WALK_LEFT_OUT:
		return "Sorry, whether a server must prove itself can not be "
		       "told: its TLSA records can not be had, or are forged. "
		       "(#4.7.5)";
	case QF_WALK_NO_SOCKET:
		return "System resources temporarily unavailable. (#4.3.0)";
	default:
		return "Sorry, I wasn't able to establish an SMTP connection. "
		       "(#4.4.1)";
	}
}

static void report(struct run *r, const struct qf_walk *w, enum qf_walk_end end)
{
	const struct qf_smtp_result *result;
	struct qf_buf tls = QF_BUF_INIT;

	if (end < QF_WALK_SAID) {
		report_recipients(r, NULL, "");
		later(r, no_session(end));
		return;
	}
	result = qf_smtp_result(w->session);
	report_recipients(r, result, w->ip);
	if (w->tls.version[0] != '\0')
		qf_tls_describe(&w->tls, &tls);
	if (end == QF_WALK_ALL_REFUSED && !r->setup.control.softgreeting &&
	    !r->setup.route.is_relay)
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
	const struct qf_remote_control *c = &r->setup.control;
	int64_t ms = c->timeoutremote * 1000;
	struct qf_smtp_timeouts timeouts = {.greeting = ms,
	    .command = ms,
	    .data = ms,
	    .block = ms,
	    .end = ms,
	    .total = QF_NEVER};
	struct qf_smtp_mail mail = {.sender = r->letter.sender.s,
	    .rcpt = &r->letter.wire,
	    .size = r->letter.survey.wire,
	    .eightbit = r->letter.survey.eightbit,
	    .utf8 = r->letter.utf8};
	struct qf_walk_spec spec = {.helo = c->helohost,
	    .hosts = &r->hosts,
	    .options = &r->setup.route.options,
	    .is_relay = r->setup.route.is_relay,
	    .auth = r->setup.auth,
	    .tls = r->setup.tls,
	    .dns = r->dns,
	    .tcpto = &r->tcpto,
	    .connect_ms = c->timeoutconnect * 1000,
	    .timeouts = &timeouts,
	    .deadline = c->timeouttotal == 0
			    ? QF_NEVER
			    : qf_deadline_in(c->timeouttotal * 1000),
	    .mail = &mail,
	    .body = &r->letter.body};
	struct qf_walk walk = {0};
	enum qf_walk_end end;

	(void)qf_tcpto_open(&r->tcpto, qf_dir(QF_DIR_QUEUE), NULL);
	end = qf_walk(&walk, &spec);
	report(r, &walk, end);
	qf_walk_free(&walk);
}

/* Everything that needs no server: what can not be done is reported. */
static int prepare(struct run *r, int argc, char **argv)
{
	struct qf_err e;

	if (argc < 4)
		return failed(r, "I (qmail-remote) was invoked improperly. "
				 "(#5.3.5)");
	if (qf_remote_setup_load(&r->setup, argv[1], &e) < 0) {
		qf_log_err("can not send", &e);
		return later(r, "Unable to read control files. (#4.3.0)");
	}
	if (take_message(r) < 0)
		return -1;
	if (qf_letter_address(
		&r->letter, argv[2], argv + 3, (size_t)argc - 3, &e) < 0) {
		bad_address(r, QF_REPORT_FAILED, e.text, "5.1.7");
		return -1;
	}
	if (r->letter.wire.n > 0)
		return open_dns(r) < 0 ? -1 : find_hosts(r);
	report_recipients(r, NULL, "");
	return failed(r, "No recipient can be sent to. (#5.1.3)");
}

/* Nothing but this can be said then. */
static void out_of_memory(void *arg)
{
	static const char report[] = "ZOut of memory. (#4.3.0)\n";

	(void)arg;
	_exit(qf_write_all(STDOUT_FILENO, report, sizeof report) < 0
		  ? EXIT_UNREPORTED
		  : 0);
}

/* Descriptor 2 may be where the reports go: qmail-rspawn does so. Nothing that
 * a library has to say may stand between them, unless somebody wants the log
 * there. */
static void open_log(void)
{
	const char *log = qf_env("QFRONT_LOG");
	int null;

	qf_log_open_env("qfront-remote", QF_LOG_TO_SYSLOG);
	if (log != NULL && strcmp(log, "stderr") == 0)
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	qf_close(&null);
}

static void free_run(struct run *r)
{
	qf_tcpto_close(&r->tcpto);
	qf_mx_free(&r->hosts);
	qf_ips_free(&r->own);
	if (r->dns != NULL)
		qf_dns_close(&r->dns);
	qf_letter_free(&r->letter);
	qf_remote_setup_free(&r->setup);
	qf_buf_free(&r->out);
}

static void print_problem(const char *text)
{
	printf("%s\n", text);
}

/* `qfrontctl check` asks for this. */
static int check(struct run *r)
{
	bool good;

	qf_log_open("qfront-remote", QF_LOG_TO_STDERR, QF_LOG_INFO);
	good = qf_remote_setup_check(&r->setup, print_problem);
	free_run(r);
	return !good;
}

int main(int argc, char **argv)
{
	struct run run = RUN_INIT;
	int rc;

	qf_alloc_undo(out_of_memory, NULL);
	signal(SIGPIPE, SIG_IGN);
	qf_open_std();
	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		return check(&run);
	open_log();
	if (prepare(&run, argc, argv) == 0)
		deliver(&run);
	rc = qf_write_all(STDOUT_FILENO, run.out.s, run.out.len);
	free_run(&run);
	return rc < 0 ? EXIT_UNREPORTED : 0;
}
