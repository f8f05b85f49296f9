#include "daemon/answer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/fdpass.h"
#include "lib/base/log.h"

static void start(struct qf_answer *a, enum qf_answer_kind kind)
{
	*a = (struct qf_answer){
	    .version = QF_ASK_VERSION, .size = sizeof *a, .kind = kind};
	memcpy(a->magic, QF_ANSWER_MAGIC, sizeof a->magic);
}

static void give(int sock, const struct qf_answer *a)
{
	if (send(sock, a, sizeof *a, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		qf_log(QF_LOG_INFO, "client gone", QF_KS("answer", "lost"));
}

void qf_answer_send(int sock, enum qf_answer_kind kind)
{
	struct qf_answer a;

	start(&a, kind);
	give(sock, &a);
}

void qf_answer_refuse(
    int sock, uint32_t dialect, const struct qf_judgement *j, int code)
{
	struct qf_answer a;

	start(&a, QF_ANSWER_REFUSED);
	a.code = code;
	a.dialect = dialect;
	if (j != NULL) {
		a.class_ = j->class_;
		a.category = j->category;
		snprintf(a.status, sizeof a.status, "%s", j->status);
		snprintf(a.text, sizeof a.text, "%s", j->text);
	}
	give(sock, &a);
}

/* Descriptors of what the client is to queue. */
static int gather(const struct qf_answer_queue *q, struct qf_answer *a,
    struct qf_spool *spool, int *fds, size_t *n, struct qf_err *e)
{
	for (size_t i = 0; i < q->plan->n; i++) {
		const struct qf_delivery *d = &q->plan->v[i];

		if (d->held)
			continue;
		if (a->groups == QF_ANSWER_GROUPS_MAX)
			return qf_fail(e, QF_EBUG, "too many groups");
		if (d->message == q->sent)
			a->as_sent |= (uint32_t)1 << a->groups;
		else
			fds[(*n)++] = d->message;
		if (qf_envelope_spool(&d->envelope, &spool[a->groups], e) < 0)
			return e->rc;
		fds[(*n)++] = spool[a->groups].fd;
		a->groups++;
	}
	return 0;
}

static int send_queue(const struct qf_answer_queue *q, int sock,
    struct qf_answer *a, const int *fds, size_t n, struct qf_err *e)
{
	struct qf_buf record = QF_BUF_INIT, words = QF_BUF_INIT;
	int rc;

	for (size_t i = 0; i < q->next->argv.n; i++)
		qf_buf_addz(&words, q->next->argv.v[i]);
	a->words = (uint32_t)words.len;
	a->unset = (uint32_t)q->unset.n;
	a->set = (uint32_t)q->set.n;
	qf_buf_add(&record, a, sizeof *a);
	qf_buf_add(&record, words.s, words.len);
	qf_buf_addspan(&record, q->unset);
	qf_buf_addspan(&record, q->set);
	rc = record.len > QF_ASK_MAX
		 ? qf_fail(e, QF_ETOOLONG, "the queue program's words")
		 : qf_fd_send(sock, record.s, record.len, fds, n, e);
	qf_buf_free(&words);
	qf_buf_free(&record);
	return rc;
}

int qf_answer_queue(int sock, const struct qf_answer_queue *q, struct qf_err *e)
{
	struct qf_spool spool[QF_ANSWER_GROUPS_MAX];
	int fds[QF_ANSWER_FDS_MAX];
	struct qf_answer a;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < QF_ANSWER_GROUPS_MAX; i++)
		spool[i] = (struct qf_spool)QF_SPOOL_INIT;
	start(&a, QF_ANSWER_QUEUE);
	a.dialect = q->dialect;
	a.held = q->held;
	rc = gather(q, &a, spool, fds, &n, e);
	if (rc == 0)
		rc = send_queue(q, sock, &a, fds, n, e);
	for (size_t i = 0; i < QF_ANSWER_GROUPS_MAX; i++)
		qf_spool_close(&spool[i]);
	return rc;
}
