#include "remote/auth/auth.h"
#include "tests/unit/smtp_world.h"

/*
 * A session up to its first message: EHLO and HELO, STARTTLS, AUTH.
 */

#define HELLO "EHLO me.example\r\n"
#define FROM  "MAIL FROM:<s@x.example>\r\n"
#define PLAIN "AUTH PLAIN AHVzZXIAcGFzcw==\r\n"

static void expect(struct world *w, enum qf_smtp_outcome outcome,
    enum qf_smtp_step step, const char *text)
{
	const struct qf_smtp_result *r = qf_smtp_result(w->s);

	assert_string_equal(text, r->text.s);
	assert_int_equal(outcome, r->outcome);
	assert_int_equal(step, r->step);
}

static void starttls(void **state)
{
	static const struct world_turn clear[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250-AUTH PLAIN\r\n250-PIPELINING\r\n"
		    "250 STARTTLS\r\n"},
	    {"STARTTLS\r\n", "220 go\r\n"}, {NULL, NULL}};
	static const struct world_turn secure[] = {
	    {HELLO, "250 x\r\n"}, {FROM, NULL}, {NULL, NULL}};
	const enum qf_smtp_tls modes[] = {QF_SMTP_TLS_MAY, QF_SMTP_TLS_MUST};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(modes); i++) {
		struct world w;

		world_prepare(&w, "a@y", "hi\n");
		w.setup.tls = modes[i];
		world_open(&w);
		world_play(&w, clear);
		assert_int_equal(QF_SMTP_WANTS_HANDSHAKE, qf_smtp_wants(w.s));
		assert_false(qf_smtp_wants_write(w.s));
		qf_smtp_secured(w.s, w.now);
		/* What was offered in clear is forgotten. */
		assert_false(qf_smtp_offers(w.s)->pipelining);
		world_play(&w, secure);
		assert_false(qf_smtp_offers(w.s)->starttls);
		world_end(&w);
	}
}

/* What stands behind the reply to STARTTLS is not heard, be it before or in
 * the same bytes as the handshake. */
static void injected_replies(void **state)
{
	static const struct world_turn clear[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 STARTTLS\r\n"},
	    {"STARTTLS\r\n", "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n250 o"},
	    {NULL, NULL}};
	static const struct world_turn secure[] = {{HELLO, "250 x\r\n"},
	    {FROM, "250 ok\r\n"}, {"RCPT TO:<a@y>\r\n", NULL}, {NULL, NULL}};
	struct world w;

	(void)state;
	world_prepare(&w, "a@y", "hi\n");
	w.setup.tls = QF_SMTP_TLS_MUST;
	world_open(&w);
	world_play(&w, clear);
	assert_int_equal(QF_SMTP_WANTS_HANDSHAKE, qf_smtp_wants(w.s));
	world_hear(&w, "250 still in clear\r\n");
	qf_smtp_secured(w.s, w.now);
	world_play(&w, secure);
	world_end(&w);
}

static void tls_is_missing(void **state)
{
	static const struct {
		enum qf_smtp_tls tls;
		const char *offers, *sent, *heard, *text;
	} cases[] = {
	    {QF_SMTP_TLS_MUST, "250 x\r\n", "QUIT\r\n", NULL,
		"STARTTLS: the server does not offer STARTTLS"},
	    {QF_SMTP_TLS_MUST, "250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n",
		"454 not now\r\n", "STARTTLS: 454 not now"},
	    {QF_SMTP_TLS_MUST, "250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n",
		"501 no\r\n", "STARTTLS: 501 no"},
	    {QF_SMTP_TLS_MUST, "250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n",
		"354 what\r\n", "STARTTLS: unexpected reply: 354 what"},
	    /* Without, then, where it is not required. */
	    {QF_SMTP_TLS_MAY, "250 x\r\n", FROM, NULL, NULL},
	    {QF_SMTP_TLS_MAY, "250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n",
		"454 not now\r\n", NULL},
	    {QF_SMTP_TLS_NEVER, "250-x\r\n250 STARTTLS\r\n", FROM, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const struct world_turn turns[] = {{"", "220 a\r\n"},
		    {HELLO, cases[i].offers}, {cases[i].sent, cases[i].heard},
		    {NULL, NULL}};
		const struct world_turn on[] = {
		    {cases[i].heard != NULL ? FROM : "", NULL}, {NULL, NULL}};
		struct world w;

		world_prepare(&w, "a@y", "hi\n");
		w.setup.tls = cases[i].tls;
		world_open(&w);
		world_play(&w, turns);
		if (cases[i].text != NULL)
			expect(&w, i == 3 ? QF_SMTP_CONFUSED : QF_SMTP_NO_TLS,
			    QF_SMTP_STARTTLS, cases[i].text);
		else
			world_play(&w, on);
		world_end(&w);
	}
}

/* HELO offers nothing, so it is no way around what is needed. */
static void helo_is_no_way_around(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {HELLO, "502 what\r\n"}, {"QUIT\r\n", NULL}, {NULL, NULL}};
	struct qf_auth_spec spec = {.user = "user", .pass = "pass"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w;

		world_prepare(&w, "a@y", "hi\n");
		w.setup.tls = i == 0 ? QF_SMTP_TLS_MUST : QF_SMTP_TLS_MAY;
		w.setup.auth = i == 0 ? NULL : qf_auth_new(&spec);
		world_open(&w);
		world_play(&w, turns);
		expect(&w, QF_SMTP_DEFERRED, QF_SMTP_EHLO, "EHLO: 502 what");
		world_end(&w);
		qf_auth_free(&w.setup.auth);
	}
}

static void handshake_fails(void **state)
{
	static const struct world_turn clear[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 STARTTLS\r\n"},
	    {"STARTTLS\r\n", "220 go\r\n"}, {NULL, NULL}};
	struct world w;

	(void)state;
	world_prepare(&w, "a@y", "hi\n");
	w.setup.tls = QF_SMTP_TLS_MUST;
	world_open(&w);
	world_play(&w, clear);
	qf_smtp_not_secured(w.s, "the certificate has expired");
	assert_true(world_is_done(&w));
	assert_false(qf_smtp_wants_write(w.s));
	expect(&w, QF_SMTP_NO_TLS, QF_SMTP_STARTTLS,
	    "STARTTLS: the certificate has expired");
	world_end(&w);
}

/* A session that must log in, over TLS; qf_auth_free() the setup's. */
static void open_with_auth(struct world *w, const struct qf_auth_spec *spec)
{
	world_prepare(w, "a@y", "hi\n");
	w->setup.tls = QF_SMTP_TLS_IS_ON;
	w->setup.auth = qf_auth_new(spec);
	world_open(w);
}

static void close_with_auth(struct world *w)
{
	world_end(w);
	qf_auth_free(&w->setup.auth);
}

static void logs_in(void **state)
{
	static const struct world_turn plain[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH LOGIN PLAIN\r\n"},
	    {PLAIN, "235 welcome\r\n"}, {FROM, NULL}, {NULL, NULL}};
	static const struct world_turn login[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH LOGIN\r\n"},
	    {"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n"},
	    {"dXNlcg==\r\n", "334 UGFzc3dvcmQ6\r\n"},
	    {"cGFzcw==\r\n", "235 welcome\r\n"}, {FROM, NULL}, {NULL, NULL}};
	const struct qf_auth_spec spec = {.user = "user", .pass = "pass"};
	struct world w;

	(void)state;
	open_with_auth(&w, &spec);
	world_play(&w, plain);
	close_with_auth(&w);
	open_with_auth(&w, &spec);
	world_play(&w, login);
	close_with_auth(&w);
}

static void can_not_log_in(void **state)
{
	static const struct {
		const char *offers, *sent, *heard;
		enum qf_smtp_outcome outcome;
		const char *text; /* NULL: not looked at */
	} cases[] = {
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "535 5.7.8 wrong\r\n",
		QF_SMTP_NO_AUTH, "AUTH PLAIN: 535 5.7.8 wrong"},
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "454 4.7.0 later\r\n",
		QF_SMTP_DEFERRED, "AUTH PLAIN: 454 4.7.0 later"},
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "354 what\r\n",
		QF_SMTP_CONFUSED, "AUTH PLAIN: unexpected reply: 354 what"},
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "421 bye\r\n",
		QF_SMTP_DEFERRED, "AUTH PLAIN: 421 bye"},
	    /* Servers that repeat what they were sent. */
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "421 no " PLAIN,
		QF_SMTP_DEFERRED, NULL},
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "354 no " PLAIN,
		QF_SMTP_CONFUSED, NULL},
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, "535-no\r\n" PLAIN,
		QF_SMTP_CONFUSED, "AUTH PLAIN: reply not understood"},
	    {"250-x\r\n250 AUTH PLAIN\r\n", PLAIN, PLAIN, QF_SMTP_CONFUSED,
		"AUTH PLAIN: reply not understood"},
	    {"250-x\r\n250 AUTH FOO\r\n", "QUIT\r\n", NULL, QF_SMTP_NO_AUTH,
		NULL},
	    {"250 x\r\n", "QUIT\r\n", NULL, QF_SMTP_NO_AUTH, NULL},
	};
	const struct qf_auth_spec spec = {.user = "user", .pass = "pass"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const struct world_turn turns[] = {{"", "220 a\r\n"},
		    {HELLO, cases[i].offers}, {cases[i].sent, cases[i].heard},
		    {NULL, NULL}};
		struct world w;

		open_with_auth(&w, &spec);
		world_play(&w, turns);
		assert_int_equal(
		    cases[i].outcome, qf_smtp_result(w.s)->outcome);
		if (cases[i].text != NULL)
			expect(
			    &w, cases[i].outcome, QF_SMTP_AUTH, cases[i].text);
		assert_null(strstr(qf_smtp_result(w.s)->text.s, "AHVz"));
		assert_null(strstr(qf_smtp_result(w.s)->reply.s, "AHVz"));
		close_with_auth(&w);
	}
}

/* A secret that a server repeats does not show, wherever its line would be
 * cut, and however late it comes. */
static void secrets_are_not_repeated(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH PLAIN\r\n"}, {NULL, NULL}};
	const struct qf_auth_spec spec = {.user = "user", .pass = "S-e-c-ret"};
	struct qf_buf text = QF_BUF_INIT;

	(void)state;
	for (size_t before = 495; before < 515; before++) {
		for (int late = 0; late < 2; late++) {
			struct world w;

			open_with_auth(&w, &spec);
			world_play(&w, turns);
			world_send(&w);
			if (late)
				world_hear(&w, "235 ok\r\n");
			world_send(&w);
			qf_buf_reset(&text);
			qf_buf_addf(&text, "%s", late ? "550 " : "535 ");
			for (size_t i = 0; i < before; i++)
				qf_buf_addc(&text, 'x');
			qf_buf_addf(&text, "%s\r\n", spec.pass);
			world_hear(&w, text.s);
			assert_int_equal(
			    late ? 550 : 535, qf_smtp_result(w.s)->code);
			assert_null(strstr(qf_smtp_result(w.s)->text.s, "S-e"));
			assert_null(
			    strstr(qf_smtp_result(w.s)->reply.s, "S-e"));
			close_with_auth(&w);
		}
	}
	qf_buf_free(&text);
}

/* A server that wants TLS, where TLS has just failed, is no refusal. */
static void asks_for_tls_that_failed(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {HELLO, "250 x\r\n"}, {FROM, "530 STARTTLS first\r\n"},
	    {NULL, NULL}};
	static const struct world_turn refused[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 STARTTLS\r\n"},
	    {"STARTTLS\r\n", "454 not now\r\n"},
	    {FROM, "530 STARTTLS first\r\n"}, {NULL, NULL}};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct world w;

		world_prepare(&w, "a@y", "hi\n");
		w.setup.tls_failed = i == 1;
		w.setup.tls = i == 2 ? QF_SMTP_TLS_MAY : QF_SMTP_TLS_NEVER;
		world_open(&w);
		world_play(&w, i == 2 ? refused : turns);
		expect(&w, i == 0 ? QF_SMTP_REFUSED : QF_SMTP_DEFERRED,
		    QF_SMTP_MAIL,
		    "MAIL FROM:<s@x.example>: 530 STARTTLS first");
		world_end(&w);
	}
}

/* A challenge to which there is nothing to say is cancelled, and what the
 * server says to that is waited for. */
static void a_challenge_is_cancelled(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH PLAIN\r\n"}, {PLAIN, "334 bW9yZQ==\r\n"},
	    {"*\r\n", "501 cancelled\r\n"}, {"QUIT\r\n", NULL}, {NULL, NULL}};
	const struct qf_auth_spec spec = {.user = "user", .pass = "pass"};
	struct world w;

	(void)state;
	open_with_auth(&w, &spec);
	world_play(&w, turns);
	assert_int_equal(QF_SMTP_NO_AUTH, qf_smtp_result(w.s)->outcome);
	close_with_auth(&w);
}

/* A secret never goes out in clear, unless that is asked for. */
static void in_clear(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH PLAIN LOGIN\r\n"}, {"QUIT\r\n", NULL},
	    {NULL, NULL}};
	static const struct world_turn allowed[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH PLAIN LOGIN\r\n"}, {PLAIN, NULL},
	    {NULL, NULL}};
	struct qf_auth_spec spec = {.user = "user", .pass = "pass"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w;

		spec.cleartext = i == 1;
		world_prepare(&w, "a@y", "hi\n");
		w.setup.auth = qf_auth_new(&spec);
		world_open(&w);
		world_play(&w, i == 1 ? allowed : turns);
		if (i == 0)
			assert_int_equal(
			    QF_SMTP_NO_AUTH, qf_smtp_result(w.s)->outcome);
		close_with_auth(&w);
	}
}

/* A long challenge is not cut. */
static void long_challenges(void **state)
{
	static const struct world_turn turns[] = {{"", "220 a\r\n"},
	    {HELLO, "250-x\r\n250 AUTH CRAM-MD5\r\n"},
	    {"AUTH CRAM-MD5\r\n", NULL}, {NULL, NULL}};
	const struct qf_auth_spec spec = {.user = "tim", .pass = "x"};
	struct qf_buf reply = QF_BUF_INIT;
	struct world a, b;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world *w = i == 0 ? &a : &b;

		open_with_auth(w, &spec);
		world_play(w, turns);
		qf_buf_reset(&reply);
		qf_buf_adds(&reply, "334 ");
		for (int n = 0; n < 300; n++)
			qf_buf_adds(&reply, "YWJj");
		/* They differ behind the first 512 bytes. */
		qf_buf_adds(&reply, i == 0 ? "YWJj\r\n" : "YWJk\r\n");
		world_hear(w, reply.s);
		qf_buf_reset(&w->wire);
		world_send(w);
	}
	assert_string_not_equal(a.wire.s, b.wire.s);
	assert_string_not_equal("*\r\n", a.wire.s);
	close_with_auth(&a);
	close_with_auth(&b);
	qf_buf_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starttls),
	    cmocka_unit_test(injected_replies),
	    cmocka_unit_test(tls_is_missing),
	    cmocka_unit_test(helo_is_no_way_around),
	    cmocka_unit_test(handshake_fails),
	    cmocka_unit_test(logs_in),
	    cmocka_unit_test(can_not_log_in),
	    cmocka_unit_test(secrets_are_not_repeated),
	    cmocka_unit_test(asks_for_tls_that_failed),
	    cmocka_unit_test(a_challenge_is_cancelled),
	    cmocka_unit_test(in_clear),
	    cmocka_unit_test(long_challenges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
