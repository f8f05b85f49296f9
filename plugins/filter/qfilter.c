/*
 * The contract of qmail-qfilter: a program without a shell. It reads the
 * message from descriptor 0 and the envelope from 3, and may write new ones to
 * 1 and 4; what it leaves empty stays as it is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/program.h"
#include "lib/mail/qqcode.h"
#include "plugins/common/filter.h"
#include "plugins/filter/engine.h"
#include "plugins/filter/recipients.h"

enum {
	ENVELOPE_FD = 3,
	NEW_ENVELOPE_FD = 4,
	QUEUE_FD = 5,
	/* The kernel takes no longer variable than 128 KiB, and all of them
	 * must fit: a long list is left out. */
	RCPTS_MAX = 65536,
	/* Most bytes of a new envelope: twice the old one and this. */
	ENVELOPE_ROOM = 16 << 20
};

/* The descriptors that only this contract has. */
struct extra {
	struct qf_envelope old;
	struct qf_spool envelope;
	int queue;
};

static void set_number(struct filter *f, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, n);
	filter_setenv(f, name, text);
}

static void set_sender(struct filter *f, const char *sender)
{
	const char *at = strrchr(sender, '@');
	size_t n = at != NULL ? (size_t)(at - sender) : strlen(sender);
	char *user = qf_strndup(sender, n);

	filter_setenv(f, "QMAILUSER", user);
	filter_setenv(f, "QMAILHOST", at != NULL ? at + 1 : "");
	filter_setenv(f, "QMAILNAME", NULL);
	free(user);
}

static void set_recipients(struct filter *f, const struct qf_envelope *env)
{
	struct qf_buf list = QF_BUF_INIT;

	for (size_t i = 0; i < env->nrcpt && list.len <= RCPTS_MAX; i++)
		qf_buf_addf(&list, "%s\n", qf_envelope_rcpt(env, i));
	filter_setenv(f, "QMAILRCPTS", list.len <= RCPTS_MAX ? list.s : NULL);
	set_number(f, "NUMRCPTS", env->nrcpt);
	qf_buf_free(&list);
}

static void set_environment(struct filter *f, const struct extra *x)
{
	struct qf_span pid;

	set_sender(f, qf_envelope_sender(&x->old));
	set_recipients(f, &x->old);
	set_number(f, "MSGSIZE", f->h->size_of(f->m));
	set_number(f, "ENVSIZE", x->envelope.size);
	if (f->h->context(f->m, "submit.pid", &pid) == 0) {
		char *text = qf_strndup(pid.p, pid.n);

		filter_setenv(f, "QMAILPPID", text);
		free(text);
	}
}

static int open_extra(struct filter *f, struct extra *x, struct qf_err *e)
{
	int rc = recipients_read(f->h, f->m, &x->old);

	if (rc < 0)
		return qf_fail(e, rc, "the envelope can not be read");
	rc = qf_envelope_spool(&x->old, &x->envelope, e);
	if (rc < 0)
		return rc;
	x->queue = memfd_create("qfront-qfilter", MFD_CLOEXEC);
	if (x->queue < 0)
		return qf_fail_sys(e, QF_EWRITE, "memfd_create");
	f->fds[f->nfds++] = (struct qf_child_fd){ENVELOPE_FD, x->envelope.fd};
	f->fds[f->nfds++] = (struct qf_child_fd){QUEUE_FD, x->queue};
	f->envelope_fd = NEW_ENVELOPE_FD;
	f->envelope.most = 2 * x->envelope.size + ENVELOPE_ROOM;
	set_environment(f, x);
	return 0;
}

static void close_extra(struct extra *x)
{
	qf_envelope_free(&x->old);
	qf_spool_close(&x->envelope);
	qf_close(&x->queue);
}

/* What any other code means to those who read it. */
static int32_t verdict_of_code(struct filter *f)
{
	const struct qf_qqcode *q = qf_qqcode_find(f->code);
	struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = q->letter == 'D' ? QF_REJECT : QF_DEFER,
	    .code = q->code > 0 ? (uint32_t)q->code : 0,
	};

	return f->h->verdict(f->m, &v);
}

/* A program written to descriptor 5 would queue the message in our place. */
static int32_t refuse_queue(struct filter *f)
{
	static const struct qf_verdict v = {
	    .size = sizeof v, .class_ = QF_DEFER, .category = QF_CAT_CONFIG};

	lines_say(&f->log, QF_LOG_ERROR,
	    "it chose a queue program by descriptor 5, which this version does "
	    "not have; name the program in the control file queueprog");
	return f->h->verdict(f->m, &v);
}

static int32_t apply(struct filter *f, const struct extra *x)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_err e;
	int rc = 0, code = 0;

	if (f->envelope.spool.size > 0) {
		rc = qf_envelope_read(&env, f->envelope.spool.fd, &e);
		if (rc == 0)
			rc = recipients_apply(f->h, f->m, &x->old, &env, &e);
		code = rc < 0 ? 91 : 0;
	}
	if (rc == QF_DISCARD)
		lines_say(&f->log, QF_LOG_INFO,
		    "it left no recipient: the message is dropped");
	if (rc == 0 && f->output.spool.size > 0)
		rc = filter_apply(f, &e);
	qf_envelope_free(&env);
	return rc < 0 ? filter_broken(f, &e, code) : rc;
}

static int32_t judge(struct filter *f, const struct extra *x)
{
	struct stat st;
	int32_t rc;

	if (f->code == 0 && fstat(x->queue, &st) == 0 && st.st_size > 0)
		return refuse_queue(f);
	if (f->code == 0)
		return apply(f, x);
	rc = filter_verdict(f);
	return rc == QF_ENOENT ? verdict_of_code(f) : rc;
}

static int32_t message(
    const struct qf_host *h, struct qf_msg *m, const struct stage *st)
{
	struct extra x = {
	    .old = QF_ENVELOPE_INIT, .envelope = QF_SPOOL_INIT, .queue = -1};
	struct filter f;
	struct qf_err e;
	int32_t rc;

	filter_init(&f, h, m, &st->limits);
	f.name = st->argv.v[0];
	f.path = st->path.s;
	f.argv = st->argv.v;
	rc = open_extra(&f, &x, &e);
	if (rc == 0)
		rc = filter_run(&f, &e);
	if (rc < 0)
		rc = filter_broken(
		    &f, &e, rc == QF_ECRASH || rc == QF_EEXEC ? 81 : 0);
	else
		rc = judge(&f, &x);
	close_extra(&x);
	filter_free(&f);
	return rc;
}

static int32_t open_stage(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_err e;

	if (st->command.len == 0) {
		h->conf_error(c, "command", NULL, 0,
		    "engine=qfilter needs a program: set command");
		return QF_ECONF;
	}
	if (qf_program_words(&st->argv, st->command.s, &e) == 0 &&
	    qf_program_find(&st->path, st->argv.v[0], &e) == 0)
		return 0;
	h->conf_error(c, "command", NULL, 0, e.text);
	return QF_ECONF;
}

const struct engine engine_qfilter = {"qfilter", open_stage, message};
