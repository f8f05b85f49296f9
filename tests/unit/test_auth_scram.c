/*
 * SCRAM (RFC 5802, RFC 7677): a whole exchange with a server of our own, which
 * is held against the examples of the RFCs, and servers that cheat.
 */
#include "remote/auth/auth.h"
#include "tests/unit/scram.h"

#define PASS "pencil"

/* the server */

struct example {
	bool sha256;
	const char *client_first, *server_first, *without_proof;
	const char *salt; /* base64 */
	const char *proof, *signature;
};

static const struct example examples[] = {
    {false, "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,"
	"i=4096",
	"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	"QSXCR+Q6sek8bf92",
	"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {true, "n=user,r=rOprNGfwEbeRWgbNEkqO",
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	"W22ZaJ0SNY7soEsUEjb6gQ==",
	"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static const EVP_MD *hash(bool sha256)
{
	return sha256 ? EVP_sha256() : EVP_sha1();
}

static void our_server_does_as_the_rfcs(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(examples); i++) {
		const struct example *x = &examples[i];
		struct qf_buf salt = QF_BUF_INIT, message = QF_BUF_INIT;
		struct qf_buf proof = QF_BUF_INIT, signature = QF_BUF_INIT;
		struct scram_keys keys;

		scram_decode(&salt, qf_span(x->salt));
		scram_keys(
		    &keys, hash(x->sha256), PASS, qf_buf_span(&salt), 4096);
		qf_buf_addf(&message, "%s,%s,%s", x->client_first,
		    x->server_first, x->without_proof);
		scram_proof(&keys, message.s, &proof);
		scram_signature(&keys, message.s, &signature);
		assert_string_equal(x->proof, proof.s);
		assert_string_equal(x->signature, signature.s);
		qf_buf_free(&salt);
		qf_buf_free(&message);
		qf_buf_free(&proof);
		qf_buf_free(&signature);
	}
}

/* What it does; the zeroed one is honest. */
struct server {
	bool sha256;
	const char *pass;    /* that it knows; NULL: PASS */
	const char *rounds;  /* NULL: 4096 */
	const char *first;   /* its whole first message, %s is the nonce */
	const char *nonce;   /* instead of the client's */
	const char *final;   /* its whole last message */
	bool no_final;       /* says 235 at once */
	bool one_more;       /* asks again */
	const char *wants_n; /* how it expects the user name; NULL: n=user */
};

struct talk {
	struct qf_auth *auth;
	const struct server *server;
	struct qf_buf bare, nonce, first, final;
	struct scram_keys keys;
};

static int ask(struct qf_auth *a, const char *text, struct qf_buf *answer,
    struct qf_err *e)
{
	struct qf_buf line = QF_BUF_INIT, out = QF_BUF_INIT;
	int rc;

	scram_encode(&line, text, strlen(text));
	rc = qf_auth_next(a, qf_buf_span(&line), &out, e);
	qf_buf_reset(answer);
	if (rc == 0)
		scram_decode(answer, qf_buf_span(&out));
	qf_buf_free(&line);
	qf_buf_free(&out);
	return rc;
}

/* The client begins: `n,,` and what the signatures are made of. */
static void hear_first(struct talk *t)
{
	struct qf_buf line = QF_BUF_INIT, text = QF_BUF_INIT;
	const char *wants =
	    t->server->wants_n != NULL ? t->server->wants_n : "n=user";
	const char *nonce;
	struct qf_err e;

	assert_int_equal(0, qf_auth_first(t->auth, &line, &e));
	scram_decode(&text, qf_buf_span(&line));
	assert_memory_equal("n,,", text.s, 3);
	qf_buf_adds(&t->bare, text.s + 3);
	nonce = strstr(text.s, ",r=");
	assert_non_null(nonce);
	qf_buf_adds(&t->nonce, nonce + 3);
	assert_true(t->nonce.len >= 20);
	text.s[nonce - text.s] = '\0';
	assert_string_equal(wants, text.s + 3);
	qf_buf_free(&line);
	qf_buf_free(&text);
}

static int say_first(struct talk *t, struct qf_buf *answer, struct qf_err *e)
{
	const struct server *s = t->server;
	const char *rounds = s->rounds != NULL ? s->rounds : "4096";
	const char *at = s->first != NULL ? strstr(s->first, "%s") : NULL;

	if (s->first == NULL)
		qf_buf_addf(&t->first, "r=%sSERVER,s=c2FsdA==,i=%s",
		    s->nonce != NULL ? s->nonce : t->nonce.s, rounds);
	else if (at == NULL)
		qf_buf_adds(&t->first, s->first);
	else
		qf_buf_addf(&t->first, "%.*s%s%s", (int)(at - s->first),
		    s->first, t->nonce.s, at + 2);
	return ask(t->auth, t->first.s, answer, e);
}

/* The client's proof must be right; then the server's. */
static int say_final(
    struct talk *t, const char *final, struct qf_buf *answer, struct qf_err *e)
{
	const struct server *s = t->server;
	struct qf_buf message = QF_BUF_INIT, proof = QF_BUF_INIT;
	const char *at = strstr(final, ",p=");
	int rc;

	assert_non_null(at);
	scram_keys(&t->keys, hash(s->sha256), s->pass != NULL ? s->pass : PASS,
	    qf_span("salt"), atoi(s->rounds != NULL ? s->rounds : "4096"));
	qf_buf_addf(&message, "%s,%s,%.*s", t->bare.s, t->first.s,
	    (int)(at - final), final);
	scram_proof(&t->keys, message.s, &proof);
	if (s->pass == NULL)
		assert_string_equal(proof.s, at + 3);
	qf_buf_adds(&t->final, "v=");
	scram_signature(&t->keys, message.s, &t->final);
	rc = ask(t->auth, s->final != NULL ? s->final : t->final.s, answer, e);
	qf_buf_free(&message);
	qf_buf_free(&proof);
	return rc;
}

/* The first error of the exchange, or what qf_auth_done() says. */
static int exchange(struct talk *t, struct qf_err *e)
{
	struct qf_buf answer = QF_BUF_INIT, final = QF_BUF_INIT;
	int rc;

	hear_first(t);
	assert_int_equal(QF_EPROTO, qf_auth_done(t->auth, NULL));
	rc = say_first(t, &final, e);
	if (rc == 0 && !t->server->no_final) {
		rc = say_final(t, final.s, &answer, e);
		if (rc == 0)
			assert_int_equal(0, answer.len);
	}
	if (rc == 0 && t->server->one_more)
		rc = ask(t->auth, t->final.s, &answer, e);
	if (rc == 0)
		rc = qf_auth_done(t->auth, e);
	else
		assert_int_equal(QF_EPROTO, qf_auth_done(t->auth, NULL));
	qf_buf_free(&answer);
	qf_buf_free(&final);
	return rc;
}

static int talk_to(const struct server *s, const struct qf_auth_spec *spec,
    bool secure, struct qf_err *e, struct qf_buf *said)
{
	struct talk t = {.auth = qf_auth_new(spec),
	    .server = s,
	    .bare = QF_BUF_INIT,
	    .nonce = QF_BUF_INIT,
	    .first = QF_BUF_INIT,
	    .final = QF_BUF_INIT};
	struct qf_strv offered = {0};
	const char *name = NULL;
	int rc;

	qf_strv_add(&offered, "PLAIN");
	qf_strv_add(&offered, s->sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-1");
	assert_int_equal(0, qf_auth_choose(t.auth, &offered, secure, &name, e));
	assert_string_equal(offered.v[1], name);
	rc = exchange(&t, e);
	if (rc < 0)
		assert_null(strstr(e->text, spec->pass));
	if (said != NULL && qf_auth_said(t.auth) != NULL)
		qf_buf_adds(said, qf_auth_said(t.auth));
	qf_auth_free(&t.auth);
	qf_strv_free(&offered);
	qf_buf_free(&t.bare);
	qf_buf_free(&t.nonce);
	qf_buf_free(&t.first);
	qf_buf_free(&t.final);
	return rc;
}

static const struct qf_auth_spec user = {.user = "user", .pass = PASS};

static void honest_servers(void **state)
{
	struct qf_err e;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct server s = {.sha256 = (i & 1) != 0};

		assert_int_equal(0, talk_to(&s, &user, i > 1, &e, NULL));
	}
}

static void names_and_passwords_are_prepared(void **state)
{
	static const struct {
		const char *user, *pass, *wants_n, *prepared;
	} cases[] = {
	    {"jos\xc3\xa9", "p\xc3\xa4ss", "n=jos\xc3\xa9", "p\xc3\xa4ss"},
	    {"jose\xcc\x81", "pa\xcc\x88ss", "n=jos\xc3\xa9", "p\xc3\xa4ss"},
	    {"I\xc2\xadX", "\xc2\xaa", "n=IX", "a"},
	    {"a,b=c", "x,y=z", "n=a=2Cb=3Dc", "x,y=z"},
	    {"u\xc2\xa0v", " ", "n=u v", " "},
	};
	struct qf_err e;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_auth_spec spec = {
		    .user = cases[i].user, .pass = cases[i].pass};
		struct server s = {.sha256 = true,
		    .pass = cases[i].prepared,
		    .wants_n = cases[i].wants_n};

		/* The server's signature shows that it got the same bytes. */
		assert_int_equal(0, talk_to(&s, &spec, true, &e, NULL));
	}
}

static void servers_that_cheat(void **state)
{
	static const struct {
		struct server server;
		bool secure;
		const char *why;
	} cases[] = {
	    {{.pass = "pencil2"}, true, "does not know the password"},
	    {{.sha256 = true, .pass = "x"}, true, "does not know the password"},
	    {{.no_final = true}, true, "has not proved that it knows"},
	    {{.no_final = true}, false, "so it may be another one; nothing"},
	    {{.nonce = ""}, true, "nonce does not begin with ours"},
	    {{.nonce = "fyko+d2lbbFgONRv9qkxdawLaaaaaaaa"}, true, "nonce"},
	    {{.first = "r=%"}, true, "challenge not understood"},
	    {{.final = "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="}, true,
		"does not know the password"},
	    {{.final = "v="}, true, "challenge not understood"},
	    {{.final = "v=*"}, true, "SCRAM-SHA-1: "},
	    {{.final = "x"}, true, "challenge not understood"},
	    {{.final = ""}, true, "a challenge is empty"},
	    {{.final = "e=invalid-proof"}, true, "server says: invalid-proof"},
	    {{.final = "e=\x1b[2J pencil"}, true, "server says: ?[2J ***"},
	    {{.one_more = true}, true, "more challenges than it has"},
	    {{.first = ""}, true, "a challenge is empty"},
	    {{.first = "r=%sS,s=c2FsdA==,i=0"}, true, "SCRAM-SHA-1: "},
	    {{.first = "r=%sS,s=c2FsdA==,i="}, true, "SCRAM-SHA-1: "},
	    {{.first = "r=%sS,s=c2FsdA==,i=-5"}, true, "SCRAM-SHA-1: "},
	    {{.first = "r=%sS,s=c2FsdA==,i=x"}, true, "SCRAM-SHA-1: "},
	    {{.first = "r=%sS,s=,i=4096"}, true, "SCRAM-SHA-1: "},
	    {{.first = "r=%sS,s=**,i=4096"}, true, "SCRAM-SHA-1: "},
	    {{.first = "m=x,r=%sS,s=c2FsdA==,i=4096"}, true, "SCRAM-SHA-1: "},
	    {{.first = "r=%sS,s=c2FsdA=="}, true, "SCRAM-SHA-1: "},
	};
	struct qf_err e;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		assert_int_equal(QF_EPROTO, talk_to(&cases[i].server, &user,
						cases[i].secure, &e, NULL));
		if (strstr(e.text, cases[i].why) == NULL)
			fail_msg("case %zu: %s", i, e.text);
	}
}

static void what_the_server_says_is_kept(void **state)
{
	struct server s = {.final = "e=unknown-user\n"};
	struct qf_buf said = QF_BUF_INIT;
	struct qf_err e;

	(void)state;
	assert_int_equal(QF_EPROTO, talk_to(&s, &user, true, &e, &said));
	assert_string_equal("unknown-user", said.s);
	qf_buf_free(&said);
}

static void rounds_have_limits(void **state)
{
	static const struct {
		const char *rounds;
		bool secure;
		const char *why; /* NULL: fine */
	} cases[] = {
	    {"4096", false, NULL},
	    {"4095", false, "hashed 4095 times; allowed are 4096 to 2000000"},
	    {"1", false, "hashed 1 times"},
	    {"1", true, NULL},
	    {"20000", true, NULL},
	    {"2000001", true, "2000001 times; allowed are 1 to 2000000"},
	    {"2147483648", true, "hashed 2147483648 times"},
	    {"4294967297", true, "hashed 4294967297 times"},
	    {"18446744073709551615", false, "hashed"},
	    {"18446744073709551617", true, "SCRAM-SHA-256: "},
	    {"99999999999999999999999999999999999999", true, "SCRAM-SHA-256: "},
	};
	struct qf_err e;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct server s = {.sha256 = true, .rounds = cases[i].rounds};
		int rc = talk_to(&s, &user, cases[i].secure, &e, NULL);

		assert_int_equal(cases[i].why == NULL ? 0 : QF_EPROTO, rc);
		if (rc < 0 && strstr(e.text, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].rounds, e.text);
	}
}

static void a_zero_byte_is_no_text(void **state)
{
	struct qf_auth *a = qf_auth_new(&user);
	struct qf_buf out = QF_BUF_INIT;
	struct qf_strv offered = {0};
	const char *name;
	struct qf_err e;

	(void)state;
	qf_strv_add(&offered, "SCRAM-SHA-1");
	assert_int_equal(0, qf_auth_choose(a, &offered, true, &name, &e));
	assert_int_equal(0, qf_auth_first(a, &out, &e));
	assert_int_equal(
	    QF_EPROTO, qf_auth_next(a, qf_span("cj1hAGI="), &out, &e));
	assert_non_null(strstr(e.text, "zero byte"));
	/* What has failed stays so. */
	assert_int_equal(
	    QF_EPROTO, qf_auth_next(a, qf_span("cj1hAGI="), &out, &e));
	assert_int_equal(QF_EPROTO, qf_auth_done(a, &e));
	qf_auth_free(&a);
	qf_buf_free(&out);
	qf_strv_free(&offered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(our_server_does_as_the_rfcs),
	    cmocka_unit_test(honest_servers),
	    cmocka_unit_test(names_and_passwords_are_prepared),
	    cmocka_unit_test(servers_that_cheat),
	    cmocka_unit_test(what_the_server_says_is_kept),
	    cmocka_unit_test(rounds_have_limits),
	    cmocka_unit_test(a_zero_byte_is_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
