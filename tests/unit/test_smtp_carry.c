#include "tests/unit/smtp_world.h"

/*
 * Messages in a session: what is written together, what each recipient gets,
 * and how one follows the other.
 */

#define FROM "MAIL FROM:<s@x.example>\r\n"
#define A    "RCPT TO:<a@y>\r\n"
#define B    "RCPT TO:<b@y>\r\n"
#define C    "RCPT TO:<c@y>\r\n"
#define BODY "hi\r\n.\r\n"

static void prepare(struct world *w, const char *rcpts, const char *message)
{
	world_prepare(w, rcpts, message);
	w->setup.once = false;
	w->mail.together = false;
}

/* Up to the envelope; the server offers what `offers` says. */
static void greet(struct world *w, const char *offers)
{
	const struct world_turn turns[] = {
	    {"", "220 a\r\n"}, {"EHLO me.example\r\n", offers}, {NULL, NULL}};

	world_open(w);
	world_play(w, turns);
}

static void expect(struct world *w, enum qf_smtp_outcome outcome,
    enum qf_smtp_step step, const char *text)
{
	const struct qf_smtp_result *r = qf_smtp_result(w->s);

	assert_string_equal(text, r->text.s);
	assert_int_equal(outcome, r->outcome);
	assert_int_equal(step, r->step);
}

/* The outcomes of the recipients, a letter each: `-` none, r, s, h. */
static void expect_rcpts(struct world *w, const char *letters)
{
	const struct qf_smtp_result *r = qf_smtp_result(w->s);
	size_t accepted = 0;

	assert_int_equal(strlen(letters), r->nrcpt);
	for (size_t i = 0; i < r->nrcpt; i++) {
		const struct qf_smtp_said *said = &r->rcpt[i];
		char c = said->outcome == QF_SMTP_PENDING    ? '-'
			 : said->outcome == QF_SMTP_SENT     ? 'r'
			 : said->outcome == QF_SMTP_DEFERRED ? 's'
							     : 'h';

		assert_int_equal(letters[i], c);
		accepted += c == 'r';
		assert_int_equal(c == 's' || c == 'h', said->reply != NULL);
	}
	assert_int_equal(accepted, r->accepted);
}

static void each_recipient_for_itself(void **state)
{
	static const struct world_turn turns[] = {{FROM, "250 ok\r\n"},
	    {A, "550-no such\r\n550 user\r\n"}, {B, "250 ok\r\n"},
	    {C, "450 later\r\n"}, {"DATA\r\n", "354 go\r\n"},
	    {BODY, "250-taken\r\n250 as 5\r\n"}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y b@y c@y", "hi\n");
	greet(&w, "250 x\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 taken as 5");
	expect_rcpts(&w, "hrs");
	assert_string_equal(
	    "550-no such\n550 user\n", qf_smtp_result(w.s)->rcpt[0].reply);
	assert_string_equal(
	    "250-taken\n250 as 5\n", qf_smtp_result(w.s)->reply.s);
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	world_end(&w);
}

static void nobody_is_accepted(void **state)
{
	static const struct {
		const char *a, *b;
		enum qf_smtp_outcome outcome;
		const char *text;
	} cases[] = {
	    {"550 no\r\n", "551 no\r\n", QF_SMTP_REFUSED,
		"RCPT TO:<a@y>: 550 no (not sent to any of its 2 recipients)"},
	    {"450 no\r\n", "451 no\r\n", QF_SMTP_DEFERRED,
		"RCPT TO:<a@y>: 450 no (not sent to any of its 2 recipients)"},
	    {"450 no\r\n", "550 no\r\n", QF_SMTP_SOME_DEFERRED,
		"RCPT TO:<b@y>: 550 no (not sent to any of its 2 recipients)"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const struct world_turn turns[] = {{FROM, "250 ok\r\n"},
		    {A, cases[i].a}, {B, cases[i].b}, {"", NULL}, {NULL, NULL}};
		struct world w;

		prepare(&w, "a@y b@y", "hi\n");
		greet(&w, "250 x\r\n");
		world_play(&w, turns);
		expect(&w, cases[i].outcome, QF_SMTP_RCPT, cases[i].text);
		assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
		world_end(&w);
	}
}

/* One message after the other; what was begun in vain is reset first. */
static void the_next_message(void **state)
{
	static const struct world_turn first[] = {
	    {FROM, "250 ok\r\n"}, {A, "550 no\r\n"}, {"", NULL}, {NULL, NULL}};
	static const struct world_turn second[] = {{"RSET\r\n", "250 ok\r\n"},
	    {FROM, "250 ok\r\n"}, {A, "250 ok\r\n"}, {"DATA\r\n", "354 ok\r\n"},
	    {"two\r\n.\r\n", "250 two\r\n"}, {NULL, NULL}};
	static const struct world_turn third[] = {{FROM, "250 ok\r\n"},
	    {A, "250 ok\r\n"}, {"DATA\r\n", "354 ok\r\n"},
	    {"three\r\n.\r\n", "250 three\r\n"}, {NULL, NULL}};
	static const struct world_turn bye[] = {
	    {"QUIT\r\n", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y", "one\n");
	greet(&w, "250 x\r\n");
	world_play(&w, first);
	expect(&w, QF_SMTP_REFUSED, QF_SMTP_RCPT, "RCPT TO:<a@y>: 550 no");
	world_next(&w, "two");
	assert_int_equal(QF_SMTP_PENDING, qf_smtp_result(w.s)->outcome);
	world_play(&w, second);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 two");
	world_next(&w, "three");
	world_play(&w, third);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 three");
	qf_smtp_quit(w.s, w.now);
	world_play(&w, bye);
	assert_true(world_is_done(&w));
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 three");
	world_end(&w);
}

/* All that can go out together does: two waits for a message. */
static void pipelined(void **state)
{
	static const struct world_turn turns[] = {
	    {FROM A B "DATA\r\n", "250 a\r\n550 b\r\n250 c\r\n354 d\r\n"},
	    {BODY, "250 e\r\n"}, {NULL, NULL}};
	static const struct world_turn again[] = {
	    {FROM A B "DATA\r\n", "250 a\r\n550 b\r\n550 c\r\n503 d\r\n"},
	    {"", NULL}, {NULL, NULL}};
	static const struct world_turn third[] = {
	    {"RSET\r\n" FROM A B "DATA\r\n",
		"250 z\r\n250 a\r\n250 b\r\n250 c\r\n354 d\r\n"},
	    {BODY, "250 e\r\n"}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y b@y", "hi\n");
	greet(&w, "250-x\r\n250 PIPELINING\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 e");
	expect_rcpts(&w, "hr");
	world_next(&w, "hi\n");
	world_play(&w, again);
	expect(&w, QF_SMTP_REFUSED, QF_SMTP_RCPT,
	    "RCPT TO:<a@y>: 550 b (not sent to any of its 2 recipients)");
	expect_rcpts(&w, "hh");
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	world_next(&w, "hi\n");
	world_play(&w, third);
	expect_rcpts(&w, "rr");
	world_end(&w);
}

/* A server that asks for a message to nobody gets an empty one (RFC 2920). */
static void data_for_nobody(void **state)
{
	static const struct world_turn turns[] = {
	    {FROM A "DATA\r\n", "250 a\r\n450 b\r\n354 go\r\n"},
	    {".\r\n", "250 thanks\r\n"}, {"", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y", "hi\n");
	greet(&w, "250-x\r\n250 PIPELINING\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_DEFERRED, QF_SMTP_RCPT, "RCPT TO:<a@y>: 450 b");
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	assert_int_equal(7, w.text.step);
	assert_int_equal(3, w.text.rest.n); /* nothing was read */
	world_end(&w);
}

/* A server that takes recipients although it refused the sender is not given
 * an end of message. */
static void data_after_a_refused_sender(void **state)
{
	static const struct world_turn turns[] = {
	    {FROM A "DATA\r\n", "550 a\r\n250 b\r\n354 go\r\n"}, {"", NULL},
	    {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y", "hi\n");
	greet(&w, "250-x\r\n250 PIPELINING\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_REFUSED, QF_SMTP_MAIL,
	    "MAIL FROM:<s@x.example>: 550 a");
	assert_true(world_is_done(&w));
	world_end(&w);
}

/* A result that stands is changed by no reply that follows. */
static void replies_after_the_result(void **state)
{
	static const struct world_turn turns[] = {
	    {FROM A B "DATA\r\n",
		"451 later\r\n503 no\r\n503 no\r\n503 no\r\n"},
	    {"", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y b@y", "hi\n");
	greet(&w, "250-x\r\n250 PIPELINING\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_DEFERRED, QF_SMTP_MAIL,
	    "MAIL FROM:<s@x.example>: 451 later");
	expect_rcpts(&w, "--");
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	world_end(&w);
}

/* For all or none DATA waits for the last recipient. */
static void together_waits(void **state)
{
	static const struct world_turn turns[] = {
	    {FROM A B, "250 a\r\n250 b\r\n450 c\r\n"}, {"", NULL},
	    {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y b@y", "hi\n");
	w.mail.together = true;
	greet(&w, "250-x\r\n250 PIPELINING\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_SOME_DEFERRED, QF_SMTP_RCPT,
	    "RCPT TO:<b@y>: 450 c (not sent to any of its 2 recipients)");
	world_end(&w);
}

/* BDAT goes along with the envelope when the message is short, else behind
 * it; nothing in it is doubled. */
static void chunked(void **state)
{
	static const struct world_turn alone[] = {{FROM, "250 a\r\n"},
	    {A, "250 b\r\n"}, {"BDAT 10 LAST\r\n.a\r\n.\r\nb\r\n", "250 c\r\n"},
	    {NULL, NULL}};
	static const struct world_turn at_once[] = {
	    {FROM A "BDAT 10 LAST\r\n.a\r\n.\r\nb\r\n",
		"250 a\r\n250 b\r\n250 c\r\n"},
	    {NULL, NULL}};
	static const struct world_turn refused[] = {
	    {FROM A "BDAT 10 LAST\r\n.a\r\n.\r\nb\r\n",
		"250 a\r\n550 b\r\n503 c\r\n"},
	    {NULL, NULL}};
	static const struct world_turn empty[] = {
	    {"RSET\r\n" FROM A, "250 z\r\n250 a\r\n250 b\r\n"},
	    {"BDAT 0 LAST\r\n", "250 c\r\n"}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y", ".a\n.\r\nb");
	greet(&w, "250-x\r\n250 CHUNKING\r\n");
	world_play(&w, alone);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 c");
	world_end(&w);

	prepare(&w, "a@y", ".a\n.\r\nb");
	w.mail.size = 10;
	greet(&w, "250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
	world_play(&w, at_once);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 c");
	world_next(&w, ".a\n.\r\nb");
	world_play(&w, refused);
	expect(&w, QF_SMTP_REFUSED, QF_SMTP_RCPT, "RCPT TO:<a@y>: 550 b");
	w.mail.size = 0;
	world_next(&w, "");
	world_play(&w, empty);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 c");
	world_end(&w);
}

/* What BDAT announces is what it sends, in pieces that the memory allows. */
static void long_chunks(void **state)
{
	enum {
		SIZE = 300000
	};
	char *message = malloc(SIZE + 1);
	struct qf_buf got = QF_BUF_INIT;
	struct world w;
	size_t left, pieces = 0;
	const char *p;

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		message[i] = i % 61 == 60 ? '\n' : '.';
	message[SIZE] = '\0';
	prepare(&w, "a@y", message);
	w.text.step = 5000;
	greet(&w, "250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
	world_send(&w);
	world_hear(&w, "250 a\r\n250 b\r\n");
	qf_buf_reset(&w.wire);
	world_send(&w);
	for (p = w.wire.s; *p != '\0'; p += left) {
		bool last;

		assert_int_equal(0, strncmp(p, "BDAT ", 5));
		left = strtoul(p + 5, (char **)&p, 10);
		assert_true(left > 0 && left <= 3 * QF_SMTP_CHUNK);
		last = *p == ' ';
		p = strchr(p, '\n') + 1;
		qf_buf_add(&got, p, left);
		pieces++;
		world_hear(&w, "250 piece\r\n");
		assert_int_equal(last, p[left] == '\0');
	}
	assert_true(pieces > 3);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 piece");
	assert_int_equal(SIZE + SIZE / 61 + 2, got.len);
	qf_buf_free(&got);
	free(message);
	world_end(&w);
}

static void a_piece_is_refused(void **state)
{
	static char message[400000];
	struct world w;

	(void)state;
	memset(message, 'x', sizeof message - 1);
	prepare(&w, "a@y", message);
	w.text.step = sizeof message;
	greet(&w, "250-x\r\n250 CHUNKING\r\n");
	world_send(&w);
	world_hear(&w, "250 a\r\n");
	world_send(&w);
	world_hear(&w, "250 b\r\n");
	qf_buf_reset(&w.wire);
	world_send(&w);
	assert_null(strstr(w.wire.s, "LAST"));
	world_hear(&w, "552 enough\r\n");
	expect(&w, QF_SMTP_REFUSED, QF_SMTP_BODY, "message: 552 enough");
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	assert_false(qf_smtp_wants_write(w.s));
	world_end(&w);
}

static void parameters(void **state)
{
	static const struct qf_smtp_notify notify[] = {
	    {"SUCCESS,FAILURE", "rfc822;a@z"}, {NULL, NULL}};
	static const struct world_turn plain[] = {{FROM, "250 a\r\n"},
	    {A, "250 b\r\n"}, {B, "250 b\r\n"}, {"DATA\r\n", NULL},
	    {NULL, NULL}};
	static const struct world_turn all[] = {
	    {"MAIL FROM:<s@x.example> SIZE=77 BODY=8BITMIME SMTPUTF8 RET=HDRS "
	     "ENVID=q1\r\n",
		"250 a\r\n"},
	    {"RCPT TO:<a@y> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@z\r\n",
		"250 b\r\n"},
	    {B, "250 b\r\n"}, {"DATA\r\n", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	for (int offered = 0; offered < 2; offered++) {
		prepare(&w, "a@y b@y", "hi\n");
		w.mail.size = 77;
		w.mail.eightbit = true;
		w.mail.utf8 = offered;
		w.mail.ret = "HDRS";
		w.mail.envid = "q1";
		w.mail.notify = notify;
		greet(&w, offered ? "250-x\r\n250-SIZE 77\r\n250-8BITMIME\r\n"
				    "250-SMTPUTF8\r\n250 DSN\r\n"
				  : "250 x\r\n");
		world_play(&w, offered ? all : plain);
		world_end(&w);
	}
}

/* Recipients that need SMTPUTF8 do not keep the message from others. */
static void some_need_utf8(void **state)
{
	static const struct world_turn turns[] = {{FROM, "250 b\r\n"},
	    {A, "250 c\r\n"}, {B, "250 d\r\n"}, {"DATA\r\n", "354 e\r\n"},
	    {BODY, "250 f\r\n"}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y \xc3\xa4@y b@y", "hi\n");
	w.mail.utf8 = true;
	greet(&w, "250 x\r\n");
	world_play(&w, turns);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 f");
	expect_rcpts(&w, "rhr");
	assert_int_equal(0, qf_smtp_result(w.s)->rcpt[1].code);
	world_end(&w);

	/* For all or none it does. */
	prepare(&w, "a@y \xc3\xa4@y b@y", "hi\n");
	w.mail.utf8 = w.mail.together = true;
	greet(&w, "250 x\r\n");
	assert_int_equal(QF_SMTP_UNFIT, qf_smtp_result(w.s)->outcome);
	world_end(&w);
}

/* What a server offers that refuses EHLO today nobody knows. */
static void offers_that_were_not_seen(void **state)
{
	static const char *const ehlo[] = {"500 what\r\n", "554 later\r\n"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct world_turn turns[] = {{"", "220 a\r\n"},
		    {"EHLO me.example\r\n", ehlo[i]},
		    {"HELO me.example\r\n", "250 x\r\n"}, {NULL, NULL}};
		struct world w;

		prepare(&w, "a@y", "hi\n");
		w.mail.utf8 = true;
		world_open(&w);
		world_play(&w, turns);
		assert_int_equal(i == 0 ? QF_SMTP_UNFIT : QF_SMTP_DEFERRED,
		    qf_smtp_result(w.s)->outcome);
		world_end(&w);
	}
}

/* The message went along with its recipients: one was accepted before the
 * server gave up. */
static void gives_up_when_all_is_sent(void **state)
{
	static const struct {
		const char *heard;
		bool maybe;
	} cases[] = {
	    {"250 a\r\n250 b\r\n421 down\r\n", true},
	    {"250 a\r\n450 b\r\n421 down\r\n", false},
	    {"250 a\r\n250 b\r\n250 c\r\n421 down\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct world w;

		prepare(&w, "a@y b@y", "hi\n");
		w.mail.size = 4;
		greet(&w, "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
		world_send(&w);
		world_hear(&w, cases[i].heard);
		assert_int_equal(
		    QF_SMTP_DEFERRED, qf_smtp_result(w.s)->outcome);
		assert_int_equal(
		    cases[i].maybe, qf_smtp_result(w.s)->maybe_taken);
		world_end(&w);
	}
}

/* What a server can not carry is not begun. */
static void unfit(void **state)
{
	static const struct world_turn nothing[] = {{"", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y", "hi\n");
	w.mail.utf8 = true;
	greet(&w, "250-x\r\n250 8BITMIME\r\n");
	world_play(&w, nothing);
	expect(&w, QF_SMTP_UNFIT, QF_SMTP_MAIL,
	    "MAIL FROM:<s@x.example>: the message needs SMTPUTF8, which the "
	    "server does not offer");
	assert_false(qf_smtp_result(w.s)->too_big);
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	world_end(&w);

	prepare(&w, "a@y", "hi\n");
	w.mail.size = 78;
	greet(&w, "250-x\r\n250 SIZE 77\r\n");
	world_play(&w, nothing);
	expect(&w, QF_SMTP_UNFIT, QF_SMTP_MAIL,
	    "MAIL FROM:<s@x.example>: the message has 78 bytes; the server "
	    "takes at most 77");
	assert_true(qf_smtp_result(w.s)->too_big);
	world_end(&w);
}

/* A connection that was given up while it was idle says nothing about the
 * message. */
static void stale_connections(void **state)
{
	static const struct {
		const char *heard; /* NULL: closed */
		bool before;       /* ... before the message came */
		bool dirty;        /* after a message in vain */
	} cases[] = {
	    {NULL, true, false},
	    {NULL, false, false},
	    {"421 idle\r\n", false, false},
	    {"421 idle\r\n", true, false},
	    {"500 what\r\n", false, true},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const struct world_turn turns[] = {{FROM, "250 ok\r\n"},
		    {A, cases[i].dirty ? "550 no\r\n" : "250 ok\r\n"},
		    {cases[i].dirty ? "" : "DATA\r\n",
			cases[i].dirty ? NULL : "354 go\r\n"},
		    {cases[i].dirty ? "" : BODY,
			cases[i].dirty ? NULL : "250 ok\r\n"},
		    {NULL, NULL}};
		struct world w;

		prepare(&w, "a@y", "hi\n");
		greet(&w, "250 x\r\n");
		world_play(&w, turns);
		assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
		assert_false(qf_smtp_result(w.s)->stale);
		if (!cases[i].before) {
			world_next(&w, "hi\n");
			world_send(&w);
		}
		if (cases[i].heard != NULL)
			world_hear(&w, cases[i].heard);
		else
			qf_smtp_closed(w.s, NULL);
		if (cases[i].before)
			world_next(&w, "hi\n");
		assert_true(world_is_done(&w));
		assert_true(qf_smtp_result(w.s)->stale);
		assert_false(qf_smtp_result(w.s)->maybe_taken);
		assert_int_not_equal(
		    QF_SMTP_SENT, qf_smtp_result(w.s)->outcome);
		world_end(&w);
	}
}

/* ... but once the sender was answered, or on a new one, it does. */
static void not_stale(void **state)
{
	struct world w;

	(void)state;
	prepare(&w, "a@y", "hi\n");
	greet(&w, "250 x\r\n");
	world_send(&w);
	qf_smtp_closed(w.s, NULL);
	assert_false(qf_smtp_result(w.s)->stale);
	world_end(&w);

	prepare(&w, "a@y", "hi\n");
	greet(&w, "250 x\r\n");
	world_send(&w);
	world_hear(&w, "550 no\r\n");
	world_next(&w, "hi\n");
	world_send(&w);
	world_hear(&w, "250 ok\r\n");
	world_send(&w);
	world_hear(&w, "250 ok\r\n");
	world_send(&w);
	qf_smtp_closed(w.s, NULL);
	assert_false(qf_smtp_result(w.s)->stale);
	expect(&w, QF_SMTP_CLOSED, QF_SMTP_RCPT,
	    "RCPT TO:<a@y>: the server closed the connection");
	world_end(&w);
}

/* RFC 2033: a reply for each recipient that was accepted. */
static void lmtp(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {"LHLO me.example\r\n", "250-x\r\n250 PIPELINING\r\n"},
	    {FROM A B C "DATA\r\n",
		"250 a\r\n250 b\r\n550 c\r\n250 d\r\n354 e\r\n"},
	    {BODY, "452 full\r\n250 fine\r\n"}, {"", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	prepare(&w, "a@y b@y c@y", "hi\n");
	w.setup.lmtp = true;
	world_open(&w);
	world_play(&w, turns);
	expect(&w, QF_SMTP_SENT, QF_SMTP_END, "end of message: 250 fine");
	expect_rcpts(&w, "shr");
	assert_int_equal(QF_SMTP_WANTS_MAIL, qf_smtp_wants(w.s));
	world_end(&w);
}

/* What was answered before the connection ends holds, and what was not is not
 * known. */
static void lmtp_ends_early(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {"LHLO me.example\r\n", "250-x\r\n250 PIPELINING\r\n"},
	    {FROM A B C "DATA\r\n",
		"250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n"},
	    {BODY, "550 never\r\n250 one\r\n"}, {NULL, NULL}};
	const struct qf_smtp_result *r;
	struct world w;

	(void)state;
	prepare(&w, "a@y b@y c@y", "hi\n");
	w.setup.lmtp = true;
	world_open(&w);
	world_play(&w, turns);
	r = qf_smtp_result(w.s);
	assert_int_equal(QF_SMTP_PENDING, r->outcome);
	qf_smtp_closed(w.s, NULL);
	assert_int_equal(QF_SMTP_CLOSED, r->outcome);
	assert_true(r->maybe_taken);
	expect_rcpts(&w, "hrr");
	assert_false(r->rcpt[0].delivered);
	assert_true(r->rcpt[1].delivered);
	assert_false(r->rcpt[2].delivered);
	world_end(&w);
}

/* The end of a message may have been taken as soon as it has left, even where
 * replies to its envelope are missing. */
static void maybe_taken_with_the_envelope(void **state)
{
	struct world w;

	(void)state;
	prepare(&w, "a@y", "hi\n");
	w.mail.size = 4;
	greet(&w, "250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n");
	world_send(&w);
	assert_non_null(strstr(w.wire.s, "LAST"));
	world_hear(&w, "250 a\r\n");
	qf_smtp_closed(w.s, NULL);
	assert_true(qf_smtp_result(w.s)->maybe_taken);
	world_end(&w);
}

/* A total is kept, whatever the steps do. */
static void total_time(void **state)
{
	struct qf_smtp_timeouts t = qf_smtp_timeouts_rfc;
	struct world w;

	(void)state;
	t.total = 100000;
	prepare(&w, "a@y", "hi\n");
	w.setup.timeouts = &t;
	greet(&w, "250 x\r\n");
	w.now = 90000;
	world_send(&w);
	assert_int_equal(101000, qf_smtp_deadline(w.s));
	qf_smtp_expired(w.s);
	expect(&w, QF_SMTP_TIMED_OUT, QF_SMTP_MAIL,
	    "MAIL FROM:<s@x.example>: timed out: it took too long in all");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_recipient_for_itself),
	    cmocka_unit_test(nobody_is_accepted),
	    cmocka_unit_test(the_next_message),
	    cmocka_unit_test(pipelined),
	    cmocka_unit_test(data_for_nobody),
	    cmocka_unit_test(data_after_a_refused_sender),
	    cmocka_unit_test(replies_after_the_result),
	    cmocka_unit_test(together_waits),
	    cmocka_unit_test(chunked),
	    cmocka_unit_test(long_chunks),
	    cmocka_unit_test(a_piece_is_refused),
	    cmocka_unit_test(parameters),
	    cmocka_unit_test(some_need_utf8),
	    cmocka_unit_test(offers_that_were_not_seen),
	    cmocka_unit_test(gives_up_when_all_is_sent),
	    cmocka_unit_test(unfit),
	    cmocka_unit_test(stale_connections),
	    cmocka_unit_test(not_stale),
	    cmocka_unit_test(lmtp),
	    cmocka_unit_test(lmtp_ends_early),
	    cmocka_unit_test(maybe_taken_with_the_envelope),
	    cmocka_unit_test(total_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
