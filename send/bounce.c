#include "send/bounce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/mail/envelope.h"

enum {
	SUBMIT_LIMIT_MS = 600000 /* for the queue program and its filters */
};

/* No host: it holds spaces. */
static const char expired_words[] = "not delivered in time; ";

void qf_reason_format(
    struct qf_buf *out, bool expired, const char *host, const char *text)
{
	qf_buf_addf(out, "%s%s: %s", expired ? expired_words : "", host, text);
}

static bool cut_prefix(struct qf_span *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	*s = qf_span_n(s->p + n, s->n - n);
	return true;
}

/* The word before the first `: `, when there is one. */
static struct qf_span cut_host(struct qf_span *s)
{
	for (size_t i = 0; i + 1 < s->n && s->p[i] != ' '; i++) {
		if (i > 0 && s->p[i] == ':' && s->p[i + 1] == ' ') {
			struct qf_span host = qf_span_n(s->p, i);

			*s = qf_span_n(s->p + i + 2, s->n - i - 2);
			return host;
		}
	}
	return qf_span_n(s->p, 0);
}

void qf_failure_parse(struct qf_failure *f, const struct qf_note *note)
{
	struct qf_span reason = note->reason;
	bool expired = cut_prefix(&reason, expired_words);

	*f = (struct qf_failure){QF_BUF_INIT, QF_BUF_INIT, QF_BUF_INIT, ""};
	qf_buf_addspan(&f->address, note->rcpt);
	qf_buf_addspan(&f->host, cut_host(&reason));
	qf_buf_addspan(&f->text, reason);
	for (size_t i = 0; i < f->text.len; i++) {
		if (f->text.s[i] == '\n')
			f->text.s[i] = '/';
	}
	if (expired)
		memcpy(f->status, QF_DSN_STATUS_EXPIRED,
		    sizeof QF_DSN_STATUS_EXPIRED);
	else
		qf_dsn_reply_status(f->text.s, f->status);
}

void qf_failure_free(struct qf_failure *f)
{
	qf_buf_free(&f->address);
	qf_buf_free(&f->host);
	qf_buf_free(&f->text);
}

bool qf_bounce_wanted(const char *sender)
{
	return sender[0] != '\0' && strcmp(sender, "#@[]") != 0;
}

/* The notification for all notes. */
static int format(const struct qf_item *item, int message, const char *me,
    bool brief, struct qf_buf *out, struct qf_err *e)
{
	struct qf_failure *failure = NULL;
	struct qf_dsn_rcpt *rcpt = NULL;
	struct qf_note note = {0};
	size_t n = 0, cap = 0;
	struct qf_dsn dsn;
	int rc;

	while (qf_note_next(&item->notes, &note)) {
		if (n == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			failure =
			    qf_realloc_array(failure, cap, sizeof *failure);
		}
		qf_failure_parse(&failure[n++], &note);
	}
	rcpt = qf_alloc((n + 1) * sizeof *rcpt);
	for (size_t i = 0; i < n; i++)
		rcpt[i] = (struct qf_dsn_rcpt){
		    .address = failure[i].address.s,
		    .status = failure[i].status,
		    .diagnostic = failure[i].text.s,
		    .remote =
			failure[i].host.len > 0 ? failure[i].host.s : NULL,
		};
	dsn = (struct qf_dsn){
	    .me = me,
	    .sender = item->sender.s,
	    .id = item->id,
	    .arrived = item->born,
	    .now = qf_clock_wall(),
	    .rcpt = rcpt,
	    .nrcpt = n,
	    .original = message,
	    .brief = brief,
	};
	rc = qf_dsn_format(&dsn, out, e);
	for (size_t i = 0; i < n; i++)
		qf_failure_free(&failure[i]);
	free(failure);
	free(rcpt);
	return rc;
}

static int submit(const struct qf_buf *bytes, const struct qf_envelope *env,
    struct qf_submit_result *result, struct qf_err *e)
{
	struct qf_submit_options options = {
	    .deadline = qf_deadline_in(SUBMIT_LIMIT_MS)};
	struct qf_submit *s = NULL;
	int rc = qf_submit_open(&s, &options, e);

	if (rc < 0)
		return rc;
	qf_submit_write(s, bytes->s, bytes->len);
	qf_submit_close(&s, env, result);
	return 0;
}

enum qf_bounce_outcome qf_bounce_send(const struct qf_item *item, int message,
    const char *me, const char *to, bool brief, struct qf_submit_result *result)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf bytes = QF_BUF_INIT;
	struct qf_err e = {0};
	enum qf_bounce_outcome outcome = QF_BOUNCE_NOT_NOW;
	int rc;

	*result = (struct qf_submit_result){0};
	if (qf_envelope_set_sender(&env, qf_span("")) < 0 ||
	    qf_envelope_add_rcpt(&env, qf_span(to)) < 0) {
		qf_fail(&e, QF_ETOOLONG, "the address is too long");
		outcome = QF_BOUNCE_REFUSED;
	} else if ((rc = format(item, message, me, brief, &bytes, &e)) == 0 &&
		   (rc = submit(&bytes, &env, result, &e)) == 0) {
		outcome = result->letter == 'K'   ? QF_BOUNCE_QUEUED
			  : result->letter == 'D' ? QF_BOUNCE_REFUSED
						  : QF_BOUNCE_NOT_NOW;
	}
	if (e.rc != 0)
		snprintf(result->text, sizeof result->text, "%.255s", e.text);
	qf_buf_free(&bytes);
	qf_envelope_free(&env);
	return outcome;
}
