#include "remote/auth/auth.h"

#include "remote/auth/secret.h"
#include "tests/unit/unit.h"

#define TIM   .user = "tim", .pass = "tanstaaftanstaaf" /* RFC 2195, RFC 4616 */
#define TOKEN "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="

enum {
	ROOM = 1 << 17
};

static void offer(struct qf_strv *v, const char *words)
{
	assert_int_equal(0, qf_strv_split(v, qf_span(words), NULL));
}

/* Has chosen what is offered. */
static struct qf_auth *begin(const struct qf_auth_spec *spec, const char *words)
{
	struct qf_auth *a = qf_auth_new(spec);
	struct qf_strv offered = {0};
	const char *name = NULL;
	struct qf_err e = {0};

	offer(&offered, words);
	if (qf_auth_choose(a, &offered, true, &name, &e) != 0)
		fail_msg("%s", e.text);
	qf_strv_free(&offered);
	return a;
}

/* the choice */

struct choice {
	struct qf_auth_spec spec;
	const char *offered;
	bool secure;
	const char *name; /* or NULL: */
	int rc;
	const char *why;
};

static const struct choice choices[] = {
    {{TIM}, "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", true,
	"SCRAM-SHA-256", 0, NULL},
    {{TIM}, "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1", true, "SCRAM-SHA-1", 0, NULL},
    {{TIM}, "LOGIN PLAIN CRAM-MD5", true, "CRAM-MD5", 0, NULL},
    {{TIM}, "LOGIN PLAIN", true, "PLAIN", 0, NULL},
    {{TIM}, "login", true, "LOGIN", 0, NULL},
    {{TIM}, "PLAIN CRAM-MD5", false, "CRAM-MD5", 0, NULL},
    {{TIM}, "PLAIN SCRAM-SHA-1", false, "SCRAM-SHA-1", 0, NULL},
    {{TIM}, "PLAIN LOGIN", false, NULL, QF_EINVAL,
	"of what the server offers, PLAIN LOGIN would send the secret in "
	"clear: use tls or starttls, or allow it with insecure-auth"},
    {{TIM, .cleartext = true}, "PLAIN LOGIN", false, "PLAIN", 0, NULL},
    {{TIM, .cleartext = true}, "PLAIN CRAM-MD5", false, "CRAM-MD5", 0, NULL},
    {{TIM}, "", true, NULL, QF_ENOENT,
	"the server offers no authentication; we could use SCRAM-SHA-256 "
	"SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"},
    {{TIM}, "GSSAPI NT\x1bLM", true, NULL, QF_ENOENT,
	"the server offers GSSAPI NT?LM; we could use SCRAM-SHA-256 "
	"SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"},
    {{TIM}, "XOAUTH2 EXTERNAL", true, NULL, QF_ENOENT, "we could use SCRAM"},
    /* a list */
    {{TIM, .mechanisms = "plain, login"}, "PLAIN SCRAM-SHA-256 LOGIN", true,
	"PLAIN", 0, NULL},
    {{TIM, .mechanisms = "LOGIN,PLAIN"}, "PLAIN LOGIN", true, "LOGIN", 0, NULL},
    {{TIM, .mechanisms = " plain\tcram-md5 "}, "PLAIN CRAM-MD5", false,
	"CRAM-MD5", 0, NULL},
    {{TIM, .mechanisms = "cram-md5"}, "PLAIN", true, NULL, QF_ENOENT,
	"offers PLAIN; we could use CRAM-MD5"},
    {{TIM, .mechanisms = "plain kerberos"}, "PLAIN", true, NULL, QF_EINVAL,
	"option auth: kerberos: not one of SCRAM-SHA-256 SCRAM-SHA-1"},
    {{TIM, .mechanisms = ","}, "PLAIN", true, NULL, QF_EINVAL,
	"option auth: nothing: not one of"},
    {{.user = "a", .mechanisms = "plain"}, "PLAIN", true, NULL, QF_EINVAL,
	"authentication by PLAIN needs more"},
    {{.mechanisms = "external"}, "EXTERNAL", true, "EXTERNAL", 0, NULL},
    /* LOGIN, also if it is not offered */
    {{TIM, .login = true}, "", true, "LOGIN", 0, NULL},
    {{TIM, .login = true}, "SCRAM-SHA-256 PLAIN", true, "LOGIN", 0, NULL},
    {{TIM, .login = true}, "", false, NULL, QF_EINVAL, "in clear"},
    {{TIM, .login = true, .cleartext = true}, "", false, "LOGIN", 0, NULL},
    /* certificates */
    {{.external = true}, "EXTERNAL PLAIN", true, "EXTERNAL", 0, NULL},
    {{TIM, .external = true}, "EXTERNAL PLAIN", true, "EXTERNAL", 0, NULL},
    {{TIM, .external = true}, "PLAIN", true, NULL, QF_ENOENT,
	"offers PLAIN; we could use EXTERNAL"},
    {{.external = true, .cleartext = true}, "EXTERNAL", false, NULL, QF_EINVAL,
	"EXTERNAL needs the certificate of a TLS connection"},
    {{.external = true, .login = true}, "EXTERNAL", true, NULL, QF_EINVAL,
	"only one can be given"},
    /* tokens */
    {{.user = "a", .token = TOKEN}, "PLAIN XOAUTH2 OAUTHBEARER", true,
	"OAUTHBEARER", 0, NULL},
    {{.user = "a", .token = TOKEN}, "PLAIN XOAUTH2", true, "XOAUTH2", 0, NULL},
    {{.token = TOKEN}, "OAUTHBEARER XOAUTH2", true, "OAUTHBEARER", 0, NULL},
    {{.token = TOKEN}, "XOAUTH2", true, NULL, QF_ENOENT,
	"offers XOAUTH2; we could use OAUTHBEARER"},
    {{.user = "a", .token = TOKEN}, "XOAUTH2 CRAM-MD5", false, NULL, QF_EINVAL,
	"XOAUTH2 would send the secret in clear"},
    {{.user = "a", .token = TOKEN, .cleartext = true}, "XOAUTH2", false,
	"XOAUTH2", 0, NULL},
    {{.user = "a", .token = "x y"}, "XOAUTH2", true, NULL, QF_EINVAL,
	"the OAuth token is empty, longer than"},
    {{.user = "a", .token = ""}, "XOAUTH2", true, NULL, QF_EINVAL,
	"the OAuth token is empty"},
    /* what is missing or can not be sent */
    {{.user = "tim"}, "PLAIN", true, NULL, QF_EINVAL,
	"needs more: give user and pass or pass-file, or user and "
	"oauth-token-file"},
    {{.pass = "x"}, "PLAIN", true, NULL, QF_EINVAL,
	"there is a password and no user name"},
    {{.login = true}, "LOGIN", true, NULL, QF_EINVAL,
	"authentication by LOGIN needs more"},
    {{.user = "a\001auth=Bearer b", .token = TOKEN}, "XOAUTH2", true, NULL,
	QF_EINVAL, "control character"},
    /* Latin-1: what hashes can not, what only passes it on can */
    {{.user = "a", .pass = "p\xe4ss"}, "SCRAM-SHA-1 PLAIN", true, "PLAIN", 0,
	NULL},
    {{.user = "\xe4", .pass = "p"}, "SCRAM-SHA-1 CRAM-MD5", true, NULL,
	QF_EINVAL, "SCRAM-SHA-1: user name and password must be UTF-8"},
};

static void check_choice(const struct choice *c)
{
	struct qf_auth *a = qf_auth_new(&c->spec);
	struct qf_strv offered = {0};
	const char *name = NULL;
	struct qf_err e = {0};
	int rc;

	offer(&offered, c->offered);
	rc = qf_auth_choose(a, &offered, c->secure, &name, &e);
	if (rc != c->rc || (c->why != NULL && !strstr(e.text, c->why)))
		fail_msg("%s: %d: %s", c->offered, rc, e.text);
	if (c->name != NULL)
		assert_string_equal(c->name, name);
	if (c->spec.pass != NULL && strlen(c->spec.pass) > 3)
		assert_null(strstr(e.text, c->spec.pass));
	assert_true(qf_auth_is_wanted(&c->spec));
	qf_auth_free(&a);
	assert_null(a);
	qf_strv_free(&offered);
}

static void choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(choices); i++)
		check_choice(&choices[i]);
	assert_false(
	    qf_auth_is_wanted(&(struct qf_auth_spec){.host = "x", .port = 25}));
}

static void a_user_name_is_not_endless(void **state)
{
	char *name = calloc(1, 2000);
	struct qf_auth_spec spec = {.user = name, .pass = "x"};
	struct qf_err e;

	(void)state;
	memset(name, 'x', 1024);
	assert_int_equal(0, qf_auth_check(&spec, &e));
	name[1024] = 'x';
	assert_int_equal(QF_EINVAL, qf_auth_check(&spec, &e));
	assert_non_null(strstr(e.text, "option user"));
	free(name);
}

/* exchanges whose every line is known */

struct exchange {
	struct qf_auth_spec spec;
	const char *offered;
	/* Ours and theirs in turn, up to NULL; the first one is ours, "" when
	 * the server begins. */
	const char *line[8];
	int rc; /* of the last one of theirs, else of qf_auth_done() */
	const char *why, *said;
};

#define HELP                                                                   \
	"eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwi" \
	"b3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtu" \
	"b3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0="
#define HELP_SAID                                                              \
	"{\"status\":\"invalid_token\",\"scope\":\"example_scope\","           \
	"\"openid-configuration\":\"https://example.com/.well-known/"          \
	"openid-configuration\"}"
#define BEARER                                                                 \
	"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9" \
	"NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZ" \
	"Mjl0Q2c9PQEB"
#define BEARER_SPEC                                                            \
	.user = "user@example.com", .token = TOKEN,                            \
	.host = "server.example.com", .port = 587
#define GOOGLE                                                                 \
	"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRx" \
	"bVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="
#define GOOGLE_SPEC                                                            \
	.user = "someuser@example.com",                                        \
	.token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
/* {"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"} */
#define GOOGLE_HELP                                                            \
	"eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczov" \
	"L21haWwuZ29vZ2xlLmNvbS8ifQ=="

static const struct exchange exchanges[] = {
    /* RFC 4616 */
    {{TIM}, "PLAIN", {"AHRpbQB0YW5zdGFhZnRhbnN0YWFm"}, 0, NULL, NULL},
    {{.user = "jos\xc3\xa9", .pass = "p\xc3\xa4ss"}, "PLAIN",
	{"AGpvc8OpAHDDpHNz"}, 0, NULL, NULL},
    {{TIM}, "PLAIN", {"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", ""}, QF_EPROTO,
	"PLAIN: the server sends more challenges than it has", NULL},
    /* RFC 2195 */
    {{TIM}, "CRAM-MD5",
	{"", "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
	    "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"},
	0, NULL, NULL},
    {{TIM}, "CRAM-MD5", {"", ""}, QF_EPROTO, "a challenge is empty", NULL},
    {{TIM}, "CRAM-MD5", {""}, QF_EPROTO, "complete, but it is not", NULL},
    {{TIM}, "CRAM-MD5",
	{"", "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
	    "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
	    "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"},
	QF_EPROTO, "CRAM-MD5: the server sends more challenges", NULL},
    /* prompts, which are not looked at: in any form, but base64 */
    {{TIM}, "LOGIN",
	{"", "VXNlcm5hbWU6", "dGlt", "UGFzc3dvcmQ6",
	    "dGFuc3RhYWZ0YW5zdGFhZg=="},
	0, NULL, NULL},
    {{TIM}, "LOGIN",
	{"", "VXNlciBOYW1lAA==", "dGlt", "", "dGFuc3RhYWZ0YW5zdGFhZg=="}, 0,
	NULL, NULL},
    {{TIM}, "LOGIN", {"", "VXNlcm5hbWU6", "dGlt"}, QF_EPROTO,
	"complete, but it is not", NULL},
    {{TIM}, "LOGIN", {"", "Username:"}, QF_EPROTO,
	"LOGIN: a challenge is no base64", NULL},
    {{TIM}, "LOGIN",
	{"", "VXNlcm5hbWU6", "dGlt", "UGFzc3dvcmQ6",
	    "dGFuc3RhYWZ0YW5zdGFhZg==", "UGFzc3dvcmQ6"},
	QF_EPROTO, "LOGIN: the server sends more challenges", NULL},
    {{TIM}, "LOGIN", {"", "V"}, QF_EPROTO, "no base64", NULL},
    {{TIM}, "LOGIN", {"", "VXNlcm5h\x1b"}, QF_EPROTO, "no base64", NULL},
    {{TIM}, "LOGIN", {"", "*"}, QF_EPROTO, "no base64", NULL},
    {{TIM}, "LOGIN", {"", "="}, QF_EPROTO, "no base64", NULL},
    /* RFC 4422 */
    {{.external = true}, "EXTERNAL", {"="}, 0, NULL, NULL},
    {{.external = true, .user = "tim"}, "EXTERNAL", {"dGlt"}, 0, NULL, NULL},
    {{.external = true}, "EXTERNAL", {"=", ""}, QF_EPROTO,
	"EXTERNAL: the server sends more challenges", NULL},
    /* as Google documents it */
    {{GOOGLE_SPEC}, "XOAUTH2", {GOOGLE}, 0, NULL, NULL},
    {{GOOGLE_SPEC}, "XOAUTH2", {GOOGLE, GOOGLE_HELP, ""}, QF_EPROTO,
	"XOAUTH2: the server says that it is complete, but it is not",
	"{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":"
	"\"https://mail.google.com/\"}"},
    {{GOOGLE_SPEC}, "XOAUTH2", {GOOGLE, GOOGLE_HELP, "", GOOGLE_HELP},
	QF_EPROTO, "XOAUTH2: the server sends more challenges than it has",
	"{\"status\":\"400\",\"schemes\":\"Bearer\",\"scope\":"
	"\"https://mail.google.com/\"}"},
    /* RFC 7628, section 4, with the port of submission */
    {{BEARER_SPEC}, "OAUTHBEARER", {BEARER}, 0, NULL, NULL},
    {{BEARER_SPEC}, "OAUTHBEARER", {BEARER, HELP, "AQ=="}, QF_EPROTO,
	"OAUTHBEARER: the server says that it is complete, but it is not",
	HELP_SAID},
    /* n,,^Aauth=Bearer x^A^A and n,a=a=2Cb=3Dc,^Aauth=Bearer x^A^A */
    {{.token = "x"}, "OAUTHBEARER", {"biwsAWF1dGg9QmVhcmVyIHgBAQ=="}, 0, NULL,
	NULL},
    {{.user = "a,b=c", .token = "x"}, "OAUTHBEARER",
	{"bixhPWE9MkNiPTNEYywBYXV0aD1CZWFyZXIgeAEB"}, 0, NULL, NULL},
};

/* The last rc, with out as the answer. */
static int one_step(struct qf_auth *a, size_t i, const struct exchange *x,
    struct qf_buf *out, struct qf_err *e)
{
	qf_buf_reset(out);
	if (i == 0)
		return qf_auth_first(a, out, e);
	return qf_auth_next(a, qf_span(x->line[i - 1]), out, e);
}

static void check_exchange(const struct exchange *x)
{
	struct qf_auth *a = begin(&x->spec, x->offered);
	struct qf_buf out = QF_BUF_INIT;
	struct qf_err e = {0};
	size_t i = 0;
	int rc;

	do {
		rc = one_step(a, i, x, &out, &e);
		if (rc < 0)
			break;
		assert_int_equal(i == 0 && x->line[0][0] == '\0', rc);
		assert_string_equal(x->line[i], out.s);
		i += 2;
	} while (x->line[i - 1] != NULL);
	if (rc >= 0)
		rc = qf_auth_done(a, &e);
	if (rc != x->rc || (x->why != NULL && !strstr(e.text, x->why)))
		fail_msg("%s: %d: %s", x->offered, rc, e.text);
	if (x->said != NULL)
		assert_string_equal(x->said, qf_auth_said(a));
	else
		assert_null(qf_auth_said(a));
	qf_auth_free(&a);
	qf_buf_free(&out);
}

static void exchanges_by_the_book(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(exchanges); i++)
		check_exchange(&exchanges[i]);
}

static void challenges_have_a_limit(void **state)
{
	const struct qf_auth_spec spec = {TIM};
	char *line = malloc(ROOM);
	struct qf_buf out = QF_BUF_INIT;
	struct qf_err e;

	(void)state;
	memset(line, 'A', ROOM);
	for (int i = 0; i < 4; i++) {
		static const size_t size[] = {12284, 12288, 100000, ROOM};
		struct qf_auth *a = begin(&spec, "LOGIN");
		int rc = qf_auth_next(a, qf_span_n(line, size[i]), &out, &e);

		assert_int_equal(i == 0 ? 0 : QF_EPROTO, rc);
		if (rc < 0)
			assert_non_null(
			    strstr(e.text, "longer than 12286 bytes"));
		qf_auth_free(&a);
	}
	free(line);
	qf_buf_free(&out);
}

static void answers_have_a_limit(void **state)
{
	struct qf_auth_spec spec = {.user = "tim"};
	char *pass = calloc(1, QF_SECRET_MAX + 2);
	struct qf_buf out = QF_BUF_INIT;
	struct qf_auth *a;
	struct qf_err e;
	char name[1025] = {0};

	(void)state;
	memset(pass, 'p', QF_SECRET_MAX);
	memset(name, 'n', sizeof name - 1);
	spec.pass = pass;
	a = begin(&spec, "PLAIN");
	assert_int_equal(0, qf_auth_first(a, &out, &e));
	assert_true(out.len < QF_AUTH_LINE_MAX);
	qf_auth_free(&a);
	spec.user = name;
	a = begin(&spec, "PLAIN");
	assert_int_equal(QF_EPROTO, qf_auth_first(a, &out, &e));
	assert_non_null(strstr(e.text, "longer than a line may be"));
	assert_int_equal(QF_EPROTO, qf_auth_done(a, &e));
	qf_auth_free(&a);
	pass[QF_SECRET_MAX] = 'p';
	assert_int_equal(QF_EINVAL, qf_auth_check(&spec, &e));
	free(pass);
	qf_buf_free(&out);
}

/* An error of OAuth from bytes. */
static void refuse(struct qf_auth *a, const char *base64)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_err e;

	assert_int_equal(0, qf_auth_first(a, &out, &e));
	assert_int_equal(0, qf_auth_next(a, qf_span(base64), &out, &e));
	qf_buf_free(&out);
}

static void what_is_said_is_printable_and_short(void **state)
{
	const struct qf_auth_spec spec = {.user = "a", .token = "SECRETTOKEN"};
	struct qf_auth *a = begin(&spec, "XOAUTH2");
	char *line = calloc(1, 8001);

	(void)state;
	/* " ESC ] 0 ; LF, two bytes of UTF-8, SECRETTOKEN! " */
	refuse(a, "IBtdMDsKw6lTRUNSRVRUT0tFTiEg");
	assert_string_equal("?]0;???***!", qf_auth_said(a));
	qf_auth_free(&a);
	a = begin(&spec, "XOAUTH2");
	memset(line, 'A', 8000);
	refuse(a, line);
	assert_int_equal(QF_AUTH_SAID_MAX, strlen(qf_auth_said(a)));
	assert_int_equal('?', qf_auth_said(a)[0]);
	qf_auth_free(&a);
	a = begin(&spec, "XOAUTH2");
	refuse(a, "");
	assert_null(qf_auth_said(a));
	qf_auth_free(&a);
	free(line);
}

static void what_a_server_repeats_is_hidden(void **state)
{
	static const struct {
		struct qf_auth_spec spec;
		const char *offered, *text, *want;
	} cases[] = {
	    {{TIM}, "PLAIN",
		"500 AHRpbQB0YW5zdGFhZnRhbnN0YWFm? tanstaaftanstaaf!",
		"500 ***? ***!"},
	    {{GOOGLE_SPEC}, "XOAUTH2", "535 " GOOGLE " ya29 no",
		"535 *** ya29 no"},
	    {{.user = "tim", .pass = "p\xc3\xa4ssword"}, "PLAIN",
		"535 p??ssword", "535 ***"},
	    {{.user = "a", .pass = "b", .cleartext = true}, "PLAIN", "535 a b",
		"535 a b"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_auth *a = begin(&cases[i].spec, cases[i].offered);
		struct qf_buf out = QF_BUF_INIT, text = QF_BUF_INIT;
		struct qf_err e;

		assert_int_equal(0, qf_auth_first(a, &out, &e));
		qf_buf_adds(&text, cases[i].text);
		qf_auth_hide(a, &text);
		assert_string_equal(cases[i].want, text.s);
		qf_auth_free(&a);
		qf_buf_free(&out);
		qf_buf_free(&text);
	}
}

static void it_can_start_anew(void **state)
{
	const struct qf_auth_spec spec = {TIM};
	struct qf_auth *a = begin(&spec, "LOGIN");
	struct qf_buf out = QF_BUF_INIT;
	struct qf_strv offered = {0};
	const char *name;
	struct qf_err e;

	(void)state;
	assert_int_equal(QF_EPROTO, qf_auth_next(a, qf_span("*"), &out, &e));
	offer(&offered, "PLAIN");
	assert_int_equal(0, qf_auth_choose(a, &offered, true, &name, &e));
	assert_string_equal("PLAIN", name);
	assert_int_equal(0, qf_auth_first(a, &out, &e));
	assert_string_equal("AHRpbQB0YW5zdGFhZnRhbnN0YWFm", out.s);
	assert_int_equal(0, qf_auth_done(a, &e));
	assert_int_equal(
	    QF_EINVAL, qf_auth_choose(a, &offered, false, &name, &e));
	assert_int_equal(QF_EPROTO, qf_auth_done(a, &e));
	qf_auth_free(&a);
	qf_auth_free(&a);
	qf_strv_free(&offered);
	qf_buf_free(&out);
}

/* memory */

/* How often `what` stands in the heap. */
static int in_heap(const char *what, size_t n)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int found = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long from, to;
		const char *at;

		if (strstr(line, "[heap]") == NULL ||
		    sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		at = (const char *)from;
		while ((at = memmem(at, to - (unsigned long)at, what, n)) !=
		       NULL) {
			found++;
			at += n;
		}
	}
	fclose(maps);
	return found;
}

static void answer_all(struct qf_auth *a, struct qf_buf *out)
{
	struct qf_err e;

	if (qf_auth_first(a, out, &e) == 0)
		return;
	assert_int_equal(0, qf_auth_next(a, qf_span(""), out, &e));
	assert_int_equal(0, qf_auth_next(a, qf_span(""), out, &e));
}

static void secrets_do_not_stay_in_memory(void **state)
{
	static const char *const names[] = {"PLAIN", "LOGIN", "XOAUTH2"};
	/* On the stack, so the heap has copies only. The ends are looked for:
	 * free() itself writes into the first bytes. */
	char secret[] = "qwerty-1234567890-asdfghjkl-1234567890-zxcvbnm";
	char line[24];
	const struct qf_auth_spec spec = {
	    .user = "u", .pass = secret, .token = secret};

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	print_message("# not tried with the sanitizers: another heap\n");
	return;
#endif
	if (unit_is_under_valgrind("its heap is another one"))
		return;
	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		struct qf_auth *a = begin(&spec, names[i]);
		struct qf_buf out = QF_BUF_INIT;

		answer_all(a, &out);
		memcpy(line, out.s + out.len - sizeof line, sizeof line);
		assert_true(in_heap(line, sizeof line) > 0);
		qf_secret_wipe(&out);
		qf_auth_free(&a);
		assert_int_equal(0, in_heap(line, sizeof line));
		assert_int_equal(0, in_heap(secret + 20, sizeof secret - 20));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(choice),
	    cmocka_unit_test(a_user_name_is_not_endless),
	    cmocka_unit_test(exchanges_by_the_book),
	    cmocka_unit_test(challenges_have_a_limit),
	    cmocka_unit_test(answers_have_a_limit),
	    cmocka_unit_test(what_is_said_is_printable_and_short),
	    cmocka_unit_test(what_a_server_repeats_is_hidden),
	    cmocka_unit_test(it_can_start_anew),
	    cmocka_unit_test(secrets_do_not_stay_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
