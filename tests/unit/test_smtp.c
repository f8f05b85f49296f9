#include "lib/base/clock.h"
#include "tests/unit/smtp_world.h"

#define LATE "\001" /* a turn in which nothing comes until the deadline */
#define GONE "\002" /* a turn in which the connection breaks */

struct dialogue {
	const char *name, *rcpts, *message;
	const char *turns[12]; /* each after all was sent; NULL: closed */
	enum qf_smtp_outcome outcome;
	int code;
	const char *text, *wire; /* NULL: not looked at */
	bool maybe_taken;
};

#define HELLO  "EHLO me.example\r\n"
#define FROM   "MAIL FROM:<s@x.example>\r\n"
#define TO     "RCPT TO:<r@y.example>\r\n"
#define SIX    "220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "354 e\r\n"
#define TO_DOT HELLO FROM TO "DATA\r\nhi\r\n.\r\n"
#define PIPE   "250-a\r\n250 PIPELINING\r\n"

static const struct dialogue dialogues[] = {
    {"all is well", "r@y.example", "hi\n", {SIX, "250 2.0.0 queued as 5\r\n"},
	QF_SMTP_SENT, 250, "end of message: 250 2.0.0 queued as 5",
	TO_DOT "QUIT\r\n", false},
    {"an empty message", "r@y.example", "", {SIX, "250 f\r\n"}, QF_SMTP_SENT,
	250, NULL, HELLO FROM TO "DATA\r\n.\r\nQUIT\r\n", false},
    {"several lines and bare LF", "r@y.example", "hi",
	{"220-a\n220 a\n", "250-b\n250-SIZE abc\n250 HELP\n", "250-c\n250 c\n",
	    "251 d\n", "354-e\n354 e\n", "250-f\n250 f\n"},
	QF_SMTP_SENT, 250, "end of message: 250 f f", TO_DOT "QUIT\r\n", false},
    {"replies without text", "r@y.example", "hi",
	{"220\r\n", "250\r\n", "250\r\n", "250 \r\n", "354\r\n", "250\r\n"},
	QF_SMTP_SENT, 250, "end of message: 250", NULL, false},
    {"two recipients", "r@y.example q@z", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "250 d\r\n",
	    "354 e\r\n", "250 f\r\n"},
	QF_SMTP_SENT, 250, NULL,
	HELLO FROM TO "RCPT TO:<q@z>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n", false},
    {"pipelining", "r@y.example q@z", "hi",
	{"220 a\r\n", PIPE, "250 c\r\n250 d\r\n250 d\r\n", "354 e\r\n",
	    "250 f\r\n"},
	QF_SMTP_SENT, 250, NULL,
	HELLO FROM TO "RCPT TO:<q@z>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n", false},
    {"HELO", "r@y.example", "hi",
	{"220 a\r\n", "502 b\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n",
	    "354 e\r\n", "250 f\r\n"},
	QF_SMTP_SENT, 250, NULL,
	HELLO "HELO me.example\r\n" FROM TO "DATA\r\nhi\r\n.\r\nQUIT\r\n",
	false},

    /* The greeting and the name are the server's trouble. */
    {"greeting 554", "r@y", "hi", {"554 go away\r\n"}, QF_SMTP_DEFERRED, 554,
	"greeting: 554 go away", "QUIT\r\n", false},
    {"greeting 421", "r@y", "hi", {"421 busy\r\n"}, QF_SMTP_DEFERRED, 421,
	"greeting: 421 busy", "", false},
    {"greeting 450", "r@y", "hi", {"450 busy\r\n"}, QF_SMTP_DEFERRED, 450,
	"greeting: 450 busy", "QUIT\r\n", false},
    {"greeting 354", "r@y", "hi", {"354 what\r\n"}, QF_SMTP_CONFUSED, 354,
	"greeting: unexpected reply: 354 what", "", false},
    {"EHLO 450", "r@y", "hi", {"220 a\r\n", "450 no\r\n"}, QF_SMTP_DEFERRED,
	450, "EHLO: 450 no", HELLO "QUIT\r\n", false},
    {"HELO 550", "r@y", "hi", {"220 a\r\n", "500 no\r\n", "550 no\r\n"},
	QF_SMTP_DEFERRED, 550, "HELO: 550 no",
	HELLO "HELO me.example\r\nQUIT\r\n", false},

    /* From MAIL on it is about the message. */
    {"MAIL 550", "r@y", "hi", {"220 a\r\n", "250 b\r\n", "550 5.7.1 no\r\n"},
	QF_SMTP_REFUSED, 550, "MAIL FROM:<s@x.example>: 550 5.7.1 no",
	HELLO FROM "QUIT\r\n", false},
    {"MAIL 451", "r@y", "hi", {"220 a\r\n", "250 b\r\n", "451 no\r\n"},
	QF_SMTP_DEFERRED, 451, "MAIL FROM:<s@x.example>: 451 no", NULL, false},
    {"RCPT 550", "x@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "550 5.1.1 no such user\r\n"},
	QF_SMTP_REFUSED, 550, "RCPT TO:<x@y>: 550 5.1.1 no such user", NULL,
	false},
    {"RCPT 450", "x@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "450 later\r\n"},
	QF_SMTP_DEFERRED, 450, "RCPT TO:<x@y>: 450 later", NULL, false},
    {"RCPT 250 450 550", "a@y b@y c@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "450 later\r\n",
	    "550 never\r\n"},
	QF_SMTP_REFUSED, 550,
	"RCPT TO:<c@y>: 550 never (not sent to any of its 3 recipients)",
	HELLO FROM "RCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nQUIT"
		   "\r\n",
	false},
    {"RCPT 450 250 451", "a@y b@y c@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "450 later\r\n", "250 d\r\n",
	    "451 later\r\n"},
	QF_SMTP_SOME_DEFERRED, 450,
	"RCPT TO:<a@y>: 450 later (not sent to any of its 3 recipients)", NULL,
	false},
    {"RCPT 450 451", "a@y b@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "450 later\r\n",
	    "451 later\r\n"},
	QF_SMTP_DEFERRED, 450,
	"RCPT TO:<a@y>: 450 later (not sent to any of its 2 recipients)", NULL,
	false},
    {"RCPT 421", "a@y b@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "421 bye\r\n"},
	QF_SMTP_DEFERRED, 421, "RCPT TO:<a@y>: 421 bye", NULL, false},
    {"pipelined, MAIL refused", "a@y b@y", "hi",
	{"220 a\r\n", PIPE, "550 no\r\n503 no\r\n503 no\r\n"}, QF_SMTP_REFUSED,
	550, "MAIL FROM:<s@x.example>: 550 no", NULL, false},
    {"DATA 554", "r@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "554 no\r\n"},
	QF_SMTP_REFUSED, 554, "DATA: 554 no", NULL, false},
    {"DATA 451", "r@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "451 no\r\n"},
	QF_SMTP_DEFERRED, 451, "DATA: 451 no", NULL, false},
    {"DATA 250", "r@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "250 ok\r\n"},
	QF_SMTP_CONFUSED, 250, "DATA: unexpected reply: 250 ok", NULL, false},
    {"DATA 355", "r@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n", "355 ok\r\n"},
	QF_SMTP_CONFUSED, 355, NULL, NULL, false},
    {"dot 554", "r@y.example", "hi", {SIX, "554 spam\r\n"}, QF_SMTP_REFUSED,
	554, "end of message: 554 spam", TO_DOT "QUIT\r\n", false},
    {"dot 452", "r@y.example", "hi", {SIX, "452 full\r\n"}, QF_SMTP_DEFERRED,
	452, "end of message: 452 full", TO_DOT "QUIT\r\n", false},
    {"dot 421", "r@y.example", "hi", {SIX, "421 bye\r\n"}, QF_SMTP_DEFERRED,
	421, "end of message: 421 bye", TO_DOT, false},
    {"dot 354", "r@y.example", "hi", {SIX, "354 more\r\n"}, QF_SMTP_CONFUSED,
	354,
	"end of message: unexpected reply: 354 more (the server may have "
	"taken the message: possible duplicate)",
	TO_DOT, true},

    /* No reply, or none that can be understood. */
    {"closed at once", "r@y", "hi", {NULL}, QF_SMTP_CLOSED, 0,
	"greeting: the server closed the connection", "", false},
    {"closed inside a reply", "r@y", "hi", {"220-a\r\n220"}, QF_SMTP_CLOSED, 0,
	"greeting: the server closed the connection inside a reply", "", false},
    {"closed between lines", "r@y", "hi", {"220-a\r\n"}, QF_SMTP_CLOSED, 0,
	"greeting: the server closed the connection inside a reply", "", false},
    {"closed before EHLO's reply", "r@y", "hi", {"220 a\r\n"}, QF_SMTP_CLOSED,
	0, "EHLO: the server closed the connection", HELLO, false},
    {"closed after the dot", "r@y.example", "hi", {SIX}, QF_SMTP_CLOSED, 0,
	"end of message: the server closed the connection (the server may "
	"have taken the message: possible duplicate)",
	TO_DOT, true},
    {"broken after the dot", "r@y.example", "hi", {SIX, GONE}, QF_SMTP_CLOSED,
	0, NULL, TO_DOT, true},
    {"half a reply to the dot", "r@y.example", "hi", {SIX, "250-"},
	QF_SMTP_CLOSED, 0, NULL, TO_DOT, true},
    {"no greeting", "r@y", "hi", {LATE}, QF_SMTP_TIMED_OUT, 0,
	"greeting: timed out: no reply", "", false},
    {"no reply to the dot", "r@y.example", "hi", {SIX, LATE}, QF_SMTP_TIMED_OUT,
	0,
	"end of message: timed out: no reply (the server may have taken the "
	"message: possible duplicate)",
	TO_DOT, true},
    {"25", "r@y", "hi", {"25\r\n"}, QF_SMTP_CONFUSED, 0,
	"greeting: reply not understood: no reply code: 25", "", false},
    {"600", "r@y", "hi", {"220 a\r\n", "600 a\r\n"}, QF_SMTP_CONFUSED, 0,
	"EHLO: reply not understood: no reply code: 600 a", HELLO, false},
    {"mixed codes", "r@y", "hi", {"220 a\r\n", "250-a\r\n550 b\r\n"},
	QF_SMTP_CONFUSED, 0, NULL, HELLO, false},
    {"early talker", "r@y", "hi", {"220 a\r\n250 b\r\n"}, QF_SMTP_CONFUSED, 250,
	"EHLO: reply before the command: 250 b", "", false},
    {"early garbage", "r@y", "hi", {"220 a\r\nwhat\r\n"}, QF_SMTP_CONFUSED, 0,
	"EHLO: reply not understood: no reply code: what", "", false},
    {"early 450", "r@y", "hi", {"220 a\r\n450 slow\r\n"}, QF_SMTP_CONFUSED, 450,
	"EHLO: reply before the command: 450 slow", "", false},
    {"early 421", "r@y", "hi", {"220 a\r\n421 down\r\n"}, QF_SMTP_DEFERRED, 421,
	"EHLO: 421 down", "", false},
    {"one reply too many", "r@y", "hi",
	{"220 a\r\n", PIPE, "250 c\r\n250 d\r\n354 e\r\n250 f\r\n"},
	QF_SMTP_CONFUSED, 250, "message: reply before the command: 250 f", NULL,
	false},
    {"accepted before the message", "r@y.example", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n",
	    "354 e\r\n250 f\r\n"},
	QF_SMTP_CONFUSED, 250, "message: reply before the command: 250 f",
	HELLO FROM TO "DATA\r\n", false},
    {"refused before the message", "r@y.example", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "250 d\r\n",
	    "354 e\r\n552 big\r\n"},
	QF_SMTP_REFUSED, 552, "message: 552 big", HELLO FROM TO "DATA\r\n",
	false},
    {"escapes in the reply", "x@y", "hi",
	{"220 a\r\n", "250 b\r\n", "250 c\r\n", "550 a\033[2Jb\rc\r\n"},
	QF_SMTP_REFUSED, 550, "RCPT TO:<x@y>: 550 a?[2Jb?c", NULL, false},
};

static void deliver(struct world *w, const char *turn, size_t split)
{
	size_t n = strlen(turn);

	if (strcmp(turn, LATE) == 0) {
		qf_smtp_expired(w->s);
	} else if (strcmp(turn, GONE) == 0) {
		qf_smtp_closed(w->s, "Connection reset by peer");
	} else {
		qf_smtp_received(w->s, qf_span_n(turn, split), w->now);
		qf_smtp_received(
		    w->s, qf_span_n(turn + split, n - split), w->now);
	}
}

/* Plays d; turn number `which` comes in two pieces. */
static void play(const struct dialogue *d, size_t which, size_t split)
{
	const struct qf_smtp_result *r;
	struct world w;

	world_start(&w, d->rcpts, d->message);
	for (size_t i = 0; !world_is_done(&w); i++) {
		assert_true(i < UNIT_COUNT(d->turns));
		world_send(&w);
		if (world_is_done(&w))
			break;
		if (d->turns[i] == NULL)
			qf_smtp_closed(w.s, NULL);
		else
			deliver(&w, d->turns[i], i == which ? split : 0);
	}
	r = qf_smtp_result(w.s);
	if (r->outcome != d->outcome)
		print_error("# %s: outcome %d, text %s\n", d->name, r->outcome,
		    r->text.s);
	assert_int_equal(d->outcome, r->outcome);
	assert_int_equal(d->code, r->code);
	assert_int_equal(d->maybe_taken, r->maybe_taken);
	if (d->text != NULL)
		assert_string_equal(d->text, r->text.s);
	if (d->wire != NULL)
		assert_string_equal(d->wire, w.wire.s);
	world_end(&w);
}

static void whole_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(dialogues); i++)
		play(&dialogues[i], SIZE_MAX, 0);
}

static void dialogues_in_any_two_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(dialogues); i++) {
		const char *const *turns = dialogues[i].turns;

		for (size_t t = 0; turns[t] != NULL; t++) {
			for (size_t k = 1; k < strlen(turns[t]); k++)
				play(&dialogues[i], t, k);
		}
	}
}

/* Every byte of ours leaves in a write of its own. */
static void one_byte_at_a_time(void **state)
{
	static const char *const turns[] = {SIX, "250 f\r\n"};
	struct world w;

	(void)state;
	world_start(&w, "r@y.example", "hi\n");
	for (size_t t = 0; t < UNIT_COUNT(turns); t++) {
		while (qf_smtp_wants_write(w.s))
			world_send_some(&w, 1);
		for (const char *p = turns[t]; *p != '\0'; p++)
			qf_smtp_received(w.s, qf_span_n(p, 1), w.now);
	}
	world_send(&w);
	assert_true(world_is_done(&w));
	assert_int_equal(QF_SMTP_SENT, qf_smtp_result(w.s)->outcome);
	assert_string_equal(TO_DOT "QUIT\r\n", w.wire.s);
	world_end(&w);
}

/* Up to the message, which is ready to be sent. */
static void start_message(struct world *w, const char *message)
{
	static const char *const turns[] = {SIX};

	world_start(w, "r@y.example", message);
	for (size_t t = 0; t < UNIT_COUNT(turns); t++) {
		world_send(w);
		world_hear(w, turns[t]);
	}
}

static void stopped_inside_the_message(void **state)
{
	static const struct {
		const char *heard; /* NULL: closed */
		enum qf_smtp_outcome outcome;
		const char *text;
	} cases[] = {
	    {NULL, QF_SMTP_UNSENT, "message: the server closed the connection"},
	    {"55", QF_SMTP_UNSENT,
		"message: the server closed the connection inside a reply"},
	    {"552 too big\r\n", QF_SMTP_REFUSED, "message: 552 too big"},
	    {"554 spam\r\n", QF_SMTP_REFUSED, "message: 554 spam"},
	    {"500 what\r\n", QF_SMTP_DEFERRED, "message: 500 what"},
	    {"452 full\r\n", QF_SMTP_DEFERRED, "message: 452 full"},
	    {"421 down\r\n", QF_SMTP_DEFERRED, "message: 421 down"},
	    {"250 ok\r\n", QF_SMTP_CONFUSED,
		"message: reply before the command: 250 ok"},
	    {"354 ok\r\n", QF_SMTP_CONFUSED,
		"message: reply before the command: 354 ok"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const struct qf_smtp_result *r;
		struct world w;

		start_message(&w, "a long message\n");
		world_send_some(&w, 3);
		if (cases[i].heard != NULL)
			world_hear(&w, cases[i].heard);
		qf_smtp_closed(w.s, NULL);
		assert_true(world_is_done(&w));
		r = qf_smtp_result(w.s);
		assert_int_equal(cases[i].outcome, r->outcome);
		assert_string_equal(cases[i].text, r->text.s);
		assert_false(r->maybe_taken);
		assert_false(qf_smtp_wants_write(w.s));
		world_end(&w);
	}
}

/* The dot is written, but its last byte has not left. */
static void stopped_before_the_dot_has_left(void **state)
{
	struct world w;

	(void)state;
	start_message(&w, "hi\n");
	while (memmem(w.wire.s, w.wire.len, "hi\r\n.\r", 6) == NULL)
		world_send_some(&w, 1);
	world_hear(&w, "250 ok\r\n");
	assert_int_equal(QF_SMTP_CONFUSED, qf_smtp_result(w.s)->outcome);
	assert_false(qf_smtp_result(w.s)->maybe_taken);
	world_end(&w);

	start_message(&w, "hi\n");
	while (memmem(w.wire.s, w.wire.len, "hi\r\n.\r", 6) == NULL)
		world_send_some(&w, 1);
	qf_smtp_closed(w.s, "Broken pipe");
	assert_int_equal(QF_SMTP_UNSENT, qf_smtp_result(w.s)->outcome);
	assert_string_equal("message: connection broken: Broken pipe",
	    qf_smtp_result(w.s)->text.s);
	assert_false(qf_smtp_result(w.s)->maybe_taken);
	world_end(&w);
}

static void message_can_not_be_read(void **state)
{
	struct world w;

	(void)state;
	start_message(&w, "a message with an end that is lost\n");
	w.text.fail_at = 5;
	world_send(&w);
	assert_true(world_is_done(&w));
	assert_int_equal(QF_SMTP_UNREAD, qf_smtp_result(w.s)->outcome);
	assert_string_equal(
	    "message: disk on fire", qf_smtp_result(w.s)->text.s);
	assert_null(strstr(w.wire.s, ".\r\n"));
	world_end(&w);
}

static void nothing_changes_the_outcome(void **state)
{
	struct world w;

	(void)state;
	start_message(&w, "hi\n");
	world_send(&w);
	world_hear(&w, "250 mine\r\n500 what\r\n");
	assert_false(world_is_done(&w));
	world_hear(&w, "421 gone\r\n");
	qf_smtp_closed(w.s, NULL);
	qf_smtp_expired(w.s);
	world_hear(&w, "550 no\r\n");
	assert_true(world_is_done(&w));
	assert_int_equal(QF_SMTP_SENT, qf_smtp_result(w.s)->outcome);
	assert_string_equal(
	    "end of message: 250 mine", qf_smtp_result(w.s)->text.s);
	world_end(&w);
}

static void many_recipients_are_pipelined_in_windows(void **state)
{
	enum {
		COUNT = 1000
	};
	struct qf_buf rcpts = QF_BUF_INIT;
	size_t answered = 0, sent;
	struct world w;

	(void)state;
	for (int i = 0; i < COUNT; i++)
		qf_buf_addf(&rcpts, "r%d@y.example ", i);
	world_start(&w, rcpts.s, "hi\n");
	world_hear(&w, "220 a\r\n");
	world_send(&w);
	world_hear(&w, PIPE);
	assert_true(qf_smtp_offers(w.s)->pipelining);
	world_send(&w);
	world_hear(&w, "250 c\r\n");
	while (answered < COUNT) {
		world_send(&w);
		sent = 0;
		for (const char *p = w.wire.s; (p = strstr(p, "RCPT")); p++)
			sent++;
		assert_true(sent > answered && sent - answered <= 64);
		assert_null(strstr(w.wire.s, "DATA"));
		world_hear(&w, "250 d\r\n");
		answered++;
	}
	world_send(&w);
	world_hear(&w, "354 e\r\n");
	world_send(&w);
	world_hear(&w, "250 f\r\n");
	assert_int_equal(QF_SMTP_SENT, qf_smtp_result(w.s)->outcome);
	qf_buf_free(&rcpts);
	world_end(&w);
}

/* One step, and the time by which its reply must be there. */
static void deadlines_of_steps(void **state)
{
	const struct qf_smtp_timeouts *t = &qf_smtp_timeouts_rfc;
	const int64_t ms[] = {
	    t->greeting, t->command, t->command, t->command, t->data, t->end};
	static const char *const turns[] = {SIX, "250 f\r\n"};
	struct world w;

	(void)state;
	assert_int_equal(300000, t->greeting);
	assert_int_equal(300000, t->command);
	assert_int_equal(120000, t->data);
	assert_int_equal(180000, t->block);
	assert_int_equal(600000, t->end);
	world_start(&w, "r@y.example", "hi\n");
	for (size_t i = 0; i < UNIT_COUNT(turns); i++) {
		world_send(&w);
		assert_int_equal(w.now + ms[i], qf_smtp_deadline(w.s));
		/* A byte now and then wins no time. */
		w.now += 1000;
		qf_smtp_received(w.s, qf_span_n(turns[i], 1), w.now);
		assert_int_equal(w.now - 1000 + ms[i], qf_smtp_deadline(w.s));
		w.now += 1000;
		world_hear(&w, turns[i] + 1);
	}
	world_end(&w);
}

static void deadlines_of_blocks(void **state)
{
	static char message[20000];
	int64_t block = qf_smtp_timeouts_rfc.block, begun;
	struct world w;

	(void)state;
	memset(message, 'x', sizeof message - 1);
	start_message(&w, message);
	w.text.step = sizeof message;
	begun = w.now;
	assert_int_equal(begun + block, qf_smtp_deadline(w.s));
	w.now += 1000;
	world_send_some(&w, QF_SMTP_BLOCK - 1);
	assert_int_equal(begun + block, qf_smtp_deadline(w.s));
	world_send_some(&w, 1);
	assert_int_equal(w.now + block, qf_smtp_deadline(w.s));
	qf_smtp_expired(w.s);
	assert_int_equal(QF_SMTP_TIMED_OUT, qf_smtp_result(w.s)->outcome);
	assert_string_equal("message: timed out: the server does not read",
	    qf_smtp_result(w.s)->text.s);
	world_end(&w);
}

/* Of the time for all, a message takes nothing while it gets on. */
static void a_long_message_is_no_delay(void **state)
{
	static char message[40000];
	struct qf_smtp_timeouts t = {1000, 1000, 1000, 60000, 1000, 100000};
	struct world w;
	int64_t limit;

	(void)state;
	memset(message, 'x', sizeof message - 1);
	world_prepare(&w, "r@y", message);
	w.setup.timeouts = &t;
	world_open(&w);
	for (int i = 0; i < 5; i++) {
		world_send(&w);
		world_hear(&w, i == 0   ? "220 a\r\n"
			       : i == 4 ? "354 b\r\n"
					: "250 b\r\n");
	}
	limit = w.now + 100000;
	for (int i = 0; i < 4; i++) {
		w.now += 9000;
		world_send_some(&w, QF_SMTP_BLOCK);
		limit += 9000;
	}
	/* The server that hardly reads has to hurry. */
	w.now += 50000;
	world_send_some(&w, QF_SMTP_BLOCK);
	limit += 10000;
	w.now += 45000;
	world_send_some(&w, QF_SMTP_BLOCK);
	limit += 10000;
	assert_int_equal(limit, qf_smtp_deadline(w.s));
	world_end(&w);
}

static void no_timeout_is_no_deadline(void **state)
{
	struct qf_smtp_timeouts none = {QF_NEVER, 1, 1, 1, 1, QF_NEVER};
	struct world w;

	(void)state;
	world_start(&w, "r@y", "");
	qf_smtp_free(&w.s);
	w.setup.timeouts = &none;
	w.s = qf_smtp_new(&w.setup, w.now);
	assert_int_equal(QF_NEVER, qf_smtp_deadline(w.s));
	world_end(&w);
}

static void helo_names(void **state)
{
	static const struct {
		const char *name;
		bool safe;
	} cases[] = {
	    {"mail.example", true},
	    {"[192.0.2.1]", true},
	    {"", false},
	    {"a b", false},
	    {"a\r\nMAIL", false},
	    {"a\n", false},
	    {"<a>", false},
	    {"caf\xc3\xa9", false},
	    {"a\x7f", false},
	};
	char longest[257];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++)
		assert_int_equal(cases[i].safe,
		    qf_smtp_helo_is_safe(qf_span(cases[i].name)));
	assert_false(qf_smtp_helo_is_safe(qf_span_n("a\0b", 3)));
	memset(longest, 'a', sizeof longest);
	assert_true(qf_smtp_helo_is_safe(qf_span_n(longest, 255)));
	assert_false(qf_smtp_helo_is_safe(qf_span_n(longest, 256)));
}

static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)(random_state % n);
}

/* What a good server would say now. */
static const char *good_reply(const struct world *w)
{
	size_t n = w->wire.len;

	if (n == 0)
		return "220 a\r\n";
	if (n > 6 && strcmp(w->wire.s + n - 6, "DATA\r\n") == 0)
		return "354 e\r\n";
	return random_below(3) > 0 ? "250 b\r\n" : PIPE;
}

/* Bytes that get far, bytes that nearly do, and anything. */
static void random_bytes(struct qf_buf *out, const struct world *w)
{
	static const char *const likely[] = {"220 a\r\n", "250 ok\r\n",
	    "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250-x\r\n", "250-", PIPE,
	    "250", "\r\n", "\n", "\r", "550 no\r\n", "450 no\r\n", "421 no\r\n",
	    "500", "-", " ", "220", "25", "600 x\r\n"};
	size_t pieces = 1 + random_below(3);

	if (random_below(8) > 0) {
		qf_buf_adds(out, good_reply(w));
		return;
	}
	while (pieces-- > 0) {
		if (random_below(12) > 0) {
			qf_buf_adds(
			    out, likely[random_below(UNIT_COUNT(likely))]);
			continue;
		}
		for (size_t n = random_below(40); n > 0; n--)
			qf_buf_addc(out, (char)random_below(256));
	}
}

static void check_end(const struct world *w)
{
	const struct qf_smtp_result *r = qf_smtp_result(w->s);
	const char *dot = strstr(w->wire.s, "\r\n.\r\n");

	assert_int_not_equal(QF_SMTP_PENDING, r->outcome);
	assert_true(r->text.len > 0);
	for (size_t i = 0; i < r->text.len; i++)
		assert_true(r->text.s[i] >= ' ' && r->text.s[i] < 127);
	if (r->outcome == QF_SMTP_SENT || r->maybe_taken)
		assert_non_null(dot);
	if (dot == NULL)
		assert_false(r->maybe_taken);
	assert_false(qf_smtp_wants_write(w->s));
}

static void random_servers(void **state)
{
	int rounds = getenv("QF_VALGRIND") != NULL ? 1000 : 20000;
	int outcomes[QF_SMTP_UNREAD + 1] = {0};

	(void)state;
	for (int round = 0; round < rounds; round++) {
		struct qf_buf in = QF_BUF_INIT;
		struct world w;
		int steps = 0;

		world_start(
		    &w, random_below(2) ? "a@y b@y c@y" : "a@y", ".hi\r.\n");
		while (!world_is_done(&w) && ++steps < 200) {
			w.now += (int64_t)random_below(1000);
			if (random_below(40) > 0)
				world_send_some(
				    &w, random_below(20) > 0 ? SIZE_MAX : 3);
			qf_buf_reset(&in);
			random_bytes(&in, &w);
			qf_smtp_received(w.s, qf_buf_span(&in), w.now);
			if (random_below(200) == 0)
				qf_smtp_expired(w.s);
			if (random_below(200) == 0)
				qf_smtp_closed(w.s, NULL);
		}
		assert_true(steps < 200);
		check_end(&w);
		outcomes[qf_smtp_result(w.s)->outcome]++;
		qf_buf_free(&in);
		world_end(&w);
	}
	/* The bytes are of use only if they get everywhere. */
	assert_true(outcomes[QF_SMTP_SENT] > 0);
	assert_true(outcomes[QF_SMTP_REFUSED] > 0);
	assert_true(outcomes[QF_SMTP_DEFERRED] > 0);
	assert_true(outcomes[QF_SMTP_CONFUSED] > 0);
	assert_true(outcomes[QF_SMTP_TIMED_OUT] > 0);
	assert_true(outcomes[QF_SMTP_CLOSED] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_dialogues),
	    cmocka_unit_test(dialogues_in_any_two_pieces),
	    cmocka_unit_test(one_byte_at_a_time),
	    cmocka_unit_test(stopped_inside_the_message),
	    cmocka_unit_test(stopped_before_the_dot_has_left),
	    cmocka_unit_test(message_can_not_be_read),
	    cmocka_unit_test(nothing_changes_the_outcome),
	    cmocka_unit_test(many_recipients_are_pipelined_in_windows),
	    cmocka_unit_test(deadlines_of_steps),
	    cmocka_unit_test(deadlines_of_blocks),
	    cmocka_unit_test(a_long_message_is_no_delay),
	    cmocka_unit_test(no_timeout_is_no_deadline),
	    cmocka_unit_test(helo_names),
	    cmocka_unit_test(random_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
