/*
 * qfrontctl tcpto: which hosts did not answer lately, for people, and that they
 * may be tried again; what qmail-tcpto(8) and qmail-tcpok(8) do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "lib/net/tcpto.h"
#include "tools/command.h"

static void add_line(
    struct qf_buf *out, const struct qf_tcpto_entry *entry, const char *ip)
{
	qf_buf_addf(out,
	    "%s timed out %" PRId64 " seconds ago; # recent timeouts: %u\n", ip,
	    qf_clock_wall() - entry->when, entry->count);
}

static void add_object(
    struct qf_json *j, const struct qf_tcpto_entry *entry, const char *ip)
{
	qf_json_object(j, NULL);
	qf_json_text(j, "address", ip);
	qf_json_number(j, "when", entry->when);
	qf_json_number(j, "timeouts", entry->count);
	qf_json_end(j);
}

static int show(struct qf_tcpto *t, bool json, struct qf_err *e)
{
	struct qf_tcpto_entry all[2 * QF_TCPTO_RECORDS];
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};
	int n = qf_tcpto_list(t, all, e);

	if (n < 0)
		return n;
	if (json)
		qf_json_array(&j, NULL);
	for (int i = 0; i < n; i++) {
		char ip[QF_IP_TEXT];

		qf_ip_text(ip, &all[i].ip);
		if (json)
			add_object(&j, &all[i], ip);
		else
			add_line(&out, &all[i], ip);
	}
	if (json)
		qf_json_end(&j);
	fputs(out.s, stdout);
	qf_buf_free(&out);
	return fflush(stdout) == 0
		   ? 0
		   : qf_fail_sys(e, QF_EWRITE, "standard output");
}

static int run(int argc, char **argv)
{
	struct qf_tcpto t = QF_TCPTO_NONE;
	bool ok = argc == 2 && strcmp(argv[1], "ok") == 0;
	bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
	struct qf_err e;
	int rc;

	if (!ok &&
	    (argc < 2 || argc > 2 + json || strcmp(argv[1], "show") != 0))
		return QF_USAGE;
	if (qf_tcpto_open(&t, qf_dir(QF_DIR_QUEUE), &e) < 0)
		rc = e.rc;
	else
		rc = ok ? qf_tcpto_clear(&t, &e) : show(&t, json, &e);
	if (rc < 0 && t.dir >= 0)
		qf_err_context(&e, "%s", qf_dir(QF_DIR_QUEUE));
	if (rc < 0)
		fprintf(stderr, "qfrontctl: %s\n", e.text);
	qf_tcpto_close(&t);
	return rc < 0 ? QF_TROUBLE : QF_DONE;
}

const struct qf_command qf_command_tcpto = {"tcpto", "show [--json] | ok",
    "list the hosts that did not answer lately, or forget them", run};
