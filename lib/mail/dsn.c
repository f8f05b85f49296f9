#include "lib/mail/dsn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/utf8.h"
#include "lib/mail/addr.h"
#include "lib/mail/date.h"
#include "lib/mail/dsn_original.h"

enum {
	LINE_WISH = 76, /* RFC 5322 section 2.1.1: should be below 78 */
	TEXT_MAX = 900, /* of one address or diagnostic */
	WORD_MAX = TEXT_MAX + 8, /* longer ones are broken */
};

static const char digits[] = "0123456789";

/* The printable character outside of ASCII at p: its length and code point, 0
 * when there is none. */
static size_t wide_char(const char *p, size_t n, unsigned *point)
{
	size_t len = qf_utf8_char(p, n, point);

	return *point < 0xa0 ? 0 : len;
}

/* How characters outside of ASCII are written. */
enum charset {
	ASCII, /* as `?` */
	UTF8,  /* as they are, when they are UTF-8 */
	XTEXT  /* as \x{HEX} (RFC 6533 section 3, utf-8-addr-xtext) */
};

/* One line of printable text, at most TEXT_MAX bytes and "...". */
static void add_clean(struct qf_buf *out, struct qf_span s, enum charset cs)
{
	size_t start = out->len;
	unsigned point = 0;

	for (size_t i = 0, step; i < s.n; i += step) {
		char c = s.p[i];
		size_t seq =
		    cs == ASCII ? 0 : wide_char(s.p + i, s.n - i, &point);

		if (out->len - start >= TEXT_MAX) {
			qf_buf_adds(out, "...");
			return;
		}
		step = seq > 0 ? seq : 1;
		if (cs == XTEXT && (c == '\\' || c == '+' || c == '='))
			qf_buf_addf(out, "\\x{%02X}", (unsigned)c);
		else if (c >= ' ' && c < 127)
			qf_buf_addc(out, c);
		else if (seq == 0)
			qf_buf_addc(out, '?');
		else if (cs == UTF8)
			qf_buf_add(out, s.p + i, seq);
		else
			qf_buf_addf(out, "\\x{%X}", point);
	}
}

static bool has_8bit(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] >= 128)
			return true;
	}
	return false;
}

/* How much of s goes on a line that has room bytes left. */
static size_t line_length(struct qf_span s, size_t room)
{
	if (s.n <= room)
		return s.n;
	for (size_t i = room; i > 0; i--) {
		if (s.p[i] == ' ')
			return i;
	}
	for (size_t i = room; i < s.n && i < WORD_MAX; i++) {
		if (s.p[i] == ' ')
			return i;
	}
	return s.n < WORD_MAX ? s.n : WORD_MAX;
}

/* Text that goes on in further lines, which start with indent; col bytes of
 * the first line are taken. Ends the line. */
static void add_wrapped(
    struct qf_buf *out, struct qf_span s, size_t col, const char *indent)
{
	for (;;) {
		size_t n =
		    line_length(s, col < LINE_WISH ? LINE_WISH - col : 1);

		qf_buf_add(out, s.p, n);
		qf_buf_addc(out, '\n');
		s = qf_span_trim(qf_span_n(s.p + n, s.n - n));
		if (s.n == 0)
			return;
		qf_buf_adds(out, indent);
		col = strlen(indent);
	}
}

/* `Name: value`, folded. */
static void add_field(struct qf_buf *out, const char *name, struct qf_span v)
{
	qf_buf_addf(out, "%s: ", name);
	add_wrapped(out, qf_span_trim(v), strlen(name) + 2, " ");
}

static bool is_reply(const char *s)
{
	return s[0] >= '2' && s[0] <= '5' && strspn(s, digits) == 3 &&
	       (s[3] == '\0' || s[3] == ' ' || s[3] == '-');
}

const char *qf_dsn_find_reply(const char *diagnostic)
{
	const char *s = diagnostic;

	while (s != NULL && !is_reply(s)) {
		s = strstr(s, ": ");
		if (s != NULL)
			s += 2;
	}
	return s;
}

bool qf_dsn_reply_status(const char *diagnostic, char out[QF_DSN_STATUS_SIZE])
{
	const char *reply = qf_dsn_find_reply(diagnostic);
	const char *s, *p;
	size_t n;

	memcpy(out, "5.0.0", sizeof "5.0.0");
	if (reply == NULL || reply[0] != '5' || reply[3] == '\0' ||
	    reply[4] != '5')
		return false;
	s = reply + 4;
	p = s + 1;
	for (int part = 0; part < 2; part++) {
		if (*p++ != '.')
			return false;
		n = strspn(p, digits);
		if (n < 1 || n > 3)
			return false;
		p += n;
	}
	if (*p != '\0' && strchr(" \t/", *p) == NULL)
		return false;
	memcpy(out, s, (size_t)(p - s));
	out[p - s] = '\0';
	return true;
}

/* A status that may stand in a Status field of a failure. */
static const char *valid_status(
    const char *status, char out[QF_DSN_STATUS_SIZE])
{
	char reply[64];

	if (snprintf(reply, sizeof reply, "550 %s", status) < (int)sizeof reply)
		qf_dsn_reply_status(reply, out);
	else
		memcpy(out, "5.0.0", sizeof "5.0.0");
	return out;
}

static void add_text_rcpt(struct qf_buf *out, const struct qf_dsn_rcpt *r)
{
	struct qf_buf line = QF_BUF_INIT;
	char status[QF_DSN_STATUS_SIZE];
	bool said = r->diagnostic != NULL && r->diagnostic[0] != '\0';

	qf_buf_adds(out, "\n<");
	add_clean(out, qf_span(r->address), UTF8);
	qf_buf_adds(out, ">:\n    ");
	if (strcmp(valid_status(r->status, status), QF_DSN_STATUS_EXPIRED) == 0)
		qf_buf_adds(&line,
		    said ? "It could not be delivered in time. Last answer: "
			 : "It could not be delivered in time. ");
	if (r->remote != NULL && said) {
		add_clean(&line, qf_span(r->remote), UTF8);
		qf_buf_adds(&line, ": ");
	}
	if (said)
		add_clean(&line, qf_span(r->diagnostic), UTF8);
	else
		qf_buf_adds(&line, "No reason was given.");
	add_wrapped(out, qf_buf_span(&line), 4, "    ");
	qf_buf_free(&line);
}

static void format_text(
    const struct qf_dsn *d, const struct qf_dsn_original *o, struct qf_buf *out)
{
	char date[QF_DATE_SIZE];

	qf_date_rfc5322(date, d->arrived);
	qf_buf_adds(out, "This is the mail system at host ");
	add_clean(out, qf_span(d->me), UTF8);
	qf_buf_adds(out,
	    ".\n\nYour message could not be delivered to the recipients "
	    "below. This is\nfinal: no further attempt is made for them. ");
	qf_buf_adds(out, d->brief ? "What identifies it\nfollows.\n"
			 : o->cut ? "The first 64 KiB of its\nheader follow.\n"
				  : "Its header follows.\n");
	qf_buf_addf(out, "\nReceived: %s\nQueue id: ", date);
	add_clean(out, qf_span(d->id), ASCII);
	qf_buf_addc(out, '\n');
	for (size_t i = 0; i < d->nrcpt; i++)
		add_text_rcpt(out, &d->rcpt[i]);
}

static void add_status_rcpt(struct qf_buf *out, const struct qf_dsn_rcpt *r)
{
	struct qf_buf v = QF_BUF_INIT;
	struct qf_span addr = qf_span(r->address);
	char status[QF_DSN_STATUS_SIZE];

	qf_buf_addc(out, '\n');
	qf_buf_adds(&v, has_8bit(addr) ? "utf-8; " : "rfc822; ");
	add_clean(&v, addr, has_8bit(addr) ? XTEXT : ASCII);
	add_field(out, "Final-Recipient", qf_buf_span(&v));
	qf_buf_adds(out, "Action: failed\n");
	qf_buf_addf(out, "Status: %s\n", valid_status(r->status, status));
	if (r->remote != NULL) {
		qf_buf_reset(&v);
		qf_buf_adds(&v, "dns; ");
		add_clean(&v, qf_span(r->remote), ASCII);
		add_field(out, "Remote-MTA", qf_buf_span(&v));
	}
	if (r->diagnostic != NULL && r->diagnostic[0] != '\0') {
		const char *reply = qf_dsn_find_reply(r->diagnostic);

		qf_buf_reset(&v);
		/* Types without a registration start with x-. */
		qf_buf_adds(&v, reply != NULL ? "smtp; " : "x-qfront; ");
		add_clean(
		    &v, qf_span(reply != NULL ? reply : r->diagnostic), ASCII);
		add_field(out, "Diagnostic-Code", qf_buf_span(&v));
	}
	qf_buf_free(&v);
}

static void format_status(const struct qf_dsn *d, struct qf_buf *out)
{
	struct qf_buf v = QF_BUF_INIT;
	char date[QF_DATE_SIZE];

	qf_buf_adds(&v, "dns; ");
	add_clean(&v, qf_span(d->me), ASCII);
	add_field(out, "Reporting-MTA", qf_buf_span(&v));
	qf_date_rfc5322(date, d->arrived);
	qf_buf_addf(out, "Arrival-Date: %s\n", date);
	for (size_t i = 0; i < d->nrcpt; i++)
		add_status_rcpt(out, &d->rcpt[i]);
	qf_buf_free(&v);
}

/* A boundary that no part holds: the same for the same input. */
static void choose_boundary(const struct qf_dsn *d,
    const struct qf_buf *const part[], size_t n, struct qf_buf *out)
{
	for (unsigned try = 0;; try++) {
		bool found = false;

		qf_buf_reset(out);
		qf_buf_addf(out, "qfront.%lld.%u", (long long)d->now, try);
		for (size_t i = 0; i < n; i++)
			found = found || memmem(part[i]->s, part[i]->len,
					     out->s, out->len) != NULL;
		if (!found)
			return;
	}
}

static void add_addr(struct qf_buf *out, const char *addr)
{
	struct qf_buf clean = QF_BUF_INIT;

	add_clean(&clean, qf_span(addr), UTF8);
	qf_addr_quote(out, qf_buf_span(&clean));
	qf_buf_free(&clean);
}

static void format_header(const struct qf_dsn *d,
    const struct qf_dsn_original *o, const char *boundary, bool eightbit,
    struct qf_buf *out)
{
	struct qf_buf me = QF_BUF_INIT;
	char date[QF_DATE_SIZE];

	add_clean(&me, qf_span(d->me), UTF8);
	qf_date_rfc5322(date, d->now);
	qf_buf_addf(out, "Date: %s\n", date);
	qf_buf_addf(
	    out, "From: Mail Delivery System <MAILER-DAEMON@%s>\n", me.s);
	qf_buf_adds(out, "To: <");
	add_addr(out, d->sender);
	qf_buf_adds(out, ">\nSubject: Undelivered mail: failure notice\n");
	qf_buf_addf(out, "Message-ID: <%lld.", (long long)d->now);
	add_clean(out, qf_span(d->id), ASCII);
	qf_buf_addf(out, ".failure@%s>\n", me.s);
	if (o->msgid.n > 0) {
		add_field(out, "In-Reply-To", o->msgid);
		add_field(out, "References", o->msgid);
	}
	qf_buf_addf(out,
	    "Auto-Submitted: auto-replied\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    " boundary=\"%s\"\n",
	    boundary);
	if (eightbit)
		qf_buf_adds(out, "Content-Transfer-Encoding: 8bit\n");
	qf_buf_addc(out, '\n');
	qf_buf_free(&me);
}

/* The bytes end with a line end; the one before the boundary belongs to the
 * boundary (RFC 2046 section 5.1.1), so another one is written. */
static void add_part(struct qf_buf *out, const char *boundary, const char *type,
    const struct qf_buf *bytes)
{
	qf_buf_addf(out, "--%s\nContent-Type: %s\n", boundary, type);
	if (has_8bit(qf_buf_span(bytes)))
		qf_buf_adds(out, "Content-Transfer-Encoding: 8bit\n");
	qf_buf_addc(out, '\n');
	qf_buf_addspan(out, qf_buf_span(bytes));
	qf_buf_addc(out, '\n');
}

int qf_dsn_format(const struct qf_dsn *d, struct qf_buf *out, struct qf_err *e)
{
	struct qf_dsn_original o = {.header = QF_BUF_INIT};
	struct qf_buf text = QF_BUF_INIT, status = QF_BUF_INIT;
	struct qf_buf boundary = QF_BUF_INIT;
	const struct qf_buf *const part[] = {&text, &status, &o.header};
	bool text_8bit, eightbit;
	int rc = qf_dsn_original_read(&o, d->original, d->brief, e);

	if (rc < 0)
		goto out;
	format_text(d, &o, &text);
	format_status(d, &status);
	choose_boundary(d, part, sizeof part / sizeof *part, &boundary);
	text_8bit = has_8bit(qf_buf_span(&text));
	eightbit = text_8bit || has_8bit(qf_buf_span(&o.header));
	format_header(d, &o, boundary.s, eightbit, out);
	qf_buf_adds(out, "This is a delivery status notification in MIME "
			 "format.\n\n");
	add_part(out, boundary.s,
	    text_8bit ? "text/plain; charset=utf-8"
		      : "text/plain; charset=us-ascii",
	    &text);
	add_part(out, boundary.s, "message/delivery-status", &status);
	add_part(out, boundary.s, "text/rfc822-headers", &o.header);
	qf_buf_addf(out, "--%s--\n", boundary.s);
out:
	qf_buf_free(&o.header);
	qf_buf_free(&text);
	qf_buf_free(&status);
	qf_buf_free(&boundary);
	return rc;
}
