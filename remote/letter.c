#include "remote/letter.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "remote/address.h"

static int open_body(struct qf_letter *l, int fd, struct qf_err *e)
{
	struct stat st;
	off_t at;

	if (fstat(fd, &st) < 0)
		return qf_fail_sys(e, QF_EREAD, "descriptor %d", fd);
	at = lseek(fd, 0, SEEK_CUR);
	if (S_ISREG(st.st_mode) && at >= 0) {
		if (at > st.st_size)
			at = st.st_size;
		l->body =
		    (struct qf_body){fd, (uint64_t)at, (uint64_t)st.st_size};
		return 0;
	}
	if (qf_spool_open(&l->spool, e) < 0 ||
	    qf_spool_fill(&l->spool, fd, e) < 0)
		return e->rc;
	l->body = (struct qf_body){.fd = l->spool.fd, .end = l->spool.size};
	return 0;
}

int qf_letter_read(struct qf_letter *l, int fd, struct qf_err *e)
{
	int rc = open_body(l, fd, e);

	return rc < 0 ? rc : qf_survey(&l->survey, &l->body, e);
}

static void take_rcpt(
    struct qf_letter *l, struct qf_letter_rcpt *to, const char *addr)
{
	struct qf_buf wire = QF_BUF_INIT;
	struct qf_err e;

	if (qf_address_add(&wire, qf_span(addr), "recipient", &l->utf8, &e) <
	    0) {
		to->fault = qf_strdup(e.text);
	} else {
		to->at = l->wire.n;
		qf_strv_add(&l->wire, wire.s);
	}
	qf_buf_free(&wire);
}

int qf_letter_address(struct qf_letter *l, const char *sender, char **rcpt,
    size_t n, struct qf_err *e)
{
	l->rcpt = qf_alloc(n * sizeof *l->rcpt);
	l->nrcpt = n;
	for (size_t i = 0; i < n; i++)
		take_rcpt(l, &l->rcpt[i], rcpt[i]);
	return qf_address_add(
	    &l->sender, qf_span(sender), "sender", &l->utf8, e);
}

void qf_letter_free(struct qf_letter *l)
{
	for (size_t i = 0; i < l->nrcpt; i++)
		free(l->rcpt[i].fault);
	free(l->rcpt);
	qf_strv_free(&l->wire);
	qf_buf_free(&l->sender);
	qf_spool_close(&l->spool);
}
