#include "remote/report.h"

#include <stdarg.h>
#include <stdio.h>

/* Every text that quotes a reply ends with it. */
#define SAID "\nRemote host said: "

void qf_report_add(
    struct qf_buf *out, enum qf_report letter, const char *fmt, ...)
{
	va_list args;
	int n;

	qf_buf_addc(out, (char)letter);
	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	qf_buf_reserve(out, (size_t)n + 1);
	va_start(args, fmt);
	vsnprintf(out->s + out->len, (size_t)n + 1, fmt, args);
	va_end(args);
	/* With the zero byte. */
	out->len += (size_t)n + 1;
	out->s[out->len] = '\0';
}

bool qf_report_recipient(
    struct qf_buf *out, const struct qf_smtp_said *said, const char *ip)
{
	if (said->outcome == QF_SMTP_PENDING)
		return false;
	if (said->outcome == QF_SMTP_SENT)
		qf_report_add(out, QF_REPORT_ACCEPTED, "%s", "");
	else
		qf_report_add(out,
		    said->outcome == QF_SMTP_REFUSED ? QF_REPORT_REFUSED
						     : QF_REPORT_DEFERRED,
		    "%s does not like recipient." SAID "%s", ip, said->reply);
	return true;
}

/* Ways to end at a step, with the server's address between. */
static const struct {
	const char *before, *after;
} step_texts[QF_SMTP_STEPS] = {
    [QF_SMTP_GREETING] = {"Connected to ", " but greeting failed."},
    [QF_SMTP_EHLO] = {"Connected to ", " but my name was rejected."},
    [QF_SMTP_HELO] = {"Connected to ", " but my name was rejected."},
    [QF_SMTP_STARTTLS] = {"Connected to ", " but STARTTLS failed."},
    [QF_SMTP_AUTH] = {"Connected to ", " but could not log in."},
    [QF_SMTP_RSET] = {"Connected to ", " but RSET failed."},
    [QF_SMTP_MAIL] = {"Connected to ", " but sender was rejected."},
    [QF_SMTP_RCPT] = {"", " gave an odd reply to recipient."},
    [QF_SMTP_DATA] = {"", " failed on DATA command."},
    [QF_SMTP_BODY] = {"", " failed after I sent the message."},
    [QF_SMTP_END] = {"", " failed after I sent the message."}};

/* Has each recipient a report of its own, and none was accepted? */
static bool all_failed(const struct qf_smtp_result *r)
{
	return r->accepted == 0 &&
	       r->rcpt[r->nrcpt - 1].outcome != QF_SMTP_PENDING;
}

/* The connection, not the server, came to an end; 421 to a recipient, which
 * has its own report, is the announcement of that. */
static bool died(const struct qf_smtp_result *r)
{
	return r->outcome == QF_SMTP_CLOSED ||
	       r->outcome == QF_SMTP_TIMED_OUT ||
	       r->outcome == QF_SMTP_UNSENT ||
	       (r->step == QF_SMTP_RCPT && r->code == 421 && !all_failed(r));
}

static void add_step(
    struct qf_buf *out, const struct qf_smtp_result *r, const char *ip)
{
	enum qf_report letter =
	    r->outcome == QF_SMTP_REFUSED ? QF_REPORT_FAILED : QF_REPORT_LATER;

	qf_report_add(out, letter, "%s%s%s%s" SAID "%s",
	    step_texts[r->step].before, ip, step_texts[r->step].after,
	    r->maybe_taken ? " Possible duplicate!" : "", r->reply.s);
}

static void add_failure(
    struct qf_buf *out, const struct qf_smtp_result *r, const char *ip)
{
	if (died(r))
		qf_report_add(out, QF_REPORT_LATER,
		    "Connected to %s but connection died. %s(#4.4.2)\n", ip,
		    r->maybe_taken ? "Possible duplicate! " : "");
	else if (r->outcome == QF_SMTP_UNREAD)
		qf_report_add(
		    out, QF_REPORT_LATER, "Unable to read message. (#4.3.0)\n");
	else if (r->outcome == QF_SMTP_UNFIT)
		qf_report_add(out, QF_REPORT_FAILED,
		    "%s can not take this message: %s (#%s)\n", ip, r->text.s,
		    r->too_big ? "5.3.4" : "5.6.7");
	else if (r->reply.len == 0)
		qf_report_add(out, QF_REPORT_LATER,
		    "Connected to %s but %s (#4.7.0)\n", ip, r->text.s);
	else if (r->step == QF_SMTP_RCPT && r->outcome != QF_SMTP_CONFUSED)
		qf_report_add(out, QF_REPORT_FAILED, "Giving up on %s.\n", ip);
	else
		add_step(out, r, ip);
}

void qf_report_message(struct qf_buf *out, const struct qf_smtp_result *result,
    const char *ip, const char *tls)
{
	if (result->outcome == QF_SMTP_SENT)
		qf_report_add(out, QF_REPORT_SENT,
		    "%s accepted message." SAID "%s", ip, result->reply.s);
	else
		add_failure(out, result, ip);
	if (tls[0] == '\0')
		return;
	/* Before the zero byte; a long reply was cut without its LF. */
	out->len--;
	qf_buf_addf(
	    out, "%sTLS: %s\n", out->s[out->len - 1] == '\n' ? "" : "\n", tls);
	qf_buf_addc(out, '\0');
}
