#include "remote/smtp/run.h"

#include "lib/base/clock.h"

enum {
	READ_CHUNK = 16384,
	WRITES = 16 /* at most, between two looks at the server */
};

/* What there is to read, without waiting: as qf_stream_read(). */
static long read_some(struct qf_smtp *s, struct qf_stream *st, struct qf_err *e)
{
	char chunk[READ_CHUNK];
	long n = qf_stream_read(st, chunk, sizeof chunk, 0, e);

	if (n > 0)
		qf_smtp_received(
		    s, qf_span_n(chunk, (size_t)n), qf_clock_mono());
	return n;
}

static void on_readable(struct qf_smtp *s, struct qf_stream *st)
{
	struct qf_err e;
	long n = read_some(s, st, &e);

	if (n <= 0 && n != QF_ETIME)
		qf_smtp_closed(s, n == 0 ? NULL : qf_stream_reason(&e));
}

/* Its last words may say why it went away. */
static void hear_last_words(
    struct qf_smtp *s, struct qf_stream *st, const struct qf_err *why)
{
	struct qf_err ignored;

	while (qf_smtp_wants(s) == QF_SMTP_WANTS_IO &&
	       read_some(s, st, &ignored) > 0)
		;
	qf_smtp_closed(s, qf_stream_reason(why));
}

/* Sends the next bytes: are they all gone? */
static bool write_some(struct qf_smtp *s, struct qf_stream *st)
{
	struct qf_span out = qf_smtp_pending(s);
	struct qf_err e;
	long n;

	if (out.n == 0)
		return false;
	n = qf_stream_write(st, out.p, out.n, 0, &e);
	if (n > 0)
		qf_smtp_sent(s, (size_t)n, qf_clock_mono());
	else if (n != QF_ETIME)
		hear_last_words(s, st, &e);
	return n == (long)out.n;
}

/* What there is to send, as far as it goes without waiting; now and then it is
 * looked whether the server has something to say to it. */
static void on_writable(struct qf_smtp *s, struct qf_stream *st)
{
	for (int i = 0; i < WRITES && write_some(s, st); i++) {
		if (qf_smtp_wants(s) != QF_SMTP_WANTS_IO ||
		    !qf_smtp_wants_write(s))
			break;
	}
}

static void do_handshake(
    struct qf_smtp *s, struct qf_stream *st, qf_smtp_shake_fn *shake, void *ctx)
{
	struct qf_err e;

	if (shake(ctx, st, qf_smtp_deadline(s), &e) < 0)
		qf_smtp_not_secured(s, e.text);
	else
		qf_smtp_secured(s, qf_clock_mono());
}

/* Waits for the server, and does what is possible then. */
static void turn(struct qf_smtp *s, struct qf_stream *st)
{
	int want = QF_STREAM_READ, ready;
	struct qf_err e;

	if (qf_smtp_wants_write(s))
		want |= QF_STREAM_WRITE;
	ready = qf_stream_wait(st, want, qf_smtp_deadline(s), &e);
	if (ready < 0 && ready != QF_ETIME)
		qf_smtp_closed(s, qf_stream_reason(&e));
	if (ready > 0 && ready & QF_STREAM_READ)
		on_readable(s, st);
	/* What came may have led to commands: they need not wait. */
	if (ready > 0 && qf_smtp_wants_write(s))
		on_writable(s, st);
	/* A peer that always has a byte more is late all the same. */
	if (qf_deadline_poll(qf_smtp_deadline(s)) == 0)
		qf_smtp_expired(s);
}

void qf_smtp_run(
    struct qf_smtp *s, struct qf_stream *st, qf_smtp_shake_fn *shake, void *ctx)
{
	if (qf_smtp_wants_write(s))
		on_writable(s, st);
	for (;;) {
		switch (qf_smtp_wants(s)) {
		case QF_SMTP_WANTS_IO:
			turn(s, st);
			break;
		case QF_SMTP_WANTS_HANDSHAKE:
			do_handshake(s, st, shake, ctx);
			break;
		default:
			return;
		}
	}
}
