/*
 * An SMTP session against a server that says anything: it comes to an end, the
 * result is one of those that are promised, and whatever the message holds, no
 * CR or LF goes out alone and BDAT announces what it sends.
 *
 * The first byte chooses how the session is set up, the second what is sent;
 * the rest is what the server says, line by line. A line `*` stands for an end
 * of the connection, `+` for a time-out, and `.` lets the client send only
 * three bytes.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "remote/auth/auth.h"
#include "remote/smtp/session.h"
#include "tests/fuzz/fuzz.h"

enum {
	ONCE = 1,
	TOGETHER = 2,
	LMTP = 4,
	TLS = 8,
	AUTH = 16,
	SECOND = 32, /* another message */
	MANY = 64    /* recipients */
};

#define EVIL "a\r.\r\nb\n.\nc\r\r\n..d\n.\r\nMAIL FROM:<x>\r\n.\r\n\x80\0e"

struct session {
	struct qf_smtp *s;
	struct qf_smtp_mail mail;
	struct qf_strv rcpt;
	struct qf_span rest; /* of the message */
	struct qf_buf wire;
	size_t size;
	bool again;
};

static long give(void *ctx, char *p, size_t n, struct qf_err *e)
{
	struct session *x = ctx;

	(void)e;
	if (n > x->rest.n)
		n = x->rest.n;
	if (n > 5)
		n = 5;
	memcpy(p, x->rest.p, n);
	x->rest.p += n;
	x->rest.n -= n;
	return (long)n;
}

static bool is_over(const struct session *x)
{
	return qf_smtp_wants(x->s) == QF_SMTP_WANTS_NOTHING;
}

static void send_some(struct session *x, size_t most)
{
	while (most > 0 && qf_smtp_wants_write(x->s)) {
		struct qf_span out = qf_smtp_pending(x->s);
		size_t n = out.n < most ? out.n : most;

		if (n == 0)
			break;
		qf_buf_add(&x->wire, out.p, n);
		most -= n;
		qf_smtp_sent(x->s, n, 0);
	}
}

static bool is_printable(const struct qf_buf *text, bool lines)
{
	for (size_t i = 0; i < text->len; i++) {
		char c = text->s[i];

		if ((c < ' ' || c > '~') && !(lines && c == '\n'))
			return false;
	}
	return true;
}

static bool holds(const struct session *x, const char *text)
{
	return memmem(x->wire.s, x->wire.len, text, strlen(text)) != NULL;
}

static void check_result(const struct session *x)
{
	const struct qf_smtp_result *r = qf_smtp_result(x->s);
	size_t accepted = 0;

	FUZZ_CHECK(is_printable(&r->text, false));
	FUZZ_CHECK(is_printable(&r->reply, true));
	FUZZ_CHECK(r->nrcpt == 0 || r->nrcpt == x->rcpt.n);
	for (size_t i = 0; i < r->nrcpt; i++) {
		const struct qf_smtp_said *said = &r->rcpt[i];

		accepted += said->outcome == QF_SMTP_SENT;
		FUZZ_CHECK((said->reply != NULL) ==
			   (said->outcome == QF_SMTP_DEFERRED ||
			       said->outcome == QF_SMTP_REFUSED));
	}
	FUZZ_CHECK(accepted == r->accepted);
	if (r->outcome == QF_SMTP_SENT)
		FUZZ_CHECK(accepted > 0);
	if (r->outcome == QF_SMTP_SENT && x->mail.together)
		FUZZ_CHECK(accepted == x->rcpt.n);
	if (r->outcome == QF_SMTP_SENT || r->maybe_taken)
		FUZZ_CHECK(holds(x, "\r\n.\r\n") || holds(x, " LAST\r\n"));
	FUZZ_CHECK(r->outcome == QF_SMTP_PENDING || r->text.len > 0);
}

static void check_wire(const struct session *x)
{
	const char *p = x->wire.s, *end = p + x->wire.len;

	for (size_t i = 0; i < x->wire.len; i++) {
		if (p[i] == '\n')
			FUZZ_CHECK(i > 0 && p[i - 1] == '\r');
		if (p[i] == '\r')
			FUZZ_CHECK(i + 1 == x->wire.len || p[i + 1] == '\n');
	}
	while ((p = memmem(p, (size_t)(end - p), "BDAT ", 5)) != NULL) {
		size_t n = strtoul(p + 5, (char **)&p, 10);

		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL || n > (size_t)(end - p - 1))
			break;
		FUZZ_CHECK(n == 0 || p[n] == '\n');
		p += n + 1;
	}
}

/* What the session wants besides bytes. */
static void serve(struct session *x)
{
	if (qf_smtp_wants(x->s) == QF_SMTP_WANTS_HANDSHAKE)
		qf_smtp_secured(x->s, 0);
	if (qf_smtp_wants(x->s) != QF_SMTP_WANTS_MAIL)
		return;
	FUZZ_CHECK(qf_smtp_result(x->s)->outcome != QF_SMTP_PENDING);
	check_result(x);
	if (x->again) {
		x->again = false;
		qf_buf_reset(&x->wire);
		x->rest = qf_span_n(EVIL, x->size);
		qf_smtp_send(x->s, &x->mail, 0);
	} else {
		qf_smtp_quit(x->s, 0);
	}
}

static void hear(struct session *x, struct qf_span line)
{
	if (qf_span_is(line, "*")) {
		qf_smtp_closed(x->s, NULL);
	} else if (qf_span_is(line, "+")) {
		qf_smtp_expired(x->s);
	} else if (qf_span_is(line, ".")) {
		send_some(x, 3);
	} else {
		send_some(x, SIZE_MAX);
		/* The line and its LF. */
		line.n++;
		qf_smtp_received(x->s, line, 0);
	}
	serve(x);
	check_wire(x);
}

static void play(struct session *x, struct qf_span input)
{
	struct qf_span line;

	while (!is_over(x) && qf_span_cut(&input, '\n', &line))
		hear(x, line);
	send_some(x, SIZE_MAX);
	if (!is_over(x))
		qf_smtp_closed(x->s, "that is all");
	FUZZ_CHECK(is_over(x) && !qf_smtp_wants_write(x->s));
	FUZZ_CHECK(qf_smtp_result(x->s)->outcome != QF_SMTP_PENDING);
	check_result(x);
	check_wire(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_auth_spec spec = {.user = "u", .pass = "word"};
	struct session x = {.wire = QF_BUF_INIT};
	struct qf_smtp_setup setup;
	unsigned how;

	if (size < 2)
		return 0;
	how = data[0];
	x.size = data[1] % sizeof EVIL;
	x.again = how & SECOND;
	x.rest = qf_span_n(EVIL, x.size);
	qf_strv_add(&x.rcpt, "a@y");
	for (int i = 0; how & MANY && i < 100; i++)
		qf_strv_add(&x.rcpt, "b@y");
	setup = (struct qf_smtp_setup){.helo = "me",
	    .once = how & ONCE,
	    .lmtp = how & LMTP,
	    .tls = how & TLS ? QF_SMTP_TLS_MAY : QF_SMTP_TLS_NEVER,
	    .auth = how & AUTH ? qf_auth_new(&spec) : NULL,
	    .timeouts = &qf_smtp_timeouts_rfc};
	x.mail = (struct qf_smtp_mail){.sender = "s@x",
	    .rcpt = &x.rcpt,
	    .source = give,
	    .source_ctx = &x,
	    .together = how & TOGETHER && !(how & LMTP),
	    .size = data[1]};
	x.s = qf_smtp_new(&setup, 0);
	qf_smtp_send(x.s, &x.mail, 0);
	play(&x, qf_span_n((const char *)data + 2, size - 2));
	qf_smtp_free(&x.s);
	qf_auth_free(&setup.auth);
	qf_strv_free(&x.rcpt);
	qf_buf_free(&x.wire);
	return 0;
}
