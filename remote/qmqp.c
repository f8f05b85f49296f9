#include "remote/qmqp.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "remote/smtp/reply.h"

enum {
	READ_CHUNK =
	    65536,        /* bytes of the message, or of recipients, at once */
	LENGTH_DIGITS = 5 /* of QF_QMQP_REPLY_MAX */
};

/* What is written next. */
enum part {
	HEAD, /* both lengths, of all and of the message */
	MESSAGE,
	SENDER,
	RECIPIENTS,
	TAIL, /* the comma that makes it valid */
	NOTHING
};

/* Where the reply has come to. */
enum reply_part {
	LENGTH,
	LETTER,
	TEXT,
	COMMA
};

struct qf_qmqp {
	const struct qf_qmqp_job *job;
	struct qf_qmqp_result result;
	bool done;
	int64_t deadline;

	enum part part;
	uint64_t left; /* bytes of the message that are not read yet */
	size_t rcpt;   /* next recipient */
	struct qf_buf out;
	size_t out_at;   /* bytes of out that are sent */
	size_t in_block; /* bytes sent since the step's time began */

	enum reply_part reply_part;
	bool reply_is_early; /* it began before all was sent */
	unsigned digits;
	size_t reply_left; /* bytes of the reply that are to come */
	char letter;
	struct qf_buf text;
};

const struct qf_qmqp_timeouts qf_qmqp_timeouts_default = {
    .block = 5 * 60 * 1000,
    .reply = 10 * 60 * 1000,
};

/* what goes out */

static unsigned digits_of(uint64_t n)
{
	unsigned digits = 1;

	while (n >= 10) {
		n /= 10;
		digits++;
	}
	return digits;
}

/* Bytes of a netstring of n bytes. */
static uint64_t netstring_size(uint64_t n)
{
	return digits_of(n) + 1 + n + 1;
}

static void add_netstring(struct qf_buf *out, const char *s)
{
	qf_buf_addf(out, "%zu:%s,", strlen(s), s);
}

static void add_head(const struct qf_qmqp_job *job, struct qf_buf *out)
{
	uint64_t all =
	    netstring_size(job->size) + netstring_size(strlen(job->sender));

	for (size_t i = 0; i < job->rcpt->n; i++)
		all += netstring_size(strlen(job->rcpt->v[i]));
	qf_buf_addf(out, "%" PRIu64 ":%" PRIu64 ":", all, job->size);
}

static int64_t after(int64_t now, int64_t ms)
{
	return ms >= QF_NEVER - now ? QF_NEVER : now + ms;
}

static void restart_timer(struct qf_qmqp *q, int64_t now)
{
	const struct qf_qmqp_timeouts *t = q->job->timeouts;

	q->in_block = 0;
	q->deadline = after(now, qf_qmqp_wants_write(q) ? t->block : t->reply);
	if (q->deadline > q->job->end)
		q->deadline = q->job->end;
}

struct qf_qmqp *qf_qmqp_new(const struct qf_qmqp_job *job, int64_t now)
{
	struct qf_qmqp *q = qf_alloc(sizeof *q);

	*q = (struct qf_qmqp){.job = job,
	    .result = {.text = QF_BUF_INIT},
	    .left = job->size,
	    .out = QF_BUF_INIT,
	    .text = QF_BUF_INIT};
	restart_timer(q, now);
	return q;
}

void qf_qmqp_free(struct qf_qmqp **qp)
{
	struct qf_qmqp *q = *qp;

	if (q == NULL)
		return;
	qf_buf_free(&q->result.text);
	qf_buf_free(&q->out);
	qf_buf_free(&q->text);
	free(q);
	*qp = NULL;
}

bool qf_qmqp_is_done(const struct qf_qmqp *q)
{
	return q->done;
}

bool qf_qmqp_wants_write(const struct qf_qmqp *q)
{
	return q->part != NOTHING || q->out_at < q->out.len;
}

int64_t qf_qmqp_deadline(const struct qf_qmqp *q)
{
	return q->deadline;
}

const struct qf_qmqp_result *qf_qmqp_result(const struct qf_qmqp *q)
{
	return &q->result;
}

/* The outcome, with the text `phase: what`. */
static void settle(
    struct qf_qmqp *q, enum qf_qmqp_outcome outcome, const char *what)
{
	struct qf_qmqp_result *r = &q->result;
	bool answered = outcome == QF_QMQP_SENT ||
			outcome == QF_QMQP_DEFERRED ||
			outcome == QF_QMQP_REFUSED;

	if (q->done)
		return;
	q->done = true;
	r->outcome = outcome;
	r->maybe_taken = !answered && !qf_qmqp_wants_write(q);
	qf_buf_addf(&r->text, "%s: %s",
	    qf_qmqp_wants_write(q) ? "message" : "end of message", what);
	if (r->maybe_taken)
		qf_buf_adds(&r->text,
		    " (the server may have taken the message: possible "
		    "duplicate)");
}

/* Reads on from the message into the buffer. */
static void add_message(struct qf_qmqp *q)
{
	size_t want = q->left < READ_CHUNK ? (size_t)q->left : READ_CHUNK;
	struct qf_err e;
	long n;

	if (q->left == 0) {
		qf_buf_addc(&q->out, ',');
		q->part = SENDER;
		return;
	}
	qf_buf_reserve(&q->out, READ_CHUNK);
	n = q->job->source(q->job->source_ctx, q->out.s + q->out.len, want, &e);
	if (n == 0)
		qf_fail(&e, QF_EREAD,
		    "the message became shorter while it was sent");
	if (n <= 0) {
		qf_buf_reset(&q->out);
		settle(q, QF_QMQP_UNREAD, e.text);
		return;
	}
	q->out.len += (size_t)n;
	q->left -= (uint64_t)n;
}

static void add_recipients(struct qf_qmqp *q)
{
	const struct qf_strv *rcpt = q->job->rcpt;

	while (q->rcpt < rcpt->n && q->out.len < READ_CHUNK)
		add_netstring(&q->out, rcpt->v[q->rcpt++]);
	if (q->rcpt == rcpt->n)
		q->part = TAIL;
}

/* Fills the buffer, which is empty: small messages leave in one piece. */
static void refill(struct qf_qmqp *q)
{
	qf_buf_reset(&q->out);
	q->out_at = 0;
	while (!q->done && q->part != NOTHING && q->out.len < READ_CHUNK) {
		switch (q->part) {
		case HEAD:
			add_head(q->job, &q->out);
			q->part = MESSAGE;
			break;
		case MESSAGE:
			add_message(q);
			break;
		case SENDER:
			add_netstring(&q->out, q->job->sender);
			q->part = RECIPIENTS;
			break;
		case RECIPIENTS:
			add_recipients(q);
			break;
		default:
			qf_buf_addc(&q->out, ',');
			q->part = NOTHING;
			break;
		}
	}
}

struct qf_span qf_qmqp_pending(struct qf_qmqp *q)
{
	if (q->out_at == q->out.len && q->part != NOTHING && !q->done)
		refill(q);
	return qf_span_n(q->out.s + q->out_at, q->out.len - q->out_at);
}

void qf_qmqp_sent(struct qf_qmqp *q, size_t n, int64_t now)
{
	q->out_at += n;
	q->in_block += n;
	if (q->in_block >= QF_QMQP_BLOCK || !qf_qmqp_wants_write(q))
		restart_timer(q, now);
}

/* what comes back */

static void confused(struct qf_qmqp *q, const char *why)
{
	struct qf_buf what = QF_BUF_INIT;

	qf_buf_addf(&what, "reply not understood: %s", why);
	settle(q, QF_QMQP_CONFUSED, what.s);
	qf_buf_free(&what);
}

static void take_length(struct qf_qmqp *q, char c)
{
	bool leads = q->digits == 1 && q->reply_left == 0;

	if (c >= '0' && c <= '9' && q->digits < LENGTH_DIGITS && !leads) {
		q->digits++;
		q->reply_left = q->reply_left * 10 + (size_t)(c - '0');
	} else if (c != ':' || q->digits == 0) {
		confused(q, "it is no netstring");
	} else if (q->reply_left == 0 || q->reply_left > QF_QMQP_REPLY_MAX) {
		confused(q, "it is empty, or too long");
	} else {
		q->reply_part = LETTER;
	}
}

static enum qf_qmqp_outcome outcome_of(char letter)
{
	switch (letter) {
	case 'K':
		return QF_QMQP_SENT;
	case 'Z':
		return QF_QMQP_DEFERRED;
	case 'D':
		return QF_QMQP_REFUSED;
	default:
		return QF_QMQP_CONFUSED;
	}
}

/* The reply is complete. */
static void take_reply(struct qf_qmqp *q)
{
	enum qf_qmqp_outcome outcome = outcome_of(q->letter);
	struct qf_buf what = QF_BUF_INIT;

	if (outcome == QF_QMQP_CONFUSED)
		qf_buf_adds(&what,
		    "reply not understood: it begins with none of K, Z, D: ");
	else if (outcome == QF_QMQP_SENT && q->reply_is_early) {
		outcome = QF_QMQP_CONFUSED;
		qf_buf_adds(&what, "accepted before it was sent: ");
	}
	qf_smtp_add_printable(&what, qf_span_n(&q->letter, 1));
	qf_smtp_add_printable(&what, qf_span_trim(qf_buf_span(&q->text)));
	settle(q, outcome, what.s);
	qf_buf_free(&what);
}

static void take_text(struct qf_qmqp *q, struct qf_span *in)
{
	size_t n = in->n < q->reply_left ? in->n : q->reply_left;
	size_t room = QF_QMQP_TEXT_MAX - q->text.len;

	qf_buf_add(&q->text, in->p, n < room ? n : room);
	*in = qf_span_n(in->p + n, in->n - n);
	q->reply_left -= n;
}

static char next(struct qf_span *in)
{
	char c = in->p[0];

	*in = qf_span_n(in->p + 1, in->n - 1);
	return c;
}

void qf_qmqp_received(struct qf_qmqp *q, struct qf_span in)
{
	if (in.n > 0 && q->digits == 0)
		q->reply_is_early = qf_qmqp_wants_write(q);
	while (in.n > 0 && !q->done) {
		switch (q->reply_part) {
		case LENGTH:
			take_length(q, next(&in));
			break;
		case LETTER:
			q->letter = next(&in);
			q->reply_left--;
			q->reply_part = TEXT;
			break;
		case TEXT:
			take_text(q, &in);
			break;
		case COMMA:
			if (next(&in) != ',')
				confused(q, "it is no netstring");
			else
				take_reply(q);
			break;
		}
		if (q->reply_part == TEXT && q->reply_left == 0)
			q->reply_part = COMMA;
	}
}

void qf_qmqp_closed(struct qf_qmqp *q, const char *why)
{
	struct qf_buf what = QF_BUF_INIT;

	if (why != NULL)
		qf_buf_addf(&what, "connection broken: %s", why);
	else
		qf_buf_addf(&what, "the server closed the connection%s",
		    q->digits == 0 ? "" : " inside its reply");
	settle(q, qf_qmqp_wants_write(q) ? QF_QMQP_UNSENT : QF_QMQP_CLOSED,
	    what.s);
	qf_buf_free(&what);
}

void qf_qmqp_expired(struct qf_qmqp *q)
{
	settle(q, QF_QMQP_TIMED_OUT,
	    qf_qmqp_wants_write(q) ? "timed out: the server does not read"
				   : "timed out: no reply");
}
