/*
 * Envelopes: what can be read is what would be written, and it makes no
 * difference in what pieces it comes.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mail/addr.h"
#include "lib/mail/envelope.h"
#include "tests/fuzz/fuzz.h"

enum {
	PIECES_MAX = 4096 /* bytes that a socket holds in one-byte packets */
};

static void check_same(const struct qf_envelope *a, const struct qf_envelope *b)
{
	struct qf_buf x = QF_BUF_INIT, y = QF_BUF_INIT;

	qf_envelope_format_attrs(a, &x);
	qf_envelope_format_attrs(b, &y);
	FUZZ_CHECK(qf_span_eq(qf_buf_span(&x), qf_buf_span(&y)));
	qf_buf_free(&x);
	qf_buf_free(&y);
}

static void check_addresses(const struct qf_envelope *env)
{
	FUZZ_CHECK(strlen(qf_envelope_sender(env)) <= QF_ADDR_MAX);
	for (size_t i = 0; i < env->nrcpt; i++)
		FUZZ_CHECK(strlen(qf_envelope_rcpt(env, i)) <= QF_ADDR_MAX);
}

/* The list of what was read stands at the start of what came in; only its end
 * may have had another letter. */
static void check_format(const struct qf_envelope *env, struct qf_span in)
{
	struct qf_envelope again = QF_ENVELOPE_INIT;
	struct qf_buf b = QF_BUF_INIT;

	qf_envelope_format(env, &b);
	FUZZ_CHECK(b.len <= in.n);
	FUZZ_CHECK(memcmp(b.s, in.p, b.len - 1) == 0);
	FUZZ_CHECK(in.p[b.len - 1] == '\0' || in.p[b.len - 1] == 'Q');
	qf_buf_reset(&b);
	qf_envelope_format_attrs(env, &b);
	FUZZ_CHECK(qf_envelope_parse(&again, qf_buf_span(&b), NULL) == 0);
	check_same(env, &again);
	qf_buf_free(&b);
	qf_envelope_free(&again);
}

/* The same bytes in packets of any size. */
static void check_pieces(
    const struct qf_envelope *env, int rc, struct qf_span in)
{
	struct qf_envelope again = QF_ENVELOPE_INIT;
	uint64_t seed = fuzz_seed((const uint8_t *)in.p, in.n);
	int pair[2];
	struct qf_err e;

	if (in.n > PIECES_MAX)
		return;
	FUZZ_CHECK(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	for (size_t at = 0, n; at < in.n; at += n) {
		n = 1 + fuzz_below(&seed, in.n - at);
		if (fuzz_below(&seed, 2) && n > 40)
			n = 40;
		FUZZ_CHECK(send(pair[0], in.p + at, n, 0) == (ssize_t)n);
	}
	close(pair[0]);
	FUZZ_CHECK(qf_envelope_read(&again, pair[1], &e) == rc);
	close(pair[1]);
	check_same(env, &again);
	qf_envelope_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span in = qf_span_n((const char *)data, size);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_err e = {0};
	int rc = qf_envelope_parse(&env, in, &e);

	if (rc == 0) {
		check_addresses(&env);
		check_format(&env, in);
	} else {
		FUZZ_CHECK(rc == QF_EREAD || rc == QF_EFORMAT ||
			   rc == QF_ETOOLONG || rc == QF_ENOMEM);
		FUZZ_CHECK(e.rc == rc && e.text[0] != '\0');
		FUZZ_CHECK(env.nrcpt == 0 && env.bytes.len == 0);
	}
	check_pieces(&env, rc, in);
	qf_envelope_free(&env);
	return 0;
}
