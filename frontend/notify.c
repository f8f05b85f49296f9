#include "frontend/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/outcome.h"
#include "lib/base/alloc.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/spool.h"
#include "lib/mail/dsn.h"
#include "lib/mail/qqcode.h"

enum {
	LIMIT_MS = 60000 /* for writing one */
};

struct qf_notice_rcpt {
	size_t address; /* places in strings */
	size_t status, text;
};

static size_t keep(struct qf_notice *n, const char *s)
{
	qf_strv_add(&n->strings, s);
	return n->strings.n - 1;
}

void qf_notice_add(struct qf_notice *n, const struct qf_envelope *rcpts,
    const struct qf_judgement *j)
{
	const struct qf_qqcode *code = qf_qqcode_find(qf_outcome_code(j));
	bool own = j->status[0] == '5';
	size_t status = keep(n, own ? j->status : code->status);
	size_t text = keep(n, j->text[0] != '\0' ? j->text : code->text);

	for (size_t i = 0; i < rcpts->nrcpt; i++) {
		if (n->n == n->cap) {
			n->cap = n->cap == 0 ? 16 : n->cap * 2;
			n->v = qf_realloc_array(n->v, n->cap, sizeof *n->v);
		}
		n->v[n->n++] = (struct qf_notice_rcpt){
		    keep(n, qf_envelope_rcpt(rcpts, i)), status, text};
	}
}

void qf_notice_free(struct qf_notice *n)
{
	free(n->v);
	qf_strv_free(&n->strings);
	*n = (struct qf_notice){0};
}

struct writer {
	const struct qf_notice *notice;
	const char *me, *sender;
	int original;
	int to;
};

static int write_notice(void *arg)
{
	const struct writer *w = arg;
	const struct qf_notice *n = w->notice;
	struct qf_dsn_rcpt *rcpt = qf_alloc(n->n * sizeof *rcpt);
	struct qf_buf out = QF_BUF_INIT;
	char id[32];
	bool failed;
	struct qf_dsn dsn = {.me = w->me,
	    .sender = w->sender,
	    .id = id,
	    .arrived = qf_clock_wall(),
	    .now = qf_clock_wall(),
	    .rcpt = rcpt,
	    .nrcpt = n->n,
	    .original = w->original};
	struct qf_err e;

	snprintf(id, sizeof id, "qfront-%ld", (long)getppid());
	for (size_t i = 0; i < n->n; i++)
		rcpt[i] = (struct qf_dsn_rcpt){
		    .address = n->strings.v[n->v[i].address],
		    .status = n->strings.v[n->v[i].status],
		    .diagnostic = n->strings.v[n->v[i].text]};
	failed = qf_dsn_format(&dsn, &out, &e) < 0 ||
		 qf_write_all(w->to, out.s, out.len) < 0;
	qf_buf_free(&out);
	free(rcpt);
	return failed;
}

int qf_notice_write(const struct qf_notice *n, const char *me,
    const char *sender, int original, int *out, struct qf_err *e)
{
	struct qf_spool spool = QF_SPOOL_INIT;
	struct writer w = {n, me, sender, qf_reopen(original), -1};
	struct qf_child child = QF_CHILD_NONE;
	int status = 0;
	int rc = qf_spool_open(&spool, e);

	w.to = spool.fd;
	if (rc == 0)
		rc = qf_child_fork(&child, write_notice, &w, e);
	if (rc == 0) {
		qf_child_finish(&child, qf_deadline_in(LIMIT_MS), &status);
		if (status != 0)
			rc = qf_fail(
			    e, QF_EWRITE, "the bounce can not be written");
	}
	if (rc == 0)
		rc = qf_spool_finish(&spool, e);
	qf_close(&w.original);
	if (rc == 0) {
		*out = spool.fd;
		spool.fd = -1;
	}
	qf_spool_close(&spool);
	return rc;
}
