#include "remote/qmqp.h"

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

/* A message in memory as the source. */
struct text {
	struct qf_span rest;
	size_t step; /* bytes a call gives at most */
	bool fails;
};

static long read_text(void *ctx, char *p, size_t n, struct qf_err *e)
{
	struct text *t = ctx;

	if (t->fails)
		return qf_fail(e, QF_EREAD, "disk on fire");
	if (n > t->rest.n)
		n = t->rest.n;
	if (n > t->step)
		n = t->step;
	memcpy(p, t->rest.p, n);
	t->rest.p += n;
	t->rest.n -= n;
	return (long)n;
}

/* An exchange with all that belongs to it. */
struct world {
	struct qf_qmqp *q;
	struct qf_qmqp_job job;
	struct qf_strv rcpt;
	struct text text;
	struct qf_buf wire; /* what the engine sent */
	int64_t now;
};

static void begin(struct world *w, const char *sender, const char *rcpts,
    struct qf_span message)
{
	*w = (struct world){.wire = QF_BUF_INIT, .now = 1000};
	assert_int_equal(0, qf_strv_split(&w->rcpt, qf_span(rcpts), NULL));
	w->text = (struct text){.rest = message, .step = 7};
	w->job = (struct qf_qmqp_job){.sender = sender,
	    .rcpt = &w->rcpt,
	    .size = message.n,
	    .source = read_text,
	    .source_ctx = &w->text,
	    .timeouts = &qf_qmqp_timeouts_default,
	    .end = QF_NEVER};
	w->q = qf_qmqp_new(&w->job, w->now);
}

static void end(struct world *w)
{
	qf_qmqp_free(&w->q);
	assert_null(w->q);
	qf_qmqp_free(&w->q);
	qf_strv_free(&w->rcpt);
	qf_buf_free(&w->wire);
}

/* Sends all there is, at most `most` bytes, `step` at once. */
static void send_some(struct world *w, size_t most, size_t step)
{
	while (
	    most > 0 && qf_qmqp_wants_write(w->q) && !qf_qmqp_is_done(w->q)) {
		struct qf_span out = qf_qmqp_pending(w->q);
		size_t n = out.n < step ? out.n : step;

		if (n > most)
			n = most;
		qf_buf_add(&w->wire, out.p, n);
		most -= n;
		qf_qmqp_sent(w->q, n, w->now);
	}
}

static void send_all(struct world *w)
{
	send_some(w, SIZE_MAX, SIZE_MAX);
}

static void hear(struct world *w, const char *bytes)
{
	qf_qmqp_received(w->q, qf_span(bytes));
}

static void expect(
    struct world *w, enum qf_qmqp_outcome outcome, const char *text)
{
	const struct qf_qmqp_result *r = qf_qmqp_result(w->q);

	assert_true(qf_qmqp_is_done(w->q));
	assert_int_equal(outcome, r->outcome);
	assert_string_equal(text, r->text.s);
}

/* what goes out */

static void packages(void **state)
{
	static const struct {
		const char *sender, *rcpts, *message, *wire;
	} cases[] = {
	    {"s@x", "r@y", "hi\n", "18:3:hi\n,3:s@x,3:r@y,,"},
	    {"", "r@y", "", "12:0:,0:,3:r@y,,"},
	    {"s@x", "a b@c 'd e'@f", "a\r\nb\rc",
		"33:6:a\r\nb\rc,3:s@x,1:a,3:b@c,5:d e@f,,"},
	    {"0123456789", "r", "x", "22:1:x,10:0123456789,1:r,,"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		for (size_t step = 1; step < 40; step += 6) {
			struct world w;

			begin(&w, cases[i].sender, cases[i].rcpts,
			    qf_span(cases[i].message));
			send_some(&w, SIZE_MAX, step);
			assert_string_equal(cases[i].wire, w.wire.s);
			assert_false(qf_qmqp_wants_write(w.q));
			assert_false(qf_qmqp_is_done(w.q));
			hear(&w, "3:Kok,");
			expect(&w, QF_QMQP_SENT, "end of message: Kok");
			end(&w);
		}
	}
}

/* The netstring at *p, which moves behind it. */
static struct qf_span netstring(struct qf_span *p)
{
	struct qf_span length, body;
	unsigned long long n;

	assert_true(qf_span_cut(p, ':', &length));
	assert_true(qf_span_u64(length, p->n, &n));
	body = qf_span_n(p->p, (size_t)n);
	assert_true(n < p->n && p->p[n] == ',');
	*p = qf_span_n(p->p + n + 1, p->n - (size_t)n - 1);
	return body;
}

static void large_ones(void **state)
{
	enum {
		BYTES = 1000003,
		RCPTS = 30000
	};
	struct qf_buf message = QF_BUF_INIT;
	struct qf_span all, part;
	struct world w;

	(void)state;
	for (size_t i = 0; i < BYTES; i++)
		qf_buf_addc(&message, (char)(i * 2654435761u >> 13));
	begin(&w, "s@x", "", qf_buf_span(&message));
	w.text.step = SIZE_MAX;
	for (int i = 0; i < RCPTS; i++) {
		struct qf_buf name = QF_BUF_INIT;

		qf_buf_addf(&name, "r%d@y.example", i);
		qf_strv_add(&w.rcpt, name.s);
		qf_buf_free(&name);
	}
	send_some(&w, SIZE_MAX, 50000);
	all = qf_buf_span(&w.wire);
	part = netstring(&all);
	assert_int_equal(0, all.n);
	all = part;
	assert_true(qf_span_eq(qf_buf_span(&message), netstring(&all)));
	assert_true(qf_span_is(netstring(&all), "s@x"));
	for (int i = 0; i < RCPTS; i++)
		assert_true(qf_span_eq(qf_span(w.rcpt.v[i]), netstring(&all)));
	assert_int_equal(0, all.n);
	end(&w);
	qf_buf_free(&message);
}

static void a_small_message_is_one_piece(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "s@x", "r@y", qf_span("hi\n"));
	assert_int_equal(22, qf_qmqp_pending(w.q).n);
	end(&w);
}

static void a_message_that_can_not_be_read(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "s@x", "r@y", qf_span("hello"));
	w.text.fails = true;
	send_all(&w);
	expect(&w, QF_QMQP_UNREAD, "message: disk on fire");
	assert_int_equal(0, qf_qmqp_pending(w.q).n);
	assert_int_equal(0, w.wire.len);
	end(&w);
	begin(&w, "s@x", "r@y", qf_span("hello"));
	w.job.size = 6;
	qf_qmqp_free(&w.q);
	w.q = qf_qmqp_new(&w.job, w.now);
	send_all(&w);
	expect(&w, QF_QMQP_UNREAD,
	    "message: the message became shorter while it was sent");
	/* Without its last comma no server takes it. */
	assert_null(strchr(w.wire.s, ','));
	end(&w);
	/* One that grows is sent as long as it was. */
	begin(&w, "s@x", "r@y", qf_span("hello"));
	w.job.size = 3;
	qf_qmqp_free(&w.q);
	w.q = qf_qmqp_new(&w.job, w.now);
	send_all(&w);
	assert_string_equal("18:3:hel,3:s@x,3:r@y,,", w.wire.s);
	end(&w);
}

/* what comes back */

struct reply {
	const char *bytes;
	enum qf_qmqp_outcome outcome;
	const char *text;
};

#define MAYBE " (the server may have taken the message: possible duplicate)"
#define NOT   "end of message: reply not understood: "

static const struct reply replies[] = {
    {"3:Kok,", QF_QMQP_SENT, "end of message: Kok"},
    {"1:K,", QF_QMQP_SENT, "end of message: K"},
    {"21:Kok 1700000000 qp 4711,", QF_QMQP_CONFUSED,
	NOT "it is no netstring" MAYBE},
    {"23:Kok 1700000000 qp 4711 ,", QF_QMQP_SENT,
	"end of message: Kok 1700000000 qp 4711"},
    {"9:Ztry late,", QF_QMQP_DEFERRED, "end of message: Ztry late"},
    {"8:Dno\nnono,", QF_QMQP_REFUSED, "end of message: Dno?nono"},
    {"7:D\x1b[2J\xc3\xa9,", QF_QMQP_REFUSED, "end of message: D?[2J??"},
    {"3:Kok,250 trailing bytes", QF_QMQP_SENT, "end of message: Kok"},
    {"3:Xok,", QF_QMQP_CONFUSED,
	NOT "it begins with none of K, Z, D: Xok" MAYBE},
    {"3:kok,", QF_QMQP_CONFUSED,
	NOT "it begins with none of K, Z, D: kok" MAYBE},
    {"3:\r\n ,", QF_QMQP_CONFUSED,
	NOT "it begins with none of K, Z, D: ?" MAYBE},
    {"0:,", QF_QMQP_CONFUSED, NOT "it is empty, or too long" MAYBE},
    {":K,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"03:Kok,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"-3:Kok,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"+3:Kok,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {" 3:Kok,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"3;Kok,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"3:Kok;", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"2:Kok,", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"220 smtp.example ESMTP\r\n", QF_QMQP_CONFUSED,
	NOT "it is no netstring" MAYBE},
    {"65536:K", QF_QMQP_CONFUSED, NOT "it is empty, or too long" MAYBE},
    {"100000:K", QF_QMQP_CONFUSED, NOT "it is no netstring" MAYBE},
    {"99999999999999999999999999999:K", QF_QMQP_CONFUSED,
	NOT "it is no netstring" MAYBE},
};

static void replies_in_any_two_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(replies); i++) {
		struct qf_span all = qf_span(replies[i].bytes);

		for (size_t k = 0; k <= all.n; k++) {
			struct world w;

			begin(&w, "s@x", "r@y", qf_span("hi\n"));
			send_all(&w);
			qf_qmqp_received(w.q, qf_span_n(all.p, k));
			qf_qmqp_received(w.q, qf_span_n(all.p + k, all.n - k));
			expect(&w, replies[i].outcome, replies[i].text);
			assert_int_equal(replies[i].outcome == QF_QMQP_CONFUSED,
			    qf_qmqp_result(w.q)->maybe_taken);
			/* Nothing changes it any more. */
			qf_qmqp_closed(w.q, NULL);
			qf_qmqp_expired(w.q);
			hear(&w, "3:Dno,");
			expect(&w, replies[i].outcome, replies[i].text);
			end(&w);
		}
	}
}

static void a_reply_that_breaks_off(void **state)
{
	static const char reply[] = "9:Ztry late,";
	struct world w;

	(void)state;
	for (size_t k = 0; k < sizeof reply - 1; k++) {
		begin(&w, "s@x", "r@y", qf_span("hi\n"));
		send_all(&w);
		qf_qmqp_received(w.q, qf_span_n(reply, k));
		assert_false(qf_qmqp_is_done(w.q));
		qf_qmqp_closed(w.q, NULL);
		expect(&w, QF_QMQP_CLOSED,
		    k == 0 ? "end of message: the server closed the "
			     "connection" MAYBE
			   : "end of message: the server closed the connection "
			     "inside its reply" MAYBE);
		end(&w);
	}
	begin(&w, "s@x", "r@y", qf_span("hi\n"));
	send_all(&w);
	qf_qmqp_closed(w.q, "Connection reset by peer");
	expect(&w, QF_QMQP_CLOSED,
	    "end of message: connection broken: Connection reset by "
	    "peer" MAYBE);
	end(&w);
}

static void long_texts_are_cut(void **state)
{
	struct qf_buf reply = QF_BUF_INIT;
	struct world w;

	(void)state;
	qf_buf_addf(&reply, "%d:Z", QF_QMQP_REPLY_MAX);
	for (int i = 1; i < QF_QMQP_REPLY_MAX; i++)
		qf_buf_addc(&reply, 'z');
	begin(&w, "s@x", "r@y", qf_span("hi\n"));
	send_all(&w);
	qf_qmqp_received(w.q, qf_buf_span(&reply));
	assert_false(qf_qmqp_is_done(w.q));
	hear(&w, ",");
	assert_int_equal(QF_QMQP_DEFERRED, qf_qmqp_result(w.q)->outcome);
	assert_int_equal(strlen("end of message: Z") + QF_QMQP_TEXT_MAX,
	    qf_qmqp_result(w.q)->text.len);
	end(&w);
	qf_buf_free(&reply);
}

static void replies_before_the_end(void **state)
{
	static const struct reply cases[] = {
	    {"4:Dbig,", QF_QMQP_REFUSED, "message: Dbig"},
	    {"5:Zbusy,", QF_QMQP_DEFERRED, "message: Zbusy"},
	    {"3:Kok,", QF_QMQP_CONFUSED,
		"message: accepted before it was sent: Kok"},
	    {"220 x", QF_QMQP_CONFUSED,
		"message: reply not understood: it is no netstring"},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		begin(&w, "s@x", "r@y", qf_span("hi\n"));
		send_some(&w, 21, SIZE_MAX);
		hear(&w, cases[i].bytes);
		expect(&w, cases[i].outcome, cases[i].text);
		assert_false(qf_qmqp_result(w.q)->maybe_taken);
		end(&w);
	}
	/* Begun too early, complete in time. */
	begin(&w, "s@x", "r@y", qf_span("hi\n"));
	send_some(&w, 21, SIZE_MAX);
	hear(&w, "3");
	send_all(&w);
	hear(&w, ":Kok,");
	expect(&w, QF_QMQP_CONFUSED,
	    "end of message: accepted before it was sent: Kok" MAYBE);
	end(&w);
}

static void the_connection_breaks_in_the_message(void **state)
{
	struct world w;

	(void)state;
	for (size_t k = 0; k < 22; k++) {
		begin(&w, "s@x", "r@y", qf_span("hi\n"));
		send_some(&w, k, SIZE_MAX);
		qf_qmqp_closed(w.q, k % 2 != 0 ? "Broken pipe" : NULL);
		expect(&w, QF_QMQP_UNSENT,
		    k % 2 != 0 ? "message: connection broken: Broken pipe"
			       : "message: the server closed the connection");
		assert_false(qf_qmqp_result(w.q)->maybe_taken);
		end(&w);
	}
}

/* time */

static void each_step_has_its_time(void **state)
{
	const struct qf_qmqp_timeouts *t = &qf_qmqp_timeouts_default;
	struct qf_buf message = QF_BUF_INIT;
	struct world w;

	(void)state;
	while (message.len < 20000)
		qf_buf_adds(&message, "0123456789\n");
	begin(&w, "s@x", "r@y", qf_buf_span(&message));
	assert_int_equal(1000 + t->block, qf_qmqp_deadline(w.q));
	w.now = 2000;
	send_some(&w, QF_QMQP_BLOCK - 1, SIZE_MAX);
	assert_int_equal(1000 + t->block, qf_qmqp_deadline(w.q));
	send_some(&w, 1, 1);
	assert_int_equal(2000 + t->block, qf_qmqp_deadline(w.q));
	w.now = 3000;
	send_some(&w, 5, 1);
	assert_int_equal(2000 + t->block, qf_qmqp_deadline(w.q));
	send_all(&w);
	assert_int_equal(3000 + t->reply, qf_qmqp_deadline(w.q));
	/* Bytes of a reply are no reply. */
	w.now = 4000;
	hear(&w, "3:");
	assert_int_equal(3000 + t->reply, qf_qmqp_deadline(w.q));
	qf_qmqp_expired(w.q);
	expect(
	    &w, QF_QMQP_TIMED_OUT, "end of message: timed out: no reply" MAYBE);
	end(&w);
	begin(&w, "s@x", "r@y", qf_buf_span(&message));
	qf_qmqp_expired(w.q);
	expect(&w, QF_QMQP_TIMED_OUT,
	    "message: timed out: the server does not read");
	end(&w);
	qf_buf_free(&message);
}

static void all_of_it_has_its_time(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "s@x", "r@y", qf_span("hi\n"));
	w.job.end = 5000;
	qf_qmqp_free(&w.q);
	w.q = qf_qmqp_new(&w.job, w.now);
	assert_int_equal(5000, qf_qmqp_deadline(w.q));
	w.now = 4999;
	send_all(&w);
	assert_int_equal(5000, qf_qmqp_deadline(w.q));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packages),
	    cmocka_unit_test(large_ones),
	    cmocka_unit_test(a_small_message_is_one_piece),
	    cmocka_unit_test(a_message_that_can_not_be_read),
	    cmocka_unit_test(replies_in_any_two_pieces),
	    cmocka_unit_test(a_reply_that_breaks_off),
	    cmocka_unit_test(long_texts_are_cut),
	    cmocka_unit_test(replies_before_the_end),
	    cmocka_unit_test(the_connection_breaks_in_the_message),
	    cmocka_unit_test(each_step_has_its_time),
	    cmocka_unit_test(all_of_it_has_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
