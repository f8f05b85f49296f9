/*
 * The client's side of AUTH: whatever a server sends, each answer is a line of
 * base64, texts are printable and hold no secret, and nobody who does not know
 * the password passes for the server with SCRAM.
 *
 * The first byte chooses a mechanism; the rest are challenges, one a line. A
 * line that starts with `!` is sent as base64 of what follows, in which `%` is
 * the nonce of the client.
 */
#include <string.h>

#include "remote/auth/auth.h"
#include "remote/auth/secret.h"
#include "tests/fuzz/fuzz.h"

#define PASS  "correct-horse-battery"
#define TOKEN "bearer-token-0123456789"

static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5",
    "PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(struct qf_span in, struct qf_buf *out)
{
	for (size_t i = 0; i < in.n; i += 3) {
		uint32_t v = 0;
		size_t n = in.n - i < 3 ? in.n - i : 3;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (unsigned char)in.p[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			qf_buf_addc(out,
			    k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=');
	}
}

static bool is_base64(char c)
{
	return c != '\0' && strchr(alphabet, c) != NULL;
}

/* Up to the first byte that is none of base64. */
static void decode(struct qf_span in, struct qf_buf *out)
{
	uint32_t v = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < in.n && is_base64(in.p[i]); i++) {
		v = v << 6 | (uint32_t)(strchr(alphabet, in.p[i]) - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			qf_buf_addc(out, (char)(v >> bits));
		}
	}
}

static void check_line(const struct qf_buf *line)
{
	FUZZ_CHECK(line->len <= QF_AUTH_LINE_MAX);
	for (size_t i = 0; i < line->len; i++)
		FUZZ_CHECK(line->s[i] == '=' || is_base64(line->s[i]));
}

static void check_text(const char *text, size_t max)
{
	FUZZ_CHECK(strlen(text) <= max);
	FUZZ_CHECK(strstr(text, PASS) == NULL && strstr(text, TOKEN) == NULL);
	for (; *text != '\0'; text++)
		FUZZ_CHECK(*text >= ' ' && *text < 127);
}

/* Would hashing take long, although it is allowed? */
static bool is_slow(struct qf_span line)
{
	for (size_t i = 0; i + 2 < line.n; i++) {
		unsigned long long n = 0;

		if (memcmp(line.p + i, "i=", 2) != 0)
			continue;
		for (size_t k = i + 2; k < line.n && n < 1000000000; k++) {
			if (line.p[k] < '0' || line.p[k] > '9')
				break;
			n = n * 10 + (unsigned)(line.p[k] - '0');
		}
		if (n > 4096 && n <= QF_AUTH_ROUNDS_MAX)
			return true;
	}
	return false;
}

/* The challenge that a line stands for; false when it is left out. */
static bool make_challenge(
    struct qf_span line, struct qf_span nonce, struct qf_buf *out)
{
	bool is_text = line.n > 0 && line.p[0] == '!';
	struct qf_buf text = QF_BUF_INIT;
	bool good;

	for (size_t i = 1; is_text && i < line.n; i++) {
		if (line.p[i] == '%')
			qf_buf_addspan(&text, nonce);
		else
			qf_buf_addc(&text, line.p[i]);
	}
	if (is_text)
		encode(qf_buf_span(&text), out);
	else
		qf_buf_addspan(out, line);
	if (!is_text)
		decode(line, &text);
	good = !is_slow(qf_buf_span(&text));
	qf_buf_free(&text);
	return good;
}

static void find_nonce(const struct qf_buf *first, struct qf_buf *nonce)
{
	struct qf_buf text = QF_BUF_INIT;
	const char *at;

	decode(qf_buf_span(first), &text);
	at = strstr(text.s, ",r=");
	if (at != NULL)
		qf_buf_adds(nonce, at + 3);
	qf_buf_free(&text);
}

static void talk(struct qf_auth *a, const char *name, struct qf_span lines)
{
	struct qf_buf out = QF_BUF_INIT, nonce = QF_BUF_INIT;
	struct qf_span line;
	struct qf_err e = {0};
	int rc = qf_auth_first(a, &out, &e);

	FUZZ_CHECK(rc >= 0);
	check_line(&out);
	find_nonce(&out, &nonce);
	while (rc >= 0 && qf_span_cut(&lines, '\n', &line)) {
		struct qf_buf in = QF_BUF_INIT;

		qf_buf_reset(&out);
		if (make_challenge(line, qf_buf_span(&nonce), &in))
			rc = qf_auth_next(a, qf_buf_span(&in), &out, &e);
		qf_buf_free(&in);
		check_line(&out);
		check_text(e.text, sizeof e.text);
		if (qf_auth_said(a) != NULL)
			check_text(qf_auth_said(a), QF_AUTH_SAID_MAX);
	}
	/* Nobody can guess the signature. */
	rc = qf_auth_done(a, &e);
	FUZZ_CHECK(rc < 0 || strncmp(name, "SCRAM", 5) != 0);
	check_text(e.text, sizeof e.text);
	qf_buf_free(&out);
	qf_buf_free(&nonce);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct qf_auth_spec spec = {
	    .user = "user", .pass = PASS, .token = TOKEN, .host = "x.example"};
	struct qf_strv offered = {0};
	struct qf_auth *a;
	const char *name;

	if (size == 0 || size > 1 << 20)
		return 0;
	a = qf_auth_new(&spec);
	qf_strv_add(&offered, names[data[0] % (sizeof names / sizeof *names)]);
	FUZZ_CHECK(qf_auth_choose(a, &offered, true, &name, NULL) == 0);
	talk(a, name, qf_span_n((const char *)data + 1, size - 1));
	qf_auth_free(&a);
	qf_strv_free(&offered);
	return 0;
}
