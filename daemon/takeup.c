#include "daemon/takeup.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/roles.h"
#include "frontend/client.h"
#include "frontend/config.h"
#include "frontend/context.h"
#include "frontend/notify.h"
#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"
#include "queue/drop.h"

struct takeup {
	int folder;
	const char *id;
	struct qf_dropped d;
};

static void log_event(
    const struct takeup *t, int level, const char *event, const char *text)
{
	struct qf_kv kv[] = {QF_KS("drop", t->id), QF_KU("uid", t->d.uid),
	    QF_KS("from", qf_envelope_sender(&t->d.envelope)),
	    QF_KU("rcpts", t->d.envelope.nrcpt), QF_KS("text", text), {0}};

	if (text == NULL)
		kv[4] = (struct qf_kv){0};
	qf_log_kv(level, event, kv);
}

/* What may become of it. */

static enum qf_takeup put_off(const struct takeup *t, const char *why)
{
	log_event(t, QF_LOG_WARN, "not taken up now", why);
	return QF_TAKEUP_LATER;
}

static enum qf_takeup finish(
    const struct takeup *t, const char *event, const char *text)
{
	struct qf_err e;

	log_event(t, QF_LOG_INFO, event, text);
	if (qf_drop_remove(t->folder, t->id, &e) == 0)
		return QF_TAKEUP_OVER;
	qf_log_err("taken up, but not removed; a duplicate is possible", &e);
	return QF_TAKEUP_STUCK;
}

static enum qf_takeup set_aside(
    const struct takeup *t, const char *as, const char *why)
{
	char event[40];
	struct qf_err e;

	snprintf(event, sizeof event, "kept as drop/ID.%s", as);
	log_event(t, QF_LOG_ERROR, event, why);
	if (qf_drop_set_aside(t->folder, t->id, as, &e) == 0)
		return QF_TAKEUP_OVER;
	qf_log_err("message not set aside", &e);
	return QF_TAKEUP_STUCK;
}

/* Asking. */

/* A connection that the dispatcher takes for this user's. */
static int connect_for(const struct qf_pickup_note *note, struct qf_err *e)
{
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return qf_fail_sys(e, QF_EPIPE, "socketpair");
	rc = qf_fd_send(QF_ROLE_FD, note, sizeof *note, &pair[1], 1, e);
	qf_close(&pair[1]);
	if (rc < 0)
		qf_close(&pair[0]);
	return rc < 0 ? rc : pair[0];
}

/* What the daemon answers: of no kind when it does not serve. */
static int ask(int message, const struct qf_envelope *env,
    const struct qf_pickup_note *note, struct qf_answer *out, struct qf_err *e)
{
	static char *none[] = {NULL};
	struct qf_spool envelope = QF_SPOOL_INIT;
	struct qf_client c = {.name = "qfront-drop",
	    .argv = none,
	    .environment = none,
	    .message = message};
	int rc = qf_envelope_spool_attrs(env, &envelope, e);

	*out = (struct qf_answer){0};
	if (rc < 0)
		return rc;
	c.envelope = envelope.fd;
	c.sock = rc = connect_for(note, e);
	if (rc >= 0)
		rc = qf_client_ask(&c, e);
	if (rc > 0)
		*out = c.answer.head;
	for (size_t i = 0; i < c.nfds; i++)
		qf_close(&c.fds[i]);
	qf_close(&c.sock);
	qf_spool_close(&envelope);
	return rc < 0 ? rc : 0;
}

static const char *text_of(const struct qf_answer *a)
{
	return a->text[0] != '\0' ? a->text : qf_qqcode_find(a->code)->text;
}

static bool is_final(const struct qf_answer *a)
{
	return a->kind == QF_ANSWER_REFUSED &&
	       qf_qqcode_find(a->code)->letter == 'D';
}

/* Neither queued nor refused for good. */
static enum qf_takeup wait_for_better(
    const struct takeup *t, const struct qf_answer *a)
{
	if (a->kind == QF_ANSWER_REFUSED)
		return put_off(t, text_of(a));
	if (a->kind == QF_ANSWER_QUEUE)
		return put_off(t, "another queue program is configured, and "
				  "drop/ is for the queue of qfront alone");
	return put_off(t, "the daemon does not serve");
}

/* A refusal for good: the sender must hear of it. */

static int write_notice(const struct takeup *t, const struct qf_answer *a,
    int *out, struct qf_err *e)
{
	struct qf_judgement j = {.class_ = QF_REJECT,
	    .category = a->category,
	    .code = (uint32_t)a->code};
	struct qf_frontend_config config = {0};
	struct qf_notice notice = {0};
	struct qf_ctl ctl;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e);

	if (rc < 0)
		return rc;
	snprintf(j.status, sizeof j.status, "%s", a->status);
	snprintf(j.text, sizeof j.text, "%s", a->text);
	qf_notice_add(&notice, &t->d.envelope, &j);
	rc = qf_frontend_config_load(&config, &ctl, e);
	if (rc == 0)
		rc = qf_notice_write(&notice, config.me,
		    qf_envelope_sender(&t->d.envelope), t->d.message.fd, out,
		    e);
	qf_frontend_config_free(&config);
	qf_notice_free(&notice);
	qf_ctl_close(&ctl);
	return rc;
}

static int send_notice(const struct takeup *t, const struct qf_answer *why,
    struct qf_answer *out, struct qf_err *e)
{
	const struct qf_pickup_note note = {.uid = getuid(), .bounce = 1};
	struct qf_envelope env = QF_ENVELOPE_INIT;
	int fd = -1, rc = write_notice(t, why, &fd, e);

	if (rc == 0) {
		const char *to = qf_envelope_sender(&t->d.envelope);

		qf_envelope_set_sender(&env, qf_span(""));
		qf_envelope_add_rcpt(&env, qf_span(to));
		rc = ask(fd, &env, &note, out, e);
	}
	qf_envelope_free(&env);
	qf_close(&fd);
	return rc;
}

static enum qf_takeup give_back(
    const struct takeup *t, const struct qf_answer *why)
{
	struct qf_answer a;
	struct qf_err e;

	if (qf_context_is_bounce(&t->d.envelope))
		return set_aside(t, "failed", text_of(why));
	if (send_notice(t, why, &a, &e) < 0)
		return put_off(t, e.text);
	if (a.kind == QF_ANSWER_DONE)
		return finish(t, "refused and bounced", text_of(why));
	if (is_final(&a))
		return set_aside(t, "failed", text_of(why));
	return wait_for_better(t, &a);
}

static enum qf_takeup submit(const struct takeup *t)
{
	const struct qf_pickup_note note = {.uid = (uint32_t)t->d.uid};
	struct qf_answer a;
	struct qf_err e;

	if (ask(t->d.message.fd, &t->d.envelope, &note, &a, &e) < 0)
		return put_off(t, e.text);
	if (a.kind == QF_ANSWER_DONE)
		return finish(t, "taken up", NULL);
	if (is_final(&a))
		return give_back(t, &a);
	return wait_for_better(t, &a);
}

enum qf_takeup qf_takeup(int folder, const char *id)
{
	struct takeup t = {.folder = folder, .id = id};
	enum qf_takeup result = QF_TAKEUP_OVER;
	struct qf_err e;
	int rc = qf_drop_read(folder, id, &t.d, &e);

	if (rc == 0)
		result = submit(&t);
	else if (rc == QF_EFORMAT)
		result = set_aside(&t, "bad", e.text);
	else if (rc != QF_ENOENT)
		result = put_off(&t, e.text);
	qf_dropped_free(&t.d);
	return result;
}
