/*
 * A TLS session below a stream.
 */
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "lib/net/tls_internal.h"

enum {
	RECORD_MAX = 16384,
	/* Records without data that one read goes through. */
	ROUNDS_MAX = 16,
	/* More than a record of ours: answers to what the peer asks, from
	 * whom it does not take them. */
	HELD_MAX = 65536
};

static long breaks(struct qf_tls_session *s, int sys, struct qf_err *e)
{
	s->is_broken = true;
	errno = sys;
	if (sys != 0)
		return qf_fail_sys(e, QF_ENET, "TLS");
	return qf_fail(
	    e, QF_ENET, "TLS: the session broke: %s", qf_tls_text_reason());
}

static long read_failed(
    struct qf_tls_session *s, int ssl_error, struct qf_err *e)
{
	s->is_at_end = ssl_error == SSL_ERROR_ZERO_RETURN || s->wire.is_at_end;
	if (!s->is_at_end)
		return breaks(s, s->wire.read_sys, e);
	s->is_truncated = ssl_error != SSL_ERROR_ZERO_RETURN;
	s->is_broken = s->is_truncated;
	ERR_clear_error();
	return 0;
}

/* Bytes, 0 when there are none yet, or -1 and *ssl_error. */
static long try_read(
    struct qf_tls_session *s, void *p, size_t n, int *ssl_error)
{
	size_t got = 0;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		ERR_clear_error();
		if (SSL_read_ex(s->ssl, p, n, &got) == 1)
			return (long)got;
		*ssl_error = SSL_get_error(s->ssl, 0);
		if (*ssl_error != SSL_ERROR_WANT_READ)
			return -1;
		if (s->wire.is_dry)
			break;
	}
	return 0;
}

static long session_read(
    struct qf_stream *st, void *p, size_t n, struct qf_err *e)
{
	struct qf_tls_session *s = st->session;
	int ssl_error = 0;
	long got;

	if (s->is_at_end)
		return 0;
	if (s->is_broken)
		return qf_fail(e, QF_ENET, "TLS: the session is broken");
	got = try_read(s, p, n, &ssl_error);
	if (got < 0)
		return read_failed(s, ssl_error, e);
	qf_tls_wire_flush(&s->wire);
	if (got > 0)
		return got;
	if (s->wire.out.len <= HELD_MAX)
		return qf_fail(e, QF_ETIME, "timed out");
	s->is_broken = true;
	return qf_fail(e, QF_ENET,
	    "TLS: the peer asks for answers and does not take them");
}

/* One record at most. It never has to wait: the wire takes all, and without
 * renegotiation there is nothing that must be read first. */
static long write_record(
    struct qf_tls_session *s, const char *p, size_t n, struct qf_err *e)
{
	size_t put = 0;

	if (n > RECORD_MAX)
		n = RECORD_MAX;
	ERR_clear_error();
	if (SSL_write_ex(s->ssl, p, n, &put) == 1)
		return (long)put;
	return breaks(s, s->wire.write_sys, e);
}

static long session_write(
    struct qf_stream *st, const void *p, size_t n, struct qf_err *e)
{
	struct qf_tls_session *s = st->session;
	const char *from = p;
	size_t done = 0;
	long put = 1;

	if (s->is_broken)
		return qf_fail(e, QF_ENET, "TLS: the session is broken");
	while (done < n && put > 0 && qf_tls_wire_flush(&s->wire)) {
		if (s->wire.write_sys != 0) {
			errno = s->wire.write_sys;
			put = qf_fail_sys(e, QF_ENET, "write");
			break;
		}
		put = write_record(s, from + done, n - done, e);
		if (put > 0)
			done += (size_t)put;
	}
	if (done > 0)
		return (long)done;
	return put < 0 ? put : qf_fail(e, QF_ETIME, "timed out");
}

static bool session_is_held(struct qf_stream *st)
{
	struct qf_tls_session *s = st->session;

	return !qf_tls_wire_flush(&s->wire);
}

static bool session_has_input(struct qf_stream *st)
{
	const struct qf_tls_session *s = st->session;

	return s->is_at_end || s->is_broken || s->wire.write_sys != 0 ||
	       s->wire.at < s->wire.n || SSL_pending(s->ssl) > 0;
}

static void session_close(struct qf_stream *st)
{
	struct qf_tls_session *s = st->session;

	if (s->is_up && !s->is_broken)
		SSL_shutdown(s->ssl);
	qf_tls_wire_flush(&s->wire);
	SSL_free(s->ssl);
	ERR_clear_error();
	qf_tls_wire_free(&s->wire);
	qf_buf_free(&s->key);
	free(s);
	st->session = NULL;
}

bool qf_tls_is_truncated(const struct qf_stream *st)
{
	const struct qf_tls_session *s = st->session;

	return st->ops == &qf_tls_ops && s->is_truncated;
}

const struct qf_stream_ops qf_tls_ops = {session_read, session_write,
    session_is_held, session_has_input, session_close};
