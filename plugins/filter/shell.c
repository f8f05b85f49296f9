/*
 * The contract of FILTERARGS: /bin/sh -c with the message on descriptor 0; what
 * it writes to 1 is the new message, if it ends with 0.
 *
 * Two things are safer than in the original. Without any output the message
 * would become an empty one: the filter counts as broken. And 2 drops the
 * message, but it is also what the shell ends with that can not read its line
 * or open a file of it: where the shell complains, the filter is broken.
 */
#include <string.h>

#include "plugins/common/filter.h"
#include "plugins/filter/engine.h"

enum {
	SHELL_TROUBLE = 2
};

/* The first word of the command, for the log. */
static void name_of(const char *command, struct qf_buf *out)
{
	struct qf_span s = qf_span_trim(qf_span(command));
	size_t n = 0;

	while (n < s.n && strchr(" \t\n;|&<>()", s.p[n]) == NULL)
		n++;
	qf_buf_addspan(out, n > 0 ? qf_span_n(s.p, n) : qf_span("sh"));
}

static int32_t judge(struct filter *f)
{
	static const struct qf_verdict defer = {
	    .size = sizeof defer, .class_ = QF_DEFER};
	struct qf_err e;
	int32_t rc;

	if (f->code == SHELL_TROUBLE && f->log.complained) {
		qf_fail(&e, QF_EEXEC,
		    "the shell could not run it; the log has its complaint");
		return filter_broken(f, &e, 0);
	}
	if (f->code != 0) {
		rc = filter_verdict(f);
		return rc == QF_ENOENT ? f->h->verdict(f->m, &defer) : rc;
	}
	if (f->output.spool.size == 0)
		qf_fail(&e, QF_EFORMAT,
		    "it ended with 0 and wrote no message; one that changes "
		    "nothing must copy its input");
	else if (filter_apply(f, &e) == 0)
		return QF_PASS;
	return filter_broken(f, &e, 0);
}

static int32_t run(const struct qf_host *h, struct qf_msg *m,
    const struct stage *st, const char *command)
{
	char sh[] = "sh", option[] = "-c";
	char *argv[] = {sh, option, (char *)(uintptr_t)command, NULL};
	struct qf_buf name = QF_BUF_INIT;
	struct filter f;
	struct qf_err e;
	int32_t rc;

	filter_init(&f, h, m, &st->limits);
	name_of(command, &name);
	f.name = name.s;
	f.path = "/bin/sh";
	f.argv = argv;
	f.to_eof = true;
	/* A filter that sends mail must not filter that as well. */
	filter_setenv(&f, "FILTERARGS", NULL);
	filter_setenv(&f, "SPAMFILTER", NULL);
	rc = filter_run(&f, &e);
	rc = rc < 0 ? filter_broken(&f, &e, rc == QF_ECRASH ? 123 : 0)
		    : judge(&f);
	filter_free(&f);
	qf_buf_free(&name);
	return rc;
}

static int32_t message(
    const struct qf_host *h, struct qf_msg *m, const struct stage *st)
{
	struct qf_buf command = QF_BUF_INIT;
	struct qf_span var;
	int32_t rc = QF_PASS;

	if (st->command.len > 0) {
		qf_buf_addspan(&command, qf_buf_span(&st->command));
	} else if (h->env(m, "FILTERARGS", &var) == 0) {
		h->env_take(m, "FILTERARGS");
		qf_buf_addspan(&command, var);
	}
	if (qf_span_trim(qf_buf_span(&command)).n > 0)
		rc = run(h, m, st, command.s);
	qf_buf_free(&command);
	return rc;
}

const struct engine engine_shell = {"shell", NULL, message};
