#include "remote/qmqp_run.h"

#include "lib/base/clock.h"

enum {
	READ_CHUNK = 16384
};

/* What there is to read, without waiting: as qf_stream_read(). */
static long read_some(struct qf_qmqp *q, struct qf_stream *st, struct qf_err *e)
{
	char chunk[READ_CHUNK];
	long n = qf_stream_read(st, chunk, sizeof chunk, 0, e);

	if (n > 0)
		qf_qmqp_received(q, qf_span_n(chunk, (size_t)n));
	return n;
}

static void on_readable(struct qf_qmqp *q, struct qf_stream *st)
{
	struct qf_err e;
	long n = read_some(q, st, &e);

	if (n <= 0 && n != QF_ETIME)
		qf_qmqp_closed(q, n == 0 ? NULL : qf_stream_reason(&e));
}

static void on_writable(struct qf_qmqp *q, struct qf_stream *st)
{
	struct qf_span out = qf_qmqp_pending(q);
	struct qf_err e, ignored;
	long n;

	if (out.n == 0)
		return;
	n = qf_stream_write(st, out.p, out.n, 0, &e);
	if (n > 0)
		qf_qmqp_sent(q, (size_t)n, qf_clock_mono());
	if (n > 0 || n == QF_ETIME)
		return;
	/* Its last words may say why it went away. */
	while (!qf_qmqp_is_done(q) && read_some(q, st, &ignored) > 0)
		;
	qf_qmqp_closed(q, qf_stream_reason(&e));
}

void qf_qmqp_run(struct qf_qmqp *q, struct qf_stream *st)
{
	while (!qf_qmqp_is_done(q)) {
		int want = QF_STREAM_READ, ready;
		struct qf_err e;

		if (qf_qmqp_wants_write(q))
			want |= QF_STREAM_WRITE;
		ready = qf_stream_wait(st, want, qf_qmqp_deadline(q), &e);
		if (ready < 0 && ready != QF_ETIME)
			qf_qmqp_closed(q, qf_stream_reason(&e));
		if (ready > 0 && ready & QF_STREAM_READ)
			on_readable(q, st);
		if (ready > 0 && ready & QF_STREAM_WRITE && !qf_qmqp_is_done(q))
			on_writable(q, st);
		/* A peer that always has a byte more is late all the same. */
		if (qf_deadline_poll(qf_qmqp_deadline(q)) == 0)
			qf_qmqp_expired(q);
	}
}
