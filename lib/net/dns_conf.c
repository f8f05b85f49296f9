#include "lib/net/dns_conf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"

static const char file[] = "resolver";

bool qf_dns_conf_server(struct qf_dns_conf *conf, struct qf_span text)
{
	struct qf_dns_server *to = &conf->server[conf->servers];
	unsigned port = 53;
	struct qf_ip ip;

	if (conf->servers == QF_DNS_SERVERS ||
	    !qf_ip_endpoint(&ip, &port, text))
		return false;
	to->len = qf_ip_sockaddr(&to->addr, &ip, port);
	conf->servers++;
	return true;
}

static const char *set_server(
    struct qf_dns_conf *conf, const struct qf_ctl *ctl, struct qf_span value)
{
	(void)ctl;
	if (conf->servers == QF_DNS_SERVERS)
		return "three name servers are the most";
	return qf_dns_conf_server(conf, value)
		   ? NULL
		   : "write nameserver ADDRESS or nameserver ADDRESS:PORT";
}

static const char *set_trust(
    struct qf_dns_conf *conf, const struct qf_ctl *ctl, struct qf_span value)
{
	(void)ctl;
	conf->trust_ad = true;
	return value.n == 0 ? NULL : "nothing may follow trust-ad";
}

static const char *set_anchor(
    struct qf_dns_conf *conf, const struct qf_ctl *ctl, struct qf_span value)
{
	struct qf_buf path = QF_BUF_INIT;

	if (value.n == 0)
		return "write trust-anchor FILE";
	if (value.p[0] != '/')
		qf_buf_addf(&path, "%s/", ctl->path);
	qf_buf_addspan(&path, value);
	free(conf->trust_anchor);
	conf->trust_anchor = qf_buf_detach(&path);
	return access(conf->trust_anchor, R_OK) == 0
		   ? NULL
		   : "this file can not be read; name one with DNSKEY or DS "
		     "records";
}

static const struct word {
	const char *name;
	/* NULL, or what is wrong */
	const char *(*set)(struct qf_dns_conf *conf, const struct qf_ctl *ctl,
	    struct qf_span value);
} words[] = {
    {"nameserver", set_server},
    {"trust-ad", set_trust},
    {"trust-anchor", set_anchor},
};

static const char *take(
    struct qf_dns_conf *conf, const struct qf_ctl *ctl, struct qf_span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
		n++;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (qf_span_is(qf_span_n(line.p, n), words[i].name))
			return words[i].set(conf, ctl,
			    qf_span_trim(qf_span_n(line.p + n, line.n - n)));
	}
	return "use nameserver, trust-ad or trust-anchor";
}

int qf_dns_conf_load(
    struct qf_dns_conf *conf, const struct qf_ctl *ctl, struct qf_err *e)
{
	struct qf_lines lines = QF_LINES_INIT;
	int rc = qf_ctl_lines(ctl, file, &lines, e);

	*conf = (struct qf_dns_conf){0};
	for (size_t i = 0; i < lines.n && rc > 0; i++) {
		const char *wrong = take(conf, ctl, lines.v[i].s);

		if (wrong != NULL)
			rc = qf_fail(e, QF_ECONF, "%s/%s:%u: %s", ctl->path,
			    file, lines.v[i].number, wrong);
	}
	qf_lines_free(&lines);
	if (rc < 0)
		qf_dns_conf_free(conf);
	return rc < 0 ? rc : 0;
}

void qf_dns_conf_free(struct qf_dns_conf *conf)
{
	free(conf->trust_anchor);
	*conf = (struct qf_dns_conf){0};
}
