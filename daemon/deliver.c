#include "daemon/deliver.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/commit.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/ask.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/qqguard.h"

enum {
	FD_MAX = 1024
};

struct deliver {
	/* The connection; the pairs follow it. */
	unsigned long long sock;
	unsigned long long groups, held, dialect;
	struct qf_plan plan;
	struct qf_next next;
};

static int fail(const struct qf_err *e)
{
	qf_log_err("message not handed over", e);
	return qf_qqcode_of_error(e->rc);
}

static int take_words(struct deliver *d, char *const *argv, struct qf_err *e)
{
	for (size_t i = 0; i < 6; i++) {
		if (argv[i] == NULL)
			return qf_fail(e, QF_EINVAL,
			    "--deliver is for clients of qfrontd");
	}
	if (!qf_span_u64(qf_span(argv[0]), FD_MAX, &d->sock) ||
	    !qf_span_u64(qf_span(argv[1]), QF_ANSWER_GROUPS_MAX, &d->groups) ||
	    !qf_span_u64(qf_span(argv[2]), QF_ANSWER_GROUPS_MAX, &d->held) ||
	    !qf_span_u64(qf_span(argv[3]), QF_DIALECTS - 1, &d->dialect) ||
	    strcmp(argv[4], "--") != 0)
		return qf_fail(
		    e, QF_EINVAL, "--deliver is for clients of qfrontd");
	for (argv += 5; *argv != NULL; argv++)
		qf_strv_add(&d->next.argv, *argv);
	return 0;
}

static int take_groups(struct deliver *d, struct qf_err *e)
{
	d->plan.action = QF_PLAN_QUEUE;
	d->plan.v = qf_alloc((d->groups + 1) * sizeof *d->plan.v);
	for (size_t i = 0; i < d->groups; i++) {
		struct qf_delivery *v = &d->plan.v[d->plan.n++];
		int fd = (int)d->sock + 1 + 2 * (int)i;

		*v = (struct qf_delivery){
		    .message = fd, .envelope = QF_ENVELOPE_INIT};
		if (lseek(fd + 1, 0, SEEK_SET) < 0)
			return qf_fail_sys(e, QF_EREAD, "an envelope");
		if (qf_envelope_read(&v->envelope, fd + 1, e) < 0)
			return e->rc;
	}
	return 0;
}

/* What the daemon has kept it queues now, or forgets: its answer is the last.
 * When others have been queued, a refusal can not stand. */
static int report(const struct deliver *d, int code)
{
	struct qf_ask ask = {.version = QF_ASK_VERSION,
	    .size = sizeof ask,
	    .kind = QF_ASK_REPORT,
	    .code = code};
	static char record[QF_ASK_MAX];
	int fds[QF_FDPASS_MAX], n;
	struct qf_answered a;
	size_t nfds;
	struct qf_err e;

	memcpy(ask.magic, QF_ASK_MAGIC, sizeof ask.magic);
	if (qf_fd_send((int)d->sock, &ask, sizeof ask, NULL, 0, &e) < 0)
		return code != 0 ? code : fail(&e);
	if (code != 0)
		return code;
	n = qf_fd_recv((int)d->sock, record, sizeof record, fds, &nfds, &e);
	for (size_t i = 0; n > 0 && i < nfds; i++)
		qf_close(&fds[i]);
	if (n > 0 && qf_answer_parse(&a, record, (size_t)n, &e) == 0 &&
	    a.head.kind == QF_ANSWER_DONE)
		return 0;
	if (d->groups > 0)
		qf_log(QF_LOG_ERROR, "queued in part; a duplicate is possible",
		    QF_KD("code", n > 0 ? a.head.code : 81));
	return 71;
}

int qf_deliver_main(char *const *argv)
{
	struct deliver d = {0};
	struct qf_err e;
	int code = 0;

	if (qf_qqguard_start(&e) < 0 || take_words(&d, argv, &e) < 0 ||
	    take_groups(&d, &e) < 0)
		return fail(&e);
	if (d.groups > 0)
		code =
		    qf_commit_all(&d.plan, &d.next, (enum qf_dialect)d.dialect);
	if (d.held > 0)
		code = report(&d, code);
	qf_plan_free(&d.plan);
	qf_next_free(&d.next);
	return code;
}
