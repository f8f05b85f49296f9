#include "remote/report.h"

#include "tests/unit/smtp_world.h"

/*
 * The reports of qmail-remote, byte by byte, out of whole sessions: what
 * notqmail's prints, and what we print where we do better.
 */

#define ENVELOPE "220 a\r\n", "250 b\r\n", "250 c\r\n"
#define SAID     "\nRemote host said: "

struct session {
	const char *rcpts;
	const char *heard[8]; /* each after all was sent; NULL: closed */
	const char *report;   /* with | for each zero byte */
};

static const struct session sessions[] = {
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "250 queued as X1\r\n"},
	"r|K127.0.0.1 accepted message." SAID "250 queued as X1\n|"},
    {"a@y b@y c@y",
	{ENVELOPE, "250 d\r\n", "250 d\r\n", "250 d\r\n", "354 e\r\n",
	    "250 queued as X1\r\n"},
	"r|r|r|K127.0.0.1 accepted message." SAID "250 queued as X1\n|"},
    {"a@y", {"421 busy\r\n"},
	"ZConnected to 127.0.0.1 but greeting failed." SAID "421 busy\n|"},
    {"a@y", {"hello world\r\n"},
	"ZConnected to 127.0.0.1 but greeting failed." SAID "hello world\n|"},
    {"a@y", {"554 no\r\n"},
	"ZConnected to 127.0.0.1 but greeting failed." SAID "554 no\n|"},
    {"a@y", {NULL}, "ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n|"},
    {"a@y", {"220 a\r\n", "502 no\r\n", "502 no\r\n"},
	"ZConnected to 127.0.0.1 but my name was rejected." SAID "502 no\n|"},
    {"a@y", {"220 a\r\n", "250 b\r\n", "550 5.1.0 bad sender\r\n"},
	"DConnected to 127.0.0.1 but sender was rejected." SAID
	"550 5.1.0 bad sender\n|"},
    {"a@y", {"220 a\r\n", "250 b\r\n", "451 not now\r\n"},
	"ZConnected to 127.0.0.1 but sender was rejected." SAID
	"451 not now\n|"},
    {"a@y", {"220 a\r\n", "250 b\r\n", "199 odd\r\n"},
	"ZConnected to 127.0.0.1 but sender was rejected." SAID "199 odd\n|"},
    {"a@y", {ENVELOPE, "550 5.1.1 no user\r\n"},
	"h127.0.0.1 does not like recipient." SAID
	"550 5.1.1 no user\n|DGiving up on 127.0.0.1.\n|"},
    {"a@y", {ENVELOPE, "450 4.2.1 later\r\n"},
	"s127.0.0.1 does not like recipient." SAID
	"450 4.2.1 later\n|DGiving up on 127.0.0.1.\n|"},
    {"a@y b@y c@y",
	{ENVELOPE, "250 d\r\n", "550-no such\r\n550 user\r\n", "451 grey\r\n",
	    "354 e\r\n", "250 ok\r\n"},
	"r|h127.0.0.1 does not like recipient." SAID
	"550-no such\n550 user\n|s127.0.0.1 does not like recipient." SAID
	"451 grey\n|K127.0.0.1 accepted message." SAID "250 ok\n|"},
    {"a@y b@y", {ENVELOPE, "550 a\r\n", "450 b\r\n"},
	"h127.0.0.1 does not like recipient." SAID
	"550 a\n|s127.0.0.1 does not like recipient." SAID
	"450 b\n|DGiving up on 127.0.0.1.\n|"},
    {"a@y b@y c@y", {ENVELOPE, "250 d\r\n", NULL},
	"r|ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n|"},
    {"a@y b@y c@y", {ENVELOPE, "250 d\r\n", "421 closing\r\n"},
	"r|s127.0.0.1 does not like recipient." SAID
	"421 closing\n|ZConnected to 127.0.0.1 but connection died. "
	"(#4.4.2)\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "554 no valid rcpt\r\n"},
	"r|D127.0.0.1 failed on DATA command." SAID "554 no valid rcpt\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "451 no\r\n"},
	"r|Z127.0.0.1 failed on DATA command." SAID "451 no\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "250 odd\r\n"},
	"r|Z127.0.0.1 failed on DATA command." SAID "250 odd\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "554 5.7.1 spam\r\n"},
	"r|D127.0.0.1 failed after I sent the message." SAID
	"554 5.7.1 spam\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "451 no\r\n"},
	"r|Z127.0.0.1 failed after I sent the message." SAID "451 no\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "421 no\r\n"},
	"r|Z127.0.0.1 failed after I sent the message." SAID "421 no\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "650 x\r\n"},
	"r|Z127.0.0.1 failed after I sent the message. Possible duplicate!" SAID
	"650 x\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "250-a\r\n550 b\r\n"},
	"r|Z127.0.0.1 failed after I sent the message. Possible duplicate!" SAID
	"250-a\n550 b\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", NULL},
	"r|ZConnected to 127.0.0.1 but connection died. Possible duplicate! "
	"(#4.4.2)\n|"},
    {"a@y b@y", {ENVELOPE, "550 d\r\n", "250 d\r\n", "354 e\r\n", "451 f\r\n"},
	"h127.0.0.1 does not like recipient." SAID
	"550 d\n|r|Z127.0.0.1 failed after I sent the message." SAID
	"451 f\n|"},
    {"a@y", {ENVELOPE, "250 d\n", "354 e\n", "250 bare LF\n"},
	"r|K127.0.0.1 accepted message." SAID "250 bare LF\n|"},
    {"a@y", {ENVELOPE, "250 d\r\n", "354 e\r\n", "250 a\033[2J\r\n"},
	"r|K127.0.0.1 accepted message." SAID "250 a?[2J\n|"},
};

static void report(struct qf_buf *out, struct world *w, const char *tls)
{
	const struct qf_smtp_result *r = qf_smtp_result(w->s);

	qf_buf_reset(out);
	for (size_t i = 0; i < r->nrcpt; i++) {
		if (!qf_report_recipient(out, &r->rcpt[i], "127.0.0.1"))
			break;
	}
	qf_report_message(out, r, "127.0.0.1", tls);
	for (size_t i = 0; i < out->len; i++) {
		if (out->s[i] == '\0')
			out->s[i] = '|';
	}
}

static void play(struct world *w, const struct session *s)
{
	world_prepare(w, s->rcpts, "hi\n");
	w->mail.together = false;
	world_open(w);
	for (size_t i = 0; !world_is_done(w); i++) {
		world_send(w);
		if (world_is_done(w))
			break;
		if (s->heard[i] == NULL)
			qf_smtp_closed(w->s, NULL);
		else
			world_hear(w, s->heard[i]);
	}
}

static void whole_sessions(void **state)
{
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(sessions); i++) {
		struct world w;

		play(&w, &sessions[i]);
		report(&out, &w, "");
		assert_string_equal(sessions[i].report, out.s);
		world_end(&w);
	}
	qf_buf_free(&out);
}

static void what_tls_came_to(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	struct world w;

	(void)state;
	play(&w, &sessions[0]);
	report(&out, &w, "TLSv1.3");
	assert_string_equal("r|K127.0.0.1 accepted message." SAID
			    "250 queued as X1\nTLS: TLSv1.3\n|",
	    out.s);
	world_end(&w);
	qf_buf_free(&out);
}

/* A reply that was cut does not run into it. */
static void tls_behind_a_long_reply(void **state)
{
	struct qf_buf out = QF_BUF_INIT, reply = QF_BUF_INIT;
	struct session s = sessions[0];
	struct world w;

	(void)state;
	qf_buf_adds(&reply, "250 ");
	for (int i = 0; i < 6000; i++)
		qf_buf_addc(&reply, 'x');
	qf_buf_adds(&reply, "\r\n");
	s.heard[5] = reply.s;
	play(&w, &s);
	report(&out, &w, "TLSv1.3");
	assert_int_equal(strlen("r|K127.0.0.1 accepted message." SAID) + 5000 +
			     strlen("\nTLS: TLSv1.3\n|"),
	    out.len);
	assert_non_null(strstr(out.s, "x\nTLS: TLSv1.3\n|"));
	world_end(&w);
	qf_buf_free(&reply);
	qf_buf_free(&out);
}

static void what_can_not_be_carried(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {"EHLO me.example\r\n", "250-x\r\n250 SIZE 77\r\n"},
	    {"QUIT\r\n", NULL}, {NULL, NULL}};
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w;

		world_prepare(&w, "a@y", "hi\n");
		w.mail.utf8 = i == 0;
		w.mail.size = 78;
		world_open(&w);
		world_play(&w, turns);
		report(&out, &w, "");
		assert_string_equal(
		    i == 0
			? "D127.0.0.1 can not take this message: "
			  "MAIL FROM:<s@x.example>: the message needs "
			  "SMTPUTF8, "
			  "which the server does not offer (#5.6.7)\n|"
			: "D127.0.0.1 can not take this message: "
			  "MAIL FROM:<s@x.example>: the message has 78 bytes; "
			  "the server takes at most 77 (#5.3.4)\n|",
		    out.s);
		world_end(&w);
	}
	qf_buf_free(&out);
}

static void other_ends(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	struct world w;

	(void)state;
	world_prepare(&w, "a@y", "hi\n");
	w.setup.tls = QF_SMTP_TLS_MUST;
	world_open(&w);
	world_hear(&w, "220 a\r\n");
	world_send(&w);
	world_hear(&w, "250 b\r\n");
	report(&out, &w, "");
	assert_string_equal(
	    "ZConnected to 127.0.0.1 but STARTTLS: the server does not offer "
	    "STARTTLS (#4.7.0)\n|",
	    out.s);
	world_end(&w);

	world_start(&w, "a@y", "hi\n");
	w.text.fail_at = 3;
	for (int i = 0; i < 5; i++) {
		world_send(&w);
		world_hear(&w, i == 0   ? "220 a\r\n"
			       : i == 4 ? "354 b\r\n"
					: "250 b\r\n");
	}
	world_send(&w);
	report(&out, &w, "");
	assert_string_equal("r|ZUnable to read message. (#4.3.0)\n|", out.s);
	world_end(&w);
	qf_buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_sessions),
	    cmocka_unit_test(what_tls_came_to),
	    cmocka_unit_test(tls_behind_a_long_reply),
	    cmocka_unit_test(what_can_not_be_carried),
	    cmocka_unit_test(other_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
